/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * admit.h: packets to a VIP without a record. Under a lease that admits them and with a ready table they become records: new flows by the
 * scheduler, flows in progress by the hash. Nothing is ever answered with a reset.
 */
#ifndef TANDEM_ADMIT_H
#define TANDEM_ADMIT_H

#include "hit.h"
#include "virtual-mac.h"

/* What the slow functions need to know of a packet. */
struct request {
  struct tandem_flow_key key;
  __be32 server_addr;   /* of a reply */
  __be16 server_port;
  __u8 tcp_flags;
  __u8 has_payload;
  __u8 ttl;
  __u8 is_restart;      /* a SYN over a record that has ended */
  __u16 pad;            /* older verifiers want every byte of an argument on the stack written */
};

/* A RST, or a FIN that carries nothing, ends a flow that we do not know: not worth a record. */
INLINE bool is_bare_end(const struct request *request)
{
  return request->tcp_flags & TCP_RST || (request->tcp_flags & TCP_FIN && !request->has_payload);
}

INLINE bool starts_flow(const struct request *request)
{
  return request->key.protocol == TANDEM_UDP || is_opening(request->tcp_flags);
}

INLINE __u8 first_state(const struct request *request)
{
  if (request->key.protocol == TANDEM_UDP)
    return TANDEM_FLOW_UDP;
  if (is_opening(request->tcp_flags))
    return TANDEM_FLOW_SYN;
  if (request->tcp_flags & TCP_SYN)
    return TANDEM_FLOW_SYN_ACK;
  return TANDEM_FLOW_ESTABLISHED;
}

INLINE void count_flow(__u32 slot)
{
  struct tandem_traffic *counters = bpf_map_lookup_elem(&traffic, &slot);
  if (counters)
    counters->flows++;
}

/* Removes the record that a SYN starts anew over. Its end is an event of its own, so peers delete before they insert. */
INLINE void end_previous(struct tandem_flow_key *key, __u8 virtual_router)
{
  struct tandem_flow *flow = flow_get(key);
  if (!flow)
    return;
  struct tandem_flow previous = *flow;
  flow_delete(virtual_router, key, &previous);
}

/* 0, or the reason why there is no record now. */
__noinline int create_flow(struct request *request, __u32 slot, __u32 virtual_router)
{
  struct tandem_server *server = server_get(slot);
  struct tandem_settings *settings = settings_get();
  if (!request || !server || !settings)
    return TANDEM_DROP_NO_SERVER;
  struct tandem_flow flow = {
    .last_seen_ns = coarse_now(),
    .generation = new_generation(settings),
    .server_addr = server->addr,
    .server_port = server->port,
    .state = first_state(request),
    .server_slot = slot,
  };
  if (server->forward == TANDEM_FORWARD_DSR)
    flow.flags |= TANDEM_FLOW_DSR;
  if (!starts_flow(request))
    flow.flags |= TANDEM_FLOW_DERIVED;
  if (request->is_restart)
    end_previous(&request->key, virtual_router);
  int error = flow_insert(virtual_router, &request->key, &flow);
  if (error == 0)
    count_flow(slot);
  return error == 0 || error == -17 /* EEXIST: another CPU was faster */ ? 0 : TANDEM_DROP_TABLE_FULL;
}

/* Server slot for a packet that a service may accept, or minus the reason of the drop. */
INLINE int choose(struct tandem_service *service, struct request *request)
{
  if (starts_flow(request))
    return schedule(service, &request->key);
  if (is_bare_end(request) || !(request->tcp_flags & TCP_ACK) || request->tcp_flags & TCP_SYN)
    return -TANDEM_DROP_NO_RECORD;
  return place(service, &request->key);
}

/* A verdict, or VERDICT_FORWARD when the flow has a record now. */
__noinline int admit(struct xdp_md *ctx, struct request *request)
{
  if (!request)
    return XDP_DROP;
  struct tandem_address *address = address_get(request->key.vip_addr);
  if (!address || address->kind == TANDEM_ADDRESS_LOCAL)
    return XDP_PASS;
  __u32 virtual_router = address->virtual_router;
  bool is_fresh = lease_is_fresh(virtual_router);
  if (!is_fresh) {
    int verdict = steer(ctx, virtual_router);
    if (verdict)
      return verdict;
    if (!lease_admits(virtual_router))
      return drop(TANDEM_DROP_NOT_ACTIVE);
  }
  struct tandem_service *service = service_get(request->key.vip_addr, request->key.vip_port, request->key.protocol);
  if (!service)
    return is_fresh && accepts(virtual_router) ? XDP_PASS : drop(TANDEM_DROP_NO_SERVICE);
  struct tandem_settings *settings = settings_get();
  if (!settings || !settings->ready)
    return drop(TANDEM_DROP_NOT_READY);
  if (request->ttl <= 1)
    return drop(TANDEM_DROP_TTL);
  int slot = choose(service, request);
  if (slot <= 0)
    return drop(-slot);
  int reason = create_flow(request, slot, service->virtual_router);
  return reason ? drop(reason) : VERDICT_FORWARD;
}

#endif
