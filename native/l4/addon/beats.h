/* SPDX-License-Identifier: MIT */
/*
 * beats.h: `BeatChannel` of src/l4/native.ts: the JavaScript side of a beat thread.
 */
#ifndef TANDEM_ADDON_BEATS_H
#define TANDEM_ADDON_BEATS_H

#include "js.h"

namespace tandem {

/* openBeats(options, onEvents): BeatChannel */
napi_value open_beats(Call &call);

/* latestBeat(): bigint */
napi_value latest_beat(Call &call);

}  // namespace tandem

#endif
