/* SPDX-License-Identifier: MIT */
/*
 * leases.h: `LeaseKeeper` of src/l4/native.ts. Needs nothing but the pinned lease program: no BPF object is read, so that a restarted
 * heartbeat is back within milliseconds. Durations are turned into deadlines by the program itself, with the kernel's clock.
 */
#ifndef TANDEM_ADDON_LEASES_H
#define TANDEM_ADDON_LEASES_H

#include "js.h"

namespace tandem {

/* openLeases(pinDir: string): LeaseKeeper */
napi_value open_leases(Call &call);

}  // namespace tandem

#endif
