/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * notice.h: what user space is told beside flow events. Lost when the ring is full: each of these comes again by itself.
 */
#ifndef TANDEM_NOTICE_H
#define TANDEM_NOTICE_H

#include "common.h"

INLINE void notice_next_hop(__u32 ifindex, __be32 gateway)
{
  struct tandem_notice *notice = bpf_ringbuf_reserve(&notices, sizeof(*notice), 0);
  if (!notice)
    return;
  __builtin_memset(notice, 0, sizeof(*notice));
  notice->kind = TANDEM_NOTICE_NEXT_HOP;
  notice->family = TANDEM_IPV4;
  notice->ifindex = ifindex;
  __builtin_memcpy(notice->addr, &gateway, sizeof(gateway));
  bpf_ringbuf_submit(notice, 0);
}

/* `length`: 4 or 16, a constant. */
INLINE void notice_foreign_claim(const void *addr, __u32 length, const __u8 *mac)
{
  struct tandem_notice *notice = bpf_ringbuf_reserve(&notices, sizeof(*notice), 0);
  if (!notice)
    return;
  __builtin_memset(notice, 0, sizeof(*notice));
  notice->kind = TANDEM_NOTICE_FOREIGN_CLAIM;
  notice->family = length == sizeof(__be32) ? TANDEM_IPV4 : TANDEM_IPV6;
  notice->ifindex = interface_config.ifindex;
  __builtin_memcpy(notice->addr, addr, length);
  __builtin_memcpy(notice->mac, mac, ETH_ALEN);
  bpf_ringbuf_submit(notice, 0);
}

#endif
