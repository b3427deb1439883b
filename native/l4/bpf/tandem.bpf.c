/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * tandem.bpf.c: the data plane of one node. `tandem_xdp` is loaded once per interface (its constants differ), all maps are shared;
 * the syscall programs are called by the heartbeat (lease) and the daemon (apply, clock).
 */
#include "balance.h"
#include "apply.h"
#include "btf-export.h"

SEC("xdp")
int tandem_xdp(struct xdp_md *ctx)
{
  return balance(ctx);
}

SEC("syscall")
int tandem_lease(struct tandem_lease_args *args)
{
  return lease_program(args);
}

SEC("syscall")
int tandem_apply(struct tandem_apply_args *args)
{
  return apply_program(args);
}

SEC("syscall")
int tandem_clock(struct tandem_clock_args *args)
{
  args->now_ns = exact_now();
  return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
