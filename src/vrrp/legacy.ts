/**
 * What a heartbeat leaves to the process that replaces it, so that nobody on the wire and nobody in the daemon notices the change.
 */
import type { PeerKey, RouterCounters, ToHeartbeat } from './heartbeat-api.js';
import type { RouterState } from './state.js';

/** Raised whenever a shape below changes. A process of another shape takes nothing; it finds its leases and resumes, as after a crash. */
export const LEGACY_SHAPE = 2;

export interface Legacy {
  shape: number;
  /** The daemon's last word. */
  track: Extract<ToHeartbeat, { type: 'track' }> | null;
  peerKeys: PeerKey[];
  groups: GroupLegacy[];
}

export interface GroupLegacy {
  name: string;
  /** Its times are those of CLOCK_MONOTONIC, which both processes share. */
  state: RouterState;
  reason: string;
  sinceWallMs: number;
  /** By member, in the order of the configuration. */
  counters: RouterCounters[];
}

/** Between two heartbeats of one node, over the socket that the daemon uses as well. */
export type ToPredecessor = { type: 'replace'; abi: number };
/** `legacy`: base64 of what v8.serialize makes of a Legacy, because its times may be infinite. */
export type FromPredecessor = { type: 'replaced'; legacy: string } | { type: 'refused'; reason: string };
