/* SPDX-License-Identifier: MIT */
/* check.h: checks of the native tests. A failed one is printed and counted; the program's exit status says whether there was any. */
#ifndef TANDEM_TEST_CHECK_H
#define TANDEM_TEST_CHECK_H

#include <cstdint>
#include <cstdio>

namespace tandem_test {

inline int checks = 0, failures = 0;

inline bool check(bool is_so, const char *text, const char *file, int line) {
  checks++;
  if (is_so) return true;
  failures++;
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
  return false;
}

/* Deterministic: a failure comes back with the next run (xorshift64*). */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint64_t below(uint64_t bound) { return next() % bound; }

 private:
  uint64_t state_;
};

inline int finish(const char *name) {
  printf("%s: %d checks, %d failures\n", name, checks, failures);
  return failures ? 1 : 0;
}

}  // namespace tandem_test

#define CHECK(condition) tandem_test::check(condition, #condition, __FILE__, __LINE__)

#endif
