/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * nat.h: address translation. Client to service: the destination becomes the server; server to client: the source becomes the VIP.
 * Checksums follow incrementally. A packet that cannot be sent by us goes to the kernel, but only once it is translated.
 */
#ifndef TANDEM_NAT_H
#define TANDEM_NAT_H

#include "checksum.h"
#include "route.h"

enum direction { TO_SERVER, TO_CLIENT };

/* One TTL less, and the header checksum follows together with any change of addresses. */
INLINE void age_packet(const struct packet *p, __u64 address_change)
{
  p->ip->check = updated(p->ip->check, address_change + ttl_difference());
  p->ip->ttl--;
}

/* The port that changes lies behind the source port when the packet goes to the server. */
INLINE __u8 *translated_port(const struct packet *p, enum direction direction)
{
  return p->l4 + (direction == TO_SERVER ? 2 : 0);
}

INLINE void translate_partial(struct xdp_md *ctx, const struct packet *p, enum direction direction, __u32 pseudo, __u64 address_change,
                              __be16 port)
{
  store16(translated_port(p, direction), port);
  store16(p->checksum, fold(pseudo + address_change));
  if (interface_config.driver_mode)
    complete_checksum(ctx, p);
}

INLINE void translate_l4(struct xdp_md *ctx, const struct packet *p, enum direction direction, __u64 address_change, __be16 port)
{
  __u16 before = load16(p->checksum);
  __u32 pseudo = pseudo_header_sum(p);
  if (unlikely(before == pseudo) && is_partial(ctx, p, pseudo)) {
    translate_partial(ctx, p, direction, pseudo, address_change, port);
    return;
  }
  __u8 *field = translated_port(p, direction);
  __u16 after = updated(before, address_change + difference16(load16(field), port));
  store16(field, port);
  if (p->protocol == IPPROTO_UDP) {
    if (before == 0)
      return; /* the sender chose to have none */
    if (after == 0)
      after = 0xffff;
  }
  store16(p->checksum, after);
}

/* Rewrites all but TTL and header checksum; returns what they have to follow. */
INLINE __u64 translate(struct xdp_md *ctx, const struct packet *p, enum direction direction, __be32 addr, __be16 port)
{
  __be32 *field = direction == TO_SERVER ? &p->ip->daddr : &p->ip->saddr;
  __u64 change = difference(*field, addr);
  translate_l4(ctx, p, direction, change, port);
  *field = addr;
  return change;
}

/* A translated packet without a known next hop: by the routing table, or handed to the kernel, which resolves the neighbour. */
INLINE int nat_by_route(struct xdp_md *ctx, const struct packet *p, enum direction direction, struct tandem_flow *flow, __u64 change)
{
  struct tandem_next_hop hop = {};
  int result = route(ctx, p->ip->saddr, p->ip->daddr, &hop);
  bool is_known = result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH;
  if (is_known && direction == TO_CLIENT)
    remember_next_hop(flow, &hop);
  if (result == BPF_FIB_LKUP_RET_SUCCESS) {
    age_packet(p, change);
    return transmit(p, &hop);
  }
  if (!is_known && result != BPF_FIB_LKUP_RET_NOT_FWDED)
    return drop(TANDEM_DROP_NO_ROUTE);
  p->ip->check = updated(p->ip->check, change); /* the kernel takes the TTL down itself */
  return XDP_PASS;
}

INLINE int nat_send(struct xdp_md *ctx, const struct packet *p, enum direction direction, struct tandem_flow *flow, __u32 next_hop,
                    __be32 addr, __be16 port)
{
  __u64 change = translate(ctx, p, direction, addr, port);
  struct tandem_next_hop *hop = next_hop_get(next_hop);
  if (unlikely(!hop))
    return nat_by_route(ctx, p, direction, flow, change);
  age_packet(p, change);
  return transmit(p, hop);
}

#endif
