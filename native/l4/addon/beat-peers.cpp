/* SPDX-License-Identifier: MIT */
#include "beat-peers.h"

#include <algorithm>

#include "monotonic.h"

namespace tandem {

BeatPeers::BeatPeers(uint64_t cluster, uint8_t own_node, std::span<const uint8_t> peers, BeatListener &listener)
    : cluster_(cluster), own_node_(own_node), listener_(listener), peers_(peers.size()) {
  for (size_t i = 0; i < peers.size(); i++) index_of_[peers[i]] = static_cast<uint8_t>(i + 1);
}

void BeatPeers::set_key(size_t index, const std::optional<SipKey> &key, uint64_t latest) {
  Peer &peer = peers_[index];
  peer.has_key = key.has_value();
  if (!key || (*key == peer.key && peer.sequence <= latest)) return;
  peer.key = *key;
  peer.sequence = 0;
  for (Path &path : peer.paths) path.sequence = 0;
}

void BeatPeers::watch(size_t index, uint64_t silent_after_ns, uint64_t now_ns) {
  Peer &peer = peers_[index];
  if (peer.silent_after_ns == 0) peer.was_silent = false;
  peer.silent_after_ns = silent_after_ns;
  if (silent_after_ns == 0 || peer.has_since) return;
  peer.since_ns = now_ns;
  peer.has_since = true;
}

BeatReject BeatPeers::receive(const uint8_t *data, size_t length, size_t path_index, uint64_t now_ns) {
  Beat beat;
  const BeatReject form = decode_beat(data, length, beat);
  if (form != BeatReject::NONE) return form;
  if (beat.cluster != cluster_) return BeatReject::CLUSTER;
  if (beat.node == own_node_) return BeatReject::OWN_SOURCE;
  if (!index_of_[beat.node]) return BeatReject::UNKNOWN_PEER;
  const size_t index = index_of_[beat.node] - 1u;
  Peer &peer = peers_[index];
  if (beat.path != path_index || path_index >= BEAT_MAX_PATHS) return BeatReject::PATH;
  if (!peer.has_key) return BeatReject::UNKNOWN_KEY;
  if (!is_genuine(data, length, peer.key)) return BeatReject::TAG;
  Path &path = peer.paths[path_index];
  if (beat.sequence <= path.sequence) return BeatReject::REPLAY;
  path.sequence = beat.sequence;
  path.heard_ns = now_ns;
  if (beat.sequence > peer.sequence) take(index, beat, now_ns);
  if (!path.is_heard) {
    path.is_heard = true;
    listener_.path(index, path_index, true, now_ns);
  }
  return BeatReject::NONE;
}

bool BeatPeers::is_news(const Peer &peer, const Beat &beat) const {
  return !peer.is_known || beat.instance != peer.instance || beat.interval_us != peer.interval_us || beat.promise_us != peer.promise_us ||
         beat.payload.size() != peer.payload_bytes || !std::equal(beat.payload.begin(), beat.payload.end(), peer.payload.begin());
}

void BeatPeers::take(size_t index, const Beat &beat, uint64_t now_ns) {
  Peer &peer = peers_[index];
  peer.sequence = beat.sequence;
  peer.since_ns = now_ns;
  peer.has_since = true;
  if (!is_news(peer, beat)) return;
  const bool is_first = !peer.is_known;
  peer.is_known = true;
  peer.was_silent = false;
  peer.instance = beat.instance;
  peer.interval_us = beat.interval_us;
  peer.promise_us = beat.promise_us;
  peer.payload_bytes = beat.payload.size();
  std::copy(beat.payload.begin(), beat.payload.end(), peer.payload.begin());
  listener_.heard(index, beat, is_first, now_ns);
}

void BeatPeers::woke_late(uint64_t late_ns, uint64_t own_interval_ns, uint64_t now_ns) {
  for (Peer &peer : peers_) {
    const uint64_t interval_ns = peer.interval_us ? peer.interval_us * NS_PER_US : own_interval_ns;
    if (late_ns > std::min(interval_ns, own_interval_ns)) peer.grace_until_ns = now_ns + std::max(interval_ns, own_interval_ns);
  }
}

uint64_t BeatPeers::silence_deadline(const Peer &peer) {
  if (peer.silent_after_ns == 0 || peer.was_silent) return NEVER_NS;
  return std::max(peer.since_ns + peer.silent_after_ns, peer.grace_until_ns);
}

uint64_t BeatPeers::path_deadline(const Peer &peer, const Path &path) {
  if (!path.is_heard) return NEVER_NS;
  const uint64_t lost_after_ns = std::max(PATH_LOST_INTERVALS * peer.interval_us * NS_PER_US, PATH_LOST_LEAST_NS);
  return std::max(path.heard_ns + lost_after_ns, peer.grace_until_ns);
}

void BeatPeers::judge(uint64_t now_ns) {
  for (size_t index = 0; index < peers_.size(); index++) {
    Peer &peer = peers_[index];
    if (now_ns >= silence_deadline(peer)) {
      peer.was_silent = true;
      peer.is_known = false;
      listener_.silent(index, now_ns - peer.since_ns, now_ns);
    }
    for (size_t i = 0; i < BEAT_MAX_PATHS; i++) {
      if (now_ns < path_deadline(peer, peer.paths[i])) continue;
      peer.paths[i].is_heard = false;
      listener_.path(index, i, false, now_ns);
    }
  }
}

uint64_t BeatPeers::next_deadline() const {
  uint64_t next = NEVER_NS;
  for (const Peer &peer : peers_) {
    next = std::min(next, silence_deadline(peer));
    for (const Path &path : peer.paths) next = std::min(next, path_deadline(peer, path));
  }
  return next;
}

}  // namespace tandem
