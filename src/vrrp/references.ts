/**
 * Reference addresses: who may lead when no other node can be heard on any path. A node that hears nobody asks addresses that every node
 * should reach (gateways, switches); only while one of them answers does it take over, or stay. So of two halves of a broken network the
 * one that still has a way out serves. While any node is heard nothing is asked: the election decides. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import { plus } from './timing.js';

/** Questions follow each other so closely, so that a lost packet costs nothing. */
const ASK_GAP_MS = 25;
/** Without an answer for so long a node is cut off. Below three adverts of 100 ms less the time in which beats are missed: a node that is
 *  cut off has left before the other takes over. */
const ANSWER_LIMIT_MS = 100;
/** How often it is asked again while all is well, and while nobody answers. */
const REACHED_GAP_MS = 500;
const LOST_GAP_MS = 200;

export type ReferenceState =
  /** Somebody is heard, or there is nothing to ask. */
  | { phase: 'calm' }
  /** `mayLead`: the last answer still counts. */
  | { phase: 'asking'; mayLead: boolean; nextAt: Monotonic; until: Monotonic }
  | { phase: 'reached'; nextAt: Monotonic }
  | { phase: 'lost'; nextAt: Monotonic };

export type ReferenceEvent = { type: 'look'; hasPeers: boolean } | { type: 'answer' };

/** `open`: may lead. `asking`: not yet known. `lost`: must not. */
export type ReferenceVerdict = 'open' | 'asking' | 'lost';

export const calm: ReferenceState = { phase: 'calm' };

export function verdictOf(state: ReferenceState): ReferenceVerdict {
  if (state.phase === 'lost') return 'lost';
  return state.phase === 'asking' && !state.mayLead ? 'asking' : 'open';
}

/** When it wants to look again; null: when something happens. */
export const nextLookAt = (state: ReferenceState): Monotonic | null => (state.phase === 'calm' ? null : state.nextAt);

export function stepReferences(state: ReferenceState, event: ReferenceEvent, now: Monotonic): { state: ReferenceState; ask: boolean } {
  if (event.type === 'answer') {
    if (state.phase === 'calm') return { state, ask: false };
    return { state: { phase: 'reached', nextAt: plus(now, REACHED_GAP_MS) }, ask: false };
  }
  if (event.hasPeers) return { state: calm, ask: false };
  if (state.phase === 'calm') return begin(false, now);
  if (now < state.nextAt) return { state, ask: false };
  switch (state.phase) {
    case 'reached':
      return begin(true, now);
    case 'asking':
      if (now >= state.until) return { state: { phase: 'lost', nextAt: plus(now, LOST_GAP_MS) }, ask: true };
      return { state: { ...state, nextAt: plus(now, ASK_GAP_MS) }, ask: true };
    case 'lost':
      return { state: { phase: 'lost', nextAt: plus(now, LOST_GAP_MS) }, ask: true };
  }
}

const begin = (mayLead: boolean, now: Monotonic): { state: ReferenceState; ask: boolean } => ({
  state: { phase: 'asking', mayLead, nextAt: plus(now, ASK_GAP_MS), until: plus(now, ANSWER_LIMIT_MS) },
  ask: true,
});
