/**
 * What daemon and heartbeat tell each other: the heartbeat's configuration file and the messages on its Unix socket
 * (one JSON object per line, either side may reconnect at any time). Types only.
 */
import type { VerifyTarget } from '../l4/api.js';

export type { VerifyTarget };

/** `${stateDir}/heartbeat.json`, written by the daemon before the heartbeat starts and on every change. */
export interface HeartbeatConfig {
  node: string;
  /** Decimal string of 64 random bits, kept per boot in the state directory: names the lease's owner. */
  instance: string;
  pinDir: string;
  socketPath: string;
  drainMs: number;
  /** SCHED_FIFO priority; 0: leave the scheduler alone. */
  realtimePriority: number;
  groups: HeartbeatGroup[];
  /** Null: a node alone, which has nobody to talk to. */
  beats: BeatSettings | null;
}

/** The second way that nodes of this cluster hear each other: small authenticated datagrams, beside the advertisements. */
export interface BeatSettings {
  nodeId: number;
  /** Names the cluster in every datagram: decimal string of 64 bits. */
  cluster: string;
  /** What this node signs with: 16 bytes, hexadecimal, made for this instance. */
  key: string;
  port: number;
  /** Own addresses, one per path. */
  paths: string[];
  peers: BeatPeer[];
  intervalMs: number;
  /** Null: leases live as long as the advertisements say. */
  fast: { intervalMs: number; lifeMs: number } | null;
  /** Asked when nobody is heard; empty: nothing is asked. */
  references: string[];
}

export interface BeatPeer {
  node: string;
  id: number;
  /** By path. */
  addresses: (string | null)[];
  /** Other addresses that it is known to advertise from. */
  advertAddresses: string[];
}

/** Virtual routers that move together, under one election; most groups have one. */
export interface HeartbeatGroup {
  name: string;
  priority: number;
  advertIntervalMs: number;
  /** The shortest advert interval in any node's configuration: bounds the lease. */
  leaseIntervalMs: number;
  preempt: boolean;
  preemptDelayMs: number;
  /** What Skew_Time is a share of: in version 2 one second (RFC 3768 section 6.1); absent: the interval of the active router. */
  skewIntervalMs?: number;
  announce: { repeat: number; repeatGapMs: number; refreshMs: number };
  trackedInterfaces: TrackedInterface[];
  members: HeartbeatRouter[];
}

export interface TrackedInterface {
  name: string;
  /** Null: the group gives up while it is down. */
  weight: number | null;
}

/** What something tracked does to a router at this moment. */
export interface Tracked {
  router: string;
  fault: string | null;
  priorityDelta: number;
  reasons: string[];
}

/** One virtual router on one interface. */
export interface HeartbeatRouter {
  name: string;
  vrid: number;
  /** Index into the data plane's leases. */
  slot: number;
  interface: string;
  /** Version of VRRP; 3 when absent. */
  version?: 2 | 3;
  /** Primary IPv4 address of the interface, or its link-local IPv6 address: source of adverts. Its family is the router's. */
  sourceAddress: string;
  addresses: string[];
  /** Every address that is announced by gratuitous ARP or Neighbour Advertisement, with the interface it lives on. */
  announced: { address: string; interface: string }[];
  /** Interfaces that must carry the program for the lease to be renewed. */
  dataInterfaces: string[];
  /** Empty: multicast. */
  unicastPeers: string[];
  /** With unicast peers: reject what anybody else sends; true when absent. */
  unicastSourceCheck?: boolean;
  /** Adverts to the group, announcements and echoes come from the virtual MAC. */
  virtualMac?: boolean;
  /** Checksum of the advertisements sent: RFC 9568 (default), with the pseudo-header of RFC 5798 (keepalived 2.2 and older accept nothing
   *  else), or `auto`: as the last accepted advertisement. Received ones may have either. */
  checksum?: 'rfc9568' | 'rfc5798' | 'auto';
}

