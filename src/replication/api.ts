/**
 * What replication needs from the node and offers to it. Types only; src/control joins them.
 */
import type { AdminState, MemberAdvice, PoolGeneration, PoolMember } from '../l4/api.js';
import type { ApplyMode, ApplyResult, Drained, FlowChunk } from '../l4/native.js';

export type { AdminState, MemberAdvice, PoolGeneration, PoolMember };

/**
 * The last word of an operator, given at run time, on one thing about one server. Words on the state and on the weight of a server do not
 * replace each other.
 */
export type ServerOverride = { pool: string; server: string; origin: OverrideOrigin } /** Null: as configured, as from the weight. */ & (
  | { about: 'state'; value: AdminState | null }
  /** A weight, or percents of the configured one. */
  | { about: 'weight'; value: WeightOverride | null }
);

export type WeightOverride = { weight: number } | { percent: number };

export interface OverrideOrigin {
  /** Greater than that of every word on this that the node had heard, and no less than its wall clock in milliseconds: the greatest wins. */
  stamp: number;
  /** Where it was given. Of two with the same stamp that of the later name wins. */
  node: string;
  /** Who gave it, and why; for people. */
  by: string;
  why: string;
}

/** The flow table as replication sees it: opaque batches in ring order. */
export interface FlowStore {
  drain(maxRecords: number, wantDigests: boolean): Drained;
  watch(wake: () => void): { stop(): void };
  apply(records: Buffer, mode: ApplyMode, syncEpoch: number): ApplyResult;
  readFlows(cursor: Buffer | null, maxRecords: number): FlowChunk;
  purge(
    cursor: Buffer | null,
    maxRecords: number,
    syncEpoch: number,
    virtualRouters: number[],
  ): { scanned: number; purged: number; cursor: Buffer | null };
  digests(): { digest: bigint; flows: bigint }[];
}

/** Small ordered messages that travel in the same stream as the records. */
export type ControlMessage =
  | { type: 'pools'; generations: PoolGeneration[] }
  /** To peers with the capability alone: older ones take it for a malformed frame. */
  | { type: 'overrides'; overrides: ServerOverride[] }
  /** Gateways that flows of this node go back through: the peer resolves them early. */
  | { type: 'nextHops'; addresses: string[] }
  /** Routers whose lease the sender holds, by name; sent on every change. */
  | { type: 'holding'; routers: string[] }
  /** Hand-over: the receiver shall become active for these routers at once. `terms`: of the leases given up, in the same order. */
  | { type: 'takeOver'; routers: string[]; reason: string; terms?: number[] }
  /** A rehearsal begins: the receiver gets these routers for a while, tells when it has seen its take-over on the wire, and hands them back
   *  when it is asked, or by itself after `returnMs`. */
  | { type: 'drill'; routers: string[]; returnMs: number }
  /** The rehearsal is over without a return: it did not begin. */
  | { type: 'drillOver'; routers: string[] }
  | { type: 'verified'; router: string }
  /** Hand these routers back now; answered by `handedBack` with the same id. */
  | { type: 'handBack'; id: string; routers: string[] }
  | { type: 'handedBack'; id: string; ok: boolean; message: string; durationUs: number; connections: number; steered: number; lost: number }
  /** Where the sender stands on the wire: a planned hand-over forwards stragglers to these MAC addresses. */
  | { type: 'interfaces'; interfaces: PeerInterface[] }
  /** With what the sender's heartbeat signs its beats: 32 hex digits. `latest`: no beat of it has had a higher sequence number (decimal). */
  | { type: 'beatKey'; key: string; latest?: string };

export interface PeerInterface {
  name: string;
  mac: string;
  addresses: string[];
}

export interface PeerStatus {
  node: string;
  address: string;
  /** A stream in at least one direction. */
  connected: boolean;
  /** Every record the peer has was confirmed and the last digest matched (or is not yet due). */
  inSync: boolean;
  /** What we receive from it, complete? A node pre-empts only if this holds for each connected peer that holds a lease. */
  receivedInSync: boolean;
  state: 'connecting' | 'hello' | 'bulk' | 'live' | 'incompatible';
  reason: string;
  sentSequence: number;
  ackedSequence: number;
  /** Oldest record not yet acknowledged; 0 when none. */
  lagMs: number;
  queuedRecords: number;
  gaps: number;
  resyncs: number;
  recordsSent: number;
  recordsReceived: number;
  digestMatch: boolean | null;
  configDigestMatch: boolean | null;
  version: string | null;
  /** What its program can do (limits.ts); null: it has not said yet. */
  capabilities: number | null;
}

export interface ReplicationEvents {
  /** A control message from a peer. */
  onControl(node: string, message: ControlMessage): void;
  /** Any change of a PeerStatus that matters to readiness or pre-emption. */
  onPeerChange(node: string, status: PeerStatus): void;
  /** Another node holds a router: what to start with next time (`lastHolders`). */
  onHolders(holders: ReadonlyMap<string, string>): void;
}

export interface Replication {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Which routers (slot and name) this node holds now; decides who sends bulk to whom and who purges. Peers are told by `holding`. */
  setHolding(routers: { slot: number; name: string }[]): void;
  /** Sends to all connected peers; resolves when all of them acknowledged or `timeoutMs` has passed (then false). */
  broadcast(message: ControlMessage, timeoutMs: number): Promise<boolean>;
  /** Sends to one peer; false when it is not connected or did not acknowledge in time. */
  send(node: string, message: ControlMessage, timeoutMs: number): Promise<boolean>;
  /** Resolves when everything drained so far was acknowledged by the peer, or false after `timeoutMs`. */
  flush(node: string, timeoutMs: number): Promise<boolean>;
  /** This node's table may be old in a way that no sequence number shows: out of sync with every peer until each has sent its own anew. */
  resync(reason: string): void;
  peers(): PeerStatus[];
}
