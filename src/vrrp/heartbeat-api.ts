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
  routers: HeartbeatRouter[];
}

export interface HeartbeatRouter {
  name: string;
  vrid: number;
  /** Index into the data plane's leases. */
  slot: number;
  interface: string;
  /** Primary IPv4 address of the interface: source of adverts. */
  sourceAddress: string;
  addresses: string[];
  /** Every address that is announced by gratuitous ARP, with the interface it lives on. */
  announced: { address: string; interface: string }[];
  /** Interfaces that must carry the program for the lease to be renewed. */
  dataInterfaces: string[];
  priority: number;
  advertIntervalMs: number;
  /** The shortest advert interval in any node's configuration: bounds the lease. */
  leaseIntervalMs: number;
  preempt: boolean;
  preemptDelayMs: number;
  /** Empty: multicast. */
  unicastPeers: string[];
  /** Checksum of the advertisements sent: RFC 9568 (default), with the pseudo-header of RFC 5798 (keepalived 2.2 and older accept nothing
   *  else), or `auto`: as the last accepted advertisement. Received ones may have either. */
  checksum?: 'rfc9568' | 'rfc5798' | 'auto';
  announce: { repeat: number; repeatGapMs: number; refreshMs: number };
}

/** Daemon -> heartbeat. */
export type ToHeartbeat =
  /** Sent on connect, after every transition (a lapsed lease makes the heartbeat forget `inSync`), and whenever something changed. `ready`: the flow table may serve. `inSync`: this node may pre-empt. */
  | { type: 'track'; ready: boolean; inSync: boolean; peerInSync: boolean; verifyTargets: VerifyTarget[] }
  /** Give up the lease of these routers (all when empty) now; `reason` is spoken in the transition. */
  | { type: 'yield'; routers: string[]; reason: string; holdDownMs: number }
  /** Become active for these routers at once: the active node has handed over to us. */
  | { type: 'takeOver'; routers: string[]; reason: string }
  /** Send priority 0, release the leases, exit. */
  | { type: 'stop'; reason: string }
  /** Read heartbeat.json again. */
  | { type: 'reload' }
  | { type: 'status' };

export type RouterRole = 'initialize' | 'backup' | 'active';

/** Heartbeat -> daemon. */
export type FromHeartbeat =
  | { type: 'status'; pid: number; realtime: boolean; routers: RouterStatus[] }
  | { type: 'transition'; router: string; from: RouterRole; to: RouterRole; reason: string; atWallMs: number; heardMs: number | null }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; event: string; fields: Record<string, unknown>; atWallMs: number }
  | { type: 'stopped' };

export interface RouterStatus {
  name: string;
  vrid: number;
  slot: number;
  role: RouterRole;
  reason: string;
  sinceWallMs: number;
  priority: number;
  /** Remaining life of the lease; 0 when not held. */
  leaseRemainingMs: number;
  leaseAgeMs: number;
  /** Who we last heard as active: source address, priority, how long ago. */
  activePeer: { address: string; priority: number; heardMsAgo: number } | null;
  verified: 'yes' | 'pending' | 'no' | 'notApplicable';
  verifiedAfterMs: number | null;
  counters: RouterCounters;
}

export interface RouterCounters {
  advertsSent: number;
  advertsReceived: number;
  /** By reject reason of the codec and the shell. */
  advertsRejected: Record<string, number>;
  /** Accepted with the pseudo-header checksum of RFC 5798. */
  advertsOldChecksum?: number;
  sendErrors: number;
  announcementsSent: number;
  lateWakes: number;
  leaseLapses: number;
  conflicts: number;
  /** Transitions by `to:reason`. */
  transitions: Record<string, number>;
}
