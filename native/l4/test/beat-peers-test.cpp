/* SPDX-License-Identifier: MIT */
/* Peers and silence with times made up: what is news, what is silence, and what is neither. */
#include "beat-peers.h"

#include <string>
#include <utility>

#include "check.h"
#include "pure-tests.h"

using namespace tandem;
using tandem_test::Random;

namespace {

constexpr uint64_t MS = 1'000'000, CLUSTER = 42, START = 1'000'000 * MS;
constexpr uint8_t SELF = 1, PEER = 2, OTHER = 9;
constexpr SipKey KEY{1}, SECOND_KEY{2};
constexpr uint32_t INTERVAL_US = 2000;
constexpr uint64_t INTERVAL = 2 * MS;

/* Writes each event down as a word. */
struct Notes : BeatListener {
  std::string text;
  uint64_t silent_ns = 0;
  void heard(size_t peer, const Beat &beat, bool is_first, uint64_t) override {
    text += (is_first ? "first" : "heard") + std::to_string(peer) + "." + std::to_string(beat.payload.size()) + " ";
  }
  void silent(size_t peer, uint64_t ns, uint64_t) override {
    text += "silent" + std::to_string(peer) + " ";
    silent_ns = ns;
  }
  void path(size_t peer, size_t path, bool is_heard, uint64_t) override {
    text += (is_heard ? "+" : "-") + std::to_string(peer) + "." + std::to_string(path) + " ";
  }
  std::string take() { return std::exchange(text, ""); }
};

struct World {
  static constexpr uint8_t PEERS[] = {PEER, OTHER};
  Notes notes;
  BeatPeers peers{CLUSTER, SELF, PEERS, notes};
  Beat beat{PEER, 0, CLUSTER, 100, 1, INTERVAL_US, 0, {}};
  uint8_t bytes[BEAT_MAX_BYTES] = {};
  size_t length = 0;

