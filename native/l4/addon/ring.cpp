/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <linux/bpf.h>

#include <algorithm>
#include <atomic>

#include "errors.h"

namespace tandem {
namespace {

uint64_t load_acquire(const uint8_t *address) { return __atomic_load_n(reinterpret_cast<const uint64_t *>(address), __ATOMIC_ACQUIRE); }

uint64_t padded(uint64_t length) { return (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8; }

}  // namespace

Ring::Ring(const BpfMap &map, size_t record_size) : name_(map.name()), record_size_(record_size), mask_(map.shape().max_entries - 1) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), size = map.shape().max_entries;
  consumer_ = Mapping::of(map.fd(), page, PROT_READ | PROT_WRITE, 0, "the consumer page of a ring");
  /* The kernel maps the data twice in a row, so that a record over the end reads straight on. */
  producer_ = Mapping::of(map.fd(), page + 2 * size, PROT_READ, static_cast<off_t>(page), "the data of a ring");
}

uint64_t Ring::produced() const { return load_acquire(producer_.data()); }

bool Ring::is_empty() const { return load_acquire(consumer_.data()) == produced(); }

size_t Ring::drain(std::vector<uint8_t> &out, size_t most) {
  const uint8_t *data = producer_.data() + (producer_.size() - 2 * (mask_ + 1));
  uint64_t position = load_acquire(consumer_.data());
  size_t taken = 0;
  for (;;) {
    const uint64_t end = produced();
    /* One allocation for everything that waits: growing record by record would touch the memory several times. */
    if (position < end) out.reserve(out.size() + std::min<uint64_t>(most - taken, (end - position) / padded(record_size_)) * record_size_);
    const uint64_t before = position;
    while (position < end && taken < most) {
      const uint8_t *header = data + (position & mask_);
      const uint32_t length = __atomic_load_n(reinterpret_cast<const uint32_t *>(header), __ATOMIC_ACQUIRE);
      if (length & BPF_RINGBUF_BUSY_BIT) break;
      if (!(length & BPF_RINGBUF_DISCARD_BIT) && length == record_size_) {
        out.insert(out.end(), header + BPF_RINGBUF_HDR_SZ, header + BPF_RINGBUF_HDR_SZ + length);
        taken++;
      }
      position += padded(length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT));
    }
    __atomic_store_n(reinterpret_cast<uint64_t *>(consumer_.data()), position, __ATOMIC_RELEASE);
    /* The kernel wakes us only for a record that it finds at our position: publish it first, then look again. */
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (position == before || taken == most) return taken;
  }
}

}  // namespace tandem
