/* SPDX-License-Identifier: MIT */
/*
 * link-messages.h: what the kernel's link messages (rtnetlink) say, as a table of links and its changes. Pure: whole datagrams come in as
 * (pointer, length). After lost messages a new dump is read in; links that it does not name have gone.
 */
#ifndef TANDEM_ADDON_LINK_MESSAGES_H
#define TANDEM_ADDON_LINK_MESSAGES_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tandem {

struct LinkChange {
  std::string name;
  uint32_t ifindex = 0;
  /* Up, with carrier; false also for a link, or a name, that is gone. */
  bool is_running = false;
};

class LinkTable {
 public:
  enum class Outcome { GOES_ON, DUMP_DONE, DUMP_FAILED };

  /* A dump with this sequence number was asked for. */
  void begin_dump(uint32_t sequence);
  /* One datagram of the kernel; appends what has changed. DUMP_FAILED: it has to be asked for again. */
  Outcome read(const uint8_t *data, size_t length, std::vector<LinkChange> &changes);

 private:
  struct Link {
    std::string name;
    bool is_running = false;
    bool is_confirmed = false;
  };
  void read_link(uint16_t type, const uint8_t *body, size_t length, std::vector<LinkChange> &changes);
  void end_dump(std::vector<LinkChange> &changes);

  std::map<uint32_t, Link> links_;
  uint32_t sequence_ = 0;
  bool has_dump_begun_ = false;
};

}  // namespace tandem

#endif
