/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * lease.h: the right to own a virtual router's addresses, as the packet path reads it and as the lease program writes it.
 *
 * User space hands over durations, never deadlines: a process in a time namespace, or one that was stopped between reading the clock and
 * writing, would otherwise write a deadline that lies too far ahead. Whatever has lapsed is never renewed and never drained again.
 */
#ifndef TANDEM_LEASE_H
#define TANDEM_LEASE_H

#include "common.h"

INLINE struct tandem_lease *lease_get(__u32 virtual_router)
{
  return bpf_map_lookup_elem(&leases, &virtual_router);
}

INLINE bool lease_is_fresh(__u32 virtual_router)
{
  struct tandem_lease *lease = lease_get(virtual_router);
  return lease && exact_now() < lease->deadline_ns;
}

/* New flows: also for a moment after a planned release, until the successor has the addresses. */
INLINE bool lease_admits(__u32 virtual_router)
{
  struct tandem_lease *lease = lease_get(virtual_router);
  __u64 now = exact_now();
  return lease && (now < lease->deadline_ns || now < lease->admit_until_ns);
}

/* Frames that still find their way here are for us: under the lease, and while it drains. */
INLINE bool lease_serves(__u32 virtual_router)
{
  struct tandem_lease *lease = lease_get(virtual_router);
  __u64 now = exact_now();
  return lease && (now < lease->deadline_ns || now < lease->drain_until_ns);
}

INLINE __u32 lease_acquire(struct tandem_lease *lease, const struct tandem_lease_args *args, __u64 now)
{
  lease->instance = args->instance;
  lease->started_ns = now;
  lease->verified_ns = 0;
  lease->admit_until_ns = 0;
  lease->drain_until_ns = now + args->duration_ns + args->drain_ns;
  lease->deadline_ns = now + args->duration_ns;
  return TANDEM_LEASE_OK;
}

INLINE __u32 lease_refusal(const struct tandem_lease *lease, __u64 instance, __u64 now)
{
  if (now >= lease->deadline_ns)
    return TANDEM_LEASE_LAPSED;
  return lease->instance == instance ? TANDEM_LEASE_OK : TANDEM_LEASE_FOREIGN;
}

INLINE __u32 lease_renew(struct tandem_lease *lease, const struct tandem_lease_args *args, __u64 now)
{
  __u32 refusal = lease_refusal(lease, args->instance, now);
  if (refusal)
    return refusal;
  lease->drain_until_ns = now + args->duration_ns + args->drain_ns;
  lease->deadline_ns = now + args->duration_ns;
  return TANDEM_LEASE_OK;
}

INLINE __u32 lease_release(struct tandem_lease *lease, const struct tandem_lease_args *args, __u64 now)
{
  __u32 refusal = lease_refusal(lease, args->instance, now);
  if (refusal)
    return refusal;
  lease->drain_until_ns = now + args->drain_ns;
  lease->admit_until_ns = now + args->admit_ns;
  lease->deadline_ns = now;
  return TANDEM_LEASE_OK;
}

INLINE __u32 lease_operate(struct tandem_lease *lease, const struct tandem_lease_args *args, __u64 now)
{
  if (args->operation == TANDEM_LEASE_ACQUIRE)
    return lease_acquire(lease, args, now);
  if (args->operation == TANDEM_LEASE_RENEW)
    return lease_renew(lease, args, now);
  if (args->operation == TANDEM_LEASE_RELEASE)
    return lease_release(lease, args, now);
  return TANDEM_LEASE_OK;
}

INLINE int lease_program(struct tandem_lease_args *args)
{
  __u32 slot = args->slot;
  struct tandem_lease *lease = lease_get(slot);
  args->now_ns = exact_now();
  if (!lease) {
    args->result = TANDEM_LEASE_BAD_SLOT;
    return 0;
  }
  args->result = lease_operate(lease, args, args->now_ns);
  args->lease = *lease;
  return 0;
}

#endif
