/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * generator.bpf.c: both ends of the chain of the packet-rate benchmark. `generate` runs on live frames of BPF_PROG_TEST_RUN: their pages
 * are recycled as the receiver left them, so every frame is written anew from a template. `sink` counts what arrives.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FRAME_BYTES 64
#define MAX_TEMPLATES 65536

struct generator_template {
  __u64 words[FRAME_BYTES / 8];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_TEMPLATES);
  __type(key, __u32);
  __type(value, struct generator_template);
} templates SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} received SEC(".maps");

const volatile __u32 out_ifindex = 0;
const volatile __u32 template_count = 1;
__u32 next_template = 0;

SEC("xdp")
int generate(struct xdp_md *ctx)
{
  __u64 *frame = (void *)(long)ctx->data;
  __u32 index = next_template;
  if ((void *)frame + FRAME_BYTES > (void *)(long)ctx->data_end)
    return XDP_ABORTED;
  next_template = index + 1 < template_count ? index + 1 : 0;
  struct generator_template *template = bpf_map_lookup_elem(&templates, &index);
  if (!template)
    return XDP_ABORTED;
#pragma unroll
  for (int i = 0; i < FRAME_BYTES / 8; i++)
    frame[i] = template->words[i];
  return bpf_redirect(out_ifindex, 0);
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
  __u32 only = 0;
  __u64 *counter = bpf_map_lookup_elem(&received, &only);
  /* Everything but the short frames of the generator is noise of the namespaces. */
  if (counter && (void *)(long)ctx->data + FRAME_BYTES == (void *)(long)ctx->data_end)
    (*counter)++;
  return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
