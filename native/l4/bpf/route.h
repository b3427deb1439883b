/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * route.h: where a packet leaves. Normally an entry of `next_hops`, kept fresh by user space; the kernel's routing table only where no
 * entry is known yet. User space hears of every gateway that it does not know.
 */
#ifndef TANDEM_ROUTE_H
#define TANDEM_ROUTE_H

#include "notice.h"
#include "parse.h"

/* Destination and source MAC lie in a next hop as they do in a frame: twelve bytes, two stores. */
INLINE int transmit(const struct packet *p, const struct tandem_next_hop *hop)
{
  store64(p->eth, load64(hop->destination_mac));
  store32((__u8 *)p->eth + 8, load32(hop->destination_mac + 8));
  return bpf_redirect(hop->ifindex, 0);
}

INLINE struct tandem_next_hop *next_hop_get(__u32 index)
{
  struct tandem_next_hop *hop = bpf_map_lookup_elem(&next_hops, &index);
  return index && hop && hop->state == TANDEM_NEXT_HOP_RESOLVED ? hop : NULL;
}

/* Asks the routing table. Interface and gateway are filled in with SUCCESS and NO_NEIGH, the MACs with SUCCESS. */
__noinline int route(struct xdp_md *ctx, __be32 source, __be32 destination, struct tandem_next_hop *hop)
{
  struct bpf_fib_lookup query = {};
  if (!hop)
    return -1;
  query.family = 2; /* AF_INET */
  query.ipv4_src = source;
  query.ipv4_dst = destination;
  query.ifindex = interface_config.ifindex;
  int result = bpf_fib_lookup(ctx, &query, sizeof(query), 0);
  if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
    return result;
  __builtin_memcpy(hop->destination_mac, query.dmac, 6);
  __builtin_memcpy(hop->source_mac, query.smac, 6);
  hop->ifindex = query.ifindex;
  hop->addr = query.ipv4_dst;
  return result;
}

/* Puts the index of a gateway into the record, or tells user space about the gateway. */
INLINE void remember_next_hop(struct tandem_flow *flow, const struct tandem_next_hop *hop)
{
  struct tandem_next_hop_key key = { .ifindex = hop->ifindex, .addr = hop->addr };
  __u32 *index = bpf_map_lookup_elem(&next_hop_index, &key);
  if (index && *index)
    flow->next_hop = *index;
  else
    notice_next_hop(key.ifindex, key.addr);
}

/* On the way in: finds the way back to the client, so that its neighbour is resolved before the first reply. */
__noinline int look_ahead(struct xdp_md *ctx, struct tandem_flow *flow, __be32 vip, __be32 client)
{
  struct tandem_next_hop hop = {};
  if (!flow)
    return 0;
  int result = route(ctx, vip, client, &hop);
  if (result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH)
    remember_next_hop(flow, &hop);
  return 0;
}

#endif
