/* SPDX-License-Identifier: MIT */
/* Two beat threads on loopback and an owner that gives orders as fast as it can, or none at all: built under ThreadSanitizer, which is the
 * judge. */
#include "beat-thread.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "check.h"

using namespace tandem;
using tandem_test::Random;

namespace {

constexpr int ROUNDS = 300;
constexpr int PATIENCE_MS = 10'000;
/* Longer than a beat may be late, shorter than an owner is waited for. */
constexpr uint64_t SILENT_NS = 200'000'000;
constexpr uint64_t OWNER_SILENCE_US = 500'000;
constexpr int STEP_MS = 5;
constexpr SipKey KEYS[] = {{}, {1}, {2}};

BeatOptions options_of(uint8_t node, uint16_t port) {
  const std::string own = "127.0.0." + std::to_string(node), other = "127.0.0." + std::to_string(3 - node);
  BeatOptions options;
  options.cluster = 1;
  options.node = node;
  options.instance = node;
  options.key = KEYS[node];
  options.interval_us = 1000;
  options.peers = {static_cast<uint8_t>(3 - node)};
  std::vector<SocketAddress> peers{*SocketAddress::parse(other, port)};
  options.paths.push_back(std::make_unique<BeatPath>(*SocketAddress::parse(own, port), "", peers));
  return options;
}

/* Collects until the peer's payload has this length. */
void await_payload(BeatThread &thread, size_t bytes) {
  static BeatNews news;
  for (pollfd waiting{thread.mailbox().fd(), POLLIN, 0}; poll(&waiting, 1, PATIENCE_MS) > 0;) {
    thread.mailbox().collect(news);
    if (news.heard[0].order && news.heard[0].payload_bytes == bytes) return;
  }
  CHECK(!"the payload came");
}

/* A thread whose owner lives, and what it last said of its peer. */
struct Watcher {
  explicit Watcher(BeatThread &thread) : thread(thread) {}
  template <class Condition>
  void await(Condition is_so) {
    static BeatNews news;
    for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
      thread.owner_lives();
      thread.mailbox().collect(news);
      const uint64_t heard = news.heard[0].order, silent = news.silent[0].order;
      if (heard || silent) hears = heard > silent;
      if (heard) bytes = news.heard[0].payload_bytes;
      if (is_so()) return;
      usleep(STEP_MS * 1000);
    }
    CHECK(!"it came");
  }

  BeatThread &thread;
  bool hears = false;
  size_t bytes = 0;
};

void check_hanging_owner(uint16_t port) {
  BeatThread left(options_of(1, port)), right(options_of(2, port));
  const BeatStats &of_left = left.stats();
  left.set_key(0, KEYS[2], UINT64_MAX);
  right.set_key(0, KEYS[1], UINT64_MAX);
  right.say({});
  left.say(std::vector<uint8_t>(3));
  Watcher watcher(right);
  watcher.await([&] { return watcher.hears; });
  right.watch(0, SILENT_NS);
  watcher.await([&] { return of_left.silenced == 1; });
  const uint64_t sent = of_left.sent;
  watcher.await([&] { return !watcher.hears; });
  const uint64_t received = of_left.received;
  watcher.await([&] { return of_left.received > received + 50; });
  CHECK(of_left.sent == sent);
  left.owner_lives();
  watcher.await([&] { return watcher.hears; });
  CHECK(of_left.sent > sent);
  watcher.await([&] { return of_left.silenced == 2 && !watcher.hears; });
  left.say(std::vector<uint8_t>(4));
  watcher.await([&] { return watcher.hears && watcher.bytes == 4; });
  CHECK(right.stats().silenced == 0);
  CHECK(of_left.late_max_us < OWNER_SILENCE_US);
}

}  // namespace

int main(int, char **arguments) {
  const auto port = static_cast<uint16_t>(atoi(arguments[1]));
  for (int life = 0; life < 3; life++) {
    BeatThread left(options_of(1, port)), right(options_of(2, port));
    left.set_key(0, KEYS[2], UINT64_MAX);
    right.set_key(0, KEYS[1], UINT64_MAX);
    Random random(static_cast<uint64_t>(life) + 5);
    std::vector<uint8_t> payload;
    for (int round = 0; round < ROUNDS; round++) {
      payload.resize(1 + random.below(BEAT_MAX_PAYLOAD_BYTES));
      left.say(payload);
      left.watch(0, random.below(2) * 5'000'000);
      left.set_promise(static_cast<uint32_t>(random.below(1000)));
      left.set_interval(static_cast<uint32_t>(1000 + random.below(1000)));
      left.leases().hold({});
      right.set_key(0, random.below(4) == 0 ? std::nullopt : std::optional(KEYS[1]), random.below(4) == 0 ? 1 : UINT64_MAX);
      right.is_realtime();
      static BeatNews news;
      left.mailbox().collect(news);
      usleep(static_cast<useconds_t>(random.below(500)));
    }
    right.set_key(0, KEYS[1], UINT64_MAX);
    payload.resize(7);
    left.say(payload);
    await_payload(right, payload.size());
    CHECK(left.stats().sent > 0 && right.stats().received > 0 && right.stats().rejected[static_cast<size_t>(BeatReject::TAG)] == 0);
  }
  check_hanging_owner(port);
  return tandem_test::finish("threads");
}
