/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * apply.h: records from the inbox into the flow table: what peers replicated, what the sweep believes to be idle, what a resync did not
 * confirm. Runs as a syscall program, so that each record is compared and written in one step next to the packets, not from a copy.
 */
#ifndef TANDEM_APPLY_H
#define TANDEM_APPLY_H

#include "lease.h"
#include "state.h"

#define NANOSECONDS_PER_MILLISECOND 1000000ULL
#define REPLICATED_FLAGS (TANDEM_FLOW_DSR | TANDEM_FLOW_DERIVED | TANDEM_FLOW_REFUSED)
#define NO_VIRTUAL_ROUTER TANDEM_MAX_VIRTUAL_ROUTERS

enum outcome { OUTCOME_APPLIED, OUTCOME_STALE, OUTCOME_FULL, OUTCOME_UNKNOWN };

struct apply_context {
  __u32 mode;
  __u32 sync_epoch;
  __u64 now_ns;
};

/* Of a record that may outlive its service: by the service, else by the address. */
INLINE __u32 virtual_router_of(const struct tandem_flow_key *key)
{
  struct tandem_service *service = service_get(key->vip_addr, key->vip_port, key->protocol);
  if (service)
    return service->virtual_router;
  struct tandem_address *address = address_get(key->vip_addr);
  return address && address->kind != TANDEM_ADDRESS_LOCAL ? address->virtual_router : NO_VIRTUAL_ROUTER;
}

INLINE void replicated_flow(struct tandem_flow *flow, const struct tandem_record *record, const struct apply_context *context)
{
  *flow = record->flow;
  flow->flags &= REPLICATED_FLAGS;
  flow->last_seen_ns = context->now_ns - record->age_ms * NANOSECONDS_PER_MILLISECOND;
  flow->sync_epoch = context->sync_epoch;
  flow->server_slot = 0;
  flow->next_hop = 0;
}

/* In place, word by word: a packet on another CPU sees the old server or the new one, and verifies the hint in any case. */
INLINE void overwrite(struct tandem_flow *flow, const struct tandem_flow *with)
{
  if (!flow_is_of(flow, with->server_addr, with->server_port))
    flow->server_slot = 0;
  flow->last_seen_ns = with->last_seen_ns;
  flow->generation = with->generation;
  store64(&flow->server_addr, load64(&with->server_addr));
  flow->sync_epoch = with->sync_epoch;
}

INLINE int apply_upsert(const struct tandem_record *record, struct tandem_flow_key *key, const struct apply_context *context)
{
  struct tandem_flow incoming;
  struct tandem_service *service = service_get(key->vip_addr, key->vip_port, key->protocol);
  if (!service)
    return OUTCOME_UNKNOWN;
  if (record->flow.state == TANDEM_FLOW_NONE || record->flow.state >= TANDEM_FLOW_STATES)
    return OUTCOME_STALE;
  replicated_flow(&incoming, record, context);
  struct tandem_flow *flow = bpf_map_lookup_elem(&flows, key);
  if (!flow)
    return flow_insert_silently(service->virtual_router, key, &incoming) ? OUTCOME_FULL : OUTCOME_APPLIED;
  if (context->mode == TANDEM_APPLY_MERGE)
    return OUTCOME_STALE;
  /* Another peer's table may have confirmed it, and that one's purge must find it so. */
  if (context->mode == TANDEM_APPLY_LIVE && flow->generation == incoming.generation)
    incoming.sync_epoch = flow->sync_epoch;
  digest_change(service->virtual_router, record_digest(key, flow) ^ record_digest(key, &incoming), 0);
  overwrite(flow, &incoming);
  return OUTCOME_APPLIED;
}

/* Deletes the record of this generation; `emits` for those that the peers must hear of. */
INLINE int apply_removal(struct tandem_flow_key *key, const struct tandem_flow *flow, bool emits)
{
  struct tandem_flow removed = *flow;
  __u32 virtual_router = virtual_router_of(key);
  bool is_deleted = emits ? flow_delete(virtual_router, key, &removed) : flow_delete_silently(virtual_router, key, &removed);
  return is_deleted ? OUTCOME_APPLIED : OUTCOME_STALE;
}

