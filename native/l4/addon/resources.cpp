/* SPDX-License-Identifier: MIT */
#include "resources.h"

#include <fcntl.h>

#include <cerrno>

#include "errors.h"

namespace tandem {

Mapping Mapping::of(int fd, size_t size, int protection, off_t offset, const char *what) {
  void *address = mmap(nullptr, size, protection, MAP_SHARED, fd, offset);
  if (address == MAP_FAILED) throw_errno(std::string("cannot map ") + what, errno);
  return Mapping(address, size);
}

Fd duplicate(int fd) {
  Fd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw_errno("cannot duplicate a descriptor", errno);
  return copy;
}

}  // namespace tandem
