/* SPDX-License-Identifier: MIT */
#include "beat-path.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/ip.h>

#include <cerrno>
#include <cstring>

namespace tandem {
namespace {

/* Network control (RFC 2474 class selector 6), and ahead of everything else in a priority queue (TC_PRIO_CONTROL; the next best
 * without CAP_NET_ADMIN). */
constexpr int TOS_NETWORK_CONTROL = IPTOS_PREC_INTERNETCONTROL;
constexpr int PRIORITY_CONTROL = 7, PRIORITY_UNPRIVILEGED = 6;
/* Beats that wait while we are stopped; older ones tell nothing that newer ones do not. */
constexpr int RECEIVE_BUFFER_BYTES = 262'144;

bool set_option(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

/* A queue that is full for a moment is no fault of the socket. */
bool is_passing(int error_number) {
  return error_number == EAGAIN || error_number == ENOBUFS || error_number == EINTR || error_number == ENOMEM;
}

}  // namespace

std::optional<SocketAddress> SocketAddress::parse(const std::string &text, uint16_t port) {
  SocketAddress result;
  auto *v4 = reinterpret_cast<sockaddr_in *>(&result.storage);
  auto *v6 = reinterpret_cast<sockaddr_in6 *>(&result.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    result.length = sizeof *v4;
    return result;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) != 1) return std::nullopt;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  result.length = sizeof *v6;
  return result;
}

BeatReceiver::BeatReceiver() {
  for (size_t i = 0; i < BATCH; i++) {
    parts_[i] = {bytes_[i].data(), bytes_[i].size()};
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
}

size_t BeatReceiver::receive(int fd) {
  int count = recvmmsg(fd, messages_.data(), BATCH, MSG_DONTWAIT, nullptr);
  /* An error that a lost device left behind is read off before what waits behind it. */
  if (count < 0 && errno != EAGAIN) count = recvmmsg(fd, messages_.data(), BATCH, MSG_DONTWAIT, nullptr);
  return count > 0 ? static_cast<size_t>(count) : 0;
}

BeatPath::BeatPath(SocketAddress local, std::string device, std::vector<SocketAddress> peers)
    : local_(local), device_(std::move(device)), peers_(std::move(peers)), messages_(peers_.size()) {
  for (size_t i = 0; i < peers_.size(); i++) {
    messages_[i].msg_hdr.msg_name = &peers_[i].storage;
    messages_[i].msg_hdr.msg_namelen = peers_[i].length;
    messages_[i].msg_hdr.msg_iov = &part_;
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
}

bool BeatPath::fail() {
  error_ = errno ? errno : EIO;
  fd_ = Fd();
  return false;
}

bool BeatPath::bind_local() {
  const int fd = fd_.get();
  if (local_.family() == AF_INET6) {
    /* A link-local address means something on its device only. */
    const uint32_t scope = device_.empty() ? 0 : if_nametoindex(device_.c_str());
    reinterpret_cast<sockaddr_in6 *>(&local_.storage)->sin6_scope_id = scope;
    for (SocketAddress &peer : peers_) reinterpret_cast<sockaddr_in6 *>(&peer.storage)->sin6_scope_id = scope;
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, TOS_NETWORK_CONTROL);
  } else {
    set_option(fd, IPPROTO_IP, IP_TOS, TOS_NETWORK_CONTROL);
  }
  /* After the type of service, which sets a priority of its own. */
  if (!set_option(fd, SOL_SOCKET, SO_PRIORITY, PRIORITY_CONTROL)) set_option(fd, SOL_SOCKET, SO_PRIORITY, PRIORITY_UNPRIVILEGED);
  set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  const auto device_length = static_cast<socklen_t>(device_.size());
  if (device_length && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device_.c_str(), device_length)) return false;
  return bind(fd, reinterpret_cast<const sockaddr *>(&local_.storage), local_.length) == 0;
}

bool BeatPath::open() {
  fd_ = Fd(); /* first: it may be our own socket that holds the port */
  fd_ = Fd(socket(local_.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd_ || !bind_local()) return fail();
  error_ = 0;
  return true;
}

BeatPath::Sent BeatPath::send(const uint8_t *data, size_t length) {
  Sent sent;
  if (!fd_) return {0, peers_.size()};
  part_ = {const_cast<uint8_t *>(data), length};
  for (size_t at = 0; at < messages_.size();) {
    const int count = sendmmsg(fd_.get(), &messages_[at], static_cast<unsigned>(messages_.size() - at), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) {
      sent.accepted += static_cast<size_t>(count);
      at += static_cast<size_t>(count);
      continue;
    }
    if (!is_passing(errno)) error_ = errno;
    sent.refused++;
    at++;
  }
  /* One peer that cannot be reached does not make the socket a bad one. */
  if (sent.accepted) error_ = 0;
  return sent;
}

}  // namespace tandem
