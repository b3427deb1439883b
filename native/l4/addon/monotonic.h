/* SPDX-License-Identifier: MIT */
/* monotonic.h: CLOCK_MONOTONIC in nanoseconds, as JavaScript's hrtime shows it. */
#ifndef TANDEM_ADDON_MONOTONIC_H
#define TANDEM_ADDON_MONOTONIC_H

#include <cstdint>
#include <ctime>

namespace tandem {

constexpr uint64_t NS_PER_SECOND = 1'000'000'000, NS_PER_US = 1000;

inline uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * NS_PER_SECOND + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t monotonic_now_ns() { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace tandem

#endif
