/* SPDX-License-Identifier: MIT */
#include "flow-table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "bpf-program.h"
#include "errors.h"

namespace tandem {
namespace {

constexpr uint8_t NO_VIRTUAL_ROUTER = 255;
/* The kernel copies whole buckets; less room than this would often not do for one. */
constexpr uint32_t LEAST_ROOM = 64;
constexpr int64_t NS_PER_MS = 1000000;

template <class T>
T read_as(Bytes bytes) {
  T value{};
  memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

/* Signed: a replicated record may have been idle for longer than this node is up, so that its time lies before zero. */
int64_t elapsed(uint64_t now, uint64_t since) { return static_cast<int64_t>(now - since); }

uint32_t age_ms(uint64_t now, uint64_t last_seen) {
  return static_cast<uint32_t>(std::clamp<int64_t>(elapsed(now, last_seen) / NS_PER_MS, 0, UINT32_MAX));
}

template <class T>
T entry_of(const BpfMap &map, uint32_t index) {
  const auto value = map.get({reinterpret_cast<const uint8_t *>(&index), sizeof index});
  return value ? read_as<T>(*value) : T{};
}

}  // namespace

/* Which virtual router a record belongs to: by its service, or by its address when the service is gone (as in the apply program). */
struct FlowTable::Routers {
  std::unordered_map<uint64_t, uint8_t> by_service;
  std::unordered_map<uint32_t, uint8_t> by_address;

  explicit Routers(const Maps &maps) {
    maps.services.each([this](Bytes key, Bytes value) { by_service[read_as<uint64_t>(key)] = read_as<tandem_service>(value).virtual_router; });
    maps.addresses.each([this](Bytes key, Bytes value) {
      const auto address = read_as<tandem_address>(value);
      if (address.kind != TANDEM_ADDRESS_LOCAL) by_address[read_as<uint32_t>(key)] = address.virtual_router;
    });
  }

  uint8_t of(const tandem_flow_key &flow) const {
    const tandem_service_key key{flow.vip_addr, flow.vip_port, flow.protocol, 0};
    static_assert(sizeof key == sizeof(uint64_t));
    const auto service = by_service.find(read_as<uint64_t>({reinterpret_cast<const uint8_t *>(&key), sizeof key}));
    if (service != by_service.end()) return service->second;
    const auto address = by_address.find(flow.vip_addr);
    return address == by_address.end() ? NO_VIRTUAL_ROUTER : address->second;
  }
};

/* How long a record may be idle, and since when that counts: only holders of a fresh lease age records. */
struct FlowTable::Idleness {
  uint64_t now = 0;
  tandem_settings settings{};
  std::array<tandem_lease, TANDEM_MAX_VIRTUAL_ROUTERS> leases{};

  Idleness(const Maps &maps, uint64_t now_ns) : now(now_ns), settings(entry_of<tandem_settings>(maps.settings, 0)) {
    maps.leases.each([this](Bytes key, Bytes value) {
      const auto slot = read_as<uint32_t>(key);
      if (slot < leases.size()) leases[slot] = read_as<tandem_lease>(value);
    });
  }

