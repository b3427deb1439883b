/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * tandem_abi.h: every struct, limit and enum shared by the BPF programs, the addon and TypeScript.
 *
 * Written once, here. `scripts/generate` reads the compiled layout (BTF) and writes src/l4/abi.gen.ts; `scripts/check` fails when the
 * two differ. A change of any layout below must raise TANDEM_ABI_VERSION: pinned maps live in a directory named after it.
 * Addresses and ports are in network byte order, times are nanoseconds of bpf_ktime_get_ns(), everything else is in host order.
 */
#ifndef TANDEM_ABI_H
#define TANDEM_ABI_H

#ifdef __bpf__
#include <linux/types.h>
#define TANDEM_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")
#else
#include <linux/types.h>
#ifdef __cplusplus
#define TANDEM_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")
#else
#define TANDEM_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")
#endif
#endif

enum tandem_limit {
  TANDEM_ABI_VERSION = 2,
  TANDEM_MAX_VIRTUAL_ROUTERS = 64,
  TANDEM_MAX_ADDRESSES = 4096,
  TANDEM_MAX_SERVICES = 4096,
  TANDEM_MAX_SERVER_SLOTS = 16384,
  TANDEM_MAX_ENDPOINTS = 16384,
  TANDEM_MAX_ENDPOINT_SLOTS = 8,     /* services that may share one server address and port */
  TANDEM_MAX_NEXT_HOPS = 4096,
  TANDEM_MAX_VIRTUAL_MACS = 4096,    /* every virtual router on every interface (64 x 64) */
  TANDEM_MAX_STEERS = 4096,          /* the same */
  TANDEM_MAX_PEER_MACS = 16384,      /* every node on every interface (255 x 64) */
  TANDEM_DEFAULT_MAX_FLOWS = 1048576,
  TANDEM_INBOX_RECORDS = 1024,       /* records handed to the apply/expire programs per call */
  TANDEM_EVENT_RING_BYTES = 16777216, /* about 260,000 flow events */
  TANDEM_NOTICE_RING_BYTES = 262144,
  TANDEM_VERIFY_ECHO_ID = 0x7464,    /* identifier of the ICMP echo that verifies a take-over */
};

enum tandem_protocol { TANDEM_TCP = 6, TANDEM_UDP = 17 };

enum tandem_forward { TANDEM_FORWARD_NAT = 0, TANDEM_FORWARD_DSR = 1 };

/* How a table is read: by the hash of the flow key, or by a counter that goes round. The table itself is computed in TypeScript. */
enum tandem_scheduler { TANDEM_SCHEDULER_HASH = 0, TANDEM_SCHEDULER_ROUND = 1 };

enum tandem_flow_state {
  TANDEM_FLOW_NONE = 0,
  TANDEM_FLOW_SYN = 1,         /* the client's SYN was seen */
  TANDEM_FLOW_SYN_ACK = 2,     /* the server answered (nat only: dsr never sees it) */
  TANDEM_FLOW_ESTABLISHED = 3,
  TANDEM_FLOW_FIN_CLIENT = 4,
  TANDEM_FLOW_FIN_SERVER = 5,
  TANDEM_FLOW_CLOSED = 6,      /* both FINs or a RST: lingers for late packets, then ages out */
  TANDEM_FLOW_UDP = 7,
  TANDEM_FLOW_STATES = 8,
};

enum tandem_flow_flag {
  TANDEM_FLOW_DSR = 1,        /* forwarded by MAC rewrite; no reply comes through this node */
  TANDEM_FLOW_DERIVED = 2,    /* placed by the hash in mid-flow, not seen from its first packet */
  TANDEM_FLOW_REFUSED = 4,    /* its server is gone and the pool says `drop`: packets of this flow are dropped */
};

/* A flow is named by its client-to-service 5-tuple, whichever way a packet goes. */
struct tandem_flow_key {
  __be32 client_addr;
  __be32 vip_addr;
  __be16 client_port;
  __be16 vip_port;
  __u8 protocol;
  __u8 pad[3];
};
TANDEM_SIZE(struct tandem_flow_key, 16);