  World() { peers.set_key(0, KEY); }
  BeatReject again(uint64_t now, size_t path = 0) { return peers.receive(bytes, length, path, now); }
  /* The next beat of the peer. */
  BeatReject hear(uint64_t now, uint8_t path = 0, const SipKey &key = KEY) {
    beat.path = path;
    length = encode_beat(beat, key, bytes);
    beat.sequence++;
    return again(now, path);
  }
};

void test_news() {
  World world;
  const uint8_t payload[] = {1, 2, 3};
  CHECK(world.hear(START) == BeatReject::NONE);
  CHECK(world.notes.take() == "first0.0 +0.0 ");
  CHECK(world.hear(START + INTERVAL) == BeatReject::NONE);
  CHECK(world.notes.take().empty());
  world.beat.payload = payload;
  world.hear(START + 2 * INTERVAL);
  CHECK(world.notes.take() == "heard0.3 ");
  const uint8_t changed[] = {1, 2, 4};
  world.beat.payload = changed;
  world.hear(START + 3 * INTERVAL);
  CHECK(world.notes.take() == "heard0.3 ");
  world.beat.instance++;
  world.hear(START + 4 * INTERVAL);
  CHECK(world.notes.take() == "heard0.3 ");
  world.beat.promise_us = 1;
  world.hear(START + 5 * INTERVAL);
  CHECK(world.notes.take() == "heard0.3 ");
  world.beat.interval_us++;
  world.hear(START + 6 * INTERVAL);
  CHECK(world.notes.take() == "heard0.3 ");
  world.hear(START + 7 * INTERVAL);
  CHECK(world.notes.take().empty());
}

void test_rejects() {
  World world;
  world.hear(START);
  CHECK(world.again(START) == BeatReject::REPLAY);
  world.beat.sequence--;
  CHECK(world.hear(START) == BeatReject::REPLAY);
  CHECK(world.hear(START, 0, SECOND_KEY) == BeatReject::TAG);
  CHECK(world.again(START, 1) == BeatReject::PATH);
  CHECK(world.again(START, BEAT_MAX_PATHS) == BeatReject::PATH);
  world.beat.node = OTHER;
  CHECK(world.hear(START) == BeatReject::UNKNOWN_KEY);
  world.beat.node = 3;
  CHECK(world.hear(START) == BeatReject::UNKNOWN_PEER);
  world.beat.node = SELF;
  CHECK(world.hear(START) == BeatReject::OWN_SOURCE);
  world.beat.node = PEER;
  world.beat.cluster++;
  CHECK(world.hear(START) == BeatReject::CLUSTER);
  CHECK(world.notes.take() == "first0.0 +0.0 ");
  world.peers.set_key(0, std::nullopt);
  world.beat.cluster--;
  CHECK(world.hear(START) == BeatReject::UNKNOWN_KEY);
}

void test_keys() {
  World world;
  world.hear(START);
  world.peers.set_key(0, std::nullopt);
  world.peers.set_key(0, KEY);
  CHECK(world.again(START) == BeatReject::REPLAY);
  const uint64_t heard = world.beat.sequence - 1;
  world.peers.set_key(0, KEY, heard);
  CHECK(world.again(START) == BeatReject::REPLAY);
  world.peers.set_key(0, KEY, heard - 1); /* of a machine that was put back to before it sent this */
  CHECK(world.again(START) == BeatReject::NONE);
  CHECK(world.again(START) == BeatReject::REPLAY);
  world.peers.set_key(0, SECOND_KEY);
  world.beat.sequence = 1; /* of a machine whose clock has gone back */
  CHECK(world.hear(START, 0, SECOND_KEY) == BeatReject::NONE);
  CHECK(world.hear(START, 0, KEY) == BeatReject::TAG);
}

void test_silence() {
  World world;
  CHECK(world.peers.next_deadline() == NEVER_NS);
  world.peers.watch(0, 10 * MS, START);
  CHECK(world.peers.next_deadline() == START + 10 * MS);
  world.peers.judge(START + 10 * MS - 1);
  CHECK(world.notes.take().empty());
  world.peers.judge(START + 10 * MS);
  CHECK(world.notes.take() == "silent0 ");
  CHECK(world.notes.silent_ns == 10 * MS);
  world.peers.judge(START + 20 * MS);
  CHECK(world.notes.take().empty());
  world.hear(START + 30 * MS);
  CHECK(world.notes.take() == "first0.0 +0.0 ");
  world.hear(START + 35 * MS);
  /* Watched anew and anew, silence still counts from what was heard. */
  for (uint64_t at = 36; at < 45; at++) world.peers.watch(0, 10 * MS, START + at * MS);
  CHECK(world.peers.next_deadline() == START + 45 * MS);
  world.peers.judge(START + 46 * MS);
  CHECK(world.notes.take() == "silent0 ");
  CHECK(world.notes.silent_ns == 11 * MS);
  /* Only its path is left to be lost. */
  CHECK(world.peers.next_deadline() == START + 135 * MS);
}

void test_watch_ends_and_begins() {
  World world;
  world.hear(START);
  world.notes.take();
  world.peers.watch(0, 10 * MS, START);
  world.peers.watch(0, 0, START + 5 * MS);
  world.peers.judge(START + 50 * MS);
  CHECK(world.notes.take().empty());
  world.peers.watch(0, 10 * MS, START + 50 * MS);
  world.peers.judge(START + 50 * MS);
  CHECK(world.notes.take() == "silent0 ");
  CHECK(world.notes.silent_ns == 50 * MS);
  world.peers.watch(0, 0, START + 60 * MS);
  world.peers.watch(0, 10 * MS, START + 60 * MS);
  world.peers.judge(START + 60 * MS);
  CHECK(world.notes.take() == "silent0 ");
}

void test_paths() {
  World world;
  world.hear(START, 0);
  world.beat.sequence--; /* the same beat by the other path */
  world.hear(START + MS / 10, 1);
  CHECK(world.notes.take() == "first0.0 +0.0 +0.1 ");
  for (uint64_t at = INTERVAL; at < 100 * MS; at += INTERVAL) {
    world.hear(START + at, 1);
    world.peers.judge(START + at);
  }
  CHECK(world.notes.take().empty());
  world.hear(START + 100 * MS, 1);
  world.peers.judge(START + 100 * MS);
  CHECK(world.notes.take() == "-0.0 ");
  world.hear(START + 101 * MS, 0);
  CHECK(world.notes.take() == "+0.0 ");
  /* Five long intervals are longer than 100 ms. */
  world.beat.interval_us = 100'000;
  world.hear(START + 102 * MS, 0);
  world.notes.take();
  world.peers.judge(START + 601 * MS);
  CHECK(world.notes.take() == "-0.1 ");
  world.peers.judge(START + 602 * MS);
  CHECK(world.notes.take() == "-0.0 ");
}

/* What one path delivers late, or again, shows no life. */
void test_late_copies() {
  World world;
  world.peers.watch(0, 10 * MS, START);
  uint8_t kept[10][BEAT_MAX_BYTES];
  for (size_t i = 0; i < 10; i++) {
    world.beat.path = 1;
    encode_beat(world.beat, KEY, kept[i]);
    world.hear(START + i * INTERVAL, 0);
  }
  CHECK(world.notes.take() == "first0.0 +0.0 ");
  const uint64_t last = START + 9 * INTERVAL;
  for (size_t i = 0; i < 10; i++) {
    CHECK(world.peers.receive(kept[i], world.length, 1, last + i * MS) == BeatReject::NONE);
    world.peers.judge(last + i * MS);
  }
  CHECK(world.notes.take() == "+0.1 ");
  world.peers.judge(last + 10 * MS);
  CHECK(world.notes.take() == "silent0 ");
}

void test_grace() {
  World world;
  world.peers.watch(0, 10 * MS, START);
  world.peers.watch(1, 10 * MS, START);
  world.hear(START);
  world.notes.take();
  const uint64_t woken = START + 50 * MS;
  world.peers.woke_late(INTERVAL, INTERVAL, woken); /* no later than an interval: no reason */
  CHECK(world.peers.next_deadline() == START + 10 * MS);
  world.peers.woke_late(40 * MS, INTERVAL, woken);
  world.peers.judge(woken);
  CHECK(world.notes.take().empty());
  CHECK(world.peers.next_deadline() == woken + INTERVAL);
  world.hear(woken + MS);
  world.peers.judge(woken + INTERVAL);
  CHECK(world.notes.take() == "silent1 ");
  world.peers.judge(woken + 11 * MS);
  CHECK(world.notes.take() == "silent0 ");
  /* A slow peer gets one of its own intervals. */
  world.beat.interval_us = 50'000;
  world.hear(woken + 12 * MS);
  world.peers.woke_late(3 * MS, INTERVAL, woken + 30 * MS);
  CHECK(world.peers.next_deadline() == woken + 80 * MS);
}

/* Whatever comes in whatever order: one silence per sound, and never too early. */
void test_chance() {
  Random random(3);
  World world;
  world.peers.watch(0, 10 * MS, START);
  uint64_t now = START, last = START;
  int silences = 0;
  bool is_silent = false, is_first = true;
  for (int step = 0; step < 50'000; step++) {
    now += random.below(6 * MS);
    if (random.below(3) != 0) {
      if (random.below(8) == 0) {
        world.bytes[random.below(world.length + 1)] ^= 1;
        world.again(now);
      } else if (world.hear(now, static_cast<uint8_t>(random.below(2))) == BeatReject::NONE) {
        last = now;
        CHECK((world.notes.text.find("first") != std::string::npos) == is_first);
        is_silent = is_first = false;
      }
    }
    world.notes.take();
    world.peers.judge(now);
    const bool says_silent = world.notes.take().find("silent0") != std::string::npos;
    CHECK(says_silent == (!is_silent && now - last >= 10 * MS));
    is_silent |= says_silent;
    is_first |= says_silent;
    silences += says_silent;
  }
  CHECK(silences > 100);
}

}  // namespace

void test_beat_peers() {
  test_news();
  test_rejects();
  test_keys();
  test_silence();
  test_watch_ends_and_begins();
  test_paths();
  test_late_copies();
  test_grace();
  test_chance();
}
