/* SPDX-License-Identifier: MIT */
#include "beat-options.h"

#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <set>

namespace tandem {
namespace {

constexpr uint32_t MOST_NODE = 255;

SocketAddress read_address(const Argument &argument, uint16_t port) {
  const std::string text = argument.string();
  const auto address = SocketAddress::parse(text, port);
  if (!address) throw RangeMistake{std::string(argument.name) + " must be a numeric IPv4 or IPv6 address, not " + text};
  return *address;
}

std::string read_device(const Argument &argument) {
  if (argument.is_nullish()) return "";
  const std::string name = argument.string();
  if (name.empty() || name.size() >= IF_NAMESIZE)
    throw RangeMistake{"interface must have 1 to " + std::to_string(IF_NAMESIZE - 1) + " characters"};
  return name;
}

struct PathArguments {
  SocketAddress local;
  std::string device;
  std::vector<SocketAddress> peers;
};

std::vector<PathArguments> read_paths(const Argument &argument, uint16_t port) {
  std::vector<PathArguments> paths;
  for (const Argument &path : argument.elements())
    paths.push_back({read_address(path.property("address"), port), read_device(path.property("interface")), {}});
  if (paths.empty() || paths.size() > BEAT_MAX_PATHS) throw RangeMistake{"paths must be 1 to " + std::to_string(BEAT_MAX_PATHS)};
  return paths;
}

uint8_t read_peer(const Argument &peer, uint16_t port, std::vector<PathArguments> &paths) {
  const auto addresses = peer.property("addresses").elements();
  if (addresses.size() > paths.size()) throw RangeMistake{"a peer must not have more addresses than there are paths"};
  for (size_t i = 0; i < addresses.size(); i++) {
    if (addresses[i].is_nullish()) continue;
    const SocketAddress address = read_address(addresses[i], port);
    if (address.family() != paths[i].local.family()) throw RangeMistake{"a peer's address must be of the same family as the path's"};
    paths[i].peers.push_back(address);
  }
  return static_cast<uint8_t>(peer.property("id").integer(1, MOST_NODE));
}

}  // namespace

SipKey read_sip_key(const Argument &argument) {
  SipKey key{};
  const Bytes bytes = argument.bytes_of(key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

BeatOptions read_beat_options(const Argument &argument) {
  BeatOptions options;
  options.cluster = argument.property("cluster").bigint();
  options.node = static_cast<uint8_t>(argument.property("nodeId").integer(1, MOST_NODE));
  options.instance = argument.property("instance").bigint();
  options.key = read_sip_key(argument.property("key"));
  options.interval_us = argument.property("intervalUs").integer(BEAT_LEAST_INTERVAL_US, BEAT_MOST_INTERVAL_US);
  options.realtime_priority =
      static_cast<int>(argument.property("realtimePriority").integer(0, static_cast<uint32_t>(sched_get_priority_max(SCHED_FIFO))));
  const Argument pin_dir = argument.property("pinDir");
  if (!pin_dir.is_nullish()) options.pin_dir = pin_dir.string();

  const auto port = static_cast<uint16_t>(argument.property("port").integer(1, UINT16_MAX));
  auto paths = read_paths(argument.property("paths"), port);
  std::set<uint8_t> nodes{options.node};
  for (const Argument &peer : argument.property("peers").elements()) {
    options.peers.push_back(read_peer(peer, port, paths));
    if (!nodes.insert(options.peers.back()).second) throw RangeMistake{"each node must have an id of its own"};
  }
  if (options.peers.size() > BEAT_MAX_PEERS) throw RangeMistake{"peers must not be more than " + std::to_string(BEAT_MAX_PEERS)};
  for (PathArguments &path : paths) options.paths.push_back(std::make_unique<BeatPath>(path.local, path.device, std::move(path.peers)));
  return options;
}

}  // namespace tandem
