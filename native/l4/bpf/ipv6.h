/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * ipv6.h: what concerns a virtual IPv6 address. Services do not listen on them: the address is resolved, pings are answered, all else goes
 * to the kernel where it is asked to accept, and is dropped otherwise. Packets for other addresses pass untouched.
 */
#ifndef TANDEM_IPV6_H
#define TANDEM_IPV6_H

#include "icmp.h"
#include "nd.h"

enum icmp6_type { ICMP6_ECHO_REQUEST = 128, ICMP6_ECHO_REPLY = 129 };

struct icmp6_frame {
  struct ethhdr eth;
  struct ipv6hdr ip;
  struct icmp_echo icmp;
} __attribute__((packed));

/* Turned around in place. Swapping addresses changes no sum; the type does. */
INLINE int answer_echo6(struct icmp6_frame *frame, __u32 virtual_router)
{
  struct in6_addr client = frame->ip.saddr;
  if (is_group6((__u8 *)&client) || is_unspecified((__u8 *)&client))
    return drop(TANDEM_DROP_MALFORMED);
  frame->ip.saddr = frame->ip.daddr;
  frame->ip.daddr = client;
  frame->ip.hop_limit = ECHO_TTL;
  __u64 change = difference16(bpf_htons(ICMP6_ECHO_REQUEST << 8), bpf_htons(ICMP6_ECHO_REPLY << 8));
  frame->icmp.checksum = updated(frame->icmp.checksum, change);
  frame->icmp.type = ICMP6_ECHO_REPLY;
  turn_around(&frame->eth, virtual_router);
  return bpf_redirect(interface_config.ifindex, 0);
}

INLINE bool is_take_over_echo6(const struct icmp6_frame *frame, void *end)
{
  return (void *)(frame + 1) <= end && frame->ip.nexthdr == IPPROTO_ICMPV6 && frame->icmp.type == ICMP6_ECHO_REPLY &&
         frame->icmp.id == bpf_htons(TANDEM_VERIFY_ECHO_ID);
}

INLINE int icmp6_to_vip(struct icmp6_frame *frame, __u32 virtual_router)
{
  if (bpf_ntohs(frame->ip.payload_len) < sizeof(frame->icmp))
    return drop(TANDEM_DROP_MALFORMED);
  if (frame->icmp.type == ICMP6_ECHO_REQUEST && frame->icmp.code == 0)
    return answer_echo6(frame, virtual_router);
  if (frame->icmp.type == ICMP6_ECHO_REPLY && frame->icmp.id == bpf_htons(TANDEM_VERIFY_ECHO_ID))
    return note_verified(virtual_router);
  return accepts(virtual_router) ? XDP_PASS : drop(TANDEM_DROP_ICMP_ERROR);
}

/* The reason why a packet to a virtual address is not accepted. */
INLINE int refuse6(const struct icmp6_frame *frame, __u32 virtual_router)
{
  if (accepts(virtual_router))
    return XDP_PASS;
  return drop(frame->ip.nexthdr == IPPROTO_FRAGMENT ? TANDEM_DROP_FRAGMENT : TANDEM_DROP_NO_SERVICE);
}

/* To one of the virtual addresses, at our MAC. */
__noinline int ipv6_to_vip(struct xdp_md *ctx, __u32 virtual_router)
{
  struct icmp6_frame *frame = frame_start(ctx);
  void *end = frame_end(ctx);
  if ((void *)&frame->icmp > end || frame->ip.version != 6 ||
      bpf_ntohs(frame->ip.payload_len) > (__u64)(end - (void *)&frame->icmp))
    return drop(TANDEM_DROP_MALFORMED);
  if (!lease_is_fresh(virtual_router))
    return not_active(ctx, virtual_router, is_take_over_echo6(frame, end));
  if (frame->ip.nexthdr != IPPROTO_ICMPV6)
    return refuse6(frame, virtual_router);
  if ((void *)(frame + 1) > end)
    return drop(TANDEM_DROP_MALFORMED);
  return icmp6_to_vip(frame, virtual_router);
}

INLINE bool is_neighbour_discovery(const struct ipv6hdr *ip, void *end)
{
  const __u8 *type = (const __u8 *)(ip + 1);
  return ip->version == 6 && ip->nexthdr == IPPROTO_ICMPV6 && (void *)(type + 1) <= end &&
         (*type == ND_SOLICITATION || *type == ND_ADVERTISEMENT);
}

/* `is_ours`: the frame's destination is our MAC, or a group that is asked for neighbours. */
__noinline int ipv6(struct xdp_md *ctx, __u32 is_ours)
{
  struct ethhdr *eth = frame_start(ctx);
  struct ipv6hdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > frame_end(ctx))
    return XDP_PASS;
  if (is_ours && is_neighbour_discovery(ip, frame_end(ctx)))
    return neighbour_discovery(ctx);
  struct tandem_address *address = address6_get(&ip->daddr);
  if (!address)
    return XDP_PASS;
  if (!is_ours || is_group_mac(eth))
    return drop(TANDEM_DROP_NOT_FOR_US);
  return ipv6_to_vip(ctx, address->virtual_router);
}

#endif
