/* SPDX-License-Identifier: MIT */
/*
 * hop-limit-filter.h: a filter for raw IPv6 sockets, which do not show the hop limit of what they receive unless asked by recvmsg(): a
 * packet with hop limit 255 (sent on this very link) comes whole, any other is cut to one byte, so that its reader can count it.
 */
#ifndef TANDEM_ADDON_HOP_LIMIT_FILTER_H
#define TANDEM_ADDON_HOP_LIMIT_FILTER_H

#include "js.h"

namespace tandem {

/* openHopLimitFilter(): HopLimitFilter */
napi_value open_hop_limit_filter(Call &call);

}  // namespace tandem

#endif
