/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * reply.h: packets from a server's service port. They are translated by their record, re-derived by the hash, or dropped; untranslated
 * they pass only to this node itself (health checks, groups). A client that saw one would answer with a reset and kill the connection.
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

/* Whether one service of the endpoint may have this flow: 0, or the reason why not. */
__noinline int derivation_refusal(struct request *request, __u32 slot)
{
  struct tandem_server *server = server_get(slot);
  if (!request || !server || server->forward != TANDEM_FORWARD_NAT)
    return TANDEM_DROP_NO_RECORD;
  reply_key(&request->key, server);
  struct tandem_service *service = service_get(server->vip_addr, server->vip_port, server->protocol);
  if (!service)
    return TANDEM_DROP_NO_RECORD;
  if (!lease_admits(service->virtual_router))
    return TANDEM_DROP_NOT_ACTIVE;
  struct tandem_settings *settings = settings_get();
  if (!settings || !settings->ready)
    return TANDEM_DROP_NOT_READY;
  if (!hash_confirms(service, &request->key, slot))
    return TANDEM_DROP_NO_RECORD;
  if (flow_get(&request->key))
    return TANDEM_DROP_NO_RECORD; /* the client's flow is with another server */
  return 0;
}

/*
 * The one service of the endpoint that may have this flow, or minus the reason of the drop. Where two may, none is chosen: the wrong one
 * would reach a port that the client never opened, and its reset would end the right one. The client's next packet decides.
 */
INLINE int derived_slot(struct request *request, const struct tandem_endpoint *endpoint)
{
  int reason = TANDEM_DROP_NO_RECORD;
  int found = 0;
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    __u32 slot = endpoint->slots[i];
    if (!slot || slot >= TANDEM_MAX_SERVER_SLOTS)
      continue;
    int against = derivation_refusal(request, slot);
    if (!against && found)
      return -TANDEM_DROP_NO_RECORD;
    if (!against)
      found = slot;
    else if (against != TANDEM_DROP_NO_RECORD)
      reason = against;
  }
  return found ? found : -reason;
}

/* A reply without a record. The service slot of the record that exists now (the key names it), or minus the reason of the drop. */
__noinline int derive(struct request *request)
{
  if (!request)
    return -TANDEM_DROP_NO_RECORD;
  if (is_bare_end(request) || (request->key.protocol == TANDEM_TCP && !(request->tcp_flags & TCP_ACK)))
    return -TANDEM_DROP_NO_RECORD;
  struct tandem_endpoint *endpoint = endpoint_get(request->server_addr, request->server_port, request->key.protocol);
  if (!endpoint)
    return -TANDEM_DROP_NO_RECORD;
  int slot = derived_slot(request, endpoint);
  struct tandem_server *server = slot > 0 ? server_get(slot) : NULL;
  if (!server)
    return slot > 0 ? -TANDEM_DROP_NO_SERVER : slot;
  reply_key(&request->key, server);
  int reason = create_flow(request, slot, server->virtual_router);
  return reason ? -reason : slot;
}

INLINE __u32 hint_index(__be32 addr, __be16 port)
{
  return (addr ^ (__u32)port << 16) * 0x9e3779b1 >> (32 - ENDPOINT_HINT_BITS);
}

INLINE void remember_endpoint(__be32 addr, __be16 port, __u32 slot)
{
  __u32 index = hint_index(addr, port);
  __u32 *hint = bpf_map_lookup_elem(&endpoint_hints, &index);
  if (hint && *hint != slot)
    *hint = slot;
}

/* The server that last sent from this address and port, unless it is not, or no longer, known. */
INLINE struct tandem_server *hinted_server(const struct packet *p, __u32 *slot)
{
  __u32 index = hint_index(p->ip->saddr, source_port(p));
  __u32 *hint = bpf_map_lookup_elem(&endpoint_hints, &index);
  if (!hint)
    return NULL;
  *slot = *hint;
  struct tandem_server *server = server_get(*slot);
  if (!server || server->addr != p->ip->saddr || server->port != source_port(p) || server->protocol != p->protocol)
    return NULL;
  return server;
}

INLINE bool is_record_of_reply(const struct tandem_flow *flow, __be32 server_addr, __be16 server_port)
{
  return flow && flow_is_of(flow, server_addr, server_port) && !(flow->flags & TANDEM_FLOW_DSR);
}

/* The client's half of the key; the service's half depends on the slot. */
INLINE void client_key(struct tandem_flow_key *key, const struct packet *p)
{
  store64(key, p->ip->daddr);
  store64(&key->client_port, destination_port(p) | (__u64)p->protocol << 32);
}

/* The slot of the endpoint whose service has the record of this reply; 0: none has. */
INLINE __u32 recorded_slot(struct request *request, const struct tandem_endpoint *endpoint)
{
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    __u32 slot = endpoint->slots[i];
    struct tandem_server *server = server_get(slot);
    if (!server)
      break;
    reply_key(&request->key, server);
    struct tandem_flow *flow = flow_get(&request->key);
    if (is_record_of_reply(flow, request->server_addr, request->server_port))
      return slot;
  }
  return 0;
}

/*
 * A reply without a record, of services that this node handed over: a verdict, or 0. While one service of the endpoint is held here, the
 * reply may be its own, and is judged here.
 */
INLINE int steer_reply(struct xdp_md *ctx, const struct tandem_endpoint *endpoint)
{
  __u32 to = TANDEM_MAX_VIRTUAL_ROUTERS;
  for (__u32 i = 0; i < TANDEM_MAX_ENDPOINT_SLOTS && i < endpoint->count; i++) {
    struct tandem_server *server = server_get(endpoint->slots[i]);
    if (!server || server->forward != TANDEM_FORWARD_NAT)
      continue;
    if (lease_is_fresh(server->virtual_router))
      return 0;
    if (steer_get(server->virtual_router))
      to = server->virtual_router;
  }
  return to < TANDEM_MAX_VIRTUAL_ROUTERS ? steer(ctx, to) : 0;
}

/* Any reply that the hint did not lead to its record. The slot whose record exists now (the key names it), or minus a verdict. */
__noinline int seek_reply(struct xdp_md *ctx, struct request *request)
{
  if (!request)
    return -XDP_DROP;
  struct tandem_endpoint *endpoint = endpoint_get(request->server_addr, request->server_port, request->key.protocol);
  if (!endpoint)
    return -XDP_DROP;
  int slot = recorded_slot(request, endpoint);
  /* To a group is to nobody's client: never moved on (RFC 9568, section 5.1.1.2). */
  if (!slot && (is_local(request->key.client_addr) || is_group4(request->key.client_addr)))
    return -XDP_PASS;
  int verdict = slot ? 0 : steer_reply(ctx, endpoint);
  if (verdict)
    return -verdict;
  if (!slot && request->ttl <= 1)
    return -drop(TANDEM_DROP_TTL);
  if (!slot)
    slot = derive(request);
  if (slot <= 0)
    return -drop(-slot);
  remember_endpoint(request->server_addr, request->server_port, slot);
  return slot;
}

#endif
