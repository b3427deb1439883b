/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * dsr.h: direct server return. Only the MAC addresses change; the server has the VIP on a loopback and answers the client itself.
 */
#ifndef TANDEM_DSR_H
#define TANDEM_DSR_H

#include "nat.h"

/* Without a known next hop the frame can only be sent if the server is a resolved neighbour: any router would send it back to us. */
INLINE int dsr_by_route(struct xdp_md *ctx, const struct packet *p, __be32 server_addr)
{
  struct tandem_next_hop hop = {};
  int result = route(ctx, p->ip->saddr, server_addr, &hop);
  if (result == BPF_FIB_LKUP_RET_SUCCESS && hop.addr == server_addr) {
    age_packet(p, 0);
    return transmit(p, &hop);
  }
  if (result == BPF_FIB_LKUP_RET_NO_NEIGH)
    notice_next_hop(hop.ifindex, hop.addr);
  return drop(TANDEM_DROP_NO_ROUTE);
}

INLINE int dsr_send(struct xdp_md *ctx, const struct packet *p, __u32 next_hop, __be32 server_addr)
{
  struct tandem_next_hop *hop = next_hop_get(next_hop);
  if (unlikely(!hop))
    return dsr_by_route(ctx, p, server_addr);
  age_packet(p, 0);
  return transmit(p, hop);
}

#endif
