/* SPDX-License-Identifier: MIT */
#include "link-messages.h"

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace tandem {
namespace {

/* Copied out: nothing in a datagram is where an alignment would want it. */
template <class T>
bool copy_out(const uint8_t *data, size_t length, T &out) {
  if (length < sizeof out) return false;
  memcpy(&out, data, sizeof out);
  return true;
}

/* Empty when there is none. */
std::string name_in(const uint8_t *attributes, size_t length) {
  rtattr header{};
  while (copy_out(attributes, length, header) && header.rta_len >= sizeof header && header.rta_len <= length) {
    const char *value = reinterpret_cast<const char *>(attributes + sizeof header);
    if (header.rta_type == IFLA_IFNAME) return std::string(value, strnlen(value, header.rta_len - sizeof header));
    const size_t step = std::min<size_t>(RTA_ALIGN(header.rta_len), length);
    attributes += step;
    length -= step;
  }
  return "";
}

}  // namespace

void LinkTable::begin_dump(uint32_t sequence) {
  sequence_ = sequence;
  has_dump_begun_ = false;
  for (auto &[ifindex, link] : links_) link.is_confirmed = false;
}

LinkTable::Outcome LinkTable::read(const uint8_t *data, size_t length, std::vector<LinkChange> &changes) {
  nlmsghdr header{};
  while (copy_out(data, length, header) && header.nlmsg_len >= sizeof header && header.nlmsg_len <= length) {
    const uint8_t *body = data + sizeof header;
    const size_t body_length = header.nlmsg_len - sizeof header;
    const bool is_dump = sequence_ != 0 && header.nlmsg_seq == sequence_;
    has_dump_begun_ |= is_dump;
    if (is_dump && (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_flags & NLM_F_DUMP_INTR)) return Outcome::DUMP_FAILED;
    if (is_dump && header.nlmsg_type == NLMSG_DONE) {
      end_dump(changes);
      return Outcome::DUMP_DONE;
    }
    if (header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK) read_link(header.nlmsg_type, body, body_length, changes);
    const size_t step = std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), length);
    data += step;
    length -= step;
  }
  return Outcome::GOES_ON;
}

void LinkTable::read_link(uint16_t type, const uint8_t *body, size_t length, std::vector<LinkChange> &changes) {
  ifinfomsg info{};
  /* Messages of a bridge about its ports look the same: a port that leaves its bridge is not a link that goes. */
  if (!copy_out(body, length, info) || info.ifi_family != AF_UNSPEC || info.ifi_index <= 0) return;
  const auto ifindex = static_cast<uint32_t>(info.ifi_index);
  const auto known = links_.find(ifindex);
  if (type == RTM_DELLINK) {
    if (known == links_.end()) return;
    changes.push_back({known->second.name, ifindex, false});
    links_.erase(known);
    return;
  }
  const std::string name = name_in(body + NLMSG_ALIGN(sizeof info), length - std::min<size_t>(NLMSG_ALIGN(sizeof info), length));
  if (name.empty()) return;
  const bool is_running = (info.ifi_flags & IFF_UP) && (info.ifi_flags & IFF_RUNNING);
  const bool is_renamed = known != links_.end() && known->second.name != name;
  const bool is_change = known == links_.end() || is_renamed || known->second.is_running != is_running;
  if (is_renamed) changes.push_back({known->second.name, ifindex, false});
  if (is_change) changes.push_back({name, ifindex, is_running});
  /* What was waiting before the dump may tell of a link whose end was lost. */
  links_[ifindex] = {name, is_running, has_dump_begun_};
}

void LinkTable::end_dump(std::vector<LinkChange> &changes) {
  sequence_ = 0;
  for (auto link = links_.begin(); link != links_.end();) {
    if (!link->second.is_confirmed) changes.push_back({link->second.name, link->first, false});
    link = link->second.is_confirmed ? std::next(link) : links_.erase(link);
  }
}

}  // namespace tandem
