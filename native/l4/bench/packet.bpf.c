/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * packet.bpf.c: the packet benchmark, built only for it. BPF_PROG_TEST_RUN repeats a program on the packet that the last run left behind,
 * so a translated packet would be a hit only once. Here every run first writes the headers anew, from a ring of templates; then comes the
 * code under test, the very same source as in production. `bench_swap` does the same before a bare MAC swap, `bench_bare` does nothing
 * before it: the difference of the two is what the restoring costs.
 */
#include "../bpf/balance.h"

#define TEMPLATE_BYTES 64 /* Ethernet, IPv4, TCP and some payload */
#define MAX_TEMPLATES 262144

struct bench_template {
  __u64 words[TEMPLATE_BYTES / 8];
};

struct bench_cursor {
  __u64 next;
  __u64 count; /* templates in use, at least 1 */
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_TEMPLATES);
  __type(key, __u32);
  __type(value, struct bench_template);
} bench_templates SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct bench_cursor);
} bench_cursor SEC(".maps");

INLINE bool restore(struct xdp_md *ctx)
{
  __u32 index = 0;
  struct bench_cursor *cursor = bpf_map_lookup_elem(&bench_cursor, &index);
  word64 *packet = frame_start(ctx);
  if (!cursor || (void *)packet + TEMPLATE_BYTES > frame_end(ctx))
    return false;
  index = cursor->next;
  cursor->next = index + 1 < cursor->count ? index + 1 : 0;
  struct bench_template *template = bpf_map_lookup_elem(&bench_templates, &index);
  if (!template)
    return false;
#pragma unroll
  for (int i = 0; i < TEMPLATE_BYTES / 8; i++)
    packet[i] = template->words[i];
  return true;
}

INLINE void swap_macs(struct ethhdr *eth)
{
  __u8 source[ETH_ALEN];
  __builtin_memcpy(source, eth->h_source, ETH_ALEN);
  __builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
  __builtin_memcpy(eth->h_dest, source, ETH_ALEN);
}

INLINE int swap(struct xdp_md *ctx)
{
  struct ethhdr *eth = frame_start(ctx);
  if ((void *)(eth + 1) > frame_end(ctx))
    return XDP_ABORTED;
  swap_macs(eth);
  return XDP_TX;
}

SEC("xdp")
int bench_balance(struct xdp_md *ctx)
{
  return restore(ctx) ? balance(ctx) : XDP_ABORTED;
}

SEC("xdp")
int bench_swap(struct xdp_md *ctx)
{
  return restore(ctx) ? swap(ctx) : XDP_ABORTED;
}

SEC("xdp")
int bench_bare(struct xdp_md *ctx)
{
  return swap(ctx);
}

char _license[] SEC("license") = "Dual MIT/GPL";
