/* SPDX-License-Identifier: MIT */
/*
 * beat-path.h: one path: a UDP socket on a local address (and device) and the peers' addresses on it. An address or a device that vanishes
 * takes the socket with it; whoever owns the path opens it again and again. Nothing here throws or allocates once it is made.
 */
#ifndef TANDEM_ADDON_BEAT_PATH_H
#define TANDEM_ADDON_BEAT_PATH_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "beat-wire.h"
#include "resources.h"

namespace tandem {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  /* Numeric IPv4 or IPv6; nothing when it is neither. */
  static std::optional<SocketAddress> parse(const std::string &text, uint16_t port);
  int family() const { return storage.ss_family; }
};

/* Room for one recvmmsg() call, linked up once. */
class BeatReceiver {
 public:
  static constexpr size_t BATCH = 16;
  BeatReceiver();
  /* How many datagrams; 0: none is waiting. */
  size_t receive(int fd);
  const uint8_t *data(size_t i) const { return bytes_[i].data(); }
  size_t length(size_t i) const { return messages_[i].msg_len; }

 private:
  /* One more than a beat has: a longer datagram shows as such. */
  std::array<std::array<uint8_t, BEAT_MAX_BYTES + 1>, BATCH> bytes_;
  std::array<iovec, BATCH> parts_{};
  std::array<mmsghdr, BATCH> messages_{};
};

class BeatPath {
 public:
  struct Sent {
    size_t accepted = 0;
    size_t refused = 0;
  };

  BeatPath(SocketAddress local, std::string device, std::vector<SocketAddress> peers);
  BeatPath(const BeatPath &) = delete;
  BeatPath &operator=(const BeatPath &) = delete;

  /* Closes what was open; false when there is no socket now. */
  bool open();
  int fd() const { return fd_.get(); }
  bool is_open() const { return static_cast<bool>(fd_); }
  /* The last send was refused for a reason that a new socket may mend. */
  bool is_broken() const { return error_.load(std::memory_order_relaxed) != 0; }
  /* errno of what keeps it from working, 0 when it works. */
  int error() const { return error_.load(std::memory_order_relaxed); }
  size_t peers() const { return peers_.size(); }
  Sent send(const uint8_t *data, size_t length);

 private:
  bool fail();
  bool bind_local();

  SocketAddress local_;
  std::string device_;
  std::vector<SocketAddress> peers_;
  std::vector<mmsghdr> messages_;
  iovec part_{};
  Fd fd_;
  std::atomic<int> error_ = 0;
};

}  // namespace tandem

#endif
