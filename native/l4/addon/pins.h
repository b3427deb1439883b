/* SPDX-License-Identifier: MIT */
/*
 * pins.h: the directory on bpffs that holds one node's maps, programs and links under fixed names:
 *   <map>, prog_lease, prog_apply, prog_clock, xdp_<interface>, link_<interface>
 * Replacing is a rename, so that a reader always finds a whole object. What a crash left half done carries a `~` and is swept away.
 */
#ifndef TANDEM_ADDON_PINS_H
#define TANDEM_ADDON_PINS_H

#include <optional>
#include <string>
#include <vector>

#include "resources.h"

namespace tandem {

constexpr const char *PIN_LINK_PREFIX = "link_";
constexpr const char *PIN_XDP_PREFIX = "xdp_";
constexpr const char *PIN_PROGRAM_PREFIX = "prog_";

class Pins {
 public:
  explicit Pins(std::string directory) : directory_(std::move(directory)) {}
  const std::string &directory() const { return directory_; }
  /* Throws BPFFS_NOT_MOUNTED, NO_PRIVILEGE. */
  void create() const;
  /* Throws BPFFS_NOT_MOUNTED, NOT_LOADED. */
  void require() const;
  /* Held while pins change, so that two processes cannot load at once; throws BUSY. Released with the descriptor. */
  Fd lock() const;
  void remove_leftovers() const;

  std::vector<std::string> names() const;
  std::optional<Fd> open(const std::string &name) const;
  void pin(int fd, const std::string &name) const;
  /* As pin, over whatever is there. */
  void replace(int fd, const std::string &name) const;
  void remove(const std::string &name) const;
  /* Removes the empty directory, and its parents on bpffs as far as they are empty. */
  void remove_directory() const;

 private:
  std::string path_of(const std::string &name) const { return directory_ + "/" + name; }
  std::string directory_;
};

/* Interface names may hold a dot, names on bpffs may not. */
std::string pin_name(const char *prefix, const std::string &interface_name);
std::string interface_of_pin(const char *prefix, const std::string &pin);

}  // namespace tandem

#endif
