/* SPDX-License-Identifier: MIT */
/* beat-events.h: collected news as the `BeatEvent`s of src/l4/native.ts, in the order in which they happened. */
#ifndef TANDEM_ADDON_BEAT_EVENTS_H
#define TANDEM_ADDON_BEAT_EVENTS_H

#include "beat-mailbox.h"
#include "js.h"

namespace tandem {

/* `peers`: node ids by place. Lapses under other terms than the present ones are left out: their owner has decided anew since. */
std::vector<napi_value> js_beat_events(napi_env env, const BeatNews &news, std::span<const uint8_t> peers, uint64_t terms);

}  // namespace tandem

#endif
