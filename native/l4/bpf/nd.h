/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * nd.h: Neighbour Discovery (RFC 4861) for the virtual IPv6 addresses: solicitations are answered while the lease is fresh (RFC 9568,
 * section 8.2.2), and others who claim an address are noticed. What is not about one of our addresses is the kernel's.
 *
 * A solicitation for one of them never reaches the kernel: whatever it knows, nobody answers for a node without a lease.
 */
#ifndef TANDEM_ND_H
#define TANDEM_ND_H

#include "notice.h"
#include "virtual-mac.h"

#define ND_HOP_LIMIT 255 /* proof that no router forwarded it */
/* More than any sender uses (link-layer address, nonce, timestamp); a bound for the verifier. */
#define ND_MAX_OPTIONS 8
#define ND_OPTION_UNIT 8
#define ALL_NODES_SUFFIX 1

enum nd_type { ND_SOLICITATION = 135, ND_ADVERTISEMENT = 136 };
enum nd_option_type { ND_SOURCE_LINK_LAYER = 1, ND_TARGET_LINK_LAYER = 2 };
enum nd_flag { ND_ROUTER = 0x80, ND_SOLICITED = 0x40, ND_OVERRIDE = 0x20 };

struct nd_message {
  __u8 type;
  __u8 code;
  __be16 checksum;
  __u8 flags; /* of an advertisement */
  __u8 reserved[3];
  __u8 target[16];
} __attribute__((packed));

struct nd_frame {
  struct ethhdr eth;
  struct ipv6hdr ip;
  struct nd_message nd;
} __attribute__((packed));

struct nd_answer {
  struct nd_frame frame;
  __u8 option_type;
  __u8 option_units;
  __u8 option_mac[ETH_ALEN];
} __attribute__((packed));

_Static_assert(sizeof(struct nd_answer) == 86, "an answer must have no holes");

#define ND_ANSWER_MESSAGE (sizeof(struct nd_answer) - sizeof(struct ethhdr) - sizeof(struct ipv6hdr))

/* What must outlive the rewriting of the frame. */
struct nd_question {
  __u8 source[16];
  __u8 target[16];
  __u8 mac[ETH_ALEN]; /* of the asker */
  __u8 is_named;      /* it came in an option */
  __u8 pad;
};

/* The entry of an address that moves along with a virtual router and lives on this interface. */
INLINE struct tandem_address *answered_address6(const void *addr)
{
  struct tandem_address *address = address6_get(addr);
  return address && address->ifindex == interface_config.ifindex ? address : NULL;
}

INLINE bool is_unspecified(const __u8 *addr)
{
  return !load64(addr) && !load64(addr + 8);
}

INLINE bool is_group6(const __u8 *addr)
{
  return addr[0] == 0xff;
}

/* ff02::1:ffXX:XXXX of the target */
INLINE bool is_solicited_node(const __u8 *group, const __u8 *target)
{
  return load64(group) == bpf_cpu_to_be64(0xff02000000000000ULL) && load32(group + 8) == bpf_htonl(1) && group[12] == 0xff &&
         load16(group + 14) == load16(target + 14) && group[13] == target[13];
}

/* Sum over pseudo header and message, which lie one behind the other but for two constants; all ones when the checksum is right. */
INLINE int message_sum(struct xdp_md *ctx, __u32 length)
{
  int sum = segment_sum(ctx, sizeof(struct ethhdr) + offsetof(struct ipv6hdr, saddr), 2 * sizeof(struct in6_addr) + length);
  return sum < 0 ? sum : (int)fold((__u64)sum + bpf_htons(length) + bpf_htons(IPPROTO_ICMPV6));
}

/* Walks the options behind the message, `rest` bytes. False when they are broken; the source's link-layer address is written down. */
__noinline int nd_options(struct xdp_md *ctx, __u32 rest, struct nd_question *question)
{
  __u8 *at = frame_start(ctx);
  void *end = frame_end(ctx);
  if (!question || rest > 0xffff)
    return false;
  at += sizeof(struct nd_frame);
  for (__u32 i = 0; i < ND_MAX_OPTIONS && rest; i++) {
    OPAQUE(at);
    if ((void *)(at + ND_OPTION_UNIT) > end)
      return false;
    __u32 size = at[1] * ND_OPTION_UNIT;
    if (!size || size > rest)
      return false;
    if (at[0] == ND_SOURCE_LINK_LAYER && size == ND_OPTION_UNIT) {
      __builtin_memcpy(question->mac, at + 2, ETH_ALEN);
      question->is_named = 1;
    }
    at += size;
    rest -= size;
  }
  return rest == 0;
}

/* RFC 4861, sections 7.1.1 and 7.1.2. */
INLINE bool is_valid_nd(struct xdp_md *ctx, const struct nd_frame *frame, struct nd_question *question)
{
  __u32 length = bpf_ntohs(frame->ip.payload_len);
  if (frame->ip.hop_limit != ND_HOP_LIMIT || frame->nd.code != 0 || length < sizeof(frame->nd) || is_group6(frame->nd.target))
    return false;
  if (message_sum(ctx, length) != 0xffff || !nd_options(ctx, length - sizeof(frame->nd), question))
    return false;
  return true;
}

