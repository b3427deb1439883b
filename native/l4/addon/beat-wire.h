/* SPDX-License-Identifier: MIT */
/*
 * beat-wire.h: one beat as it travels: pure functions on (pointer, length), of constant size and without memory of their own.
 *
 * A UDP datagram in network byte order:
 *   magic "TDB1" | version u8 | node u8 | path u8 | flags u8 (0, not looked at) | cluster u64 | instance u64 | sequence u64 |
 *   interval u32 (us) | promise u32 (us) | payload length u16 | payload | SipHash-2-4 of everything before it, u64
 */
#ifndef TANDEM_ADDON_BEAT_WIRE_H
#define TANDEM_ADDON_BEAT_WIRE_H

#include <cstddef>
#include <cstdint>
#include <span>

#include "siphash.h"

namespace tandem {

constexpr uint8_t BEAT_VERSION = 1;
constexpr size_t BEAT_HEADER_BYTES = 42, BEAT_TAG_BYTES = 8;
/* Fits, with all headers, into the smallest packet that every IPv6 link carries (1280 bytes): a beat is never fragmented. */
constexpr size_t BEAT_MAX_PAYLOAD_BYTES = 1024;
constexpr size_t BEAT_MAX_BYTES = BEAT_HEADER_BYTES + BEAT_MAX_PAYLOAD_BYTES + BEAT_TAG_BYTES;
static_assert(BEAT_MAX_BYTES + 40 + 8 <= 1280);

struct Beat {
  uint8_t node = 0;
  uint8_t path = 0;
  uint64_t cluster = 0;
  uint64_t instance = 0;
  uint64_t sequence = 0;
  uint32_t interval_us = 0;
  uint32_t promise_us = 0;
  std::span<const uint8_t> payload;
};

/* Why a datagram was not taken for a beat, in the order of the checks. TRUNCATED: its length is not what its header says. */
enum class BeatReject : uint8_t { NONE, TRUNCATED, MAGIC, VERSION, CLUSTER, OWN_SOURCE, UNKNOWN_PEER, PATH, UNKNOWN_KEY, TAG, REPLAY };
constexpr size_t BEAT_REJECTS = 11;

/* Writes at most BEAT_MAX_BYTES and returns how many; the payload must not be longer than BEAT_MAX_PAYLOAD_BYTES. */
size_t encode_beat(const Beat &beat, const SipKey &key, uint8_t *out);

/* Form only: NONE, TRUNCATED, MAGIC or VERSION. The payload points into `data`; nothing in it is proved before is_genuine(). */
BeatReject decode_beat(const uint8_t *data, size_t length, Beat &beat);

/* For data that decode_beat() took: the tag was made with this key. */
bool is_genuine(const uint8_t *data, size_t length, const SipKey &key);

}  // namespace tandem

#endif
