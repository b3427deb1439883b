/**
 * What all states of the election share: who may take part, who may pre-empt, whom we heard, and the two ways down. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import type { Backup, Conditions, HeardAdvert, Other, RouterEffect, RouterSettings, RouterState, Step } from './state.js';
import { lastHeardAt, roleOf } from './state.js';
import { activeDownMs, MISSED_ADVERTS, plus } from './timing.js';

/** Routers remembered at once. More than the nodes of a cluster; a bound against forged senders. */
const MAX_OTHERS = 8;

export const isEligible = (conditions: Conditions): boolean =>
  conditions.started && conditions.wasReady && conditions.isLinkUp && conditions.isDataPlaneUsable && conditions.fault === null;

/** A node that has not the whole flow table, or was told to give way, leaves a living active router alone whatever its priority. */
export const preemptionAllowed = (state: RouterState, now: Monotonic): boolean =>
  state.settings.preempt && state.conditions.inSync && (state.holdDownUntil === null || now >= state.holdDownUntil);

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

/** F12's comparison: a higher priority, or the same and a greater address. */
export const isBetter = (advert: HeardAdvert, state: RouterState): boolean =>
  advert.priority > state.settings.priority || (advert.priority === state.settings.priority && advert.isGreater);

/** What Skew_Time is a share of while the active router has this interval. */
export const skewBaseMs = (settings: RouterSettings, activeIntervalMs: number): number => settings.skewIntervalMs ?? activeIntervalMs;

export function toBackup(
  state: RouterState,
  waitsFor: Backup['waitsFor'],
  activeIntervalMs: number,
  now: Monotonic,
  reason: string,
  before: RouterEffect[],
): Step {
  const { settings, conditions, others, holdDownUntil } = state;
  const downAt = plus(now, activeDownMs(settings.priority, activeIntervalMs, skewBaseMs(settings, activeIntervalMs)));
  const backup: Backup = {
    kind: 'backup',
    settings,
    conditions,
    others,
    holdDownUntil,
    preemptSince: null,
    waitsFor,
    activeIntervalMs,
    downAt,
    graced: false,
  };
  return { state: backup, effects: [...before, ...transition(state, backup, reason)] };
}

export function toInitialize(state: RouterState, reason: string, before: RouterEffect[]): Step {
  const { settings, conditions, holdDownUntil } = state;
  const next: RouterState = { kind: 'initialize', settings, conditions, holdDownUntil, others: [], preemptSince: null };
  return { state: next, effects: [...before, ...transition(state, next, reason)] };
}

export function transition(before: RouterState, after: RouterState, reason: string): RouterEffect[] {
  const from = roleOf(before);
  const to = roleOf(after);
  return from === to ? [] : [{ type: 'transition', from, to, reason, heardAt: lastHeardAt(before) }];
}
