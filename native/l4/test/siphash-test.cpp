/* SPDX-License-Identifier: MIT */
/* The published test vectors: key 00 01 .. 0f, message 00 01 .. of growing length. */
#include "siphash.h"

#include "check.h"
#include "pure-tests.h"

namespace {

/* By length of the message: every length of the last, partial word, and the first that has a whole word before it. */
constexpr uint64_t VECTORS[] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
    0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
};
constexpr size_t LONG = 63;
constexpr uint64_t LONG_VECTOR = 0x958a324ceb064572;

}  // namespace

void test_siphash() {
  tandem::SipKey key;
  for (size_t i = 0; i < key.size(); i++) key[i] = static_cast<uint8_t>(i);
  uint8_t message[LONG];
  for (size_t i = 0; i < LONG; i++) message[i] = static_cast<uint8_t>(i);
  for (size_t length = 0; length < std::size(VECTORS); length++) CHECK(tandem::siphash24(key, message, length) == VECTORS[length]);
  CHECK(tandem::siphash24(key, message, LONG) == LONG_VECTOR);
  key[15] ^= 1;
  CHECK(tandem::siphash24(key, message, LONG) != LONG_VECTOR);
}
