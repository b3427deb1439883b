/* SPDX-License-Identifier: MIT */
/*
 * beat-thread.h: the thread behind a beat channel. It sends a beat at each point of a fixed grid of time (and at once when there is
 * something new to say), renews leases with each beat that left, reads what arrives, and judges silence.
 *
 * An owner whose own thread hangs must not seem alive: without a sign of life from it for a while, nothing is sent and nothing renewed until
 * the next one.
 *
 * One wake: send what is due, read all sockets empty, then judge, with the time at which the wake began: whatever had arrived by then is
 * known. A wake that comes late by more than an interval is told to the judge first. Orders come through one place in which the newest
 * replaces the older, so they cannot pile up. The thread allocates nothing and throws nothing.
 */
#ifndef TANDEM_ADDON_BEAT_THREAD_H
#define TANDEM_ADDON_BEAT_THREAD_H

#include <pthread.h>

#include <memory>

#include "beat-leases.h"
#include "beat-mailbox.h"
#include "beat-path.h"
#include "monotonic.h"

namespace tandem {

struct BeatOptions {
  uint64_t cluster = 0;
  uint8_t node = 0;
  uint64_t instance = 0;
  SipKey key{};
  std::vector<std::unique_ptr<BeatPath>> paths;
  std::vector<uint8_t> peers;
  uint32_t interval_us = 0;
  int realtime_priority = 0;
  std::string pin_dir;
};

struct BeatStats {
  std::atomic<uint64_t> sent = 0, received = 0, send_errors = 0, late_count = 0, late_max_us = 0, silenced = 0;
  std::array<std::atomic<uint64_t>, BEAT_REJECTS> rejected{};
};

/* Where the sequence of a channel that is opened now begins. No channel of this machine has gone further. */
uint64_t beat_sequence();

class BeatThread {
 public:
  /* Starts it; throws NativeError. */
  explicit BeatThread(BeatOptions options);
  BeatThread(const BeatThread &) = delete;
  BeatThread &operator=(const BeatThread &) = delete;
  /* Ends and joins it. */
  ~BeatThread();

  void say(std::span<const uint8_t> payload);
  void set_key(size_t peer, const std::optional<SipKey> &key, uint64_t latest);
  void set_interval(uint32_t interval_us);
  void set_promise(uint32_t promise_us);
  void watch(size_t peer, uint64_t silent_after_ns);
  /* A sign of life, as every order is one. */
  void owner_lives();
  BeatLeases &leases() { return leases_; }
  BeatMailbox &mailbox() { return mailbox_; }
  BeatStats &stats() { return stats_; }
  const BeatOptions &options() const { return options_; }
  /* The thread is scheduled in real time at this moment. */
  bool is_realtime() const;

 private:
  /* What the owner wants, until the thread has taken it over. */
  struct Orders {
    struct Key {
      bool is_new = false;
      std::optional<SipKey> key;
      uint64_t latest = UINT64_MAX;
    };
    struct Watch {
      bool is_new = false;
      uint64_t silent_after_ns = 0;
    };
    bool is_stop = false;
    bool has_said = false;
    bool is_said_new = false; /* payload, interval or promise */
    uint32_t interval_us = 0;
    uint32_t promise_us = 0;
    size_t payload_bytes = 0;
    std::array<uint8_t, BEAT_MAX_PAYLOAD_BYTES> payload;
    std::array<Key, BEAT_MAX_PEERS> keys;
    std::array<Watch, BEAT_MAX_PEERS> watches;
  };

  template <class Change>
  void order(Change change);
  void start();
  void set_up();
  void run();
  void wake(uint64_t now_ns);
  void take_orders(uint64_t now_ns);
  void beat();
  void beat_on_time(uint64_t now_ns);
  bool hears_owner(uint64_t late_ns, uint64_t now_ns);
  void open_paths(uint64_t now_ns);
  bool drain();
  bool drain_path(size_t index);
  void arm();
  uint64_t interval_ns() const { return beat_.interval_us * NS_PER_US; }

  BeatOptions options_;
  BeatStats stats_;
  BeatMailbox mailbox_;
  BeatLeases leases_;
  SharedMutex mutex_;
  Orders orders_;
  Fd epoll_, timer_, orders_wake_;
  pthread_t thread_{};
  std::atomic<int> thread_id_ = 0;
  std::atomic<uint64_t> owner_ns_ = 0;

  /* Only the thread touches what follows. */
  BeatPeers peers_;
  BeatReceiver receiver_;
  Beat beat_;
  std::array<uint8_t, BEAT_MAX_PAYLOAD_BYTES> payload_{};
  std::array<uint8_t, BEAT_MAX_BYTES> datagram_{};
  bool is_stopped_ = false;
  bool is_beating_ = false;
  bool is_silenced_ = false; /* for want of a sign of life */
  uint64_t beat_at_ns_ = 0;
  uint64_t open_at_ns_ = 0;
  uint64_t planned_ns_ = NEVER_NS;
};

}  // namespace tandem

#endif
