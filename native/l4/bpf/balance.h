/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * balance.h: the order of questions asked about a frame. Each answer is a verdict; the headers beside this one find it.
 *
 * What is not for a virtual address and not from a server's service port passes untouched.
 */
#ifndef TANDEM_BALANCE_H
#define TANDEM_BALANCE_H

#include "arp.h"
#include "ipv6.h"
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
  store64(key, load64(&p->ip->saddr));
  store64(&key->client_port, load32(p->l4) | (__u64)p->protocol << 32);
}

/* VERDICT_FORWARD: the flow has a record now. */
INLINE int without_record(struct xdp_md *ctx, const struct packet *p, const struct tandem_flow_key *key, bool is_restart)
{
  struct request request = {
    .key = *key,
    .tcp_flags = p->tcp_flags,
    .has_payload = p->has_payload,
    .ttl = p->ip->ttl,
    .is_restart = is_restart,
  };
  return admit(ctx, &request);
}

/* Finds or makes the record of a packet from a server. The slot, or minus a verdict. */
INLINE int reply_slot(struct xdp_md *ctx, const struct packet *p, struct tandem_flow_key *key)
{
  struct request request = {
    .server_addr = p->ip->saddr,
    .server_port = source_port(p),
    .tcp_flags = p->tcp_flags,
    .has_payload = p->has_payload,
    .ttl = p->ip->ttl,
  };
  client_key(&request.key, p);
  int slot = seek_reply(ctx, &request);
  *key = request.key;
  return slot;
}

/* A reply that the hint names: the way of nearly all of them. */
INLINE struct tandem_flow *hinted_reply(const struct packet *p, struct tandem_flow_key *key, __u32 *slot, struct tandem_server **server)
{
  *server = hinted_server(p, slot);
  if (!*server)
    return NULL;
  client_key(key, p);
  reply_key(key, *server);
  struct tandem_flow *flow = bpf_map_lookup_elem(&flows, key);
  return is_record_of_reply(flow, p->ip->saddr, source_port(p)) ? flow : NULL;
}

INLINE int forward(struct xdp_md *ctx, const struct packet *p, struct tandem_flow *flow, struct tandem_flow_key *key)
{
  bool is_restarted = flow && unlikely(is_opening(p->tcp_flags)) && is_restart(flow, key);
  if (!flow || is_restarted) {
    int verdict = without_record(ctx, p, key, is_restarted);
    if (verdict != VERDICT_FORWARD)
      return verdict;
    flow = bpf_map_lookup_elem(&flows, key);
    if (!flow)
      return drop(TANDEM_DROP_TABLE_FULL);
  }
  return hit_forward(ctx, p, flow, key);
}

INLINE bool is_from_endpoint(const struct packet *p)
{
  return endpoint_get(p->ip->saddr, source_port(p), p->protocol);
}

INLINE int segment(struct xdp_md *ctx, const struct packet *p)
{
  struct tandem_flow_key key __attribute__((aligned(8)));
  struct tandem_server *server;
  struct tandem_flow *flow;
  __u32 slot = 0;
  if (!interface_config.replies_first) {
    forward_key(&key, p);
    flow = bpf_map_lookup_elem(&flows, &key);
    if (likely(flow))
      return forward(ctx, p, flow, &key);
  }
  flow = hinted_reply(p, &key, &slot, &server);
  if (unlikely(!flow)) {
    forward_key(&key, p);
    if (interface_config.replies_first)
      flow = bpf_map_lookup_elem(&flows, &key);
    if (flow || !is_from_endpoint(p))
      return forward(ctx, p, flow, &key);
    int found = reply_slot(ctx, p, &key);
    if (found <= 0)
      return -found;
    slot = found;
    server = server_get(slot);
    flow = bpf_map_lookup_elem(&flows, &key);
    if (!server || !is_record_of_reply(flow, p->ip->saddr, source_port(p)))
      return drop(TANDEM_DROP_NO_RECORD);
  }
  return hit_reply(ctx, p, flow, &key, server, slot);
}

/* TCP and UDP each get their own copy of the hit path, without a question about the protocol in it. */
INLINE int ipv4(struct xdp_md *ctx, struct packet *p, void *end)
{
  if (unlikely(!parse_ipv4(p, end)))
    return refuse(p->ip->saddr, p->ip->daddr, TANDEM_DROP_MALFORMED);
  if (unlikely(is_fragment(p)))
    return refuse(p->ip->saddr, p->ip->daddr, TANDEM_DROP_FRAGMENT);
  if (p->protocol == IPPROTO_TCP) {
    p->protocol = IPPROTO_TCP;
    return parse_tcp(p, end) ? segment(ctx, p) : refuse(p->ip->saddr, p->ip->daddr, TANDEM_DROP_MALFORMED);
  }
  if (p->protocol == IPPROTO_UDP) {
    p->protocol = IPPROTO_UDP;
    return parse_udp(p, end) ? segment(ctx, p) : refuse(p->ip->saddr, p->ip->daddr, TANDEM_DROP_MALFORMED);
  }
  return other_ip(ctx, p, end);
}

/* ARP, IPv6, or the kernel's business. */
__noinline int not_ipv4(struct xdp_md *ctx)
{
  struct ethhdr *eth = frame_start(ctx);
  if ((void *)(eth + 1) > frame_end(ctx))
    return XDP_PASS;
  bool is_ipv6 = eth->h_proto == bpf_htons(ETH_P_IPV6);
  if (!is_ipv6 && eth->h_proto != bpf_htons(ETH_P_ARP))
    return XDP_PASS;
  bool is_ours = is_own_mac(eth) || is_group_mac(eth);
  if (!is_ours) {
    int verdict = claim_frame(ctx);
    if (verdict && verdict != XDP_PASS)
      return verdict;
    is_ours = !verdict;
  }
  if (is_ipv6)
    return ipv6(ctx, is_ours);
  return is_ours ? arp(ctx) : XDP_PASS;
}

INLINE int balance(struct xdp_md *ctx)
{
  void *end = frame_end(ctx);
  struct packet p = { .eth = frame_start(ctx) };
  p.ip = (void *)(p.eth + 1);
  if (unlikely((void *)(p.eth + 1) > end))
    return XDP_PASS;
  if (unlikely(load16(&p.eth->h_proto) != bpf_htons(ETH_P_IP)))
    return not_ipv4(ctx);
  if (unlikely((void *)(p.ip + 1) > end))
    return XDP_PASS;
  if (unlikely(!is_own_mac(p.eth))) {
    int verdict = claim_frame(ctx);
    if (verdict)
      return verdict == XDP_PASS ? other_mac(p.ip->daddr) : verdict;
  }
  return ipv4(ctx, &p, end);
}

#endif
