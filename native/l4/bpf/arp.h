/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * arp.h: answers ARP (RFC 826) for the addresses of a virtual router while its lease is fresh, and watches for others who claim them.
 * The kernel does not know these addresses, so nobody answers for a node without a lease.
 */
#ifndef TANDEM_ARP_H
#define TANDEM_ARP_H

#include "icmp.h"

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

INLINE bool is_own_sender(const struct arp_ipv4 *arp)
{
  const volatile __u8 *own = interface_config.mac;
  for (int i = 0; i < ETH_ALEN; i++)
    if (arp->sender_mac[i] != own[i])
      return false;
  return true;
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

INLINE void notice_foreign_claim(const struct arp_ipv4 *arp)
{
  struct tandem_notice *notice = bpf_ringbuf_reserve(&notices, sizeof(*notice), 0);
  if (!notice)
    return;
  __builtin_memset(notice, 0, sizeof(*notice));
  notice->kind = TANDEM_NOTICE_FOREIGN_CLAIM;
  notice->ifindex = interface_config.ifindex;
  __builtin_memcpy(&notice->addr, arp->sender_ip, sizeof(notice->addr));
  __builtin_memcpy(notice->mac, arp->sender_mac, ETH_ALEN);
  bpf_ringbuf_submit(notice, 0);
}

INLINE int answer_arp(struct ethhdr *eth, struct arp_ipv4 *arp)
{
  __u8 wanted[4];
  __builtin_memcpy(wanted, arp->target_ip, sizeof(wanted));
  __builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN + sizeof(wanted));
  __builtin_memcpy(arp->sender_ip, wanted, sizeof(wanted));
  __builtin_memcpy(eth->h_dest, arp->target_mac, ETH_ALEN);
  for (int i = 0; i < ETH_ALEN; i++)
    arp->sender_mac[i] = eth->h_source[i] = interface_config.mac[i];
  arp->operation = bpf_htons(ARP_REPLY);
  return bpf_redirect(interface_config.ifindex, 0);
}

/* A sender with one of our addresses, gratuitous or not: never answered, left to the kernel, reported while we own the address. */
INLINE int arp_claim(const struct arp_ipv4 *arp, const struct tandem_address *claimed)
{
  if (!is_own_sender(arp) && lease_is_fresh(claimed->virtual_router))
    notice_foreign_claim(arp);
  return XDP_PASS;
}

INLINE int arp(struct ethhdr *eth, void *end)
{
  struct arp_ipv4 *arp = (void *)(eth + 1);
  if ((void *)(arp + 1) > end || !is_arp_ipv4(arp))
    return XDP_PASS;
  struct tandem_address *claimed = answered_address(arp->sender_ip);
  if (claimed)
    return arp_claim(arp, claimed);
  if (arp->operation != bpf_htons(ARP_REQUEST))
    return XDP_PASS;
  struct tandem_address *wanted = answered_address(arp->target_ip);
  if (!wanted)
    return XDP_PASS;
  if (!lease_is_fresh(wanted->virtual_router))
    return drop(TANDEM_DROP_NOT_ACTIVE);
  return answer_arp(eth, arp);
}

#endif
