/* SPDX-License-Identifier: MIT */
/*
 * beat-peers.h: what is known of the other nodes from their beats, and when it is news. Pure: datagrams and the time come in as arguments,
 * news goes out through BeatListener. Decides nothing about roles.
 *
 * - A beat is taken once per path (its sequence must grow there), and shows that its sender lives only when it is newer than every beat
 *   heard before on any path: what a slow path delivers late, or an attacker delivers again, keeps nobody alive.
 * - Silence is judged only by who has just read everything that waited. A caller that woke late by more than an interval says so
 *   first: every peer then gets one more, because its beats may still be on the way through a kernel that was starved as well.
 */
#ifndef TANDEM_ADDON_BEAT_PEERS_H
#define TANDEM_ADDON_BEAT_PEERS_H

#include <array>
#include <optional>
#include <vector>

#include "beat-wire.h"

namespace tandem {

constexpr size_t BEAT_MAX_PEERS = 15, BEAT_MAX_PATHS = 4;

/* A path is lost after so many intervals of the peer, and not before this long. */
constexpr uint64_t PATH_LOST_INTERVALS = 5, PATH_LOST_LEAST_NS = 100'000'000;
constexpr uint64_t NEVER_NS = UINT64_MAX;

/* Peers are named by their place in the list that the channel was opened with. */
class BeatListener {
 public:
  virtual ~BeatListener() = default;
  /* The payload is valid during the call only. */
  virtual void heard(size_t peer, const Beat &beat, bool is_first, uint64_t now_ns) = 0;
  virtual void silent(size_t peer, uint64_t silent_ns, uint64_t now_ns) = 0;
  virtual void path(size_t peer, size_t path, bool is_heard, uint64_t now_ns) = 0;
};

class BeatPeers {
 public:
  BeatPeers(uint64_t cluster, uint8_t own_node, std::span<const uint8_t> peers, BeatListener &listener);
  /* Another key than the last one forgets the sequence: its holder may have another clock now. What was signed with the former key is of
   * no use to anybody from then on. `latest`: its holder has signed nothing beyond that, so a later sequence is of a time that was undone
   * there (a snapshot was restored), and is forgotten, too. */
  void set_key(size_t peer, const std::optional<SipKey> &key, uint64_t latest = UINT64_MAX);
  /* 0: never. Fires at the next judgement when the peer has been silent for so long already; one never heard counts from here. */
  void watch(size_t peer, uint64_t silent_after_ns, uint64_t now_ns);
  /* NONE: it was a beat. */
  BeatReject receive(const uint8_t *data, size_t length, size_t path, uint64_t now_ns);
  /* Late by more than an interval, ours or the peer's: it gets one more of the longer. */
  void woke_late(uint64_t late_ns, uint64_t own_interval_ns, uint64_t now_ns);
  void judge(uint64_t now_ns);
  /* When to judge again; NEVER_NS when there is nothing to wait for. */
  uint64_t next_deadline() const;

 private:
  struct Path {
    uint64_t sequence = 0;
    uint64_t heard_ns = 0;
    bool is_heard = false;
  };
  struct Peer {
    bool has_key = false;
    SipKey key{};
    std::array<Path, BEAT_MAX_PATHS> paths;
    uint64_t sequence = 0;
    bool is_known = false;   /* heard since the start or the last silence */
    bool was_silent = false; /* said, and not heard since */
    uint64_t since_ns = 0;   /* silence counts from here: last heard, or first watched */
    bool has_since = false;
    uint64_t silent_after_ns = 0;
    uint64_t grace_until_ns = 0;
    uint64_t instance = 0;
    uint32_t interval_us = 0;
    uint32_t promise_us = 0;
    size_t payload_bytes = 0;
    std::array<uint8_t, BEAT_MAX_PAYLOAD_BYTES> payload;
  };

  bool is_news(const Peer &peer, const Beat &beat) const;
  void take(size_t index, const Beat &beat, uint64_t now_ns);
  static uint64_t silence_deadline(const Peer &peer);
  static uint64_t path_deadline(const Peer &peer, const Path &path);

  uint64_t cluster_;
  uint8_t own_node_;
  BeatListener &listener_;
  std::vector<Peer> peers_;
  std::array<uint8_t, 256> index_of_{}; /* by node, plus one; 0: no peer */
};

}  // namespace tandem

#endif
