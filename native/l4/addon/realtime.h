/* SPDX-License-Identifier: MIT */
/*
 * realtime.h: scheduling and memory of this process, for the one that must not be late. What the system does not permit is answered with
 * the reason, not thrown: a heartbeat runs on without it.
 */
#ifndef TANDEM_ADDON_REALTIME_H
#define TANDEM_ADDON_REALTIME_H

#include "js.h"

namespace tandem {

/* setRealtime(priority: number) */
napi_value set_realtime(Call &call);
/* lockMemory() */
napi_value lock_memory(Call &call);
/* monotonicNs(): bigint */
napi_value monotonic_ns(Call &call);

}  // namespace tandem

#endif
