/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * flow.h: the life of a flow record: key, creation, deletion, digest, and the events that carry every change to the peers.
 *
 * A change first reserves its place in the event ring, then touches table and digest, then submits. So a reader that drained the ring,
 * summed the digests and still finds nothing reserved has digests that belong exactly to the records it drained.
 */
#ifndef TANDEM_FLOW_H
#define TANDEM_FLOW_H

#include "common.h"

#define GENERATION_TIME_BITS 56
#define GENERATION_TIME_SHIFT 4 /* 16 ns: finer than any machine creates flows */

/* Digest of one record: a word-wise mix (constants of splitmix64) over what never changes while the record lives. */
INLINE __u64 mix_word(__u64 hash, __u64 word)
{
  hash = (hash ^ word) * 0xbf58476d1ce4e5b9ULL;
  hash ^= hash >> 29;
  hash *= 0x94d049bb133111ebULL;
  return hash ^ hash >> 32;
}

INLINE __u64 record_digest(const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  __u64 hash = mix_word(0x9e3779b97f4a7c15ULL, load64(key));
  hash = mix_word(hash, load64(&key->client_port));
  hash = mix_word(hash, (__u64)flow->server_addr | (__u64)flow->server_port << 32);
  return mix_word(hash, flow->generation);
}

/* Atomic: a syscall program may be interrupted here by a packet on the same CPU. */
INLINE void digest_change(__u32 virtual_router, __u64 change, __s64 flows_change)
{
  struct tandem_digest *digest = bpf_map_lookup_elem(&digests, &virtual_router);
  if (!digest)
    return;
  __sync_fetch_and_xor(&digest->digest, change);
  if (flows_change)
    __sync_fetch_and_add(&digest->flows, flows_change);
}

INLINE __u64 new_generation(const struct tandem_settings *settings)
{
  __u64 time = (exact_now() + settings->realtime_offset_ns) >> GENERATION_TIME_SHIFT;
  return (__u64)settings->node_id << GENERATION_TIME_BITS | (time & ((1ULL << GENERATION_TIME_BITS) - 1));
}

/* To be tested once only: older verifiers forget that a reservation which is not null must be given back. */
INLINE struct tandem_record *event_reserve(void)
{
  return bpf_ringbuf_reserve(&events, sizeof(struct tandem_record), 0);
}

INLINE void event_submit(struct tandem_record *event, __u16 kind, __u8 virtual_router, const struct tandem_flow_key *key,
                         const struct tandem_flow *flow)
{
  event->kind = kind;
  event->virtual_router = virtual_router;
  event->pad = 0;
  event->age_ms = 0;
  event->key = *key;
  event->flow = *flow;
  bpf_ringbuf_submit(event, 0);
}

/* An event for a record that changed in place (TCP state). */
INLINE void event_changed(__u8 virtual_router, const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  struct tandem_record *event = event_reserve();
  if (event)
    event_submit(event, TANDEM_RECORD_UPSERT, virtual_router, key, flow);
  else
    count_drop(TANDEM_DROP_EVENT_LOST);
}

INLINE struct tandem_flow *flow_get(const struct tandem_flow_key *key)
{
  struct tandem_flow_key copy = *key;
  return bpf_map_lookup_elem(&flows, &copy);
}

/* Writes a record that is not there yet. 0, or the error of the map: -EEXIST when somebody was faster. */
INLINE int flow_insert_silently(__u8 virtual_router, const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  struct tandem_flow_key copy = *key;
  int error = bpf_map_update_elem(&flows, &copy, flow, BPF_NOEXIST);
  if (!error)
    digest_change(virtual_router, record_digest(key, flow), 1);
  return error;
}

INLINE int flow_insert(__u8 virtual_router, const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  struct tandem_record *event = event_reserve();
  if (!event) {
    count_drop(TANDEM_DROP_EVENT_LOST);
    return flow_insert_silently(virtual_router, key, flow);
  }
  int error = flow_insert_silently(virtual_router, key, flow);
  if (error)
    bpf_ringbuf_discard(event, 0);
  else
    event_submit(event, TANDEM_RECORD_UPSERT, virtual_router, key, flow);
  return error;
}

/* Deletes the record `flow` (a copy: its memory may serve another key at once). True when it was still there. */
INLINE bool flow_delete_silently(__u8 virtual_router, const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  struct tandem_flow_key copy = *key;
  if (bpf_map_delete_elem(&flows, &copy))
    return false;
  digest_change(virtual_router, record_digest(key, flow), -1);
  return true;
}

INLINE bool flow_delete(__u8 virtual_router, const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  struct tandem_record *event = event_reserve();
  if (!event) {
    count_drop(TANDEM_DROP_EVENT_LOST);
    return flow_delete_silently(virtual_router, key, flow);
  }
  bool is_deleted = flow_delete_silently(virtual_router, key, flow);
  if (is_deleted)
    event_submit(event, TANDEM_RECORD_DELETE, virtual_router, key, flow);
  else
    bpf_ringbuf_discard(event, 0);
  return is_deleted;
}

INLINE bool flow_is_of(const struct tandem_flow *flow, __be32 server_addr, __be16 server_port)
{
  return flow->server_addr == server_addr && flow->server_port == server_port;
}

#endif
