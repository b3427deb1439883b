/* SPDX-License-Identifier: MIT */
/* Link messages made by hand and by chance. */
#include "link-messages.h"

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "check.h"
#include "pure-tests.h"

using namespace tandem;
using tandem_test::Random;

namespace {

constexpr uint32_t SEQUENCE = 5;
constexpr unsigned RUNNING = IFF_UP | IFF_RUNNING;

struct Message {
  uint16_t type = RTM_NEWLINK;
  int ifindex = 1;
  std::string name = "eth0";
  unsigned flags = RUNNING;
  uint8_t family = AF_UNSPEC;
  uint32_t sequence = 0;
  uint16_t message_flags = 0;
};

std::vector<uint8_t> bytes_of(const Message &message) {
  std::vector<uint8_t> bytes(NLMSG_SPACE(sizeof(ifinfomsg)) + RTA_SPACE(4) + RTA_SPACE(message.name.size() + 1));
  auto *header = reinterpret_cast<nlmsghdr *>(bytes.data());
  *header = {static_cast<uint32_t>(bytes.size()), message.type, message.message_flags, message.sequence, 0};
  auto *info = static_cast<ifinfomsg *>(NLMSG_DATA(header));
  info->ifi_family = message.family;
  info->ifi_index = message.ifindex;
  info->ifi_flags = message.flags;
  auto *mtu = reinterpret_cast<rtattr *>(bytes.data() + NLMSG_SPACE(sizeof(ifinfomsg)));
  *mtu = {RTA_LENGTH(4), IFLA_MTU};
  auto *name = reinterpret_cast<rtattr *>(bytes.data() + NLMSG_SPACE(sizeof(ifinfomsg)) + RTA_SPACE(4));
  *name = {static_cast<unsigned short>(RTA_LENGTH(message.name.size() + 1)), IFLA_IFNAME};
  memcpy(RTA_DATA(name), message.name.c_str(), message.name.size() + 1);
  return bytes;
}

/* From memory of exactly this size. */
LinkTable::Outcome fed(LinkTable &table, const std::vector<uint8_t> &bytes, std::vector<LinkChange> &changes) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return table.read(exact.get(), bytes.size(), changes);
}

struct World {
  LinkTable table;
  LinkTable::Outcome outcome = LinkTable::Outcome::GOES_ON;
  /* The changes as text: "+eth0.1 -eth1.2 ". */
  std::string read(std::initializer_list<Message> messages) {
    std::vector<uint8_t> datagram;
    for (const Message &message : messages) {
      const auto bytes = bytes_of(message);
      datagram.insert(datagram.end(), bytes.begin(), bytes.end());
      datagram.resize(NLMSG_ALIGN(datagram.size()));
    }
    std::vector<LinkChange> changes;
    outcome = fed(table, datagram, changes);
    std::string text;
    for (const LinkChange &change : changes) text += (change.is_running ? "+" : "-") + change.name + "." + std::to_string(change.ifindex) + " ";
    return text;
  }
};

void test_changes() {
  World world;
  CHECK(world.read({{}, {.ifindex = 2, .name = "eth1", .flags = IFF_UP}}) == "+eth0.1 -eth1.2 ");
  CHECK(world.read({{}}).empty());
  CHECK(world.read({{.ifindex = 2, .name = "eth1"}}) == "+eth1.2 ");
  CHECK(world.read({{.flags = IFF_RUNNING}}) == "-eth0.1 ");
  CHECK(world.read({{.name = "lan0"}}) == "-eth0.1 +lan0.1 ");
  CHECK(world.read({{.type = RTM_DELLINK, .ifindex = 2, .name = "eth1", .family = AF_BRIDGE}}).empty());
  CHECK(world.read({{.ifindex = 2, .name = "eth1", .flags = 0, .family = AF_BRIDGE}}).empty());
  CHECK(world.read({{.type = RTM_DELLINK, .ifindex = 2, .name = "eth1"}}) == "-eth1.2 ");
  CHECK(world.read({{.type = RTM_DELLINK, .ifindex = 2, .name = "eth1"}}).empty());
  CHECK(world.read({{.type = RTM_NEWADDR, .ifindex = 1, .flags = 0}}).empty());
}

void test_dump() {
  World world;
  world.read({{}, {.ifindex = 2, .name = "eth1"}, {.ifindex = 3, .name = "eth2"}});
  world.table.begin_dump(SEQUENCE);
  /* Was waiting since before the loss. */
  CHECK(world.read({{.ifindex = 2, .name = "eth1"}}).empty());
  CHECK(world.read({{.sequence = SEQUENCE}}).empty());
  /* While a dump is under way, changes come in between. */
  CHECK(world.read({{.ifindex = 4, .name = "eth3"}}) == "+eth3.4 ");
  CHECK(world.read({{.type = NLMSG_DONE, .sequence = SEQUENCE - 1}}).empty());
  CHECK(world.outcome == LinkTable::Outcome::GOES_ON);
  CHECK(world.read({{.ifindex = 3, .name = "eth2", .flags = 0, .sequence = SEQUENCE}, {.type = NLMSG_DONE, .sequence = SEQUENCE}}) == "-eth2.3 -eth1.2 ");
  CHECK(world.outcome == LinkTable::Outcome::DUMP_DONE);
  world.table.begin_dump(SEQUENCE + 1);
  world.read({{.type = NLMSG_ERROR, .sequence = SEQUENCE + 1}});
  CHECK(world.outcome == LinkTable::Outcome::DUMP_FAILED);
  world.table.begin_dump(SEQUENCE + 2);
  world.read({{.sequence = SEQUENCE + 2, .message_flags = NLM_F_DUMP_INTR}});
  CHECK(world.outcome == LinkTable::Outcome::DUMP_FAILED);
}

void test_fuzz() {
  Random random(4);
  LinkTable table;
  std::vector<LinkChange> changes;
  size_t most = 0;
  for (int round = 0; round < 100'000; round++) {
    Message message;
    message.ifindex = static_cast<int>(random.below(4));
    message.name.resize(random.below(20), 'x');
    auto bytes = bytes_of(message);
    for (uint64_t change = random.below(4); change > 0; change--) bytes[random.below(bytes.size())] = static_cast<uint8_t>(random.next());
    if (random.below(4) == 0) bytes.resize(random.below(bytes.size() + 8));
    changes.clear();
    fed(table, bytes, changes);
    most = std::max(most, changes.size());
  }
  CHECK(most > 0 && most < 16);
}

}  // namespace

void test_link_messages() {
  test_changes();
  test_dump();
  test_fuzz();
}
