/* SPDX-License-Identifier: MIT */
/*
 * flow-table.h: the flow table in bulk: records written through the inbox by the apply program, the live table read in chunks, ageing and
 * purging in steps. Candidates are chosen here from a batch of copies; the kernel program decides about each under its own eyes, so a
 * record that changed in between stays.
 */
#ifndef TANDEM_ADDON_FLOW_TABLE_H
#define TANDEM_ADDON_FLOW_TABLE_H

#include <set>
#include <vector>

#include "bpf-map.h"
#include "tandem_abi.h"

namespace tandem {

struct ApplyTotals {
  uint64_t applied = 0, stale = 0, full = 0, unknown = 0;
};

/* Where a dump stands: empty at the start of the table. */
using Cursor = std::vector<uint8_t>;
constexpr size_t CURSOR_BYTES = sizeof(uint32_t);

struct FlowChunk {
  std::vector<uint8_t> records;
  bool done = false;
};

struct StepTotals {
  uint32_t scanned = 0;
  uint64_t deleted = 0;
  bool done = false;
};

class FlowTable {
 public:
  struct Maps {
    const BpfMap &flows, &services, &addresses, &leases, &settings, &inbox;
  };
  /* `apply_program` and `clock_program` must outlive this. */
  FlowTable(const Maps &maps, int apply_program, int clock_program);

  ApplyTotals apply(Bytes records, tandem_apply_mode mode, uint32_t sync_epoch);
  FlowChunk read(Cursor &cursor, uint32_t most);
  StepTotals sweep(Cursor &cursor, uint32_t most);
  StepTotals purge(Cursor &cursor, uint32_t most, uint16_t sync_epoch, const std::set<uint32_t> &virtual_routers);
  uint64_t kernel_ns() const;

 private:
  struct Routers;
  struct Idleness;

  /* Copies about `most` entries into keys_ and values_. */
  MapBatch next_batch(Cursor &cursor, uint32_t most);
  StepTotals remove_chosen(const MapBatch &part, tandem_apply_mode mode, uint32_t sync_epoch, const std::vector<uint32_t> &chosen);

  Maps maps_;
  int apply_program_, clock_program_;
  Mapping inbox_;
  std::vector<tandem_flow_key> keys_;
  std::vector<tandem_flow> values_;
};

}  // namespace tandem

#endif
