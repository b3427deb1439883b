/**
 * What `GET /v1/status` on the admin socket answers and `tandem status --json` prints. Types only; additive changes.
 */
import type { ServerAdvice } from '../health/probe.js';
import type { AdminState, FlowRow, MemberAdvice, Traffic } from '../l4/api.js';
import type { PeerStatus } from '../replication/api.js';
import type { TrackedStatus } from '../tracking/tracker.js';
import type { BeatStatus, RouterStatus } from '../vrrp/heartbeat-api.js';

export type { AdminState, FlowRow, Traffic };

export interface NodeStatus {
  version: string;
  cluster: string;
  node: string;
  pid: number;
  startedAtWallMs: number;
  configFile: string;
  configDigest: string;
  /** Every virtual router's flow table may serve. */
  ready: boolean;
  readyReason: string;
  inSync: boolean;
  heartbeat: { connected: boolean; pid: number | null; realtime: boolean; beats: BeatStatus | null };
  routers: RouterStatus[];
  /** What the virtual routers track, and what it means for them; in the same order. */
  tracking: TrackingStatus[];
  dataPlane: {
    pinDir: string;
    interfaces: { name: string; attached: boolean; mode: 'native' | 'generic'; fallbackReason: string | null }[];
    maxFlows: number;
    flows: number;
    flowTableBytes: number;
    drops: Record<string, number>;
    /** Frames passed on to the successor after a planned hand-over, by virtual router. */
    steered: { router: string; packets: number }[];
    /** Claims of others on addresses held here, since the daemon started; `mac` is the last claimant. */
    foreignClaims: { address: string; interface: string; mac: string; claims: number }[];
  };
  peers: PeerStatus[];
  services: ServiceStatus[];
  pools: PoolStatus[];
  /** Lines of the history that wait for the disk, and lines that were lost. */
  history: { waiting: number; dropped: number };
  switchovers: SwitchoverStatus;
  notify: NotifyStatus[];
  metricsAddress: string;
}

export interface TrackingStatus {
  router: string;
  /** Why it is given up; null: it is not. */
  fault: string | null;
  /** With which this node takes part in the election. */
  effectivePriority: number;
  objects: TrackedStatus[];
}

export interface ServiceStatus {
  name: string;
  listen: string;
  forward: string;
  pool: string;
  virtualRouter: string;
  usableServers: number;
  servers: number;
  traffic: Traffic;
  /** The same, by name of the server in the pool. */
  byServer: { server: string; traffic: Traffic }[];
}

export interface PoolStatus {
  name: string;
  scheduler: string;
  generation: number;
  /** So few of its servers are up that all get new flows. */
  panic: boolean;
  servers: ServerStatus[];
}

export interface ServerStatus {
  name: string;
  address: string;
  /** Administrative state: as commanded at run time, else as configured. */
  state: AdminState;
  /** In the generation in force: of a drained server, or a backup that is not needed, 0; in a slow start part of what it will be. */
  weight: number;
  configuredWeight: number;
  backup: boolean;
  /** What was commanded at run time and not reset; null: nothing. */
  override: ServerOverrideStatus | null;
  /** How long its slow start has been under way; null: none is. */
  slowStartMs: number | null;
  /** What this node's own check says. */
  health: 'up' | 'down' | 'unknown' | 'unchecked';
  /** What the generation in force says: up and not disabled. */
  alive: boolean;
  /** New flows go there: alive, or wanted in a panic, and with a weight. */
  usable: boolean;
  reason: string;
  sinceWallMs: number;
  /** What the agent on the server asks this node's check for; null: nothing, or no agent is asked. */
  advice: ServerAdvice | null;
  /** What of it the node that decides the pool has put in force, where no operator says otherwise; null: nothing. */
  advised: MemberAdvice | null;
  nextHop: 'resolved' | 'unresolved';
  traffic: Traffic;
}

export interface ServerOverrideStatus {
  state: AdminState | null;
  /** As it was given: `5` or `50%`. */
  weight: string | null;
  /** Of the later one of both. */
  node: string;
  by: string;
  why: string;
}

/** What `POST /v1/servers` answers. */
export interface ServersReport {
  ok: boolean;
  /** What is wrong, or why the command is not in force. */
  message: string;
  /** The node that decides the pools has put it in force. */
  inForce: boolean;
  /** Who has the command; the others get it when they are reached again. `older`: its program does not know such commands. */
  nodes: { node: string; has: 'yes' | 'unreachable' | 'older' }[];
  /** What counts for them from now on. */
  servers: { pool: string; server: string; state: AdminState; weight: number; configuredState: AdminState; configuredWeight: number }[];
  /** Pools that have no server left for new flows. */
  unserved: string[];
}

/** What `POST /v1/servers/flows` answers. */
export interface ServerFlowsReport {
  ok: boolean;
  message: string;
  servers: { pool: string; server: string; flows: number }[];
}

export interface TransitionRow {
  atWallMs: number;
  router: string;
  from: string;
  to: string;
  reason: string;
}

/** One line of `GET /v1/history`: a change of role, or (router null) a start of the daemon. */
export interface HistoryRow {
  atWallMs: number;
  router: string | null;
  from: string;
  to: string;
  reason: string;
  /** How long the last router that was heard had been silent by then. */
  heardMs: number | null;
  /** From the decision to the lease, and from there to the first announcement. */
  claimMs: number | null;
  announceMs: number | null;
  /** When the take-over was seen on the wire. */
  verifiedAfterMs: number | null;
  /** With which the node took part, and what of the things it tracks failed. */
  priority: number | null;
  tracked: string[];
  /** Connections that were in its table at that moment. */
  flows: number | null;
  /** Of a role that was lost, known a few seconds later: who has it now, frames passed on to it, frames dropped for lack of a lease. */
  successor: string | null;
  steered: number | null;
  lost: number | null;
}

export interface SwitchoverStatus {
  /** Asked for on this node since the daemon started, by result. */
  counts: Record<SwitchoverReport['result'], number>;
  last: (SwitchoverReport & { atWallMs: number; reason: string }) | null;
  /** A rehearsal is under way: since when. */
  drillSinceWallMs: number | null;
}

/** What `POST /v1/switchover` answers. */
export interface SwitchoverReport {
  ok: boolean;
  /** `returned`: the successor did not take it, and the election decided. */
  result: 'done' | 'refused' | 'returned';
  message: string;
  successor: string | null;
  routers: SwitchoverRow[];
  /** Frames that this node dropped for lack of a lease, from giving it up to the end of the report; over all its virtual routers. */
  lost: number;
}

export interface SwitchoverRow {
  router: string;
  successor: string;
  /** From the order to give up until the successor's word that it holds the lease and has announced the addresses: no shorter than the gap. */
  durationMs: number;
  /** In the flow table at that moment. */
  connections: number;
  /** Frames that still came here and were passed on. */
  steered: number;
}

/** What `POST /v1/drill` answers. */
export interface DrillReport {
  ok: boolean;
  message: string;
  /** The peer that it went to; null: nothing was moved. */
  node: string | null;
  routers: string[];
  /** The peer saw its take-over on the wire; null: it has nobody to ask. */
  verified: boolean | null;
  there: DrillLeg | null;
  back: DrillLeg | null;
}

export interface DrillLeg {
  durationMs: number;
  connections: number;
  steered: number;
  lost: number;
}

export interface NotifyStatus {
  hook: string;
  waiting: number;
  counts: { ok: number; failed: number; timeout: number; dropped: number };
}