struct tandem_flow {
  __u64 last_seen_ns;   /* local clock; coarse, refreshed at most once a second */
  __u64 generation;     /* node id << 56 | creation time: identity of this record; a delete applies only to its own generation */
  __be32 server_addr;
  __be16 server_port;
  __u8 state;           /* enum tandem_flow_state */
  __u8 flags;           /* enum tandem_flow_flag */
  __u32 server_slot;    /* node-local hint into `servers`, verified on every use, repaired through `endpoints` */
  __u16 next_hop;       /* node-local hint into `next_hops` for the way back to the client; 0: not looked up yet */
  __u16 sync_epoch;     /* resync in which this record was last confirmed by its holder; 0: born here */
};
TANDEM_SIZE(struct tandem_flow, 32);

enum tandem_record_kind { TANDEM_RECORD_UPSERT = 1, TANDEM_RECORD_DELETE = 2 };

/* One change of the flow table: in the event ring, in the inbox and on the wire. Hints, last_seen_ns and sync_epoch mean nothing outside
 * the node that wrote them; `age_ms` replaces the timestamp. */
struct tandem_record {
  __u16 kind;           /* enum tandem_record_kind */
  __u8 virtual_router;  /* slot on the node that wrote it (node-local; the reader derives its own from the service) */
  __u8 pad;
  __u32 age_ms;
  struct tandem_flow_key key;
  struct tandem_flow flow;
};
TANDEM_SIZE(struct tandem_record, 56);

struct tandem_service_key {
  __be32 addr;
  __be16 port;
  __u8 protocol;
  __u8 pad;
};
TANDEM_SIZE(struct tandem_service_key, 8);

struct tandem_service {
  __u32 slot;                 /* index of the service; tables 2*slot (current) and 2*slot+1 (previous) */
  __u32 current_size;         /* entries of the current table; 0: no server is usable */
  __u32 previous_size;        /* entries of the previous generation's table; 0: none */
  __u8 virtual_router;
  __u8 forward;               /* enum tandem_forward */
  __u8 scheduler;             /* enum tandem_scheduler */
  __u8 pad;
  __u64 generation_since_ns;  /* when the current table became current (local clock) */
};
TANDEM_SIZE(struct tandem_service, 24);

/* One per (service, server). Slot 0 is never used, so that 0 in a table means "no server". */
struct tandem_server {
  __be32 addr;
  __be16 port;
  __u8 protocol;
  __u8 forward;          /* enum tandem_forward */
  __be32 vip_addr;
  __be16 vip_port;
  __u8 virtual_router;
  __u8 flags;            /* enum tandem_server_flag */
  __u32 service_slot;
  __u32 next_hop;        /* index into next_hops; 0: not resolved, ask the routing table per packet */
};
TANDEM_SIZE(struct tandem_server, 24);

enum tandem_server_flag {
  TANDEM_SERVER_ALIVE = 1,
  TANDEM_SERVER_DROP_FLOWS = 2, /* when not alive: flows in progress are refused (RST by the server is not awaited) */
};

/* endpoints: which slots a server's address and port serve. A key with protocol 0 and port 0 marks the address as some server's. */
struct tandem_endpoint {
  __u32 count;
  __u32 slots[TANDEM_MAX_ENDPOINT_SLOTS];
};
TANDEM_SIZE(struct tandem_endpoint, 36);

enum tandem_address_kind {
  TANDEM_ADDRESS_VIRTUAL = 1, /* a VIP, answered under the lease */
  TANDEM_ADDRESS_OTHER = 2,   /* moves along with a virtual router (a servers' gateway) */
  TANDEM_ADDRESS_LOCAL = 3,   /* this node's own: always passed to the kernel */
};

struct tandem_address {
  __u32 ifindex;          /* where ARP for it is answered; 0 for local addresses */
  __u8 virtual_router;
  __u8 kind;              /* enum tandem_address_kind */
  __u8 pad[2];
};
TANDEM_SIZE(struct tandem_address, 8);

/* Key of `addresses6`, whose values are those of `addresses`; local IPv6 addresses are not entered. */
struct tandem_address6_key {
  __u8 addr[16];
};
TANDEM_SIZE(struct tandem_address6_key, 16);

enum tandem_router_flag {
  TANDEM_ROUTER_VIRTUAL_MAC = 1, /* its addresses are answered with `mac`, and frames to it are ours under the lease */
  TANDEM_ROUTER_ACCEPT = 2,      /* what is for its addresses and for no service goes to the kernel under the lease */
};

struct tandem_virtual_router {
  __u8 mac[6];            /* 00-00-5E-00-01-VRID, or -02- for IPv6 (RFC 9568, section 7.3) */
  __u8 flags;             /* enum tandem_router_flag */
  __u8 pad;
};
TANDEM_SIZE(struct tandem_virtual_router, 8);

