/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * checksum.h: Internet checksums, updated incrementally (RFC 1624, equation 3), and the partial ones of packets that never saw a wire.
 *
 * A packet from a sender on the same machine may carry only the sum of its pseudo header, not inverted, for a device to complete
 * (CHECKSUM_PARTIAL). XDP cannot see that flag, so such a field is recognised by its value. A complete checksum has that value once in
 * 65,535 packets: then, and only then, the segment is summed to tell the two apart. That leaves the packets which could be either, once in
 * 65,535 partial ones: they are taken for what this interface has been seen to carry.
 */
#ifndef TANDEM_CHECKSUM_H
#define TANDEM_CHECKSUM_H

#include "parse.h"

/* Longest segment that is summed. Longer ones (merged by the kernel before generic XDP) always carry partial checksums. */
#define MAX_SUMMED_BYTES 4096

/* So many packets that were partial beyond doubt make an interface one that carries them. */
#define PARTIAL_EVIDENCE 8

/* Of this interface, because the object is loaded once for each. Racy increments only delay the verdict. */
static volatile __u32 partial_packets;

INLINE __u32 fold(__u64 sum)
{
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum += sum >> 16;
  return sum & 0xffff;
}

/* What to add for `before` becoming `after`. */
INLINE __u64 difference(__u32 before, __u32 after)
{
  return (__u64)(__u32)~before + after;
}

INLINE __u64 difference16(__u16 before, __u16 after)
{
  return (__u64)(__u16)~before + after;
}

INLINE __u16 updated(__u16 checksum, __u64 change)
{
  return ~fold((__u64)(__u16)~checksum + change);
}

/* TTL and protocol share a 16-bit word: one less in its high byte. */
INLINE __u64 ttl_difference(void)
{
  return bpf_htons(0xfeff);
}

INLINE __u64 pseudo_header_sum(const struct packet *p)
{
  __u64 addresses_sum = (__u64)p->ip->saddr + p->ip->daddr;
  return fold(addresses_sum + bpf_htons(p->protocol) + bpf_htons(p->l4_length));
}

/* Sum over `length` bytes from `offset` of the frame; negative when it cannot be read. */
__noinline int segment_sum(struct xdp_md *ctx, __u32 offset, __u32 length)
{
  __u8 *at = frame_start(ctx);
  void *end = frame_end(ctx);
  __u64 sum = 0;
  if (offset > sizeof(struct ethhdr) + 60 || length > MAX_SUMMED_BYTES)
    return -1;
  at += offset;
  for (__u32 i = 0; i < MAX_SUMMED_BYTES / 4 && i < length / 4; i++) {
    OPAQUE(at);
    if ((void *)(at + 4) > end)
      return -1;
    sum += load32(at);
    at += 4;
  }
  for (__u32 i = 0; i < 3 && i < (length & 3); i++) {
    OPAQUE(at);
    if ((void *)(at + 1) > end)
      return -1;
    sum += (__u32)*at << (i & 1) * 8;
    at += 1;
  }
  return fold(sum);
}

/* Called when the checksum field equals the sum of the pseudo header. A complete one makes the whole sum up to zero (all ones). */
INLINE bool is_partial(struct xdp_md *ctx, const struct packet *p, __u32 pseudo)
{
  int sum = segment_sum(ctx, p->l4 - (__u8 *)p->eth, p->l4_length);
  __u32 evidence = partial_packets;
  if (sum >= 0 && fold((__u64)sum + pseudo) == 0xffff)
    return evidence >= PARTIAL_EVIDENCE;
  if (evidence < PARTIAL_EVIDENCE)
    partial_packets = evidence + 1;
  return true;
}

/* In driver mode nobody completes a checksum after us: do it here, over the segment as it now is. */
INLINE void complete_checksum(struct xdp_md *ctx, const struct packet *p)
{
  int sum = segment_sum(ctx, p->l4 - (__u8 *)p->eth, p->l4_length);
  if (sum >= 0)
    store16(p->checksum, sum == 0xffff && p->protocol == IPPROTO_UDP ? 0xffff : ~sum);
}

#endif
