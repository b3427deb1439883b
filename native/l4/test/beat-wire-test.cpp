/* SPDX-License-Identifier: MIT */
/* Beats there and back, byte by byte wrong, and a decoder fed with chance: it takes what it wrote and nothing else, and reads no byte too many. */
#include "beat-wire.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "check.h"
#include "pure-tests.h"

using namespace tandem;
using tandem_test::Random;

namespace {

constexpr SipKey KEY{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr int FUZZ_ROUNDS = 200'000;

std::vector<uint8_t> written(const Beat &beat) {
  std::vector<uint8_t> bytes(BEAT_MAX_BYTES);
  bytes.resize(encode_beat(beat, KEY, bytes.data()));
  return bytes;
}

/* From memory of exactly this size, so that a sanitizer sees the first byte read beyond it. */
BeatReject decoded(const std::vector<uint8_t> &bytes, Beat &beat) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  const BeatReject reject = decode_beat(exact.get(), bytes.size(), beat);
  if (reject != BeatReject::NONE) return reject;
  size_t sum = 0;
  for (const uint8_t byte : beat.payload) sum += byte;
  CHECK(sum <= beat.payload.size() * 255);
  beat.payload = {};
  return is_genuine(exact.get(), bytes.size(), KEY) ? BeatReject::NONE : BeatReject::TAG;
}

Beat sample(std::span<const uint8_t> payload) { return {7, 3, 0x1122334455667788, 0x99, 0xfedcba9876543210, 2000, 8000, payload}; }

void test_layout() {
  const uint8_t payload[] = {0xaa, 0xbb};
  const auto bytes = written(sample(payload));
  const uint8_t expected[] = {'T',  'D',  'B',  '1',  1,    7,    3,    0,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0,    0,    0,    0,
                              0,    0x99, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0,    0,    7,    0xd0, 0,    0,    0x1f, 0x40, 0,    2,
                              0xaa, 0xbb};
  CHECK(bytes.size() == sizeof expected + BEAT_TAG_BYTES);
  CHECK(std::equal(std::begin(expected), std::end(expected), bytes.begin()));
}

void test_there_and_back() {
  std::vector<uint8_t> payload(BEAT_MAX_PAYLOAD_BYTES);
  Random random(1);
  for (auto &byte : payload) byte = static_cast<uint8_t>(random.next());
  for (const size_t length : {size_t{0}, size_t{1}, size_t{9}, BEAT_MAX_PAYLOAD_BYTES}) {
    const auto bytes = written(sample({payload.data(), length}));
    Beat beat;
    CHECK(decode_beat(bytes.data(), bytes.size(), beat) == BeatReject::NONE);
    CHECK(is_genuine(bytes.data(), bytes.size(), KEY));
    CHECK(beat.node == 7 && beat.path == 3 && beat.cluster == 0x1122334455667788 && beat.instance == 0x99);
    CHECK(beat.sequence == 0xfedcba9876543210 && beat.interval_us == 2000 && beat.promise_us == 8000);
    CHECK(std::equal(beat.payload.begin(), beat.payload.end(), payload.begin(), payload.begin() + static_cast<long>(length)));
  }
}

void test_rejects() {
  const uint8_t payload[] = {1, 2, 3};
  const auto good = written(sample(payload));
  Beat beat;
  for (size_t length = 0; length < good.size(); length++)
    CHECK(decoded(std::vector<uint8_t>(good.begin(), good.begin() + static_cast<long>(length)), beat) == BeatReject::TRUNCATED);
  auto longer = good;
  longer.push_back(0);
  CHECK(decoded(longer, beat) == BeatReject::TRUNCATED);
  for (size_t at = 0; at < good.size(); at++) {
    for (int bit = 0; bit < 8; bit++) {
      auto wrong = good;
      wrong[at] ^= static_cast<uint8_t>(1 << bit);
      const BeatReject reject = decoded(wrong, beat);
      CHECK(reject == (at < 4 ? BeatReject::MAGIC : at == 4 ? BeatReject::VERSION : at == 40 || at == 41 ? BeatReject::TRUNCATED : BeatReject::TAG));
    }
  }
}

void test_fuzz() {
  Random random(2);
  std::vector<uint8_t> payload(BEAT_MAX_PAYLOAD_BYTES);
  int taken = 0;
  for (int round = 0; round < FUZZ_ROUNDS; round++) {
    std::vector<uint8_t> bytes = written(sample({payload.data(), random.below(64)}));
    const auto original = bytes;
    if (random.below(4) == 0) bytes.assign(random.below(BEAT_MAX_BYTES + 2), static_cast<uint8_t>(random.next()));
    for (uint64_t change = random.below(4); change > 0 && !bytes.empty(); change--) bytes[random.below(bytes.size())] = static_cast<uint8_t>(random.next());
    if (random.below(8) == 0) bytes.resize(random.below(BEAT_MAX_BYTES + 2));
    Beat beat;
    if (decoded(bytes, beat) != BeatReject::NONE) continue;
    taken++;
    CHECK(bytes == original);
  }
  CHECK(taken > 0 && taken < FUZZ_ROUNDS / 2);
}

}  // namespace

void test_beat_wire() {
  test_layout();
  test_there_and_back();
  test_rejects();
  test_fuzz();
}