/* Key of `virtual_macs` (value: slot of the virtual router) and of `peer_macs` (value: 1). */
struct tandem_mac_key {
  __u32 ifindex;
  __u8 mac[6];
  __u8 pad[2];
};
TANDEM_SIZE(struct tandem_mac_key, 12);

struct tandem_steer_key {
  __u32 ifindex;          /* where a frame came in, and goes out again */
  __u32 virtual_router;
};
TANDEM_SIZE(struct tandem_steer_key, 8);

/* Where frames go for a while after a planned hand-over: to the node that has the addresses now. */
struct tandem_steer {
  __u64 until_ns;
  __u8 mac[6];
  __u8 pad[2];
};
TANDEM_SIZE(struct tandem_steer, 16);

enum tandem_next_hop_state { TANDEM_NEXT_HOP_EMPTY = 0, TANDEM_NEXT_HOP_RESOLVED = 1, TANDEM_NEXT_HOP_UNRESOLVED = 2 };

struct tandem_next_hop {
  __u8 destination_mac[6];
  __u8 source_mac[6];
  __u32 ifindex;
  __be32 addr;
  __u32 state;            /* enum tandem_next_hop_state */
};
TANDEM_SIZE(struct tandem_next_hop, 24);

struct tandem_next_hop_key {
  __u32 ifindex;
  __be32 addr;
};
TANDEM_SIZE(struct tandem_next_hop_key, 8);

/* The right to own a virtual router's addresses, until `deadline_ns`. Written only by the lease program. */
struct tandem_lease {
  __u64 deadline_ns;      /* ARP, ping and new flows while now < deadline */
  __u64 drain_until_ns;   /* flows with a record while now < drain_until */
  __u64 started_ns;       /* when this lease was acquired; ages count from here at the earliest */
  __u64 instance;         /* who acquired it: a restarted heartbeat resumes only its own */
  __u64 verified_ns;      /* when an echo sent from the VIP last came back through this node */
  __u64 admit_until_ns;   /* new flows also while now < admit_until: set only by a planned RELEASE, for stragglers until the successor has taken over */
};
TANDEM_SIZE(struct tandem_lease, 48);

enum tandem_lease_operation {
  TANDEM_LEASE_READ = 0,
  TANDEM_LEASE_ACQUIRE = 1,
  TANDEM_LEASE_RENEW = 2,   /* refused when the lease has lapsed or belongs to another instance */
  TANDEM_LEASE_RELEASE = 3, /* deadline becomes now; flows with a record go on until drain_ns from now */
};

enum tandem_lease_result { TANDEM_LEASE_OK = 0, TANDEM_LEASE_LAPSED = 1, TANDEM_LEASE_FOREIGN = 2, TANDEM_LEASE_BAD_SLOT = 3 };

struct tandem_lease_args {
  __u32 slot;
  __u32 operation;        /* enum tandem_lease_operation */
  __u64 duration_ns;      /* from now */
  __u64 drain_ns;         /* after the deadline */
  __u64 admit_ns;         /* RELEASE only: how long new flows are still admitted */
  __u64 instance;
  __u32 result;           /* out: enum tandem_lease_result */
  __u32 pad;
  __u64 now_ns;           /* out: bpf_ktime_get_ns() */
  struct tandem_lease lease; /* out: after the operation */
};
TANDEM_SIZE(struct tandem_lease_args, 104);

enum tandem_apply_mode {
  TANDEM_APPLY_LIVE = 0,   /* from a node's stream: upserts overwrite, deletes need the same generation; what is here was confirmed before */
  TANDEM_APPLY_BULK = 1,   /* from the holder's table: as live, and confirmed by it */
  TANDEM_APPLY_MERGE = 2,  /* from a node that was holder: added only where no record exists; deletes are ignored */
  TANDEM_APPLY_EXPIRE = 3, /* own sweep: key and generation name the record; deleted if still idle beyond its timeout, with an event */
  TANDEM_APPLY_PURGE = 4,  /* after a bulk: deleted if its sync_epoch is not the one given and its generation matches; no event */
};

struct tandem_apply_args {
  __u32 count;             /* records in the inbox */
  __u32 mode;              /* enum tandem_apply_mode */
  __u32 sync_epoch;
  __u32 applied;           /* out: written or deleted */
  __u32 stale;             /* out: refused by the rules above */
  __u32 full;              /* out: the table had no room */
  __u32 unknown;           /* out: no such service here */
  __u32 pad;
};
TANDEM_SIZE(struct tandem_apply_args, 32);

