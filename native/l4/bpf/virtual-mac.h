/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * virtual-mac.h: the MAC that stands for a virtual router: its own (RFC 9568, section 7.3) where the configuration asks for it, else that
 * of the interface.
 *
 * Answers leave with it as the source of the frame, too: that is what teaches the switches where the virtual router is now.
 */
#ifndef TANDEM_VIRTUAL_MAC_H
#define TANDEM_VIRTUAL_MAC_H

#include "steer.h"

/* Writes the MAC with which this interface answers for a virtual router. */
INLINE void set_router_mac(__u8 *mac, __u32 virtual_router)
{
  struct tandem_virtual_router *router = router_get(virtual_router);
  if (router && router->flags & TANDEM_ROUTER_VIRTUAL_MAC)
    __builtin_memcpy(mac, router->mac, ETH_ALEN);
  else
    set_own_mac(mac);
}

/* Is this one of the addresses from which we ourselves speak for the virtual router? */
INLINE bool is_router_mac(const __u8 *mac, __u32 virtual_router)
{
  struct tandem_virtual_router *router = router_get(virtual_router);
  if (is_own_address(mac))
    return true;
  return router && router->flags & TANDEM_ROUTER_VIRTUAL_MAC && same_mac(mac, router->mac);
}

INLINE bool accepts(__u32 virtual_router)
{
  struct tandem_virtual_router *router = router_get(virtual_router);
  return router && router->flags & TANDEM_ROUTER_ACCEPT;
}

/* An answer goes back to where the question came from. */
INLINE void turn_around(struct ethhdr *eth, __u32 virtual_router)
{
  __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
  set_router_mac(eth->h_source, virtual_router);
}

/*
 * A unicast frame whose destination is not the interface's MAC. To a virtual MAC of ours it becomes a frame to the interface (the kernel
 * would take it for somebody else's) and 0 is returned: go on; without any right to it, it is dropped (RFC 9568, section 6.4.2). XDP_PASS:
 * it is nobody's here.
 */
__noinline int claim_frame(struct xdp_md *ctx)
{
  struct ethhdr *eth = frame_start(ctx);
  struct tandem_mac_key key = { .ifindex = interface_config.ifindex };
  if ((void *)(eth + 1) > frame_end(ctx))
    return XDP_PASS;
  __builtin_memcpy(key.mac, eth->h_dest, ETH_ALEN);
  __u32 *virtual_router = bpf_map_lookup_elem(&virtual_macs, &key);
  if (!virtual_router)
    return XDP_PASS;
  if (!lease_serves(*virtual_router) && !steer_get(*virtual_router))
    return drop(TANDEM_DROP_NOT_ACTIVE);
  set_own_mac(eth->h_dest);
  return 0;
}

#endif
