/**
 * Decides two things from what the peers say: may this node's flow table serve (`ready`), and may it pre-empt (`inSync`).
 * `ready` comes late and stays: after the first bulk sync from every reachable peer, or after a grace period in which nobody was
 * reachable. `inSync` follows the peers at every moment. Pure.
 */
import type { PeerStatus } from '../replication/api.js';
import type { Monotonic } from '../system/clock.js';
import type { TransitionMessage } from '../vrrp/heartbeat-api.js';

/** How long a starting node waits for a peer to answer before it serves alone. Longer than a reconnect with back-off, shorter than patience. */
export const ALONE_AFTER_MS = 3000;

export interface ReadinessState {
  /** When the data plane was compiled and loaded; null before. */
  compiledAt: Monotonic | null;
  ready: boolean;
  reason: string;
}

export const initialReadiness: ReadinessState = { compiledAt: null, ready: false, reason: 'data plane is not loaded yet' };

export const compiled = (state: ReadinessState, now: Monotonic): ReadinessState => ({
  ...state,
  compiledAt: now,
  reason: 'waiting for peers',
});

/** The state after looking at the peers again; the caller acts when `ready` changes. */
export function reviewReadiness(state: ReadinessState, peers: readonly PeerStatus[], now: Monotonic): ReadinessState {
  if (state.ready || state.compiledAt === null) return state;
  const connected = peers.filter((peer) => peer.connected);
  if (peers.length === 0) return { ...state, ready: true, reason: 'no peers are configured' };
  const waitedMs = now - state.compiledAt;
  if (connected.length > 0 && connected.every((peer) => peer.receivedInSync)) {
    const missing = peers.length - connected.length;
    if (missing === 0 || waitedMs >= ALONE_AFTER_MS) return { ...state, ready: true, reason: `synced from ${names(connected)}` };
    return { ...state, reason: `synced from ${names(connected)}, waiting for ${names(peers.filter((peer) => !peer.connected))}` };
  }
  if (connected.length === 0) {
    if (waitedMs >= ALONE_AFTER_MS) return { ...state, ready: true, reason: `no peer was reachable for ${ALONE_AFTER_MS} ms` };
    return { ...state, reason: `waiting for ${names(peers)}` };
  }
  return { ...state, reason: `syncing from ${names(connected.filter((peer) => !peer.receivedInSync))}` };
}

/**
 * May this node pre-empt an active one? Only when it has everything that the reachable peers know; never on hearsay of none. While a peer
 * is out of reach it may be the one that is active, with flows that nobody else has told: so each router must be known to be elsewhere.
 */
export function isInSync(peers: readonly PeerStatus[], unclaimedRouters: readonly string[]): boolean {
  if (peers.length === 0) return true;
  const connected = peers.filter((peer) => peer.connected);
  if (connected.length === 0 || !connected.every((peer) => peer.receivedInSync)) return false;
  return connected.length === peers.length || unclaimedRouters.length === 0;
}

/**
 * Was this node active in the past while another one was in the present? A machine that was paused or restored from a snapshot, clock and
 * all, believes that its table is complete; what the other has done since is known only when its table was had anew.
 */
export const isTableOld = ({ from, reason }: Pick<TransitionMessage, 'from' | 'reason'>): boolean =>
  from === 'active' && reason === 'staleTerm';

/** Is there a peer that has everything of ours, so that giving up the lease loses nothing? */
export const hasPeerInSync = (peers: readonly PeerStatus[]): boolean => peers.some((peer) => peer.connected && peer.inSync);

const names = (peers: readonly PeerStatus[]): string => peers.map((peer) => peer.node).join(', ');
