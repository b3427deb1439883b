/* SPDX-License-Identifier: MIT */
#include "link-monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

#include "link-messages.h"
#include "poll.h"
#include "resources.h"

namespace tandem {
namespace {

/* A dump's datagrams have up to 32 KiB (the kernel takes the reader's buffer as its measure). */
constexpr size_t DATAGRAM_BYTES = 32 * 1024;
/* Room for some thousand changes while the event loop is busy; beyond that everything is read again. */
constexpr int RECEIVE_BUFFER_BYTES = 1 << 20;
/* A storm of changes must not keep the event loop from its timers. */
constexpr int DATAGRAMS_PER_WAKE = 64;

Fd open_socket() {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) throw_errno("cannot open a netlink socket", errno);
  /* Without the privilege to force it: as large as the system allows. */
  for (const int option : {SO_RCVBUF, SO_RCVBUFFORCE}) setsockopt(fd.get(), SOL_SOCKET, option, &RECEIVE_BUFFER_BYTES, sizeof RECEIVE_BUFFER_BYTES);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (bind(fd.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address)) throw_errno("cannot listen for link messages", errno);
  return fd;
}

class LinkMonitorHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "link monitor";
  LinkMonitorHandle() : fd_(open_socket()) { ask(); }
  LinkMonitorHandle(const LinkMonitorHandle &) = delete;
  LinkMonitorHandle &operator=(const LinkMonitorHandle &) = delete;
  ~LinkMonitorHandle() { stop(); }

  /* `self` is the JavaScript object that owns this. */
  void listen(napi_env env, napi_value self, napi_value on_change) {
    auto callback = std::make_shared<Callback>(env, on_change);
    Poll::start(env, fd_.get(), self, [this, env, callback] { receive(env, *callback); }, poll_);
  }

  napi_value close(Call &call) {
    stop();
    return js_undefined(call.env());
  }

 private:
  void stop() {
    if (poll_) poll_->close();
    fd_ = Fd();
  }

  void ask() {
    struct {
      nlmsghdr header;
      ifinfomsg body;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_GETLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.header.nlmsg_seq = ++sequence_;
    request.body.ifi_family = AF_UNSPEC;
    table_.begin_dump(sequence_);
    is_dumping_ = true;
    if (::send(fd_.get(), &request, sizeof request, 0) < 0) throw_errno("cannot ask for the links", errno);
  }

  void receive(napi_env env, Callback &callback) {
    for (int count = 0; count < DATAGRAMS_PER_WAKE; count++) {
      sockaddr_nl from{};
      socklen_t from_length = sizeof from;
      auto *sender = reinterpret_cast<sockaddr *>(&from);
      const ssize_t length = recvfrom(fd_.get(), datagram_.data(), datagram_.size(), MSG_DONTWAIT, sender, &from_length);
      if (length < 0 && errno == ENOBUFS) {
        is_incomplete_ = true;
        continue;
      }
      if (length < 0) break;
      /* Other processes can send here, too. */
      if (from.nl_pid == 0) read(static_cast<size_t>(length));
    }
    /* The kernel gives one dump at a time: a new one is asked for when the present one is over. */
    if (is_incomplete_ && !is_dumping_) {
      is_incomplete_ = false;
      ask();
    }
    tell(env, callback);
  }

  void read(size_t length) {
    const LinkTable::Outcome outcome = table_.read(datagram_.data(), length, changes_);
    if (outcome == LinkTable::Outcome::GOES_ON) return;
    is_dumping_ = false;
    if (outcome == LinkTable::Outcome::DUMP_FAILED) is_incomplete_ = true;
  }

  void tell(napi_env env, Callback &callback) {
    std::vector<napi_value> links;
    for (const LinkChange &change : std::exchange(changes_, {})) {
      napi_value link = js_object(env);
      set_property(env, link, "name", js_string(env, change.name));
      set_property(env, link, "ifindex", js_number(env, change.ifindex));
      set_property(env, link, "isRunning", js_boolean(env, change.is_running));
      links.push_back(link);
    }
    if (links.empty()) return;
    const napi_value argument = js_array(env, links);
    callback.call({&argument, 1});
  }

  Fd fd_;
  LinkTable table_;
  std::vector<LinkChange> changes_;
  std::array<uint8_t, DATAGRAM_BYTES> datagram_;
  uint32_t sequence_ = 0;
  bool is_dumping_ = false;
  bool is_incomplete_ = false;
  Poll *poll_ = nullptr;
};
const napi_type_tag LinkMonitorHandle::TAG = {0xc3804be7f1952da6, 0x8e6d0a47b25c39f1};

}  // namespace

napi_value open_link_monitor(Call &call) {
  const napi_value on_change = call.argument(0, "onChange").function();
  auto handle = std::make_unique<LinkMonitorHandle>();
  LinkMonitorHandle *native = handle.get();
  using H = LinkMonitorHandle;
  const napi_property_descriptor methods[] = {method<H, &H::close>("close")};
  napi_value object = js_owner(call.env(), std::move(handle), methods);
  native->listen(call.env(), object, on_change);
  return object;
}

}  // namespace tandem