/* Idle time counts from the start of the lease at the earliest: the previous holder's last packets are not known here to the second. */
INLINE bool is_idle(const struct tandem_flow *flow, __u32 virtual_router, __u64 now)
{
  struct tandem_settings *settings = settings_get();
  __u32 state = flow->state;
  OPAQUE(state); /* read once: the verifier must see the value that was checked */
  if (!settings || state >= TANDEM_FLOW_STATES)
    return false;
  __u64 since = flow->last_seen_ns;
  if (virtual_router != NO_VIRTUAL_ROUTER) {
    struct tandem_lease *lease = lease_get(virtual_router);
    if (!lease || now >= lease->deadline_ns)
      return false; /* the holder ages flows, nobody else */
    if ((__s64)(lease->started_ns - since) > 0)
      since = lease->started_ns;
  }
  __u64 timeout = settings->timeout_ns[state];
  return timeout && (__s64)(now - since) >= (__s64)timeout;
}

INLINE int apply_named(const struct tandem_record *record, struct tandem_flow_key *key, const struct apply_context *context)
{
  struct tandem_flow *flow = bpf_map_lookup_elem(&flows, key);
  if (!flow || flow->generation != record->flow.generation)
    return OUTCOME_STALE;
  if (context->mode == TANDEM_APPLY_EXPIRE && !is_idle(flow, virtual_router_of(key), context->now_ns))
    return OUTCOME_STALE;
  if (context->mode == TANDEM_APPLY_PURGE && flow->sync_epoch == (__u16)context->sync_epoch)
    return OUTCOME_STALE;
  return apply_removal(key, flow, context->mode == TANDEM_APPLY_EXPIRE);
}

__noinline int apply_record(__u32 index, __u32 mode, __u32 sync_epoch, __u64 now_ns)
{
  const struct apply_context values = { .mode = mode, .sync_epoch = sync_epoch, .now_ns = now_ns };
  const struct apply_context *context = &values;
  struct tandem_record *record = bpf_map_lookup_elem(&inbox, &index);
  if (!record)
    return OUTCOME_STALE;
  struct tandem_flow_key key = record->key;
  key.pad[0] = key.pad[1] = key.pad[2] = 0;
  if (context->mode == TANDEM_APPLY_EXPIRE || context->mode == TANDEM_APPLY_PURGE)
    return apply_named(record, &key, context);
  if (record->kind == TANDEM_RECORD_UPSERT)
    return apply_upsert(record, &key, context);
  if (record->kind == TANDEM_RECORD_DELETE && context->mode != TANDEM_APPLY_MERGE)
    return apply_named(record, &key, context);
  return OUTCOME_STALE;
}

#define TALLY_BITS 16 /* for each of four outcomes; more than the inbox can hold */
_Static_assert(TANDEM_INBOX_RECORDS < 1 << TALLY_BITS, "a tally must hold a whole inbox");

INLINE __u32 tally_of(__u64 tally, enum outcome outcome)
{
  return tally >> outcome * TALLY_BITS & ((1 << TALLY_BITS) - 1);
}

/* The outcomes are added up without a branch: the verifier would follow every combination of them. */
INLINE int apply_program(struct tandem_apply_args *args)
{
  __u32 mode = args->mode, sync_epoch = args->sync_epoch, count = args->count;
  __u64 now_ns = exact_now(), tally = 0;
  for (__u32 i = 0; i < TANDEM_INBOX_RECORDS && i < count; i++) {
    __u64 outcome = apply_record(i, mode, sync_epoch, now_ns) & 3;
    tally += 1ULL << outcome * TALLY_BITS;
  }
  args->applied = tally_of(tally, OUTCOME_APPLIED);
  args->stale = tally_of(tally, OUTCOME_STALE);
  args->full = tally_of(tally, OUTCOME_FULL);
  args->unknown = tally_of(tally, OUTCOME_UNKNOWN);
  return 0;
}

#endif
