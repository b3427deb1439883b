/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * icmp.h: everything to a VIP that is neither TCP nor UDP. Ping is answered here, under the lease; the echo that verifies a take-over
 * ends here. All else goes to the kernel where it is asked to accept, and is counted and dropped otherwise.
 */
#ifndef TANDEM_ICMP_H
#define TANDEM_ICMP_H

#include "virtual-mac.h"

#define ECHO_TTL 64

/* linux/icmp.h and linux/if_arp.h need socket headers that do not exist for this machine type. */
enum icmp_type { ICMP_ECHO_REPLY = 0, ICMP_ECHO_REQUEST = 8 };

struct icmp_echo {
  __u8 type;
  __u8 code;
  __be16 checksum;
  __be16 id;
  __be16 sequence;
};

/* Turned around in place. Swapping addresses changes no sum; TTL and type do. */
INLINE int answer_echo(const struct packet *p, struct icmp_echo *icmp, __u32 virtual_router)
{
  __be32 client = p->ip->saddr;
  p->ip->saddr = p->ip->daddr;
  p->ip->daddr = client;
  p->ip->check = updated(p->ip->check, difference16(bpf_htons(p->ip->ttl << 8), bpf_htons(ECHO_TTL << 8)));
  p->ip->ttl = ECHO_TTL;
  icmp->checksum = updated(icmp->checksum, difference16(bpf_htons(ICMP_ECHO_REQUEST << 8), bpf_htons(ICMP_ECHO_REPLY << 8)));
  icmp->type = ICMP_ECHO_REPLY;
  turn_around(p->eth, virtual_router);
  return bpf_redirect(interface_config.ifindex, 0);
}

/* The answer to an echo that we sent from the VIP: the network brings the VIP's packets here. */
INLINE int note_verified(__u32 virtual_router)
{
  struct tandem_lease *lease = lease_get(virtual_router);
  if (lease)
    lease->verified_ns = exact_now();
  return XDP_DROP;
}

INLINE bool is_take_over_echo(const struct packet *p, void *end)
{
  struct icmp_echo *icmp = (void *)p->l4;
  return p->protocol == IPPROTO_ICMP && (void *)(icmp + 1) <= end && icmp->type == ICMP_ECHO_REPLY &&
         icmp->id == bpf_htons(TANDEM_VERIFY_ECHO_ID);
}

INLINE int icmp_to_vip(const struct packet *p, void *end, __u32 virtual_router)
{
  struct icmp_echo *icmp = (void *)p->l4;
  if ((void *)(icmp + 1) > end || p->l4_length < sizeof(*icmp))
    return drop(TANDEM_DROP_MALFORMED);
  if (icmp->type == ICMP_ECHO_REQUEST && icmp->code == 0)
    return answer_echo(p, icmp, virtual_router);
  if (icmp->type == ICMP_ECHO_REPLY && icmp->id == bpf_htons(TANDEM_VERIFY_ECHO_ID))
    return note_verified(virtual_router);
  return accepts(virtual_router) ? XDP_PASS : drop(TANDEM_DROP_ICMP_ERROR);
}

INLINE int other_ip(struct xdp_md *ctx, const struct packet *p, void *end)
{
  struct tandem_address *address = address_get(p->ip->daddr);
  if (!address || address->kind == TANDEM_ADDRESS_LOCAL)
    return XDP_PASS;
  __u32 virtual_router = address->virtual_router;
  if (!lease_is_fresh(virtual_router))
    return not_active(ctx, virtual_router, is_take_over_echo(p, end));
  if (p->protocol == IPPROTO_ICMP)
    return icmp_to_vip(p, end, virtual_router);
  return accepts(virtual_router) ? XDP_PASS : drop(TANDEM_DROP_NO_SERVICE);
}

#endif
