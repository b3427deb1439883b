/**
 * Fast liveness: when may this node promise its peers that a lease of it ends within milliseconds after its last beat. Pure.
 *
 * The promise is what makes a short silence mean something: when no beat was sent for so long, the kernel has ended the lease. A peer that
 * hears none asks once on the wire (peers.ts), in case they were lost on the way, and takes over. The promise costs the node its patience
 * with itself: a thread that is late by more than the life of the lease loses the role. So it is given only where the thread has been
 * punctual, and taken back (peers first told, then the leases made longer) when it was not, or when nobody is there to profit.
 */
import type { Monotonic } from '../system/clock.js';
import { plus } from './timing.js';

export interface FastSettings {
  intervalMs: number;
  /** How long a lease lives after a beat that was sent. */
  lifeMs: number;
}

/** What a peer adds to the promise before it acts: reading a clock and calling the kernel take time on both sides. */
export const PROMISE_MARGIN_MS = 1;
/** Punctual for so long before a promise is given (again). */
export const STABLE_MS = 5000;
/** Lateness that ends it: half of what would end the lease. */
const LATE_SHARE = 0.5;
/** Nobody profits: the promise ends after this. */
const ALONE_MS = 1000;
/** Peers that missed the news believe in the old promise for its length; then a little. */
const QUARANTINE_MS = 20;

export type FastState =
  | { phase: 'off'; punctualSince: Monotonic }
  | { phase: 'on'; peersSeenAt: Monotonic }
  /** The promise is taken back, the leases are still short. */
  | { phase: 'leaving'; until: Monotonic; reason: string };

export interface FastReview {
  /** Somebody's beats arrive. */
  hasPeers: boolean;
  /** The latest the thread has been since the last review. */
  lateMs: number;
  isRealtime: boolean;
}

export const initialFast = (now: Monotonic): FastState => ({ phase: 'off', punctualSince: now });

/**
 * Where fast liveness is configured, a process begins with short leases: it may have resumed the one of a predecessor that was killed, whose
 * promise is still believed in.
 */
export const startFast = ({ lifeMs }: FastSettings, now: Monotonic): FastState => ({
  phase: 'leaving',
  until: plus(now, lifeMs + PROMISE_MARGIN_MS + QUARANTINE_MS),
  reason: 'started',
});

export const isShort = (state: FastState): boolean => state.phase !== 'off';

export function reviewFast(state: FastState, settings: FastSettings, review: FastReview, now: Monotonic): FastState {
  const isLate = review.lateMs > LATE_SHARE * settings.lifeMs;
  switch (state.phase) {
    case 'off': {
      if (isLate || !review.isRealtime) return { phase: 'off', punctualSince: now };
      const isStable = now - state.punctualSince >= STABLE_MS;
      return isStable && review.hasPeers ? { phase: 'on', peersSeenAt: now } : state;
    }
    case 'on':
      if (isLate) return leaveFast(state, settings, 'late', now);
      if (review.hasPeers) return { ...state, peersSeenAt: now };
      return now - state.peersSeenAt > ALONE_MS ? leaveFast(state, settings, 'alone', now) : state;
    case 'leaving':
      return now >= state.until ? { phase: 'off', punctualSince: now } : state;
  }
}

/** Takes the promise back, if one is out. */
export function leaveFast(state: FastState, settings: FastSettings, reason: string, now: Monotonic): FastState {
  if (state.phase !== 'on') return state;
  return { phase: 'leaving', until: plus(now, settings.lifeMs + PROMISE_MARGIN_MS + QUARANTINE_MS), reason };
}
