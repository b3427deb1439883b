/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * steer.h: for a while after a planned hand-over, what still arrives here goes on to the node that has the addresses now: the same frame
 * with both MAC addresses rewritten (a foreign source address would teach the switch a wrong port) and one TTL less.
 *
 * Only without a fresh lease. A frame that comes from a peer is never steered again: it was steered once, by the one who should know.
 */
#ifndef TANDEM_STEER_H
#define TANDEM_STEER_H

#include "checksum.h"
#include "lease.h"

INLINE struct tandem_steer *steer_get(__u32 virtual_router)
{
  struct tandem_steer_key key = { .ifindex = interface_config.ifindex, .virtual_router = virtual_router };
  struct tandem_steer *to = bpf_map_lookup_elem(&steers, &key);
  return to && exact_now() < to->until_ns ? to : NULL;
}

INLINE bool is_from_peer(const struct ethhdr *eth)
{
  struct tandem_mac_key key = { .ifindex = interface_config.ifindex };
  __builtin_memcpy(key.mac, eth->h_source, ETH_ALEN);
  return bpf_map_lookup_elem(&peer_macs, &key);
}

INLINE void count_steered(__u32 virtual_router)
{
  __u64 *counter = bpf_map_lookup_elem(&steered, &virtual_router);
  if (counter)
    *counter += 1;
}

/* One TTL or hop less, so that nothing goes round for ever, whatever nodes believe of each other. False when none is left. */
INLINE bool age_frame(struct ethhdr *eth, void *end)
{
  if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr *ip6 = (void *)(eth + 1);
    return (void *)(ip6 + 1) <= end && ip6->hop_limit > 1 && ip6->hop_limit--;
  }
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end || ip->ttl <= 1)
    return false;
  ip->check = updated(ip->check, ttl_difference());
  ip->ttl--;
  return true;
}

/* The caller knows that the lease is not fresh. A verdict, or 0 when there is nobody to steer to. */
__noinline int steer(struct xdp_md *ctx, __u32 virtual_router)
{
  struct ethhdr *eth = frame_start(ctx);
  void *end = frame_end(ctx);
  struct tandem_steer *to = steer_get(virtual_router);
  if (!to || (void *)(eth + 1) > end || is_from_peer(eth))
    return 0;
  if (!age_frame(eth, end))
    return drop(TANDEM_DROP_TTL);
  count_steered(virtual_router);
  __builtin_memcpy(eth->h_dest, to->mac, ETH_ALEN);
  set_own_mac(eth->h_source);
  return bpf_redirect(interface_config.ifindex, 0);
}

/* What only a holder may answer, without a fresh lease. The answer to somebody's take-over is no packet of a client: nothing is lost. */
INLINE int not_active(struct xdp_md *ctx, __u32 virtual_router, bool is_take_over_echo)
{
  int verdict = steer(ctx, virtual_router);
  return verdict ? verdict : drop(is_take_over_echo ? TANDEM_DROP_NOT_FOR_US : TANDEM_DROP_NOT_ACTIVE);
}

/* A packet with a record, without a fresh lease. A verdict, or 0: still served here, the lease drains. */
__noinline int without_lease(struct xdp_md *ctx, __u32 virtual_router)
{
  int verdict = steer(ctx, virtual_router);
  if (verdict)
    return verdict;
  return lease_serves(virtual_router) ? 0 : drop(TANDEM_DROP_DRAINED);
}

#endif
