/* SPDX-License-Identifier: MIT */
/*
 * resources.h: owners of file descriptors and memory mappings. Each resource has exactly one owner and goes with it.
 */
#ifndef TANDEM_ADDON_RESOURCES_H
#define TANDEM_ADDON_RESOURCES_H

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace tandem {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd &operator=(Fd &&other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd &) = delete;
  Fd &operator=(const Fd &) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

class Mapping {
 public:
  Mapping() = default;
  Mapping(void *address, size_t size) : address_(address), size_(size) {}
  Mapping(Mapping &&other) noexcept : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping &operator=(Mapping &&other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping() {
    if (address_) munmap(address_, size_);
  }
  /* Maps a descriptor shared; throws NativeError. */
  static Mapping of(int fd, size_t size, int protection, off_t offset, const char *what);
  uint8_t *data() const { return static_cast<uint8_t *>(address_); }
  size_t size() const { return size_; }

 private:
  void *address_ = nullptr;
  size_t size_ = 0;
};

/* A second descriptor of the same thing, closed on exec; throws NativeError. */
Fd duplicate(int fd);

}  // namespace tandem

#endif
