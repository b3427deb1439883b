/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * arp.h: answers ARP (RFC 826) for the addresses of a virtual router while its lease is fresh, and watches for others who claim them.
 * Requests for them never reach the kernel on their interface, so nobody answers for a node without a lease.
 */
#ifndef TANDEM_ARP_H
#define TANDEM_ARP_H

#include "notice.h"
#include "virtual-mac.h"

enum arp_constant { ARP_ETHERNET = 1, ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp_ipv4 {
  __be16 hardware;
  __be16 protocol;
  __u8 hardware_length;
  __u8 protocol_length;
  __be16 operation;
  __u8 sender_mac[ETH_ALEN];
  __u8 sender_ip[4];
  __u8 target_mac[ETH_ALEN];
  __u8 target_ip[4];
} __attribute__((packed));

INLINE bool is_arp_ipv4(const struct arp_ipv4 *arp)
{
  return arp->hardware == bpf_htons(ARP_ETHERNET) && arp->protocol == bpf_htons(ETH_P_IP) && arp->hardware_length == ETH_ALEN &&
         arp->protocol_length == 4;
}

/* The entry of an address that moves along with a virtual router and lives on this interface. */
INLINE struct tandem_address *answered_address(const __u8 *ip)
{
  __be32 addr;
  __builtin_memcpy(&addr, ip, sizeof(addr));
  struct tandem_address *address = address_get(addr);
  if (!address || address->kind == TANDEM_ADDRESS_LOCAL || address->ifindex != interface_config.ifindex)
    return NULL;
  return address;
}

INLINE int answer_arp(struct ethhdr *eth, struct arp_ipv4 *arp, __u32 virtual_router)
{
  __u8 wanted[4];
  __builtin_memcpy(wanted, arp->target_ip, sizeof(wanted));
  __builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN + sizeof(wanted));
  __builtin_memcpy(arp->sender_ip, wanted, sizeof(wanted));
  __builtin_memcpy(eth->h_dest, arp->target_mac, ETH_ALEN);
  set_router_mac(arp->sender_mac, virtual_router);
  __builtin_memcpy(eth->h_source, arp->sender_mac, ETH_ALEN);
  arp->operation = bpf_htons(ARP_REPLY);
  return bpf_redirect(interface_config.ifindex, 0);
}

/* A sender with one of our addresses, gratuitous or not: never answered, left to the kernel, reported while we own the address. */
INLINE int arp_claim(const struct arp_ipv4 *arp, const struct tandem_address *claimed)
{
  if (!is_router_mac(arp->sender_mac, claimed->virtual_router) && lease_is_fresh(claimed->virtual_router))
    notice_foreign_claim(arp->sender_ip, sizeof(arp->sender_ip), arp->sender_mac);
  return XDP_PASS;
}

/* To our MAC or to a group. */
__noinline int arp(struct xdp_md *ctx)
{
  struct ethhdr *eth = frame_start(ctx);
  struct arp_ipv4 *arp = (void *)(eth + 1);
  if ((void *)(arp + 1) > frame_end(ctx) || !is_arp_ipv4(arp))
    return XDP_PASS;
  struct tandem_address *claimed = answered_address(arp->sender_ip);
  if (claimed)
    return arp_claim(arp, claimed);
  if (arp->operation != bpf_htons(ARP_REQUEST))
    return XDP_PASS;
  struct tandem_address *wanted = answered_address(arp->target_ip);
  if (!wanted)
    return XDP_PASS;
  /* Every node hears a question to all; the one that has the address answers. */
  if (!lease_is_fresh(wanted->virtual_router))
    return drop(TANDEM_DROP_NOT_FOR_US);
  return answer_arp(eth, arp, wanted->virtual_router);
}

#endif
