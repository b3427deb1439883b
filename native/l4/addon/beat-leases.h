/* SPDX-License-Identifier: MIT */
/*
 * beat-leases.h: leases that live from beat to beat. Each beat that was sent renews them for a short life, but never beyond what the owner
 * of the terms allowed (`until_ns`, set anew with each advert). A lease that the kernel refuses to renew has lapsed: it is told once and
 * left alone until new terms name it again.
 *
 * Terms are changed and leases are renewed under one lock: after hold() has returned, nothing is renewed under former terms.
 */
#ifndef TANDEM_ADDON_BEAT_LEASES_H
#define TANDEM_ADDON_BEAT_LEASES_H

#include <atomic>
#include <string>

#include "beat-mailbox.h"

namespace tandem {

class BeatLeases {
 public:
  struct Terms {
    std::array<uint32_t, TANDEM_MAX_VIRTUAL_ROUTERS> slots{};
    size_t count = 0;
    uint64_t life_ns = 0;
    uint64_t drain_ns = 0;
    uint64_t instance = 0;
    uint64_t until_ns = 0;
  };

  BeatLeases(std::string pin_dir, BeatMailbox &mailbox) : pin_dir_(std::move(pin_dir)), mailbox_(mailbox) {}
  /* Opens the lease program when it is first needed; throws NativeError NOT_LOADED. */
  void hold(const Terms &terms);
  /* Number of the present terms. */
  uint64_t terms() const { return number_; }
  /* A beat left at `sent_ns`. */
  void renew(uint64_t sent_ns);
  /* A beat did not leave: a lease that ended meanwhile is told. */
  void look();
  uint64_t renewals() const { return renewals_.load(std::memory_order_relaxed); }
  uint64_t lapses() const { return lapses_.load(std::memory_order_relaxed); }

 private:
  bool extend(uint32_t slot, uint64_t until_ns);
  bool is_ours(uint32_t slot);
  void end(size_t index);
  void open_program();

  std::string pin_dir_;
  BeatMailbox &mailbox_;
  SharedMutex mutex_;
  Terms terms_;
  uint64_t number_ = 0; /* written by the one who calls hold(), under the lock */
  Fd program_;
  std::atomic<uint64_t> renewals_ = 0, lapses_ = 0;
};

}  // namespace tandem

#endif
