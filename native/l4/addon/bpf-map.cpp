/* SPDX-License-Identifier: MIT */
#include "bpf-map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "errors.h"

namespace tandem {
namespace {

/* Entries per system call of a dump: large enough for the batch calls to pay, small enough for the stack of buffers to stay in cache. */
constexpr uint32_t DUMP_ROOM = 512;
constexpr uint32_t NO_ROOM_FACTOR = 4;

void require_length(const std::string &map, const char *what, size_t length, size_t wanted) {
  if (length != wanted)
    throw RangeMistake{std::string(what) + " of " + map + " must have " + std::to_string(wanted) + " bytes, not " + std::to_string(length)};
}

Fd make_table(std::span<const uint32_t> slots) {
  const uint32_t size = static_cast<uint32_t>(slots.size());
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.map_flags = BPF_F_INNER_MAP; /* lets inner maps differ in size */
  Fd table(bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", sizeof(uint32_t), sizeof(uint32_t), size, &options));
  if (!table) throw_errno("cannot create a table of " + std::to_string(size) + " entries", errno);
  std::vector<uint32_t> keys(size);
  for (uint32_t i = 0; i < size; i++) keys[i] = i;
  uint32_t count = size;
  if (bpf_map_update_batch(table.get(), keys.data(), slots.data(), &count, nullptr)) throw_errno("cannot fill a table", errno);
  return table;
}

}  // namespace

uint32_t possible_cpus() {
  int count = libbpf_num_possible_cpus();
  if (count < 1) throw_errno("cannot count CPUs", -count);
  return static_cast<uint32_t>(count);
}

MapShape shape_of(int fd, const std::string &name) {
  bpf_map_info info{};
  uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &length)) throw_errno("cannot inspect map " + name, errno);
  return {info.type, info.key_size, info.value_size, info.max_entries, info.map_flags};
}

BpfMap::BpfMap(std::string name, Fd fd) : name_(std::move(name)), fd_(std::move(fd)), shape_(shape_of(fd_.get(), name_)) {}

void BpfMap::fail(const char *what, int error_number) const {
  std::string action = std::string("cannot ") + what + " map " + name_;
  if (error_number == E2BIG && shape_.type == BPF_MAP_TYPE_HASH)
    throw NativeError{"MAP_FULL", action + ": it holds " + std::to_string(shape_.max_entries) + " entries already", error_number, "", ""};
  throw_errno(action, error_number);
}

