/* SPDX-License-Identifier: MIT */
/*
 * frames.h: raw Ethernet frames on one interface (AF_PACKET), sent one by one, received in batches with the kernel's time of arrival.
 */
#ifndef TANDEM_ADDON_FRAMES_H
#define TANDEM_ADDON_FRAMES_H

#include "js.h"

namespace tandem {

/* openFrames(interfaceName, etherType, onFrames?): FrameSocket */
napi_value open_frames(Call &call);

}  // namespace tandem

#endif