/** Daemon -> heartbeat. */
export type ToHeartbeat =
  /** Sent on connect, after every transition (a lapsed lease makes the heartbeat forget `inSync`), and whenever something changed. `ready`: the flow table may serve. `inSync`: this node may pre-empt. */
  | { type: 'track'; ready: boolean; inSync: boolean; peerInSync: boolean; verifyTargets: VerifyTarget[]; tracked?: Tracked[] }
  /** Give up the lease of these routers (all when empty) now; `reason` is spoken in the transition. */
  | { type: 'yield'; routers: string[]; reason: string; holdDownMs: number }
  /** Become active for these routers at once: the active node has handed over to us. `atMs`: when the daemon heard of it
   *  (CLOCK_MONOTONIC), for a heartbeat that was stopped since may find somebody else in office. `terms`: of the leases given up, in the
   *  same order; an order that comes after somebody had a later one is not obeyed. */
  | { type: 'takeOver'; routers: string[]; reason: string; atMs?: number; terms?: number[] }
  /** Send priority 0, release the leases, exit. */
  | { type: 'stop'; reason: string }
  /** What a peer signs its beats with (hexadecimal; null: it is not known any more), and the addresses it has. `latest`: it has just said
   *  that no beat of it had a higher sequence number (decimal). */
  | { type: 'peerKey'; node: string; key: string | null; addresses: string[]; latest?: string | undefined }
  /** Sent on connect: the latest term that this node knew of, before this heartbeat was started maybe. */
  | { type: 'term'; router: string; term: number }
  /** Read heartbeat.json again. */
  | { type: 'reload' }
  | { type: 'status' };

export type PeerKey = Extract<ToHeartbeat, { type: 'peerKey' }>;

export type RouterRole = 'initialize' | 'backup' | 'active';

/** Heartbeat -> daemon. */
export type FromHeartbeat =
  | { type: 'status'; pid: number; realtime: boolean; routers: RouterStatus[]; beats: BeatStatus | null }
  | TransitionMessage
  /** The take-over has been proved from the wire. */
  | { type: 'verified'; router: string; afterMs: number }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; event: string; fields: Record<string, unknown>; atWallMs: number };

export interface BeatStatus {
  sent: number;
  received: number;
  sendErrors: number;
  rejected: Record<string, number>;
  /** The latest that the sending thread has been since it started. */
  lateMaxMs: number;
  /** Times that thread fell silent because the main one hung; absent from a process of an older version. */
  silenced?: number;
  isRealtime: boolean;
  /** `on`: leases end within milliseconds after the last beat, and peers know. */
  fast: 'disabled' | 'off' | 'on' | 'leaving';
  /** What the references say: `open` also while somebody is heard. */
  reference: 'open' | 'asking' | 'lost' | 'none';
  /** `promiseMs`: what is relied on; 0 also while it is doubted. */
  peers: { node: string; isReachable: boolean; hasKey: boolean; paths: boolean[]; promiseMs: number }[];
}

export interface TransitionMessage {
  type: 'transition';
  router: string;
  from: RouterRole;
  to: RouterRole;
  reason: string;
  atWallMs: number;
  /** How long the last router that was heard had been silent by then; null: none was. */
  heardMs: number | null;
  /** To active only: from the decision to the lease, and from there to the first announcement. */
  claimMs: number | null;
  announceMs: number | null;
}

export interface RouterStatus {
  name: string;
  /** The routers of one group move together. */
  group: string;
  vrid: number;
  slot: number;
  role: RouterRole;
  reason: string;
  sinceWallMs: number;
  priority: number;
  /** With the weights of what is tracked. */
  effectivePriority: number;
  /** What is tracked and does not hold. */
  tracked: readonly string[];
  /** Remaining life of the lease; 0 when not held. */
  leaseRemainingMs: number;
  leaseAgeMs: number;
  /** Who we last heard as active: source address, priority, how long ago. */
  activePeer: { address: string; priority: number; heardMsAgo: number } | null;
  verified: 'yes' | 'pending' | 'no' | 'notApplicable';
  verifiedAfterMs: number | null;
  /** Number of the latest lease of this election that the node knows of, over all nodes. */
  term: number;
  /** No pre-emption for so long; null: it is not held down. */
  holdDownMs: number | null;
  /** What the other nodes last said of themselves about this election. */
  peers: readonly { node: string; role: RouterRole | 'claiming'; priority: number; isReachable: boolean; isEligible: boolean }[];
  counters: RouterCounters;
}

export interface RouterCounters {
  advertsSent: number;
  advertsReceived: number;
  /** By reject reason of the codec and the shell. */
  advertsRejected: Record<string, number>;
  /** Accepted with the pseudo-header checksum of RFC 5798. */
  advertsOldChecksum?: number;
  /** Accepted although their addresses are not ours. */
  advertsOtherAddresses?: number;
  /** Accepted although their interval is not ours (version 3). */
  advertsOtherInterval?: number;
  sendErrors: number;
  announcementsSent: number;
  lateWakes: number;
  leaseLapses: number;
  conflicts: number;
  /** Times a node was heard over one path only. */
  oneWay: number;
  /** Times this node gave way because its belief to be active was the older one. */
  staleTerms: number;
  /** Times it lost the right to pre-empt for a while because the role had been lost too often. */
  damped: number;
  /** Times it did not lead, or gave up, because it heard nobody and reached no reference. */
  cutOffs: number;
  /** Transitions by `to:reason`. */
  transitions: Record<string, number>;
}
