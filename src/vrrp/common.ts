/**
 * What all states of the election share: who may take part, who may pre-empt, whom we heard, and the two ways down. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import type {
  Backup,
  Common,
  Conditions,
  HeardAdvert,
  Other,
  RouterEffect,
  RouterSettings,
  RouterState,
  SenderKey,
  Step,
} from './state.js';
import { lastHeardAt, roleOf } from './state.js';
import { activeDownMs, latest, MISSED_ADVERTS, plus } from './timing.js';

/** Routers remembered at once. More than the nodes of a cluster; a bound against forged senders. */
const MAX_OTHERS = 16;
/** So many unplanned losses of the active role within the window are a flap, and cost the right to pre-empt for a while, longer each time. */
const FLAP_LOSSES = 3;
const FLAP_WINDOW_MS = 60_000;
const FLAP_HOLD_MS = 5000;
const FLAP_HOLD_MAX_MS = 60_000;

export const isEligible = (conditions: Conditions): boolean =>
  conditions.started && conditions.wasReady && conditions.isLinkUp && conditions.isDataPlaneUsable && conditions.fault === null;

/** A node that has not the whole flow table, or was told to give way, leaves a living active router alone whatever its priority. */
export const preemptionAllowed = (state: RouterState, now: Monotonic): boolean =>
  state.settings.preempt && state.conditions.inSync && (state.holdDownUntil === null || now >= state.holdDownUntil);

/** What passes unchanged from one state to the next. */
export function carried(state: RouterState): Common {
  const { settings, conditions, others, peers, term, isTermKnown, isPlanned, losses, holdDownUntil, unheardUntil } = state;
  return { settings, conditions, others, peers, term, isTermKnown, isPlanned, losses, holdDownUntil, unheardUntil, preemptSince: null };
}

/** Who advertised, and until when it may hold a lease: its last advertisement plus three of its intervals. Priority 0 ends that. */
export function remember(state: RouterState, advert: HeardAdvert, now: Monotonic): { others: readonly Other[] } {
  const rest = state.others.filter((other) => other.from !== advert.from && other.until > now);
  if (advert.priority === 0) return { others: rest };
  const other = {
    from: advert.from,
    priority: advert.priority,
    heardAt: now,
    until: plus(now, MISSED_ADVERTS * advert.intervalMs),
  };
  return { others: [other, ...rest].slice(0, MAX_OTHERS) };
}

interface Rank {
  priority: number;
  isGreater: boolean;
}

/** F12's comparison: a higher priority, or the same and a greater address. */
export const isBetter = (other: Rank, state: RouterState): boolean =>
  other.priority > state.settings.priority || (other.priority === state.settings.priority && other.isGreater);

export const followsAnother = (state: Backup, leaving: SenderKey, now: Monotonic): boolean =>
  state.others.some((other) => other.from !== leaving && plus(other.heardAt, state.activeIntervalMs * 1.5) > now);

/** How a role ends: by plan, because another is better, or because something failed (three of those are a flap). */
export type Ending = 'planned' | 'outranked' | 'failed';

/** What Skew_Time is a share of while the active router has this interval. */
export const skewBaseMs = (settings: RouterSettings, activeIntervalMs: number): number => settings.skewIntervalMs ?? activeIntervalMs;

export function toBackup(
  state: RouterState,
  waitsFor: Backup['waitsFor'],
  activeIntervalMs: number,
  now: Monotonic,
  reason: string,
  ending: Ending,
  before: RouterEffect[],
): Step {
  const { common, effects } = left(state, ending, now);
  const downAt = plus(now, activeDownMs(state.settings.priority, activeIntervalMs, skewBaseMs(state.settings, activeIntervalMs)));
  const backup: Backup = {
    ...common,
    kind: 'backup',
    waitsFor,
    activeIntervalMs,
    downAt,
    graced: false,
    unheard: null,
    deferred: null,
    asked: null,
    ordered: null,
  };
  return { state: backup, effects: [...before, ...transition(state, backup, reason), ...effects] };
}

export function toInitialize(state: RouterState, reason: string, now: Monotonic, ending: Ending, before: RouterEffect[]): Step {
  const { common, effects } = left(state, ending, now);
  const next: RouterState = { ...common, kind: 'initialize', others: [] };
  return { state: next, effects: [...before, ...transition(state, next, reason), ...effects] };
}

function left(state: RouterState, ending: Ending, now: Monotonic): { common: Common; effects: RouterEffect[] } {
  const common = { ...carried(state), isPlanned: ending === 'planned' };
  if (state.kind !== 'active' || ending !== 'failed') return { common, effects: [] };
  const losses = [...state.losses.filter((at) => now - at < FLAP_WINDOW_MS), now];
  if (losses.length < FLAP_LOSSES) return { common: { ...common, losses }, effects: [] };
  const holdMs = Math.min(FLAP_HOLD_MAX_MS, FLAP_HOLD_MS * 2 ** (losses.length - FLAP_LOSSES));
  const holdDownUntil = latest(state.holdDownUntil ?? now, plus(now, holdMs));
  const fields = { losses: losses.length, windowSeconds: FLAP_WINDOW_MS / 1000, holdMs };
  return {
    common: { ...common, losses, holdDownUntil },
    effects: [
      { type: 'count', counter: 'damped' },
      { type: 'log', level: 'warn', event: 'flapDamped', fields },
    ],
  };
}

export function transition(before: RouterState, after: RouterState, reason: string): RouterEffect[] {
  const from = roleOf(before);
  const to = roleOf(after);
  return from === to ? [] : [{ type: 'transition', from, to, reason, heardAt: lastHeardAt(before) }];
}