  bool is_over(const tandem_flow &flow, uint8_t virtual_router) const {
    int64_t idle = elapsed(now, flow.last_seen_ns);
    if (virtual_router < leases.size()) {
      if (now >= leases[virtual_router].deadline_ns) return false;
      idle = std::min(idle, elapsed(now, leases[virtual_router].started_ns));
    }
    const uint64_t timeout = flow.state < TANDEM_FLOW_STATES ? settings.timeout_ns[flow.state] : 0;
    return timeout && idle >= static_cast<int64_t>(timeout);
  }
};

FlowTable::FlowTable(const Maps &maps, int apply_program, int clock_program)
    : maps_(maps), apply_program_(apply_program), clock_program_(clock_program) {
  inbox_ = Mapping::of(maps.inbox.fd(), sizeof(tandem_record) * TANDEM_INBOX_RECORDS, PROT_READ | PROT_WRITE, 0, "the inbox");
}

uint64_t FlowTable::kernel_ns() const {
  tandem_clock_args clock{};
  run_syscall_program(clock_program_, clock, "tandem_clock");
  return clock.now_ns;
}

ApplyTotals FlowTable::apply(Bytes records, tandem_apply_mode mode, uint32_t sync_epoch) {
  ApplyTotals totals;
  constexpr size_t LOAD_BYTES = sizeof(tandem_record) * TANDEM_INBOX_RECORDS;
  for (size_t offset = 0; offset < records.size(); offset += LOAD_BYTES) {
    const Bytes part = records.subspan(offset, std::min(LOAD_BYTES, records.size() - offset));
    memcpy(inbox_.data(), part.data(), part.size());
    tandem_apply_args args{};
    args.count = static_cast<uint32_t>(part.size() / sizeof(tandem_record));
    args.mode = mode;
    args.sync_epoch = sync_epoch;
    run_syscall_program(apply_program_, args, "tandem_apply");
    totals.applied += args.applied;
    totals.stale += args.stale;
    totals.full += args.full;
    totals.unknown += args.unknown;
  }
  return totals;
}

MapBatch FlowTable::next_batch(Cursor &cursor, uint32_t most) {
  for (uint32_t room = std::max(most, LEAST_ROOM);; room *= 2) {
    keys_.resize(room);
    values_.resize(room);
    const MapBatch part = maps_.flows.batch(cursor, room, reinterpret_cast<uint8_t *>(keys_.data()), reinterpret_cast<uint8_t *>(values_.data()));
    if (part.count || part.done) return part;
  }
}

FlowChunk FlowTable::read(Cursor &cursor, uint32_t most) {
  const Routers routers(maps_);
  const MapBatch part = next_batch(cursor, most);
  const uint64_t now = kernel_ns();
  FlowChunk chunk{std::vector<uint8_t>(part.count * sizeof(tandem_record)), part.done};
  for (uint32_t i = 0; i < part.count; i++) {
    tandem_record record{};
    record.kind = TANDEM_RECORD_UPSERT;
    record.virtual_router = routers.of(keys_[i]);
    record.age_ms = age_ms(now, values_[i].last_seen_ns);
    record.key = keys_[i];
    record.flow = values_[i];
    memcpy(chunk.records.data() + i * sizeof record, &record, sizeof record);
  }
  return chunk;
}

StepTotals FlowTable::remove_chosen(const MapBatch &part, tandem_apply_mode mode, uint32_t sync_epoch, const std::vector<uint32_t> &chosen) {
  std::vector<tandem_record> records(chosen.size());
  for (size_t i = 0; i < chosen.size(); i++) {
    records[i].kind = TANDEM_RECORD_DELETE;
    records[i].key = keys_[chosen[i]];
    records[i].flow = values_[chosen[i]];
  }
  const ApplyTotals totals = apply({reinterpret_cast<const uint8_t *>(records.data()), records.size() * sizeof(tandem_record)}, mode, sync_epoch);
  return {part.count, totals.applied, part.done};
}

StepTotals FlowTable::sweep(Cursor &cursor, uint32_t most) {
  const Routers routers(maps_);
  const MapBatch part = next_batch(cursor, most);
  const Idleness idleness(maps_, kernel_ns());
  std::vector<uint32_t> chosen;
  for (uint32_t i = 0; i < part.count; i++)
    if (idleness.is_over(values_[i], routers.of(keys_[i]))) chosen.push_back(i);
  return remove_chosen(part, TANDEM_APPLY_EXPIRE, 0, chosen);
}

StepTotals FlowTable::purge(Cursor &cursor, uint32_t most, uint16_t sync_epoch, const std::set<uint32_t> &virtual_routers) {
  const Routers routers(maps_);
  const MapBatch part = next_batch(cursor, most);
  std::vector<uint32_t> chosen;
  for (uint32_t i = 0; i < part.count; i++)
    if (values_[i].sync_epoch != sync_epoch && virtual_routers.contains(routers.of(keys_[i]))) chosen.push_back(i);
  return remove_chosen(part, TANDEM_APPLY_PURGE, sync_epoch, chosen);
}

}  // namespace tandem
