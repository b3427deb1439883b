/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * common.h: what every other header here needs: kernel types, compiler helpers, counting of drops and the two clocks.
 *
 * Only UAPI headers and helpers of kernel 5.15: no vmlinux.h, no CO-RE, no bpf_loop. Functions of the hit path are always inlined,
 * everything rare is a global function, which the verifier checks once and on its own, whoever calls it. There a pointer argument is plain
 * memory,
 * which verifiers before 6.2 do not take as the key of a map: keys are copied first.
 */
#ifndef TANDEM_COMMON_H
#define TANDEM_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../../include/tandem_abi.h"
#include "maps.h"

#define INLINE static __always_inline
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* The value stays as it is in its register: the compiler neither reads it again nor computes with it beyond what is written. */
#define OPAQUE(value) asm volatile("" : "+r"(value))

#define NANOSECONDS_PER_SECOND 1000000000ULL

/*
 * Whole-word access to fields that lie side by side in a packet or a record: one load in place of several. Functions, because the compiler
 * would otherwise carry the alignment of the field over and fall back to smaller loads.
 */
typedef __u64 __attribute__((__may_alias__)) word64;
typedef __u32 __attribute__((__may_alias__)) word32;
typedef __u16 __attribute__((__may_alias__)) word16;

INLINE __u64 load64(const void *from)
{
  return *(const word64 *)from;
}

INLINE __u32 load32(const void *from)
{
  return *(const word32 *)from;
}

INLINE __u16 load16(const void *from)
{
  return *(const word16 *)from;
}

INLINE void store64(void *to, __u64 value)
{
  *(word64 *)to = value;
}

INLINE void store32(void *to, __u32 value)
{
  *(word32 *)to = value;
}

INLINE void store16(void *to, __u16 value)
{
  *(word16 *)to = value;
}

/* Returned by the slow functions when there is nothing more to decide and the packet is to be forwarded by its record. */
enum { VERDICT_FORWARD = 64 };

/* One writer may be interrupted by another (a syscall program by the softirq), so the addition is atomic. All of this is off the hit path. */
INLINE void count_drop(__u32 reason)
{
  __u64 *counter = bpf_map_lookup_elem(&drops, &reason);
  if (counter)
    __sync_fetch_and_add(counter, 1);
}

INLINE int drop(__u32 reason)
{
  count_drop(reason);
  return XDP_DROP;
}

/* Exact: a lease ends to the microsecond. */
INLINE __u64 exact_now(void)
{
  return bpf_ktime_get_ns();
}

/* The coarse clock as it was read in tick `tick`. Not in a map: reached without a look-up. */
struct tick_clock {
  __u64 tick;
  __u64 now_ns;
};
struct tick_clock tick_clock = {};

/*
 * One or two scheduler ticks (1 to 10 ms each) behind: for idle times and the drain window. The coarse clock only moves with the tick, and
 * the tick count is a plain load, so the helper is called once per tick. Shared by all CPUs without a lock: whoever is overtaken between the
 * two stores can at worst set the clock back until the next tick.
 */
INLINE __u64 coarse_now(void)
{
  __u64 tick = bpf_jiffies64();
  volatile struct tick_clock *clock = &tick_clock;
  if (unlikely(clock->tick != tick)) {
    clock->now_ns = bpf_ktime_get_coarse_ns();
    clock->tick = tick;
  }
  return clock->now_ns;
}

INLINE struct tandem_settings *settings_get(void)
{
  __u32 only = 0;
  return bpf_map_lookup_elem(&settings, &only);
}

INLINE struct tandem_server *server_get(__u32 slot)
{
  return bpf_map_lookup_elem(&servers, &slot);
}

INLINE struct tandem_address *address_get(__be32 addr)
{
  return bpf_map_lookup_elem(&addresses, &addr);
}

/* The address of a virtual router, wherever it lives. */
INLINE struct tandem_address *address6_get(const void *addr)
{
  struct tandem_address6_key key;
  __builtin_memcpy(key.addr, addr, sizeof(key.addr));
  return bpf_map_lookup_elem(&addresses6, &key);
}

INLINE struct tandem_virtual_router *router_get(__u32 virtual_router)
{
  return bpf_map_lookup_elem(&virtual_routers, &virtual_router);
}

INLINE bool is_local(__be32 addr)
{
  struct tandem_address *address = address_get(addr);
  return address && address->kind == TANDEM_ADDRESS_LOCAL;
}

INLINE struct tandem_endpoint *endpoint_get(__be32 addr, __be16 port, __u8 protocol)
{
  struct tandem_service_key key = { .addr = addr, .port = port, .protocol = protocol };
  return bpf_map_lookup_elem(&endpoints, &key);
}

INLINE struct tandem_service *service_get(__be32 addr, __be16 port, __u8 protocol)
{
  struct tandem_service_key key = { .addr = addr, .port = port, .protocol = protocol };
  return bpf_map_lookup_elem(&services, &key);
}

#endif