/* Context of the program `tandem_clock`. */
struct tandem_clock_args {
  __u64 now_ns;            /* out: bpf_ktime_get_ns() */
};
TANDEM_SIZE(struct tandem_clock_args, 8);

/* Per virtual router and CPU: XOR over the immutable fields of its records, and their number. */
struct tandem_digest {
  __u64 digest;
  __s64 flows;
};
TANDEM_SIZE(struct tandem_digest, 16);

struct tandem_traffic {
  __u64 packets_in;       /* client to server */
  __u64 bytes_in;
  __u64 packets_out;      /* server to client, nat only */
  __u64 bytes_out;
  __u64 flows;            /* flows created here */
};
TANDEM_SIZE(struct tandem_traffic, 40);

struct tandem_settings {
  __u64 realtime_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC when the program was loaded: makes generations unique over reboots */
  __u64 timeout_ns[TANDEM_FLOW_STATES];
  __u64 second_chance_ns;   /* how long a mid-flow packet without a record is placed by the previous generation */
  __u32 node_id;            /* 1..255 */
  __u32 ready;              /* 0: the flow table is not ready, packets without a record are dropped even under a lease */
};
TANDEM_SIZE(struct tandem_settings, 88);

/* Constants of one program instance: the object is loaded once per interface. */
struct tandem_interface {
  __u32 ifindex;
  __u8 mac[6];
  __u8 replies_first;      /* 1: most packets come from servers; only the order of look-ups changes */
  __u8 driver_mode;        /* 1: loaded for native XDP, where nobody completes a partial checksum after us */
};
TANDEM_SIZE(struct tandem_interface, 12);

enum tandem_notice_kind {
  TANDEM_NOTICE_NEXT_HOP = 1,      /* a gateway without an entry in next_hop_index: ifindex, addr */
  TANDEM_NOTICE_FOREIGN_CLAIM = 2, /* another MAC claims an address we hold a lease for: ifindex, addr, mac */
};

enum tandem_family { TANDEM_IPV4 = 2, TANDEM_IPV6 = 10 }; /* AF_INET, AF_INET6 */

struct tandem_notice {
  __u32 kind;
  __u32 ifindex;
  __u8 addr[16];          /* the first four bytes of it for IPv4 */
  __u8 mac[6];
  __u16 family;           /* enum tandem_family */
};
TANDEM_SIZE(struct tandem_notice, 32);

/* What happened to packets that were not simply forwarded; index of the per-CPU array `drops`. The names become metric labels. */
enum tandem_drop {
  TANDEM_DROP_MALFORMED = 0,      /* truncated or contradictory headers */
  TANDEM_DROP_FRAGMENT = 1,       /* fragment to a VIP or from a server */
  TANDEM_DROP_TTL = 2,            /* TTL would reach 0 */
  TANDEM_DROP_NOT_ACTIVE = 3,     /* no fresh lease: new flow, ping, or to the virtual MAC */
  TANDEM_DROP_DRAINED = 4,        /* has a record, but the drain window is over */
  TANDEM_DROP_NOT_READY = 5,      /* the flow table is not ready yet */
  TANDEM_DROP_NO_SERVICE = 6,     /* to a VIP, but nothing listens there */
  TANDEM_DROP_NO_SERVER = 7,      /* no usable server */
  TANDEM_DROP_NO_RECORD = 8,      /* mid-flow, and the hash cannot place it (also a server's packet that the hash does not confirm) */
  TANDEM_DROP_TABLE_FULL = 9,
  TANDEM_DROP_NO_ROUTE = 10,      /* next hop not known and the kernel cannot help */
  TANDEM_DROP_REPLY_CLASH = 11,   /* another flow already uses this client port towards the same server */
  TANDEM_DROP_REFUSED = 12,       /* server gone, pool option `drop` */
  TANDEM_DROP_ICMP_ERROR = 13,    /* ICMP other than echo to a VIP */
  TANDEM_DROP_NOT_FOR_US = 14,    /* a VIP packet with another node's MAC (flooded by the switch), or sent to a group; without a lease also ARP, ND and
                                   * answers to the echo that verifies a take-over */
  TANDEM_DROP_EVENT_LOST = 15,    /* not a packet: a flow event that found the ring full; replication resyncs */
  TANDEM_DROP_NO_ROOM = 16,       /* an answer was longer than the question and the driver left no room behind it */
  TANDEM_DROP_REASONS = 17,
};

#endif
