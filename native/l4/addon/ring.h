/* SPDX-License-Identifier: MIT */
/*
 * ring.h: consumer of a BPF ring buffer, straight on its shared pages: whole records are copied out in order, up to a limit, without a
 * call per record (libbpf's consumer has no limit). There is one consumer position per ring, in the kernel's page: whoever drains goes on
 * where the last process stopped.
 */
#ifndef TANDEM_ADDON_RING_H
#define TANDEM_ADDON_RING_H

#include <cstdint>
#include <string>
#include <vector>

#include "bpf-map.h"

namespace tandem {

class Ring {
 public:
  Ring(const BpfMap &map, size_t record_size);
  /* Appends up to `most` records of the agreed size to `out`; records of any other size are skipped. */
  size_t drain(std::vector<uint8_t> &out, size_t most);
  /* Nothing is waiting, finished or not. */
  bool is_empty() const;
  uint64_t produced() const;

 private:
  std::string name_;
  size_t record_size_;
  uint64_t mask_;
  Mapping consumer_, producer_;
};

}  // namespace tandem

#endif
