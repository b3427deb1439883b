/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * parse.h: from a frame to the headers that the rest works on. Decides nothing but whether the frame is well formed.
 *
 * Everything later reads through the pointers found here, so each is checked against the end of the frame in exactly one place.
 */
#ifndef TANDEM_PARSE_H
#define TANDEM_PARSE_H

#include "common.h"

enum parsed {
  PARSED_SEGMENT,   /* TCP or UDP with whole headers */
  PARSED_OTHER_IP,  /* a whole, unfragmented IPv4 packet of another protocol */
  PARSED_MALFORMED, /* IPv4 with readable addresses, but contradictory or truncated beyond them */
  PARSED_FRAGMENT,
  PARSED_NOT_IPV4,  /* nothing that we can judge: the kernel's business */
};

#define IPV4_ADDRESSES(ip) (*(word64 *)&(ip)->saddr)
#define FRAGMENT_BITS 0x3fff /* more-fragments flag and offset */
#define IPV4_MIN_HEADER 20
#define TCP_MIN_HEADER 20
#define UDP_HEADER 8

/* TCP flags as they lie in byte 13 of the header. */
enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

struct packet {
  struct ethhdr *eth;
  struct iphdr *ip;
  __u8 *l4;          /* ports first, for TCP and UDP alike */
  __u16 *checksum;   /* of TCP or UDP */
  __u32 total_length; /* of the IPv4 packet */
  __u32 l4_length;
  __u8 protocol;
  __u8 tcp_flags;    /* 0 for UDP */
  bool has_payload;
};

INLINE void *frame_start(struct xdp_md *ctx)
{
  return (void *)(long)ctx->data;
}

INLINE void *frame_end(struct xdp_md *ctx)
{
  return (void *)(long)ctx->data_end;
}

INLINE bool is_own_mac(const struct ethhdr *eth)
{
  const volatile __u8 *own = interface_config.mac;
  __u32 head = own[0] | own[1] << 8 | own[2] << 16 | (__u32)own[3] << 24;
  __u16 tail = own[4] | own[5] << 8;
  return *(const word32 *)eth->h_dest == head && *(const word16 *)(eth->h_dest + 4) == tail;
}

INLINE bool is_group_mac(const struct ethhdr *eth)
{
  return eth->h_dest[0] & 1;
}

INLINE enum parsed parse_tcp(struct packet *p, void *end)
{
  struct tcphdr *tcp = (void *)p->l4;
  if ((void *)(tcp + 1) > end)
    return PARSED_MALFORMED;
  __u32 header_length = tcp->doff * 4;
  if (unlikely(header_length < TCP_MIN_HEADER || header_length > p->l4_length))
    return PARSED_MALFORMED;
  p->tcp_flags = p->l4[13];
  p->has_payload = p->l4_length > header_length;
  p->checksum = &tcp->check;
  return PARSED_SEGMENT;
}

INLINE enum parsed parse_udp(struct packet *p, void *end)
{
  struct udphdr *udp = (void *)p->l4;
  if ((void *)(udp + 1) > end)
    return PARSED_MALFORMED;
  __u32 length = bpf_ntohs(udp->len);
  if (unlikely(length < UDP_HEADER || length > p->l4_length))
    return PARSED_MALFORMED;
  p->l4_length = length;
  p->tcp_flags = 0;
  p->has_payload = true;
  p->checksum = &udp->check;
  return PARSED_SEGMENT;
}

INLINE enum parsed parse_ipv4(struct packet *p, void *end)
{
  p->ip = (void *)(p->eth + 1);
  if ((void *)(p->ip + 1) > end)
    return PARSED_NOT_IPV4;
  __u32 header_length = p->ip->ihl * 4;
  p->total_length = bpf_ntohs(p->ip->tot_len);
  if (unlikely(p->ip->version != 4 || header_length < IPV4_MIN_HEADER || p->total_length < header_length))
    return PARSED_MALFORMED;
  if (unlikely(p->total_length > (__u64)(end - (void *)p->ip)))
    return PARSED_MALFORMED;
  if (unlikely(p->ip->frag_off & bpf_htons(FRAGMENT_BITS)))
    return PARSED_FRAGMENT;
  p->protocol = p->ip->protocol;
  p->l4 = (__u8 *)p->ip + header_length;
  p->l4_length = p->total_length - header_length;
  if (p->protocol == IPPROTO_TCP)
    return parse_tcp(p, end);
  if (p->protocol == IPPROTO_UDP)
    return parse_udp(p, end);
  return PARSED_OTHER_IP;
}

#endif
