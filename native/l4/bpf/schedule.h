/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * schedule.h: which server a flow belongs to. The tables are computed in TypeScript; here they are only read, by a hash of the flow key
 * that is the same on every node, or by a counter.
 */
#ifndef TANDEM_SCHEDULE_H
#define TANDEM_SCHEDULE_H

#include "flow.h"
#include "lease.h"

#define TABLE_HASH_SEED 0x74616e64
/* How many entries are tried for a new flow whose first choice is down or already serves the same client port for another service. */
#define MAX_CHOICES 8

enum table_generation { TABLE_CURRENT = 0, TABLE_PREVIOUS = 1 };

INLINE __u32 rotate_left(__u32 value, __u32 bits)
{
  return value << bits | value >> (32 - bits);
}

/* murmur3_32 over the 16 bytes of the key. src/l4 has the same function. */
INLINE __u32 flow_hash(const struct tandem_flow_key *key)
{
  __u32 hash = TABLE_HASH_SEED;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    hash ^= rotate_left(load32((const __u8 *)key + 4 * i) * 0xcc9e2d51, 15) * 0x1b873593;
    hash = rotate_left(hash, 13) * 5 + 0xe6546b64;
  }
  hash ^= sizeof(*key);
  hash = (hash ^ hash >> 16) * 0x85ebca6b;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35;
  return hash ^ hash >> 16;
}

INLINE __u32 hash_index(const struct tandem_flow_key *key, __u32 size)
{
  return (__u64)flow_hash(key) * size >> 32;
}

/* Server slot at an index of one of the service's tables; 0: none. */
INLINE __u32 table_entry(const struct tandem_service *service, enum table_generation generation, __u32 index)
{
  __u32 number = 2 * service->slot + generation;
  void *table = bpf_map_lookup_elem(&tables, &number);
  if (!table)
    return 0;
  __u32 *entry = bpf_map_lookup_elem(table, &index);
  return entry ? *entry : 0;
}

INLINE __u32 hashed_slot(const struct tandem_service *service, enum table_generation generation, const struct tandem_flow_key *key)
{
  __u32 size = generation == TABLE_CURRENT ? service->current_size : service->previous_size;
  return size ? table_entry(service, generation, hash_index(key, size)) : 0;
}

/*
 * The other services of this server's address whose flow from the same client port would make replies ambiguous. A closed one gives way:
 * the server's own connection is over too. True when a live one stands in the way.
 */
__noinline int clashes(struct tandem_flow_key *key, __u32 slot)
{
  struct tandem_server *chosen = server_get(slot);
  if (!key || !chosen)
    return 1;
  struct tandem_endpoint *endpoint = endpoint_get(chosen->addr, chosen->port, chosen->protocol);
  if (!endpoint)
    return 0;
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    struct tandem_server *other = server_get(endpoint->slots[i]);
    if (endpoint->slots[i] == slot || !other || other->forward != TANDEM_FORWARD_NAT)
      continue;
    struct tandem_flow_key other_key = *key;
    other_key.vip_addr = other->vip_addr;
    other_key.vip_port = other->vip_port;
    struct tandem_flow *flow = flow_get(&other_key);
    if (!flow || !flow_is_of(flow, chosen->addr, chosen->port))
      continue;
    if (flow->state != TANDEM_FLOW_CLOSED)
      return 1;
    struct tandem_flow closed = *flow;
    flow_delete(other->virtual_router, &other_key, &closed);
  }
  return 0;
}

/* A server slot may take this flow: 0, or the reason why not. */
INLINE __u32 objection(struct tandem_flow_key *key, __u32 slot)
{
  struct tandem_server *server = server_get(slot);
  if (!slot || !server || !(server->flags & TANDEM_SERVER_ALIVE))
    return TANDEM_DROP_NO_SERVER;
  if (server->forward == TANDEM_FORWARD_NAT && clashes(key, slot))
    return TANDEM_DROP_REPLY_CLASH;
  return 0;
}

INLINE __u32 first_index(const struct tandem_service *service, const struct tandem_flow_key *key)
{
  if (service->scheduler == TANDEM_SCHEDULER_HASH)
    return hash_index(key, service->current_size);
  __u32 slot = service->slot;
  __u64 *round = bpf_map_lookup_elem(&rounds, &slot);
  return round ? __sync_fetch_and_add(round, 1) % service->current_size : 0;
}

/* Server slot for a new flow, or minus the reason of the drop. */
__noinline int schedule(struct tandem_service *service, struct tandem_flow_key *key)
{
  if (!service || !key || !service->current_size)
    return -TANDEM_DROP_NO_SERVER;
  __u32 reason = TANDEM_DROP_NO_SERVER;
  __u32 index = first_index(service, key);
  for (__u32 i = 0; i < MAX_CHOICES; i++) {
    __u32 slot = table_entry(service, TABLE_CURRENT, index);
    __u32 against = objection(key, slot);
    if (!against)
      return slot;
    if (against == TANDEM_DROP_REPLY_CLASH)
      reason = against;
    index = index + 1 < service->current_size ? index + 1 : 0;
  }
  return -(int)reason;
}

/* By then whoever holds the lease has told of a flow, if it tells at all. */
#define TOLD_WITHIN_NS 1000000000ULL

/* A flow without a record may be older than this generation: one of the moments before a lease was lost. Of a lease that was taken long
 * after the generation had begun all such moments lie within it. */
INLINE bool may_be_older(const struct tandem_service *service)
{
  const struct tandem_lease *lease = lease_get(service->virtual_router);
  return lease && lease->started_ns < service->generation_since_ns + TOLD_WITHIN_NS;
}

/* Server slot for a packet in mid-flow whose record is not here, or minus the reason of the drop. */
__noinline int place(struct tandem_service *service, struct tandem_flow_key *key)
{
  struct tandem_settings *settings = settings_get();
  if (!service || !key || !settings)
    return -TANDEM_DROP_NO_SERVER;
  if (service->scheduler != TANDEM_SCHEDULER_HASH)
    return -TANDEM_DROP_NO_RECORD;
  if (may_be_older(service) && exact_now() < service->generation_since_ns + settings->second_chance_ns) {
    __u32 slot = hashed_slot(service, TABLE_PREVIOUS, key);
    if (slot && !objection(key, slot))
      return slot;
  }
  __u32 slot = hashed_slot(service, TABLE_CURRENT, key);
  __u32 against = objection(key, slot);
  return against ? -(int)against : (int)slot;
}

#endif
