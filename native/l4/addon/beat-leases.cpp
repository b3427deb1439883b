/* SPDX-License-Identifier: MIT */
#include "beat-leases.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <mutex>

#include "errors.h"
#include "monotonic.h"
#include "pins.h"

namespace tandem {
namespace {

/* A call that took longer than this may have written a deadline that is too late by as much, and is corrected. */
constexpr uint64_t CALL_LIMIT_NS = 500'000;
constexpr int MOST_CALLS = 4;

/* False when the program could not be run; never throws: it is called from the beat thread. */
bool run(int program, tandem_lease_args &args) {
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.ctx_in = &args;
  options.ctx_size_in = sizeof args;
  return bpf_prog_test_run_opts(program, &options) == 0;
}

}  // namespace

void BeatLeases::open_program() {
  const Pins pins(pin_dir_);
  if (!pin_dir_.empty()) pins.require();
  auto program = pin_dir_.empty() ? std::nullopt : pins.open("prog_lease");
  if (!program) throw NativeError{"NOT_LOADED", "no lease program is pinned at '" + pin_dir_ + "'", 0, "start the node: tandem run", ""};
  program_ = std::move(*program);
}

void BeatLeases::hold(const Terms &terms) {
  if (terms.count && !program_) open_program();
  std::lock_guard lock(mutex_);
  terms_ = terms;
  number_++;
}

void BeatLeases::renew(uint64_t sent_ns) {
  std::lock_guard lock(mutex_);
  const uint64_t until_ns = std::min(sent_ns + terms_.life_ns, terms_.until_ns);
  for (size_t i = 0; i < terms_.count;) {
    if (extend(terms_.slots[i], until_ns))
      i++;
    else
      end(i);
  }
}

/* The program takes durations, so being interrupted before it reads its clock makes the deadline late: seen by the time that passed, and
 * written again. A lease whose end has come is renewed for no time at all: that ends it. */
bool BeatLeases::extend(uint32_t slot, uint64_t until_ns) {
  tandem_lease_args args{};
  for (int call = 0; call < MOST_CALLS; call++) {
    const uint64_t before_ns = monotonic_now_ns();
    args = {};
    args.slot = slot;
    args.operation = TANDEM_LEASE_RENEW;
    args.duration_ns = until_ns > before_ns ? until_ns - before_ns : 0;
    args.drain_ns = terms_.drain_ns;
    args.instance = terms_.instance;
    if (!run(program_.get(), args) || args.result != TANDEM_LEASE_OK || until_ns <= before_ns) return false;
    if (monotonic_now_ns() - before_ns > CALL_LIMIT_NS) continue;
    renewals_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  args.operation = TANDEM_LEASE_RELEASE;
  run(program_.get(), args);
  return false;
}

void BeatLeases::look() {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < terms_.count;) {
    if (is_ours(terms_.slots[i]))
      i++;
    else
      end(i);
  }
}

bool BeatLeases::is_ours(uint32_t slot) {
  tandem_lease_args args{};
  args.slot = slot;
  args.operation = TANDEM_LEASE_READ;
  if (!run(program_.get(), args) || args.result != TANDEM_LEASE_OK) return false;
  return args.lease.instance == terms_.instance && args.now_ns < args.lease.deadline_ns;
}

void BeatLeases::end(size_t index) {
  lapses_.fetch_add(1, std::memory_order_relaxed);
  mailbox_.lapsed(terms_.slots[index], number_, monotonic_now_ns());
  terms_.slots[index] = terms_.slots[--terms_.count];
}

}  // namespace tandem
