/* SPDX-License-Identifier: MIT */
#include "beat-wire.h"

#include <cstring>

namespace tandem {
namespace {

constexpr uint8_t MAGIC[] = {'T', 'D', 'B', '1'};
constexpr size_t VERSION_AT = 4, NODE_AT = 5, PATH_AT = 6, FLAGS_AT = 7, CLUSTER_AT = 8, INSTANCE_AT = 16, SEQUENCE_AT = 24;
constexpr size_t INTERVAL_AT = 32, PROMISE_AT = 36, LENGTH_AT = 40;
static_assert(LENGTH_AT + sizeof(uint16_t) == BEAT_HEADER_BYTES);

template <class T>
void put(uint8_t *at, T value) {
  for (size_t i = 0; i < sizeof(T); i++) at[i] = static_cast<uint8_t>(value >> (8 * (sizeof(T) - 1 - i)));
}

template <class T>
T get(const uint8_t *at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); i++) value = static_cast<T>(value << 8 | at[i]);
  return value;
}

}  // namespace

size_t encode_beat(const Beat &beat, const SipKey &key, uint8_t *out) {
  memcpy(out, MAGIC, sizeof MAGIC);
  out[VERSION_AT] = BEAT_VERSION;
  out[NODE_AT] = beat.node;
  out[PATH_AT] = beat.path;
  out[FLAGS_AT] = 0;
  put(out + CLUSTER_AT, beat.cluster);
  put(out + INSTANCE_AT, beat.instance);
  put(out + SEQUENCE_AT, beat.sequence);
  put(out + INTERVAL_AT, beat.interval_us);
  put(out + PROMISE_AT, beat.promise_us);
  put(out + LENGTH_AT, static_cast<uint16_t>(beat.payload.size()));
  if (!beat.payload.empty()) memcpy(out + BEAT_HEADER_BYTES, beat.payload.data(), beat.payload.size());
  const size_t signed_bytes = BEAT_HEADER_BYTES + beat.payload.size();
  put(out + signed_bytes, siphash24(key, out, signed_bytes));
  return signed_bytes + BEAT_TAG_BYTES;
}

BeatReject decode_beat(const uint8_t *data, size_t length, Beat &beat) {
  if (length < BEAT_HEADER_BYTES + BEAT_TAG_BYTES) return BeatReject::TRUNCATED;
  if (memcmp(data, MAGIC, sizeof MAGIC) != 0) return BeatReject::MAGIC;
  if (data[VERSION_AT] != BEAT_VERSION) return BeatReject::VERSION;
  const size_t payload_bytes = get<uint16_t>(data + LENGTH_AT);
  if (payload_bytes > BEAT_MAX_PAYLOAD_BYTES || length != BEAT_HEADER_BYTES + payload_bytes + BEAT_TAG_BYTES) return BeatReject::TRUNCATED;
  beat.node = data[NODE_AT];
  beat.path = data[PATH_AT];
  beat.cluster = get<uint64_t>(data + CLUSTER_AT);
  beat.instance = get<uint64_t>(data + INSTANCE_AT);
  beat.sequence = get<uint64_t>(data + SEQUENCE_AT);
  beat.interval_us = get<uint32_t>(data + INTERVAL_AT);
  beat.promise_us = get<uint32_t>(data + PROMISE_AT);
  beat.payload = {data + BEAT_HEADER_BYTES, payload_bytes};
  return BeatReject::NONE;
}

bool is_genuine(const uint8_t *data, size_t length, const SipKey &key) {
  const size_t signed_bytes = length - BEAT_TAG_BYTES;
  /* One comparison of whole words: its time tells nothing about how much of a forged tag was right. */
  return get<uint64_t>(data + signed_bytes) == siphash24(key, data, signed_bytes);
}

}  // namespace tandem
