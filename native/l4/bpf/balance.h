/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * balance.h: the order of questions asked about a frame. Each answer is a verdict; the headers beside this one find it.
 *
 * What is not for a virtual address and not from a server's service port passes untouched.
 */
#ifndef TANDEM_BALANCE_H
#define TANDEM_BALANCE_H

#include "arp.h"
#include "reply.h"

/* A packet that we cannot judge: dropped and counted if it concerns us, else the kernel's business. */
__noinline int refuse(__be32 source, __be32 destination, __u32 reason)
{
  struct tandem_address *address = address_get(destination);
  if (address && address->kind == TANDEM_ADDRESS_LOCAL)
    return XDP_PASS;
  if (address || endpoint_get(source, 0, 0))
    return drop(reason);
  return XDP_PASS;
}

/* Flooded by a switch, or sent to a group: the kernel ignores it unless it concerns itself, and so do we, but we count ours. */
__noinline int other_mac(__be32 destination)
{
  struct tandem_address *address = address_get(destination);
  return address && address->kind != TANDEM_ADDRESS_LOCAL ? drop(TANDEM_DROP_NOT_FOR_US) : XDP_PASS;
}

INLINE void forward_key(struct tandem_flow_key *key, const struct packet *p)
{
  word64 *words = (word64 *)key;
  words[0] = IPV4_ADDRESSES(p->ip);
  words[1] = *(word32 *)p->l4 | (__u64)p->protocol << 32;
}

/* VERDICT_FORWARD: the flow has a record now. */
INLINE int without_record(const struct packet *p, const struct tandem_flow_key *key, bool is_restart)
{
  struct request request = {
    .key = *key,
    .tcp_flags = p->tcp_flags,
    .has_payload = p->has_payload,
    .ttl = p->ip->ttl,
    .is_restart = is_restart,
  };
  return admit(&request);
}

INLINE int segment(struct xdp_md *ctx, const struct packet *p)
{
  struct tandem_flow_key key __attribute__((aligned(8)));
  struct tandem_flow *flow = NULL;
  forward_key(&key, p);
  if (!interface_config.replies_first)
    flow = bpf_map_lookup_elem(&flows, &key);
  if (!flow) {
    struct tandem_endpoint *endpoint = endpoint_get(p->ip->saddr, ((word16 *)p->l4)[0], p->protocol);
    if (endpoint)
      return reply(ctx, p, endpoint);
    if (interface_config.replies_first)
      flow = bpf_map_lookup_elem(&flows, &key);
  }
  bool is_restarted = flow && unlikely(is_opening(p->tcp_flags)) && is_restart(flow, &key);
  if (!flow || is_restarted) {
    int verdict = without_record(p, &key, is_restarted);
    if (verdict != VERDICT_FORWARD)
      return verdict;
    flow = bpf_map_lookup_elem(&flows, &key);
    if (!flow)
      return drop(TANDEM_DROP_TABLE_FULL);
  }
  return hit_forward(ctx, p, flow, &key);
}

INLINE int balance(struct xdp_md *ctx)
{
  void *end = frame_end(ctx);
  struct packet p = { .eth = frame_start(ctx) };
  if ((void *)(p.eth + 1) > end)
    return XDP_PASS;
  bool is_own = is_own_mac(p.eth);
  if (unlikely(p.eth->h_proto != bpf_htons(ETH_P_IP))) {
    if (p.eth->h_proto == bpf_htons(ETH_P_ARP) && (is_own || is_group_mac(p.eth)))
      return arp(p.eth, end);
    return XDP_PASS;
  }
  enum parsed parsed = parse_ipv4(&p, end);
  if (unlikely(parsed == PARSED_NOT_IPV4))
    return XDP_PASS;
  if (unlikely(!is_own))
    return other_mac(p.ip->daddr);
  if (likely(parsed == PARSED_SEGMENT))
    return segment(ctx, &p);
  if (parsed == PARSED_OTHER_IP)
    return other_ip(&p, end);
  return refuse(p.ip->saddr, p.ip->daddr, parsed == PARSED_FRAGMENT ? TANDEM_DROP_FRAGMENT : TANDEM_DROP_MALFORMED);
}

#endif
