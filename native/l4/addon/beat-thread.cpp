/* SPDX-License-Identifier: MIT */
#include "beat-thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "errors.h"

namespace tandem {
namespace {

/* A path without a working socket is tried again so often. */
constexpr uint64_t REOPEN_NS = 100'000'000;
/* A flood must keep the thread neither from its beats nor the machine from its other work. */
constexpr int BATCHES_PER_WAKE = 32;
/* An owner that gave no sign of life for so long hangs: what it said last is not repeated. Five times what it takes to look at us when
 * nothing happens (WATCH_IDLE_MS of heartbeat.ts), and more than any delay of a thread that is merely starved. */
constexpr uint64_t OWNER_SILENCE_NS = 500'000'000;
constexpr size_t STACK_BYTES = 256 * 1024;
/* Others than real-time threads are woken this much late at most, instead of the usual 50 us. */
constexpr unsigned long TIMER_SLACK_NS = 1;
constexpr uint64_t ORDERS_TAG = UINT64_MAX, TIMER_TAG = UINT64_MAX - 1;
constexpr int EVENTS = 8;

/* Above each sequence that could begin with the wall clock, in nanoseconds since 1970, as older versions had it. */
constexpr uint64_t SEQUENCE_ORIGIN = uint64_t{1} << 63;

void watch_fd(int epoll, int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Signals of the process are for its main thread. */
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_;
};

}  // namespace

/* Grows over restarts of the process, too, as long as there is less than one beat per nanosecond, and whatever happens to the wall clock.
 * What begins anew with another clock (the next boot, another time namespace) signs with another key. */
uint64_t beat_sequence() { return SEQUENCE_ORIGIN + clock_ns(CLOCK_BOOTTIME); }

BeatThread::BeatThread(BeatOptions options)
    : options_(std::move(options)),
      leases_(options_.pin_dir, mailbox_),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      orders_wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      peers_(options_.cluster, options_.node, options_.peers, mailbox_) {
  if (!epoll_ || !timer_ || !orders_wake_) throw_errno("cannot open the descriptors of a beat channel", errno);
  watch_fd(epoll_.get(), orders_wake_.get(), ORDERS_TAG);
  watch_fd(epoll_.get(), timer_.get(), TIMER_TAG);
  owner_lives();
  orders_.interval_us = options_.interval_us;
  beat_.node = options_.node;
  beat_.cluster = options_.cluster;
  beat_.instance = options_.instance;
  beat_.interval_us = options_.interval_us;
  beat_.sequence = beat_sequence();
  open_paths(monotonic_now_ns());
  start();
}

void BeatThread::start() {
  const BlockedSignals blocked;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  auto body = [](void *self) -> void * {
    static_cast<BeatThread *>(self)->run();
    return nullptr;
  };
  const int error = pthread_create(&thread_, &attributes, body, this);
  pthread_attr_destroy(&attributes);
  if (error) throw_errno("cannot start the beat thread", error);
}

BeatThread::~BeatThread() {
  order([](Orders &orders) { orders.is_stop = true; });
  pthread_join(thread_, nullptr);
}

template <class Change>
void BeatThread::order(Change change) {
  owner_lives();
  {
    std::lock_guard lock(mutex_);
    change(orders_);
  }
  eventfd_write(orders_wake_.get(), 1);
}

void BeatThread::say(std::span<const uint8_t> payload) {
  order([&](Orders &orders) {
    orders.has_said = true;
    orders.is_said_new = true;
    orders.payload_bytes = payload.size();
    std::copy(payload.begin(), payload.end(), orders.payload.begin());
  });
}

void BeatThread::set_key(size_t peer, const std::optional<SipKey> &key, uint64_t latest) {
  order([&](Orders &orders) {
    const Orders::Key &waiting = orders.keys[peer];
    orders.keys[peer] = {true, key, waiting.is_new ? std::min(latest, waiting.latest) : latest};
  });
}

void BeatThread::set_interval(uint32_t interval_us) {
  order([&](Orders &orders) {
    orders.is_said_new = true;
    orders.interval_us = interval_us;
  });
}

void BeatThread::set_promise(uint32_t promise_us) {
  order([&](Orders &orders) {
    orders.is_said_new = true;
    orders.promise_us = promise_us;
  });
}

void BeatThread::watch(size_t peer, uint64_t silent_after_ns) {
  order([&](Orders &orders) { orders.watches[peer] = {true, silent_after_ns}; });
}

void BeatThread::owner_lives() {
  owner_ns_.store(monotonic_now_ns(), std::memory_order_relaxed);
}

bool BeatThread::is_realtime() const {
  const int policy = thread_id_ ? sched_getscheduler(thread_id_) : SCHED_OTHER;
  return policy == SCHED_FIFO || policy == SCHED_RR;
}

void BeatThread::set_up() {
  pthread_setname_np(pthread_self(), "tandem-beats");
  prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
  sched_param parameters{};
  parameters.sched_priority = options_.realtime_priority;
  if (options_.realtime_priority > 0) pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
  thread_id_ = gettid();
}

void BeatThread::run() {
  set_up();
  epoll_event events[EVENTS];
  for (wake(monotonic_now_ns()); !is_stopped_; wake(monotonic_now_ns())) {
    arm();
    epoll_wait(epoll_.get(), events, EVENTS, -1);
  }
}

void BeatThread::wake(uint64_t now_ns) {
  if (now_ns > planned_ns_) peers_.woke_late(now_ns - planned_ns_, interval_ns(), now_ns);
  take_orders(now_ns);
  if (is_stopped_) return;
  beat_on_time(now_ns);
  open_paths(now_ns);
  /* What has not been read may be the very beat that is missed. */
  if (drain()) peers_.judge(now_ns);
}

void BeatThread::take_orders(uint64_t now_ns) {
  eventfd_t count = 0;
  if (eventfd_read(orders_wake_.get(), &count)) return;
  bool is_said_new = false;
  {
    std::lock_guard lock(mutex_);
    for (size_t peer = 0; peer < options_.peers.size(); peer++) {
      Orders::Key &key = orders_.keys[peer];
      if (key.is_new) peers_.set_key(peer, key.key, key.latest);
      Orders::Watch &watch = orders_.watches[peer];
      if (watch.is_new) peers_.watch(peer, watch.silent_after_ns, now_ns);
      key.is_new = watch.is_new = false;
    }
    is_stopped_ = orders_.is_stop;
    is_said_new = std::exchange(orders_.is_said_new, false);
    if (is_said_new) {
      std::copy_n(orders_.payload.begin(), orders_.payload_bytes, payload_.begin());
      beat_.payload = {payload_.data(), orders_.payload_bytes};
      beat_.promise_us = orders_.promise_us;
      if (beat_.interval_us != orders_.interval_us || !is_beating_) beat_at_ns_ = now_ns + orders_.interval_us * NS_PER_US;
      beat_.interval_us = orders_.interval_us;
      is_beating_ = orders_.has_said;
    }
  }
  if (is_said_new && is_beating_ && !is_stopped_) beat();
}

void BeatThread::beat_on_time(uint64_t now_ns) {
  if (!is_beating_ || now_ns < beat_at_ns_) return;
  const uint64_t late_ns = now_ns - beat_at_ns_;
  stats_.late_max_us = std::max(stats_.late_max_us.load(std::memory_order_relaxed), late_ns / NS_PER_US);
  if (late_ns > interval_ns()) stats_.late_count++;
  /* Missed points of the grid stay missed: a burst would say nothing more. */
  beat_at_ns_ += (late_ns / interval_ns() + 1) * interval_ns();
  if (hears_owner(late_ns, now_ns)) beat();
}

/* The grid goes on while nothing is sent: the end of the silence is found in time, and is no lateness. */
bool BeatThread::hears_owner(uint64_t late_ns, uint64_t now_ns) {
  if (now_ns < owner_ns_.load(std::memory_order_relaxed) + OWNER_SILENCE_NS) {
    is_silenced_ = false;
    return true;
  }
  /* After a stop of the whole process its other thread may be about to run: nothing is said for it, nor held against it. */
  if (!is_silenced_ && late_ns <= interval_ns()) {
    is_silenced_ = true;
    stats_.silenced++;
  }
  return false;
}

void BeatThread::beat() {
  const uint64_t sent_ns = monotonic_now_ns();
  beat_.sequence++;
  size_t accepted = 0, refused = 0;
  for (size_t i = 0; i < options_.paths.size(); i++) {
    beat_.path = static_cast<uint8_t>(i);
    const size_t length = encode_beat(beat_, options_.key, datagram_.data());
    const BeatPath::Sent result = options_.paths[i]->send(datagram_.data(), length);
    accepted += result.accepted;
    refused += result.refused;
  }
  stats_.send_errors += refused;
  /* With nobody to tell there is nobody to mislead. */
  if (!accepted && refused) return leases_.look();
  stats_.sent++;
  leases_.renew(sent_ns);
}

void BeatThread::open_paths(uint64_t now_ns) {
  if (now_ns < open_at_ns_) return;
  open_at_ns_ = now_ns + REOPEN_NS;
  for (size_t i = 0; i < options_.paths.size(); i++) {
    BeatPath &path = *options_.paths[i];
    if (path.is_open() && !path.is_broken()) continue;
    if (path.open()) watch_fd(epoll_.get(), path.fd(), i);
  }
}

bool BeatThread::drain() {
  bool is_empty = true;
  for (size_t i = 0; i < options_.paths.size(); i++) is_empty &= drain_path(i);
  return is_empty;
}

/* False when the limit came first. */
bool BeatThread::drain_path(size_t index) {
  const BeatPath &path = *options_.paths[index];
  if (!path.is_open()) return true;
  for (int batch = 0; batch < BATCHES_PER_WAKE; batch++) {
    const size_t count = receiver_.receive(path.fd());
    /* Read before it was received, the time would make a beat look older than it is. */
    const uint64_t now_ns = monotonic_now_ns();
    for (size_t i = 0; i < count; i++) {
      const BeatReject reject = peers_.receive(receiver_.data(i), receiver_.length(i), index, now_ns);
      if (reject == BeatReject::NONE)
        stats_.received++;
      else
        stats_.rejected[static_cast<size_t>(reject)]++;
    }
    if (count < BeatReceiver::BATCH) return true;
  }
  return false;
}

void BeatThread::arm() {
  uint64_t next_ns = std::min(peers_.next_deadline(), open_at_ns_);
  if (is_beating_) next_ns = std::min(next_ns, beat_at_ns_);
  /* A timer that has fired stays readable until it is set anew. */
  if (next_ns == planned_ns_) return;
  planned_ns_ = next_ns;
  itimerspec at{};
  at.it_value.tv_sec = static_cast<time_t>(next_ns / NS_PER_SECOND);
  at.it_value.tv_nsec = static_cast<long>(next_ns % NS_PER_SECOND);
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

}  // namespace tandem
