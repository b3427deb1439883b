/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * maps.h: every map of the data plane. They are pinned and shared by all program instances of a node; the layouts are those of
 * tandem_abi.h. Everything is preallocated: sleepable programs of older kernels accept nothing else, and an insert never allocates.
 *
 * A preallocated hash may hand the memory of a deleted record to another key while a packet on another CPU still holds a pointer to it.
 * What such a packet can still do is bounded: it writes a time, a hint (verified on every use) or a TCP state.
 */
#ifndef TANDEM_MAPS_H
#define TANDEM_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../../include/tandem_abi.h"

#define ENDPOINT_HINT_BITS 12
#define ENDPOINT_HINTS (1 << ENDPOINT_HINT_BITS)

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_DEFAULT_MAX_FLOWS);
  __type(key, struct tandem_flow_key);
  __type(value, struct tandem_flow);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_SERVICES);
  __type(key, struct tandem_service_key);
  __type(value, struct tandem_service);
} services SEC(".maps");

/* Inner tables differ in size, hence BPF_F_INNER_MAP (kernel 5.10). */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 2 * TANDEM_MAX_SERVICES);
  __type(key, __u32);
  __array(values, struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
  });
} tables SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TANDEM_MAX_SERVER_SLOTS);
  __type(key, __u32);
  __type(value, struct tandem_server);
} servers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_ENDPOINTS);
  __type(key, struct tandem_service_key);
  __type(value, struct tandem_endpoint);
} endpoints SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_ADDRESSES);
  __type(key, __be32);
  __type(value, struct tandem_address);
} addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_ADDRESSES);
  __type(key, struct tandem_address6_key);
  __type(value, struct tandem_address);
} addresses6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TANDEM_MAX_VIRTUAL_ROUTERS);
  __type(key, __u32);
  __type(value, struct tandem_virtual_router);
} virtual_routers SEC(".maps");

/* Slot of the virtual router that has this virtual MAC on this interface. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_VIRTUAL_MACS);
  __type(key, struct tandem_mac_key);
  __type(value, __u32);
} virtual_macs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_PEER_MACS);
  __type(key, struct tandem_mac_key);
  __type(value, __u32);
} peer_macs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_STEERS);
  __type(key, struct tandem_steer_key);
  __type(value, struct tandem_steer);
} steers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TANDEM_MAX_NEXT_HOPS);
  __type(key, __u32);
  __type(value, struct tandem_next_hop);
} next_hops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, TANDEM_MAX_NEXT_HOPS);
  __type(key, struct tandem_next_hop_key);
  __type(value, __u32);
} next_hop_index SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TANDEM_MAX_VIRTUAL_ROUTERS);
  __type(key, __u32);
  __type(value, struct tandem_lease);
} leases SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct tandem_settings);
} settings SEC(".maps");

/* Per service: where the round robin stands. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, TANDEM_MAX_SERVICES);
  __type(key, __u32);
  __type(value, __u64);
} rounds SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TANDEM_DROP_REASONS);
  __type(key, __u32);
  __type(value, __u64);
} drops SEC(".maps");

/* Per virtual router: frames that went on to the node that has its addresses now. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TANDEM_MAX_VIRTUAL_ROUTERS);
  __type(key, __u32);
  __type(value, __u64);
} steered SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TANDEM_MAX_SERVER_SLOTS);
  __type(key, __u32);
  __type(value, struct tandem_traffic);
} traffic SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, TANDEM_MAX_VIRTUAL_ROUTERS);
  __type(key, __u32);
  __type(value, struct tandem_digest);
} digests SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, TANDEM_EVENT_RING_BYTES);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, TANDEM_NOTICE_RING_BYTES);
} notices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, TANDEM_INBOX_RECORDS);
  __type(key, __u32);
  __type(value, struct tandem_record);
} inbox SEC(".maps");

/* Where a server's address and port were last found in `endpoints`: spares the reply path a hash look-up. Verified on every use. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, ENDPOINT_HINTS);
  __type(key, __u32);
  __type(value, __u32);
} endpoint_hints SEC(".maps");

/* Constants of this program instance, written before it is loaded. */
const volatile struct tandem_interface interface_config = {};

#endif
