/* SPDX-License-Identifier: MIT */
/*
 * bpf-map.h: one BPF map by its descriptor: single entries, whole dumps, sums over CPUs, and the nested tables. Lengths are checked
 * against what the kernel says about the map, so that no call can make it read beyond a buffer.
 */
#ifndef TANDEM_ADDON_BPF_MAP_H
#define TANDEM_ADDON_BPF_MAP_H

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "resources.h"

namespace tandem {

using Bytes = std::span<const uint8_t>;

struct MapShape {
  uint32_t type = 0;
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  uint32_t max_entries = 0;
  uint32_t flags = 0;
};

/* A part of a dump: `count` keys and values side by side. `done` when nothing follows. */
struct MapBatch {
  uint32_t count = 0;
  bool done = false;
};

struct InnerTable {
  uint32_t index;
  std::span<const uint32_t> slots;
};

class BpfMap {
 public:
  BpfMap(std::string name, Fd fd);
  const std::string &name() const { return name_; }
  int fd() const { return fd_.get(); }
  const MapShape &shape() const { return shape_; }
  /* Bytes of one value as user space sees it: for per-CPU maps one padded value per possible CPU. */
  size_t value_bytes() const;

  std::optional<std::vector<uint8_t>> get(Bytes key) const;
  void set(Bytes key, Bytes value) const;
  bool remove(Bytes key) const;
  /* Calls `visit` for every entry of a plain map. */
  void each(const std::function<void(Bytes key, Bytes value)> &visit) const;
  /* A per-CPU array of 64-bit words: the sum over the CPUs, index by index. */
  std::vector<uint64_t> sums() const;
  /* One step of a dump; `cursor` is empty at the start and moved on. Buffers must hold `room` entries. */
  MapBatch batch(std::vector<uint8_t> &cursor, uint32_t room, uint8_t *keys, uint8_t *values) const;
  /* Pinned kernel memory by the kernel's accounting. */
  uint64_t memory_bytes() const;

  /*
   * Map in map: replaces inner tables, each atomically; an empty one is removed. The kernel waits for a grace period (about 10 ms) at the
   * end of such a call: many tables in one call cost as much as one.
   */
  void set_tables(std::span<const InnerTable> tables) const;
  std::optional<std::vector<uint32_t>> table(uint32_t index) const;

 private:
  bool is_per_cpu() const;
  void require_plain() const;
  [[noreturn]] void fail(const char *what, int error_number) const;

  std::string name_;
  Fd fd_;
  MapShape shape_;
};

/* What the kernel says about an open map. */
MapShape shape_of(int fd, const std::string &name);

uint32_t possible_cpus();

}  // namespace tandem

#endif
