/* SPDX-License-Identifier: MIT */
/*
 * xdp-link.h: an XDP program on an interface by a BPF link. A pinned link outlives its process; the next one puts its own program into it
 * without a gap.
 */
#ifndef TANDEM_ADDON_XDP_LINK_H
#define TANDEM_ADDON_XDP_LINK_H

#include <cstdint>
#include <functional>
#include <string>

#include "pins.h"

namespace tandem {

enum class XdpMode { NATIVE, GENERIC, AUTO };

struct XdpAttachment {
  XdpMode mode = XdpMode::NATIVE;
  bool adopted = false;
  std::string fallback_reason;
  Fd program;
};

/* The pinned link of this interface carries a program on an existing interface of this name. */
bool is_linked(const Pins &pins, const std::string &interface_name);

/* Loads the program for native or generic mode: its constants say which. */
using ProgramLoader = std::function<Fd(XdpMode mode)>;

/* Takes over the pinned link, or makes and pins a new one; returns the program too. Throws BUSY, NO_INTERFACE, ATTACH_FAILED, NO_PRIVILEGE. */
XdpAttachment link_program(const Pins &pins, const std::string &interface_name, uint32_t ifindex, XdpMode mode, const ProgramLoader &load);

/* Takes the program off the interface at once, also when others hold the link open, and removes its pins. */
void unlink_program(const Pins &pins, const std::string &interface_name);

}  // namespace tandem

#endif