bool BpfMap::is_per_cpu() const {
  return shape_.type == BPF_MAP_TYPE_PERCPU_ARRAY || shape_.type == BPF_MAP_TYPE_PERCPU_HASH || shape_.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

size_t BpfMap::value_bytes() const {
  if (!is_per_cpu()) return shape_.value_size;
  return static_cast<size_t>((shape_.value_size + 7) / 8 * 8) * possible_cpus();
}

void BpfMap::require_plain() const {
  if (shape_.type != BPF_MAP_TYPE_HASH && shape_.type != BPF_MAP_TYPE_ARRAY && shape_.type != BPF_MAP_TYPE_LRU_HASH)
    throw TypeMistake{"map " + name_ + " is not a plain hash or array"};
}

std::optional<std::vector<uint8_t>> BpfMap::get(Bytes key) const {
  require_length(name_, "key", key.size(), shape_.key_size);
  std::vector<uint8_t> value(value_bytes());
  if (bpf_map_lookup_elem(fd(), key.data(), value.data()) == 0) return value;
  if (errno == ENOENT) return std::nullopt;
  fail("read", errno);
}

void BpfMap::set(Bytes key, Bytes value) const {
  require_length(name_, "key", key.size(), shape_.key_size);
  require_length(name_, "value", value.size(), value_bytes());
  if (shape_.type == BPF_MAP_TYPE_ARRAY_OF_MAPS) throw TypeMistake{"map " + name_ + " holds tables; use setTable"};
  if (bpf_map_update_elem(fd(), key.data(), value.data(), BPF_ANY)) fail("write", errno);
}

bool BpfMap::remove(Bytes key) const {
  require_length(name_, "key", key.size(), shape_.key_size);
  if (bpf_map_delete_elem(fd(), key.data()) == 0) return true;
  if (errno == ENOENT) return false;
  fail("delete from", errno);
}

MapBatch BpfMap::batch(std::vector<uint8_t> &cursor, uint32_t room, uint8_t *keys, uint8_t *values) const {
  /* The kernel writes a bucket number for a hash and a key for an array. */
  std::vector<uint8_t> next(std::max<size_t>(shape_.key_size, sizeof(uint32_t)));
  uint32_t count = room;
  int error = bpf_map_lookup_batch(fd(), cursor.empty() ? nullptr : cursor.data(), next.data(), keys, values, &count, nullptr) ? errno : 0;
  if (error && error != ENOENT) {
    if (error != ENOSPC) fail("dump", error);
    return {0, false};
  }
  cursor = std::move(next);
  return {count, error == ENOENT};
}

void BpfMap::each(const std::function<void(Bytes, Bytes)> &visit) const {
  require_plain();
  std::vector<uint8_t> cursor, keys, values;
  uint32_t room = DUMP_ROOM;
  for (bool done = false; !done;) {
    keys.resize(static_cast<size_t>(room) * shape_.key_size);
    values.resize(static_cast<size_t>(room) * shape_.value_size);
    MapBatch part = batch(cursor, room, keys.data(), values.data());
    done = part.done;
    if (part.count == 0 && !done) room *= NO_ROOM_FACTOR; /* one bucket held more than that */
    for (uint32_t i = 0; i < part.count; i++)
      visit(Bytes(keys).subspan(static_cast<size_t>(i) * shape_.key_size, shape_.key_size),
            Bytes(values).subspan(static_cast<size_t>(i) * shape_.value_size, shape_.value_size));
  }
}

std::vector<uint64_t> BpfMap::sums() const {
  if (shape_.type != BPF_MAP_TYPE_PERCPU_ARRAY || shape_.value_size % sizeof(uint64_t))
    throw TypeMistake{"map " + name_ + " is not a per-CPU array of 64-bit words"};
  const size_t words = shape_.value_size / sizeof(uint64_t), cpus = possible_cpus();
  std::vector<uint64_t> result(words * shape_.max_entries), values(DUMP_ROOM * words * cpus);
  std::vector<uint32_t> keys(DUMP_ROOM);
  std::vector<uint8_t> cursor;
  for (bool done = false; !done;) {
    MapBatch part = batch(cursor, DUMP_ROOM, reinterpret_cast<uint8_t *>(keys.data()), reinterpret_cast<uint8_t *>(values.data()));
    done = part.done;
    for (uint32_t i = 0; i < part.count; i++)
      for (size_t word = 0; word < words * cpus; word++) result[keys[i] * words + word % words] += values[i * words * cpus + word];
  }
  return result;
}

uint64_t BpfMap::memory_bytes() const {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd()));
  for (std::string label; info >> label;) {
    uint64_t bytes = 0;
    if (label == "memlock:" && info >> bytes) return bytes;
  }
  throw NativeError{"SYSCALL", "the kernel does not tell the memory of map " + name_, 0, "", ""};
}

void BpfMap::set_tables(std::span<const InnerTable> tables) const {
  std::vector<Fd> owned;
  std::vector<uint32_t> indexes, removed;
  std::vector<int> inner;
  for (const InnerTable &table : tables) {
    if (table.slots.empty()) {
      removed.push_back(table.index);
      continue;
    }
    owned.push_back(make_table(table.slots));
    indexes.push_back(table.index);
    inner.push_back(owned.back().get());
  }
  uint32_t count = static_cast<uint32_t>(indexes.size());
  /* Kernels before 5.17 know no batches here: ENOTSUPP of the kernel has no name in user space. */
  constexpr int KERNEL_ENOTSUPP = 524;
  const int error = count && bpf_map_update_batch(fd(), indexes.data(), inner.data(), &count, nullptr) ? errno : 0;
  if (error && error != KERNEL_ENOTSUPP && error != EOPNOTSUPP) fail("write", error);
  for (size_t i = 0; error && i < indexes.size(); i++)
    if (bpf_map_update_elem(fd(), &indexes[i], &inner[i], BPF_ANY)) fail("write", errno);
  for (const uint32_t index : removed)
    if (bpf_map_delete_elem(fd(), &index) && errno != ENOENT) fail("delete from", errno);
}

std::optional<std::vector<uint32_t>> BpfMap::table(uint32_t index) const {
  uint32_t id = 0;
  if (bpf_map_lookup_elem(fd(), &index, &id)) {
    if (errno == ENOENT) return std::nullopt;
    fail("read", errno);
  }
  Fd inner(bpf_map_get_fd_by_id(id));
  if (!inner) throw_errno("cannot open a table", errno);
  BpfMap inner_map("table", std::move(inner));
  std::vector<uint32_t> slots;
  inner_map.each([&slots](Bytes, Bytes value) {
    uint32_t slot = 0;
    memcpy(&slot, value.data(), sizeof slot);
    slots.push_back(slot);
  });
  return slots;
}

}  // namespace tandem
