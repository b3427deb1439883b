/* SPDX-License-Identifier: MIT */
#include "errors.h"

#include <cerrno>
#include <cstring>

namespace tandem {

std::string describe_errno(const std::string &what, int error_number) {
  const char *name = strerrorname_np(error_number);
  return what + ": " + strerror(error_number) + (name ? " (" + std::string(name) + ")" : "");
}

void throw_no_privilege(const std::string &what, int error_number) {
  throw NativeError{"NO_PRIVILEGE", describe_errno(what, error_number), error_number,
                    "run as root, or give node the capabilities: setcap cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw,cap_sys_admin+ep "
                    "$(readlink -f $(which node))",
                    ""};
}

void throw_errno(const std::string &what, int error_number) {
  if (error_number == EPERM || error_number == EACCES) throw_no_privilege(what, error_number);
  throw NativeError{"SYSCALL", describe_errno(what, error_number), error_number, "", ""};
}

}  // namespace tandem
