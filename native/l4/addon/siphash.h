/* SPDX-License-Identifier: MIT */
/*
 * siphash.h: SipHash-2-4 with 64 bits (Aumasson and Bernstein, 2012): a keyed hash for short messages. It says that a datagram was made by
 * someone who knows the key; it hides nothing.
 */
#ifndef TANDEM_ADDON_SIPHASH_H
#define TANDEM_ADDON_SIPHASH_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace tandem {

using SipKey = std::array<uint8_t, 16>;

uint64_t siphash24(const SipKey &key, const uint8_t *data, size_t length);

}  // namespace tandem

#endif
