/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * reply.h: packets from a server's service port. They are translated by their record, re-derived by the hash, or dropped; untranslated
 * they pass only to this node itself (health checks). A client that saw one would answer with a reset and kill the connection.
 */
#ifndef TANDEM_REPLY_H
#define TANDEM_REPLY_H

#include "admit.h"

/* Names the flow of a reply as its service `server` would have it. */
INLINE void reply_key(struct tandem_flow_key *key, const struct tandem_server *server)
{
  key->vip_addr = server->vip_addr;
  key->vip_port = server->vip_port;
}

/* True when the hash gives this flow to this slot: in the current table, or in the one before. */
INLINE bool hash_confirms(struct tandem_service *service, const struct tandem_flow_key *key, __u32 slot)
{
  if (service->scheduler != TANDEM_SCHEDULER_HASH)
    return false;
  return hashed_slot(service, TABLE_CURRENT, key) == slot || hashed_slot(service, TABLE_PREVIOUS, key) == slot;
}

/* Tries one service of the endpoint: 0 when the record exists now, else the reason why not. */
__noinline int derive_for(struct request *request, __u32 slot)
{
  struct tandem_server *server = server_get(slot);
  if (!request || !server || server->forward != TANDEM_FORWARD_NAT)
    return TANDEM_DROP_NO_RECORD;
  reply_key(&request->key, server);
  struct tandem_service *service = service_get(server->vip_addr, server->vip_port, server->protocol);
  if (!service)
    return TANDEM_DROP_NO_RECORD;
  if (!lease_is_fresh(service->virtual_router))
    return TANDEM_DROP_NOT_ACTIVE;
  struct tandem_settings *settings = settings_get();
  if (!settings || !settings->ready)
    return TANDEM_DROP_NOT_READY;
  if (!hash_confirms(service, &request->key, slot))
    return TANDEM_DROP_NO_RECORD;
  if (bpf_map_lookup_elem(&flows, &request->key))
    return TANDEM_DROP_NO_RECORD; /* the client's flow is with another server */
  return create_flow(request, slot, service->virtual_router);
}

/* A reply without a record. The service slot of the record that exists now, or minus the reason of the drop. */
__noinline int derive(struct request *request)
{
  if (!request)
    return -TANDEM_DROP_NO_RECORD;
  if (is_bare_end(request) || (request->key.protocol == TANDEM_TCP && !(request->tcp_flags & TCP_ACK)))
    return -TANDEM_DROP_NO_RECORD;
  struct tandem_endpoint *endpoint = endpoint_get(request->server_addr, request->server_port, request->key.protocol);
  if (!endpoint)
    return -TANDEM_DROP_NO_RECORD;
  int reason = TANDEM_DROP_NO_RECORD;
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    __u32 slot = endpoint->slots[i];
    int against = slot < TANDEM_MAX_SERVER_SLOTS ? derive_for(request, slot) : TANDEM_DROP_NO_RECORD;
    if (!against)
      return slot;
    if (against != TANDEM_DROP_NO_RECORD)
      reason = against;
  }
  return -reason;
}

/* Makes a record for a reply that has none. VERDICT_FORWARD: it is there, `slot` and the key of the request name it. */
INLINE int reply_without_record(const struct packet *p, struct request *request, __u32 *slot)
{
  if (is_local(p->ip->daddr))
    return XDP_PASS;
  if (p->ip->ttl <= 1)
    return drop(TANDEM_DROP_TTL);
  int derived = derive(request);
  if (derived <= 0)
    return drop(-derived);
  *slot = derived;
  return VERDICT_FORWARD;
}

/* The record of the reply, by the service slots that its endpoint serves; the first of one record is nearly always the only one. */
INLINE struct tandem_flow *reply_record(const struct packet *p, const struct tandem_endpoint *endpoint, struct tandem_flow_key *key,
                                        __u32 *slot)
{
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    *slot = endpoint->slots[i];
    struct tandem_server *server = server_get(*slot);
    if (!server)
      break;
    reply_key(key, server);
    struct tandem_flow *flow = bpf_map_lookup_elem(&flows, key);
    if (flow && flow_is_of(flow, p->ip->saddr, ((word16 *)p->l4)[0]) && !(flow->flags & TANDEM_FLOW_DSR))
      return flow;
  }
  return NULL;
}

INLINE int reply(struct xdp_md *ctx, const struct packet *p, const struct tandem_endpoint *endpoint)
{
  struct request request = {
    .key = { .client_addr = p->ip->daddr, .client_port = ((word16 *)p->l4)[1], .protocol = p->protocol },
    .server_addr = p->ip->saddr,
    .server_port = ((word16 *)p->l4)[0],
    .tcp_flags = p->tcp_flags,
    .has_payload = p->has_payload,
    .ttl = p->ip->ttl,
  };
  __u32 slot = 0;
  struct tandem_flow *flow = reply_record(p, endpoint, &request.key, &slot);
  if (unlikely(!flow)) {
    int verdict = reply_without_record(p, &request, &slot);
    if (verdict != VERDICT_FORWARD)
      return verdict;
  }
  struct tandem_server *server = server_get(slot);
  if (unlikely(!server))
    return drop(TANDEM_DROP_NO_SERVER);
  if (unlikely(!flow)) {
    reply_key(&request.key, server);
    flow = bpf_map_lookup_elem(&flows, &request.key);
    if (!flow || !flow_is_of(flow, request.server_addr, request.server_port))
      return drop(TANDEM_DROP_NO_RECORD);
  }
  return hit_reply(ctx, p, flow, &request.key, server, slot);
}

#endif
