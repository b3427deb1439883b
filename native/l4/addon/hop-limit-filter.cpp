/* SPDX-License-Identifier: MIT */
#include "hop-limit-filter.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/filter.h>

#include <cerrno>
#include <cstddef>
#include <memory>

#include "resources.h"

namespace tandem {
namespace {

/* Of the IPv6 header (RFC 8200, section 3). The packet begins behind it: it is read relative to the network header. */
constexpr int HOP_LIMIT_OFFSET = 7;
constexpr int ON_LINK_HOP_LIMIT = 255;
constexpr int WHOLE = -1, ONE_BYTE = 1;

constexpr bpf_insn move(uint8_t to, int32_t value) { return {BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value}; }

Fd load_filter() {
  const bpf_insn program[] = {
      {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0}, /* loads of packet bytes want the context in r6 */
      {BPF_LD | BPF_ABS | BPF_B, BPF_REG_0, 0, 0, SKF_NET_OFF + HOP_LIMIT_OFFSET},
      {BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, ON_LINK_HOP_LIMIT},
      move(BPF_REG_0, ONE_BYTE),
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
      move(BPF_REG_0, WHOLE),
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  };
  Fd fd(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "tandem_hops", "MIT", program, std::size(program), nullptr));
  if (!fd) throw_errno("cannot load the hop limit filter", errno);
  return fd;
}

class HopLimitFilterHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "hop limit filter";
  HopLimitFilterHandle() : fd_(load_filter()) {}
  int fd() const { return fd_.get(); }
  napi_value close(Call &call) {
    fd_ = Fd();
    return js_undefined(call.env());
  }

 private:
  Fd fd_;
};
const napi_type_tag HopLimitFilterHandle::TAG = {0x94b1e3058d7fc62a, 0xd05a2c7e416b8f93};

}  // namespace

napi_value open_hop_limit_filter(Call &call) {
  auto handle = std::make_unique<HopLimitFilterHandle>();
  const int fd = handle->fd();
  using H = HopLimitFilterHandle;
  const napi_property_descriptor methods[] = {method<H, &H::close>("close")};
  napi_value object = js_owner(call.env(), std::move(handle), methods);
  set_property(call.env(), object, "fd", js_number(call.env(), fd));
  return object;
}

}  // namespace tandem
