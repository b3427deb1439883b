/* SPDX-License-Identifier: MIT */
#include "xdp-link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <optional>

#include "errors.h"

namespace tandem {
namespace {

/* 0 when the interface has gone or the link was detached by force. */
uint32_t ifindex_of(int link) {
  bpf_link_info info{};
  uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(link, &info, &length)) throw_errno("cannot inspect an XDP link", errno);
  return info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : 0;
}

XdpMode mode_of(uint32_t ifindex) {
  bpf_xdp_query_opts options{};
  options.sz = sizeof options;
  const int error = bpf_xdp_query(static_cast<int>(ifindex), 0, &options);
  if (error) throw_errno("cannot ask for the XDP mode of an interface", -error);
  return options.attach_mode == XDP_ATTACHED_SKB ? XdpMode::GENERIC : XdpMode::NATIVE;
}

/* The new link, or errno. */
Fd create_link(uint32_t ifindex, int program, XdpMode mode, int &error_number) {
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.flags = mode == XdpMode::GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
  const int fd = bpf_link_create(program, static_cast<int>(ifindex), BPF_XDP, &options);
  error_number = fd < 0 ? errno : 0;
  return Fd(fd);
}

[[noreturn]] void throw_not_attached(const std::string &interface_name, XdpMode mode, int error_number) {
  const std::string what = "cannot attach to " + interface_name + (mode == XdpMode::GENERIC ? " in generic mode" : " in native mode");
  if (error_number == EPERM || error_number == EACCES) throw_no_privilege(what, error_number);
  if (error_number == ENODEV) throw NativeError{"NO_INTERFACE", describe_errno(what, error_number), error_number, "", ""};
  if (error_number == EBUSY || error_number == EEXIST)
    throw NativeError{"BUSY", what + ": another XDP program is there", error_number,
                      "run: ip link set dev " + interface_name + " xdp off, or find its owner with: bpftool net; bpftool link", ""};
  throw NativeError{"ATTACH_FAILED", describe_errno(what, error_number), error_number,
                    mode == XdpMode::GENERIC ? "" : "set dataPlane.attach to auto or generic", ""};
}

/* What is there already cannot be got rid of by another mode. */
bool can_fall_back(int error_number) {
  return error_number != EBUSY && error_number != EEXIST && error_number != ENODEV && error_number != EPERM && error_number != EACCES;
}

void pin_link(const Pins &pins, const std::string &interface_name, int program, int link) {
  pins.replace(program, pin_name(PIN_XDP_PREFIX, interface_name));
  pins.replace(link, pin_name(PIN_LINK_PREFIX, interface_name));
}

/* The mode of the living link of this interface, if there is one. */
std::optional<XdpMode> linked_mode(const Pins &pins, const std::string &interface_name, uint32_t ifindex) {
  const auto link = pins.open(pin_name(PIN_LINK_PREFIX, interface_name));
  if (!link || ifindex_of(link->get()) != ifindex) return std::nullopt;
  return mode_of(ifindex);
}

/* A mode that turned out impossible must not end what worked before. */
void restore_link(const Pins &pins, const std::string &interface_name, uint32_t ifindex, XdpMode mode, const ProgramLoader &load) {
  const Fd program = load(mode);
  int error_number = 0;
  const Fd link = create_link(ifindex, program.get(), mode, error_number);
  if (link) pin_link(pins, interface_name, program.get(), link.get());
}

XdpAttachment make_link(const Pins &pins, const std::string &interface_name, uint32_t ifindex, XdpMode mode, const ProgramLoader &load) {
  XdpAttachment result;
  result.mode = mode == XdpMode::AUTO ? XdpMode::NATIVE : mode;
  result.program = load(result.mode);
  /* Only now: whatever was attached worked on while the new program was verified. */
  const auto former_mode = linked_mode(pins, interface_name, ifindex);
  unlink_program(pins, interface_name);
  int error_number = 0;
  Fd link = create_link(ifindex, result.program.get(), result.mode, error_number);
  if (!link && mode == XdpMode::AUTO && can_fall_back(error_number)) {
    result.fallback_reason = describe_errno("native XDP is refused by the driver of " + interface_name, error_number);
    result.mode = XdpMode::GENERIC;
    result.program = load(result.mode);
    link = create_link(ifindex, result.program.get(), result.mode, error_number);
  }
  if (!link) {
    const int reason = error_number;
    if (former_mode) restore_link(pins, interface_name, ifindex, *former_mode, load);
    throw_not_attached(interface_name, result.mode, reason);
  }
  pin_link(pins, interface_name, result.program.get(), link.get());
  return result;
}

/* Nothing when there is no living link of this interface in the wanted mode. */
std::optional<XdpAttachment> adopt_link(const Pins &pins, const std::string &interface_name, uint32_t ifindex, XdpMode mode,
                                        const ProgramLoader &load) {
  const auto present_mode = linked_mode(pins, interface_name, ifindex);
  if (!present_mode) return std::nullopt;
  const XdpMode present = *present_mode;
  if (mode != XdpMode::AUTO && mode != present) return std::nullopt;
  XdpAttachment result{present, true, "", load(present)};
  const auto link = pins.open(pin_name(PIN_LINK_PREFIX, interface_name));
  if (!link) return std::nullopt;
  if (bpf_link_update(link->get(), result.program.get(), nullptr)) throw_errno("cannot replace the program on " + interface_name, errno);
  if (mode == XdpMode::AUTO && present == XdpMode::GENERIC) result.fallback_reason = "the link that was found is in generic mode";
  pins.replace(result.program.get(), pin_name(PIN_XDP_PREFIX, interface_name));
  return result;
}

}  // namespace

bool is_linked(const Pins &pins, const std::string &interface_name) {
  const auto link = pins.open(pin_name(PIN_LINK_PREFIX, interface_name));
  const uint32_t ifindex = link ? ifindex_of(link->get()) : 0;
  return ifindex != 0 && if_nametoindex(interface_name.c_str()) == ifindex;
}

XdpAttachment link_program(const Pins &pins, const std::string &interface_name, uint32_t ifindex, XdpMode mode, const ProgramLoader &load) {
  if (auto adopted = adopt_link(pins, interface_name, ifindex, mode, load)) return std::move(*adopted);
  return make_link(pins, interface_name, ifindex, mode, load);
}

void unlink_program(const Pins &pins, const std::string &interface_name) {
  const std::string link_pin = pin_name(PIN_LINK_PREFIX, interface_name);
  if (const auto link = pins.open(link_pin)) {
    /* EINVAL, ENOLINK: nothing to detach any more. */
    if (bpf_link_detach(link->get()) && errno == EPERM) throw_errno("cannot detach from " + interface_name, errno);
    pins.remove(link_pin);
  }
  pins.remove(pin_name(PIN_XDP_PREFIX, interface_name));
}

}  // namespace tandem
