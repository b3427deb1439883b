/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * parse.h: from a frame to the headers that the rest works on. Decides nothing but whether the frame is well formed.
 *
 * Everything later reads through the pointers found here, so each is checked against the end of the frame in exactly one place.
 */
#ifndef TANDEM_PARSE_H
#define TANDEM_PARSE_H

#include "common.h"

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
  __u8 *checksum;    /* the field of TCP or UDP */
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

INLINE __be16 source_port(const struct packet *p)
{
  return load16(p->l4);
}

INLINE __be16 destination_port(const struct packet *p)
{
  return load16(p->l4 + 2);
}

INLINE bool same_mac(const __u8 *a, const __u8 *b)
{
  return load32(a) == load32(b) && load16(a + 4) == load16(b + 4);
}

INLINE bool is_own_address(const __u8 *mac)
{
  return load32(mac) == *(const volatile word32 *)interface_config.mac && load16(mac + 4) == *(const volatile word16 *)(interface_config.mac + 4);
}

INLINE bool is_own_mac(const struct ethhdr *eth)
{
  return is_own_address(eth->h_dest);
}

INLINE void set_own_mac(__u8 *mac)
{
  store32(mac, *(const volatile word32 *)interface_config.mac);
  store16(mac + 4, *(const volatile word16 *)(interface_config.mac + 4));
}

INLINE bool is_group_mac(const struct ethhdr *eth)
{
  return eth->h_dest[0] & 1;
}

/* 224.0.0.0/4. */
INLINE bool is_group4(__be32 address)
{
  return (address & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
}

/* Version, lengths: false when they contradict each other or the frame. The caller has checked that the fixed header is there. */
INLINE bool parse_ipv4(struct packet *p, void *end)
{
  __u32 header_length = p->ip->ihl * 4;
  p->total_length = bpf_ntohs(p->ip->tot_len);
  p->protocol = p->ip->protocol;
  p->l4 = (__u8 *)p->ip + header_length;
  p->l4_length = p->total_length - header_length;
  return p->ip->version == 4 && header_length >= IPV4_MIN_HEADER && p->total_length >= header_length &&
         p->total_length <= (__u64)(end - (void *)p->ip);
}

INLINE bool is_fragment(const struct packet *p)
{
  return p->ip->frag_off & bpf_htons(FRAGMENT_BITS);
}

INLINE bool parse_tcp(struct packet *p, void *end)
{
  if ((void *)(p->l4 + TCP_MIN_HEADER) > end)
    return false;
  __u32 header_length = p->l4[12] >> 4 << 2;
  p->tcp_flags = p->l4[13];
  p->has_payload = p->l4_length > header_length;
  p->checksum = p->l4 + offsetof(struct tcphdr, check);
  return header_length >= TCP_MIN_HEADER && header_length <= p->l4_length;
}

INLINE bool parse_udp(struct packet *p, void *end)
{
  if ((void *)(p->l4 + UDP_HEADER) > end)
    return false;
  __u32 length = bpf_ntohs(load16(p->l4 + offsetof(struct udphdr, len)));
  bool fits = length >= UDP_HEADER && length <= p->l4_length;
  p->l4_length = length;
  p->tcp_flags = 0;
  p->has_payload = true;
  p->checksum = p->l4 + offsetof(struct udphdr, check);
  return fits;
}

#endif
