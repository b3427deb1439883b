/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * hit.h: a packet whose flow has a record, in either direction: the path that nearly every packet takes, and the one that is measured.
 */
#ifndef TANDEM_HIT_H
#define TANDEM_HIT_H

#include "dsr.h"
#include "schedule.h"
#include "state.h"
#include "steer.h"

#define LAST_SEEN_RESOLUTION_NS NANOSECONDS_PER_SECOND

INLINE bool server_matches(const struct tandem_server *server, const struct tandem_flow_key *key, const struct tandem_flow *flow)
{
  return server->addr == flow->server_addr && server->port == flow->server_port && server->vip_addr == key->vip_addr &&
         server->vip_port == key->vip_port && server->protocol == key->protocol;
}

/* The record's hint is wrong: a replicated record, or the configuration changed. Finds the slot by address; 0: there is none. */
__noinline int repair_slot(struct tandem_flow *flow, struct tandem_flow_key *key)
{
  if (!flow || !key)
    return 0;
  struct tandem_endpoint *endpoint = endpoint_get(flow->server_addr, flow->server_port, key->protocol);
  if (!endpoint)
    return 0;
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    __u32 slot = endpoint->slots[i];
    struct tandem_server *server = server_get(slot);
    if (slot && slot < TANDEM_MAX_SERVER_SLOTS && server && server_matches(server, key, flow)) {
      flow->server_slot = slot;
      return slot;
    }
  }
  return 0;
}

INLINE struct tandem_server *server_of(struct tandem_flow *flow, struct tandem_flow_key *key)
{
  struct tandem_server *server = bpf_map_lookup_elem(&servers, &flow->server_slot);
  if (likely(server && server_matches(server, key, flow)))
    return server;
  __u32 slot = repair_slot(flow, key);
  return slot ? server_get(slot) : NULL;
}

/* A SYN that cannot belong to the recorded connection any more, or whose server will never answer it: to be scheduled anew. */
__noinline int is_restart(struct tandem_flow *flow, struct tandem_flow_key *key)
{
  if (!flow || !key)
    return 0;
  if (flow->state == TANDEM_FLOW_CLOSED || flow->flags & TANDEM_FLOW_REFUSED)
    return 1;
  if (flow->state == TANDEM_FLOW_FIN_CLIENT && flow->flags & TANDEM_FLOW_DSR)
    return 1; /* the server's FIN went past us */
  struct tandem_server *server = server_get(flow->server_slot);
  if (!server || !server_matches(server, key, flow))
    server = server_get(repair_slot(flow, key));
  if (!server || !server_matches(server, key, flow))
    return 1;
  if (server->flags & TANDEM_SERVER_ALIVE)
    return 0;
  return flow->state == TANDEM_FLOW_SYN || server->flags & TANDEM_SERVER_DROP_FLOWS;
}

/* What happens to a packet with a record that is not forwarded by it; 0: it is. */
INLINE int hit_refusal(struct xdp_md *ctx, const struct packet *p, const struct tandem_server *server, const struct tandem_flow *flow,
                       __u64 now)
{
  struct tandem_lease *lease = lease_get(server->virtual_router);
  if (unlikely(!lease || now >= lease->deadline_ns)) {
    int verdict = without_lease(ctx, server->virtual_router);
    if (verdict)
      return verdict;
  }
  bool is_refused = (server->flags & (TANDEM_SERVER_ALIVE | TANDEM_SERVER_DROP_FLOWS)) == TANDEM_SERVER_DROP_FLOWS;
  if (unlikely(is_refused || flow->flags & TANDEM_FLOW_REFUSED))
    return drop(TANDEM_DROP_REFUSED);
  if (unlikely(p->ip->ttl <= 1))
    return drop(TANDEM_DROP_TTL);
  return 0;
}

INLINE void hit_state(const struct packet *p, enum direction direction, struct tandem_flow *flow, struct tandem_flow_key *key,
                      __u32 virtual_router)
{
  if (p->protocol != IPPROTO_TCP || likely(!state_may_change(flow->state, p->tcp_flags)))
    return;
  __u8 before = flow->state;
  __u8 after = direction == TO_SERVER ? state_after_client(before, p->tcp_flags, flow->flags & TANDEM_FLOW_DSR)
                                      : state_after_server(before, p->tcp_flags);
  if (after != before)
    state_change(flow, key, after, virtual_router);
}

INLINE void hit_count(const struct packet *p, enum direction direction, const struct tandem_flow *flow)
{
  struct tandem_traffic *counters = bpf_map_lookup_elem(&traffic, &flow->server_slot);
  if (!counters)
    return;
  if (direction == TO_SERVER) {
    counters->packets_in++;
    counters->bytes_in += p->total_length;
  } else {
    counters->packets_out++;
    counters->bytes_out += p->total_length;
  }
}

INLINE void hit_touch(struct tandem_flow *flow, __u64 now)
{
  if (unlikely((__s64)(now - flow->last_seen_ns) > (__s64)LAST_SEEN_RESOLUTION_NS))
    flow->last_seen_ns = now;
}

/* Client to server. */
INLINE int hit_forward(struct xdp_md *ctx, const struct packet *p, struct tandem_flow *flow, struct tandem_flow_key *key)
{
  __u64 now = coarse_now();
  struct tandem_server *server = server_of(flow, key);
  if (unlikely(!server))
    return drop(TANDEM_DROP_NO_SERVER);
  int refusal = hit_refusal(ctx, p, server, flow, now);
  if (unlikely(refusal))
    return refusal;
  hit_state(p, TO_SERVER, flow, key, server->virtual_router);
  hit_touch(flow, now);
  hit_count(p, TO_SERVER, flow);
  if (flow->flags & TANDEM_FLOW_DSR)
    return dsr_send(ctx, p, server->next_hop, flow->server_addr);
  if (unlikely(!flow->next_hop))
    look_ahead(ctx, flow, key->vip_addr, key->client_addr);
  return nat_send(ctx, p, TO_SERVER, flow, server->next_hop, flow->server_addr, flow->server_port);
}

/* Server to client: `slot` is the service's slot of the endpoint that sent it, `key` names the flow. */
INLINE int hit_reply(struct xdp_md *ctx, const struct packet *p, struct tandem_flow *flow, struct tandem_flow_key *key,
                     struct tandem_server *server, __u32 slot)
{
  __u64 now = coarse_now();
  int refusal = hit_refusal(ctx, p, server, flow, now);
  if (unlikely(refusal))
    return refusal;
  if (unlikely(flow->server_slot != slot))
    flow->server_slot = slot;
  hit_state(p, TO_CLIENT, flow, key, server->virtual_router);
  hit_touch(flow, now);
  hit_count(p, TO_CLIENT, flow);
  return nat_send(ctx, p, TO_CLIENT, flow, flow->next_hop, key->vip_addr, key->vip_port);
}

#endif
