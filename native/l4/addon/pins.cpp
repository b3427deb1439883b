/* SPDX-License-Identifier: MIT */
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "errors.h"

namespace tandem {
namespace {

constexpr char LEFTOVER_MARK = '~';
/* <root>/tandem/<node>/v<version>: how far up remove_directory() may go. */
constexpr int OWN_LEVELS = 3;

std::string parent_of(const std::string &path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_on_bpffs(const std::string &path) {
  struct statfs status {};
  return statfs(path.c_str(), &status) == 0 && static_cast<uint64_t>(status.f_type) == BPF_FS_MAGIC;
}

[[noreturn]] void throw_not_bpffs(const std::string &path) {
  throw NativeError{"BPFFS_NOT_MOUNTED", path + " is not on a BPF file system", 0, "run: mount -t bpf bpf /sys/fs/bpf", ""};
}

void make_directories(const std::string &path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw_errno("cannot create " + path, errno);
  make_directories(parent_of(path));
  if (mkdir(path.c_str(), 0700) && errno != EEXIST) throw_errno("cannot create " + path, errno);
}

}  // namespace

void Pins::create() const {
  std::string existing = directory_;
  struct stat status {};
  while (stat(existing.c_str(), &status) && existing != parent_of(existing)) existing = parent_of(existing);
  if (!is_on_bpffs(existing)) throw_not_bpffs(directory_);
  if (directory_.find('.', existing.size()) != std::string::npos)
    throw NativeError{"SYSCALL", "cannot create " + directory_, EPERM, "names on the BPF file system must not contain a dot", ""};
  make_directories(directory_);
}

void Pins::require() const {
  struct stat status {};
  if (stat(directory_.c_str(), &status)) {
    if (errno != ENOENT) throw_errno("cannot open " + directory_, errno);
    throw NativeError{"NOT_LOADED", "no data plane is pinned at " + directory_, ENOENT, "", ""};
  }
  if (!is_on_bpffs(directory_)) throw_not_bpffs(directory_);
}

Fd Pins::lock() const {
  Fd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) throw_errno("cannot open " + directory_, errno);
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
  if (errno != EWOULDBLOCK) throw_errno("cannot lock " + directory_, errno);
  throw NativeError{"BUSY", "another process is changing the data plane at " + directory_, EWOULDBLOCK, "try again", ""};
}

void Pins::remove_leftovers() const {
  for (const std::string &name : names())
    if (name.back() == LEFTOVER_MARK) remove(name);
}

std::vector<std::string> Pins::names() const {
  std::unique_ptr<DIR, int (*)(DIR *)> directory(opendir(directory_.c_str()), closedir);
  if (!directory) throw_errno("cannot list " + directory_, errno);
  std::vector<std::string> result;
  while (const dirent *entry = readdir(directory.get()))
    if (entry->d_name[0] != '.') result.emplace_back(entry->d_name);
  std::sort(result.begin(), result.end());
  return result;
}

std::optional<Fd> Pins::open(const std::string &name) const {
  Fd fd(bpf_obj_get(path_of(name).c_str()));
  if (fd) return fd;
  if (errno == ENOENT) return std::nullopt;
  throw_errno("cannot open " + path_of(name), errno);
}

void Pins::pin(int fd, const std::string &name) const {
  if (bpf_obj_pin(fd, path_of(name).c_str())) throw_errno("cannot pin " + path_of(name), errno);
}

void Pins::replace(int fd, const std::string &name) const {
  const std::string temporary = name + LEFTOVER_MARK;
  remove(temporary);
  pin(fd, temporary);
  if (rename(path_of(temporary).c_str(), path_of(name).c_str())) throw_errno("cannot pin " + path_of(name), errno);
}

void Pins::remove(const std::string &name) const {
  if (unlink(path_of(name).c_str()) && errno != ENOENT) throw_errno("cannot remove " + path_of(name), errno);
}

void Pins::remove_directory() const {
  std::string directory = directory_;
  for (int level = 0; level < OWN_LEVELS && is_on_bpffs(directory) && rmdir(directory.c_str()) == 0; level++) directory = parent_of(directory);
}

std::string pin_name(const char *prefix, const std::string &interface_name) {
  std::string result = prefix;
  for (const char c : interface_name) {
    char escaped[4];
    snprintf(escaped, sizeof escaped, "%%%02x", static_cast<unsigned char>(c));
    const bool is_plain = c != '.' && c != '%' && c != LEFTOVER_MARK && c != '/';
    result += is_plain ? std::string(1, c) : std::string(escaped);
  }
  return result;
}

std::string interface_of_pin(const char *prefix, const std::string &pin) {
  const std::string body = pin.substr(std::string(prefix).size());
  std::string result;
  for (size_t i = 0; i < body.size(); i++) {
    if (body[i] != '%' || i + 2 >= body.size()) {
      result += body[i];
      continue;
    }
    result += static_cast<char>(strtol(body.substr(i + 1, 2).c_str(), nullptr, 16));
    i += 2;
  }
  return result;
}

}  // namespace tandem
