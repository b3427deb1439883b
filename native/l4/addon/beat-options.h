/* SPDX-License-Identifier: MIT */
/* beat-options.h: `BeatOptions` of src/l4/native.ts, checked. */
#ifndef TANDEM_ADDON_BEAT_OPTIONS_H
#define TANDEM_ADDON_BEAT_OPTIONS_H

#include "beat-thread.h"
#include "js.h"

namespace tandem {

constexpr uint32_t BEAT_LEAST_INTERVAL_US = 1000, BEAT_MOST_INTERVAL_US = 1'000'000;

/* Throws TypeMistake and RangeMistake. */
BeatOptions read_beat_options(const Argument &argument);
SipKey read_sip_key(const Argument &argument);

}  // namespace tandem

#endif
