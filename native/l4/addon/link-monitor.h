/* SPDX-License-Identifier: MIT */
/*
 * link-monitor.h: links of this network namespace as the kernel reports them (rtnetlink), from the event loop. The first call brings all
 * links, every other one those that changed. When messages were lost, all are read again and compared.
 */
#ifndef TANDEM_ADDON_LINK_MONITOR_H
#define TANDEM_ADDON_LINK_MONITOR_H

#include "js.h"

namespace tandem {

/* openLinkMonitor(onChange): LinkMonitor */
napi_value open_link_monitor(Call &call);

}  // namespace tandem

#endif
