/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "monotonic.h"
#include "poll.h"
#include "resources.h"

namespace tandem {
namespace {

constexpr size_t BATCH = 16;
/* One protocol's frames (ARP, VRRP) are short; a capture of everything meets segments of 64 KiB. */
constexpr size_t FRAME_BYTES = 2048, CAPTURE_BYTES = 65536 + 64;
constexpr size_t LEAST_FRAME = 14, MOST_FRAME = 65535 + 14;
/* A flood of frames must not keep the event loop from its timers. */
constexpr int BATCHES_PER_WAKE = 8;

/* Room for one recvmmsg() call, linked up once. */
class Batch {
 public:
  explicit Batch(size_t frame_bytes) : bytes_(frame_bytes * BATCH) {
    for (size_t i = 0; i < BATCH; i++) parts_[i] = {bytes_.data() + i * frame_bytes, frame_bytes};
  }

  /* Number of frames, 0 when none is waiting. */
  size_t receive(int fd) {
    for (size_t i = 0; i < BATCH; i++) {
      msghdr header{};
      header.msg_iov = &parts_[i];
      header.msg_iovlen = 1;
      header.msg_name = &addresses_[i];
      header.msg_namelen = sizeof addresses_[i];
      header.msg_control = controls_[i].data;
      header.msg_controllen = sizeof controls_[i].data;
      messages_[i] = {header, 0};
    }
    const int count = recvmmsg(fd, messages_.data(), BATCH, MSG_DONTWAIT, nullptr);
    return count > 0 ? static_cast<size_t>(count) : 0;
  }

  Bytes frame(size_t i) const {
    const size_t length = std::min<size_t>(messages_[i].msg_len, parts_[i].iov_len);
    return {static_cast<const uint8_t *>(parts_[i].iov_base), length};
  }

  bool is_outgoing(size_t i) const { return addresses_[i].sll_pkttype == PACKET_OUTGOING; }

  uint64_t timestamp_ns(size_t i) const {
    msghdr header = messages_[i].msg_hdr;
    for (cmsghdr *control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control)) {
      if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_TIMESTAMPNS) continue;
      timespec time{};
      memcpy(&time, CMSG_DATA(control), sizeof time);
      return static_cast<uint64_t>(time.tv_sec) * NS_PER_SECOND + static_cast<uint64_t>(time.tv_nsec);
    }
    return 0;
  }

 private:
  struct Control {
    alignas(cmsghdr) char data[CMSG_SPACE(sizeof(timespec))];
  };
  std::vector<uint8_t> bytes_;
  std::array<iovec, BATCH> parts_{};
  std::array<sockaddr_ll, BATCH> addresses_{};
  std::array<Control, BATCH> controls_{};
  std::array<mmsghdr, BATCH> messages_{};
};

Fd open_socket(const std::string &interface_name, uint16_t ether_type) {
  const unsigned ifindex = if_nametoindex(interface_name.c_str());
  if (!ifindex) throw NativeError{"NO_INTERFACE", "there is no interface " + interface_name, ENODEV, "", ""};
  /* Protocol 0 until bound: no frame of another interface gets in between. */
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno("cannot open a packet socket", errno);
  const int on = 1;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)) throw_errno("cannot ask for timestamps", errno);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ether_type);
  address.sll_ifindex = static_cast<int>(ifindex);
  if (bind(fd.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address)) throw_errno("cannot bind to " + interface_name, errno);
  return fd;
}

class FrameHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "frame socket";
  FrameHandle(std::string interface_name, Fd fd) : interface_name_(std::move(interface_name)), fd_(std::move(fd)) {}
  FrameHandle(const FrameHandle &) = delete;
  FrameHandle &operator=(const FrameHandle &) = delete;
  ~FrameHandle() { stop(); }

  /* `self` is the JavaScript object that owns this. */
  void listen(napi_env env, napi_value self, napi_value on_frames, size_t frame_bytes) {
    batch_ = std::make_shared<Batch>(frame_bytes);
    auto callback = std::make_shared<Callback>(env, on_frames);
    Poll::start(env, fd_.get(), self, [this, env, callback] { receive(env, *callback); }, poll_);
  }

  napi_value send(Call &call) {
    require_open();
    const Bytes frame = call.argument(0, "frame").bytes();
    if (frame.size() < LEAST_FRAME || frame.size() > MOST_FRAME)
      throw RangeMistake{"frame must have " + std::to_string(LEAST_FRAME) + " to " + std::to_string(MOST_FRAME) + " bytes"};
    if (::send(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT) < 0) throw_errno("cannot send a frame on " + interface_name_, errno);
    return js_undefined(call.env());
  }

  napi_value close(Call &call) {
    stop();
    return js_undefined(call.env());
  }

 private:
  void require_open() const {
    if (!fd_) throw NativeError{"CLOSED", "the frame socket is closed", 0, "", ""};
  }

  void stop() {
    if (poll_) poll_->close();
    fd_ = Fd();
  }

  void receive(napi_env env, Callback &callback) {
    const auto batch = batch_;
    for (int round = 0; round < BATCHES_PER_WAKE && fd_; round++) {
      const size_t count = batch->receive(fd_.get());
      if (!count) return;
      std::vector<napi_value> frames;
      for (size_t i = 0; i < count; i++) {
        napi_value value = js_object(env);
        set_property(env, value, "frame", js_buffer(env, batch->frame(i)));
        set_property(env, value, "timestampNs", js_bigint(env, batch->timestamp_ns(i)));
        set_property(env, value, "outgoing", js_boolean(env, batch->is_outgoing(i)));
        frames.push_back(value);
      }
      const napi_value argument = js_array(env, frames);
      callback.call({&argument, 1});
      if (count < BATCH) return;
    }
  }

  std::string interface_name_;
  Fd fd_;
  std::shared_ptr<Batch> batch_;
  Poll *poll_ = nullptr;
};
const napi_type_tag FrameHandle::TAG = {0x7e24c1d85b6a4f90, 0xb1f6093ad87c2e45};

}  // namespace

napi_value open_frames(Call &call) {
  const std::string interface_name = call.argument(0, "interfaceName").string();
  const auto ether_type = static_cast<uint16_t>(call.argument(1, "etherType").integer(0, UINT16_MAX));
  const Argument on_frames = call.argument(2, "onFrames");
  napi_value function = on_frames.is_nullish() ? nullptr : on_frames.function();
  if (function && !ether_type) throw RangeMistake{"etherType 0 only sends: it takes no onFrames"};
  /* Without a reader nothing must pile up. */
  auto handle = std::make_unique<FrameHandle>(interface_name, open_socket(interface_name, function ? ether_type : 0));
  FrameHandle *native = handle.get();
  using H = FrameHandle;
  const napi_property_descriptor methods[] = {method<H, &H::send>("send"), method<H, &H::close>("close")};
  napi_value object = js_owner(call.env(), std::move(handle), methods);
  if (function) native->listen(call.env(), object, function, ether_type == ETH_P_ALL ? CAPTURE_BYTES : FRAME_BYTES);
  return object;
}

}  // namespace tandem
