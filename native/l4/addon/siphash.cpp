/* SPDX-License-Identifier: MIT */
#include "siphash.h"

#include <bit>

namespace tandem {
namespace {

constexpr int ROUNDS_PER_WORD = 2, FINAL_ROUNDS = 4;
constexpr size_t WORD = sizeof(uint64_t);

/* The specification reads words in little-endian order, whatever the machine. */
uint64_t word_at(const uint8_t *data, size_t length) {
  uint64_t word = 0;
  for (size_t i = 0; i < length; i++) word |= static_cast<uint64_t>(data[i]) << (8 * i);
  return word;
}

struct State {
  uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    while (count-- > 0) {
      v0 += v1, v2 += v3;
      v1 = std::rotl(v1, 13) ^ v0, v3 = std::rotl(v3, 16) ^ v2;
      v0 = std::rotl(v0, 32);
      v2 += v1, v0 += v3;
      v1 = std::rotl(v1, 17) ^ v2, v3 = std::rotl(v3, 21) ^ v0;
      v2 = std::rotl(v2, 32);
    }
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    rounds(ROUNDS_PER_WORD);
    v0 ^= word;
  }
};

}  // namespace

uint64_t siphash24(const SipKey &key, const uint8_t *data, size_t length) {
  const uint64_t k0 = word_at(key.data(), WORD), k1 = word_at(key.data() + WORD, WORD);
  /* "somepseudorandomlygeneratedbytes" */
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  size_t at = 0;
  for (; at + WORD <= length; at += WORD) state.absorb(word_at(data + at, WORD));
  state.absorb(word_at(data + at, length - at) | static_cast<uint64_t>(length) << 56);
  state.v2 ^= 0xff;
  state.rounds(FINAL_ROUNDS);
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace tandem