/* Further rules for a question: one without a source asks the group and names no link-layer address; nobody is a group. */
INLINE bool is_valid_question(const struct nd_frame *frame, const struct nd_question *question)
{
  if (question->mac[0] & 1)
    return false;
  if (!is_unspecified(question->source))
    return !is_group6(question->source);
  return !question->is_named && is_solicited_node((const __u8 *)&frame->ip.daddr, question->target);
}

INLINE void write_answer(struct nd_answer *answer, const struct nd_question *question, __u32 virtual_router)
{
  bool is_probe = is_unspecified(question->source);
  struct ipv6hdr *ip = (void *)(&answer->frame.eth + 1);
  struct nd_message *nd = &answer->frame.nd;
  store32(ip, bpf_htonl(0x60000000));
  ip->payload_len = bpf_htons(ND_ANSWER_MESSAGE);
  ip->nexthdr = IPPROTO_ICMPV6;
  ip->hop_limit = ND_HOP_LIMIT;
  __builtin_memcpy(&ip->saddr, question->target, sizeof(question->target));
  if (is_probe) {
    store64(&ip->daddr, bpf_cpu_to_be64(0xff02000000000000ULL));
    store64((__u8 *)&ip->daddr + 8, bpf_cpu_to_be64(ALL_NODES_SUFFIX));
    store16(answer->frame.eth.h_dest, bpf_htons(0x3333));
    store32(answer->frame.eth.h_dest + 2, bpf_htonl(ALL_NODES_SUFFIX));
  } else {
    __builtin_memcpy(&ip->daddr, question->source, sizeof(question->source));
    __builtin_memcpy(answer->frame.eth.h_dest, question->mac, ETH_ALEN);
  }
  nd->type = ND_ADVERTISEMENT;
  nd->checksum = 0;
  nd->flags = ND_ROUTER | ND_OVERRIDE | (is_probe ? 0 : ND_SOLICITED);
  __builtin_memset(nd->reserved, 0, sizeof(nd->reserved));
  answer->option_type = ND_TARGET_LINK_LAYER;
  answer->option_units = 1;
  set_router_mac(answer->option_mac, virtual_router);
  __builtin_memcpy(answer->frame.eth.h_source, answer->option_mac, ETH_ALEN);
}

/* The frame becomes its answer; longer or shorter than it was by whatever options it had. */
INLINE int answer_solicitation(struct xdp_md *ctx, const struct nd_question *question, __u32 virtual_router)
{
  int missing = (int)sizeof(struct nd_answer) - (int)(frame_end(ctx) - frame_start(ctx));
  if (missing && bpf_xdp_adjust_tail(ctx, missing))
    return drop(TANDEM_DROP_NO_ROOM);
  struct nd_answer *answer = frame_start(ctx);
  if ((void *)(answer + 1) > frame_end(ctx))
    return drop(TANDEM_DROP_NO_ROOM);
  write_answer(answer, question, virtual_router);
  answer->frame.nd.checksum = ~message_sum(ctx, ND_ANSWER_MESSAGE);
  return bpf_redirect(interface_config.ifindex, 0);
}

/*
 * Who advertises one of our addresses, or asks from it, claims it: never answered, left to the kernel, reported while we own the address.
 */
__noinline int nd_claim(struct xdp_md *ctx, __u32 virtual_router)
{
  struct nd_frame *frame = frame_start(ctx);
  struct nd_question question = {};
  if ((void *)(frame + 1) > frame_end(ctx) || !is_valid_nd(ctx, frame, &question))
    return XDP_PASS;
  const void *claimed = frame->nd.type == ND_SOLICITATION ? (const void *)&frame->ip.saddr : (const void *)frame->nd.target;
  if (lease_is_fresh(virtual_router) && !is_router_mac(frame->eth.h_source, virtual_router))
    notice_foreign_claim(claimed, sizeof(struct in6_addr), frame->eth.h_source);
  return XDP_PASS;
}

/* A question about one of our addresses. */
__noinline int nd_question(struct xdp_md *ctx, __u32 virtual_router)
{
  struct nd_frame *frame = frame_start(ctx);
  struct nd_question question = {};
  if ((void *)(frame + 1) > frame_end(ctx))
    return XDP_PASS;
  __builtin_memcpy(question.source, &frame->ip.saddr, sizeof(question.source));
  __builtin_memcpy(question.target, frame->nd.target, sizeof(question.target));
  __builtin_memcpy(question.mac, frame->eth.h_source, ETH_ALEN);
  if (!is_valid_nd(ctx, frame, &question) || !is_valid_question(frame, &question))
    return drop(TANDEM_DROP_MALFORMED);
  if (!lease_is_fresh(virtual_router))
    return drop(TANDEM_DROP_NOT_FOR_US);
  return answer_solicitation(ctx, &question, virtual_router);
}

/* A solicitation or an advertisement, to our MAC or to a group. */
__noinline int neighbour_discovery(struct xdp_md *ctx)
{
  struct nd_frame *frame = frame_start(ctx);
  if ((void *)(frame + 1) > frame_end(ctx))
    return XDP_PASS;
  bool is_question = frame->nd.type == ND_SOLICITATION;
  struct tandem_address *claimed = answered_address6(is_question ? (const void *)&frame->ip.saddr : (const void *)frame->nd.target);
  if (claimed)
    return nd_claim(ctx, claimed->virtual_router);
  if (!is_question)
    return XDP_PASS;
  struct tandem_address *target = answered_address6(frame->nd.target);
  return target ? nd_question(ctx, target->virtual_router) : XDP_PASS;
}

#endif
