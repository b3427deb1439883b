/**
 * Between Backup and Active: the advertisement goes out first, the lease follows when it was sent and nobody else's can be alive.
 *
 * On the wire this is already the Active state of RFC 9568 section 6.4.3 (advertisements each interval, F11 to F13). When the active
 * router was silent for Active_Down_Interval its lease has ended, so the claim takes no time at all; only pre-emption of a living
 * router waits for its parting advertisement. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import { enterActive } from './active.js';
import { carried, isBetter, preemptionAllowed, remember, toBackup, toInitialize, transition } from './common.js';
import { livingHolder } from './peer-view.js';
import type { Backup, Claiming, HeardAdvert, RouterEffect, RouterEvent, RouterState, SenderKey, Step } from './state.js';
import { latest, leaseLifeMs, MISSED_ADVERTS, nextBeat, plus, takeOverValidMs } from './timing.js';

/** A claim of a node that never heard anybody waits this long for other claims: a network delay and a late timer fit. */
const settleMs = (intervalMs: number): number => Math.min(50, Math.max(5, intervalMs / 2));
/** Longer than any undisturbed send. */
const CLAIM_STALL_MS = 2;

export function startClaim(state: RouterState, from: Claiming['from'], reason: string, now: Monotonic, inputAt = now): Step {
  const { settings, others } = state;
  const endOfLeases = from === 'initialize' ? endOfHolder(state, now) : endOfOthers(others, now);
  const isPreempting = endOfLeases > now;
  // Nobody was ever heard: nodes that start together would claim together, and nobody waits for the addresses yet.
  const claimUntil = reason === 'alone' && !isPreempting ? plus(now, settleMs(settings.advertIntervalMs)) : endOfLeases;
  const claiming: Claiming = {
    ...carried(state),
    kind: 'claiming',
    from,
    reason: isPreempting && preemptionAllowed(state, now) ? 'preempt' : reason,
    isHandOver: false,
    nextAdvertAt: plus(now, settings.advertIntervalMs),
    claimUntil,
    askedAt: inputAt,
    acquiringUntil: null,
  };
  const { priority } = settings;
  if (!isPreempting) return { state: claiming, effects: [{ type: 'sendAdvert', priority, to: null }] };
  const fields = { others: others.length, waitMs: Math.round(endOfLeases - now) };
  return {
    state: claiming,
    effects: [
      { type: 'sendAdvert', priority, to: null },
      { type: 'log', level: 'info', event: 'claimStarted', fields },
    ],
  };
}

/** From Backup after a silence: with references configured and nobody in hearing, only when one of them answers. */
export function claimIfConfirmed(state: Backup, reason: string, now: Monotonic, inputAt = now): Step {
  if (state.conditions.reference === 'open') return startClaim(state, 'backup', reason, now, inputAt);
  const waiting: Backup = { ...state, deferred: reason, graced: true, downAt: plus(now, state.activeIntervalMs) };
  if (state.conditions.reference === 'asking' || state.deferred !== null) return { state: waiting, effects: [] };
  return {
    state: waiting,
    effects: [
      { type: 'count', counter: 'cutOffs' },
      { type: 'log', level: 'warn', event: 'cutOff', fields: { reason } },
    ],
  };
}

interface Order {
  reason: string;
  /** Of the lease that was given up for it; null: not said. */
  term: number | null;
  /** Since it was given. */
  ageMs: number;
}

/** An order that was long under way: who gave it elects itself again, and somebody may have had the lease since. */
function whyLate({ reason, term, ageMs }: Order, state: RouterState): RouterEffect | null {
  if (ageMs > takeOverValidMs(state.settings.advertIntervalMs))
    return { type: 'log', level: 'warn', event: 'takeOverExpired', fields: { reason, ageMs: Math.round(ageMs) } };
  if (term !== null && state.term > term && state.kind !== 'active')
    return { type: 'log', level: 'warn', event: 'takeOverLate', fields: { term, known: state.term } };
  return null;
}

/**
 * A planned hand-over: the one that was active has said goodbye before it asked us, so there is nobody to wait for. Whoever is heard all the
 * same may have elected itself since, while the order was under way: it is left alone unless its goodbye is only late.
 */
export function handOver(state: RouterState, order: Order, now: Monotonic): Step {
  const { reason } = order;
  const late = whyLate(order, state);
  // Asked it was, so it may pre-empt again.
  if (late !== null) return { state: { ...state, holdDownUntil: null }, effects: [late] };
  if (state.kind === 'backup' && endOfOthers(state.others, now) > now) {
    const ordered = { reason, until: plus(now, takeOverValidMs(state.settings.advertIntervalMs)) };
    return {
      state: { ...state, holdDownUntil: null, ordered },
      effects: [{ type: 'log', level: 'info', event: 'takeOverWaits', fields: { heard: state.others.map(({ from }) => from).join(' ') } }],
    };
  }
  if (state.kind === 'backup' || state.kind === 'claiming') return obey(state, reason, now);
  // Faster than the order was the farewell: it was asked all the same, so it is not held down any more.
  if (state.kind === 'active') return { state: { ...state, holdDownUntil: null }, effects: [] };
  return { state, effects: [{ type: 'log', level: 'warn', event: 'takeOverIgnored', fields: { role: state.kind } }] };
}

function obey(state: Backup | Claiming, reason: string, now: Monotonic): Step {
  const claim = startClaim({ ...state, holdDownUntil: null }, 'backup', reason, now);
  return { state: { ...(claim.state as Claiming), isHandOver: true }, effects: claim.effects };
}

/** Nobody is heard any more, and a hand-over waited for that; null: none did. */
export function obeyIfOrdered(state: Backup, now: Monotonic): Step | null {
  const { ordered } = state;
  if (ordered === null || now >= ordered.until || endOfOthers(state.others, now) > now) return null;
  return obey(state, ordered.reason, now);
}

/** The owner that comes back hears no adverts yet, but maybe the beats of whoever stood in for it: that one lets go when it is told. */
function endOfHolder(state: RouterState, now: Monotonic): Monotonic {
  return livingHolder(state) === null ? now : plus(now, MISSED_ADVERTS * state.settings.advertIntervalMs);
}

export const endOfOthers = (others: RouterState['others'], now: Monotonic): Monotonic =>
  others.reduce((end, other) => latest(end, other.until), now);

export function stepClaiming(state: Claiming, event: RouterEvent, now: Monotonic): Step {
  switch (event.type) {
    case 'advert':
      return claimHears(state, event.advert, now);
    case 'timer':
      return claimTimer(state, event.inputAt, now);
    case 'sendDone':
      return claimSent(state, event.at, now);
    case 'sendFailed':
      return toBackup(state, 'alone', state.settings.advertIntervalMs, now, 'sendFailed', 'failed', [
        { type: 'log', level: 'error', event: 'sendFailed', fields: { code: event.code } },
      ]);
    case 'leaseAcquired':
      return leaseAcquired(state, now);
    case 'leaseRefused':
      return leaseRefused(state, event.reason, now);
    default:
      return { state, effects: [] };
  }
}

function claimTimer(state: Claiming, inputAt: Monotonic, now: Monotonic): Step {
  if (now < state.nextAdvertAt && now < state.claimUntil) return { state, effects: [] };
  const { priority, advertIntervalMs } = state.settings;
  const isBeat = now >= state.nextAdvertAt;
  const nextAdvertAt = isBeat ? nextBeat(state.nextAdvertAt, advertIntervalMs, now) : plus(now, advertIntervalMs);
  return { state: { ...state, nextAdvertAt, askedAt: inputAt }, effects: [{ type: 'sendAdvert', priority, to: null }] };
}

function claimSent(state: Claiming, at: Monotonic, now: Monotonic): Step {
  const until = plus(at, leaseLifeMs(state.settings.leaseIntervalMs));
  // Stopped between deciding and sending: another may have taken over meanwhile. The timer comes after the input, so ask it again.
  if (now - state.askedAt > CLAIM_STALL_MS) return { state: { ...state, nextAdvertAt: now }, effects: [] };
  if (state.acquiringUntil !== null || now < state.claimUntil || now >= until) return { state, effects: [] };
  return { state: { ...state, acquiringUntil: until }, effects: [{ type: 'acquireLease', until }] };
}

function leaseAcquired(state: Claiming, now: Monotonic): Step {
  const until = state.acquiringUntil;
  if (until === null) return { state, effects: [] };
  if (now >= until)
    return toBackup(state, 'alone', state.settings.advertIntervalMs, now, 'leaseLapsed', 'failed', [
      { type: 'count', counter: 'leaseLapses' },
    ]);
  const active = enterActive({ ...state, term: state.term + 1, isTermKnown: true }, until, now);
  const handOverUntil = state.isHandOver ? plus(now, state.settings.advertIntervalMs) : null;
  const tookAsOwner = state.reason === 'owner';
  const next = { ...active.state, tookAsOwner, nextAdvertAt: state.nextAdvertAt, handOverUntil };
  return { state: next, effects: [...active.effects, ...transition(state, next, state.reason)] };
}

/** The data plane would not carry the addresses: whoever heard our claim must not wait for us. */
function leaseRefused(state: Claiming, reason: string, now: Monotonic): Step {
  const conditions = { ...state.conditions, isDataPlaneUsable: false };
  return toInitialize({ ...state, conditions }, 'leaseRefused', now, 'failed', [
    { type: 'sendAdvert', priority: 0, to: null },
    { type: 'log', level: 'error', event: 'leaseRefused', fields: { reason } },
  ]);
}

function claimHears(state: Claiming, advert: HeardAdvert, now: Monotonic): Step {
  const { others } = remember(state, advert, now);
  if (advert.priority !== 0 && isBetter(advert, state))
    return loseClaim({ ...state, others }, advert.from, advert.intervalMs, { priority: advert.priority }, now);
  const next = { ...state, others, claimUntil: endOfOthers(others, now), askedAt: now };
  // F11: answered at once, but by the timer: what else waits in the socket may be a third router's claim.
  if (advert.priority === 0) return { state: { ...next, nextAdvertAt: now }, effects: [] };
  // F13: one that has not heard us yet.
  return { state: next, effects: [{ type: 'sendAdvert', priority: state.settings.priority, to: null }] };
}

/** To somebody who leads. Who heard our claim waits for our goodbye before it leads without conflict. */
export function loseClaim(
  state: Claiming,
  to: SenderKey,
  intervalMs: number,
  fields: Record<string, string | number>,
  now: Monotonic,
): Step {
  return toBackup(state, 'activeSilent', intervalMs, now, 'betterActive', 'outranked', [
    ...(state.acquiringUntil === null ? [] : [{ type: 'releaseLease', admitMs: 0 } as const]),
    { type: 'sendAdvert', priority: 0, to },
    { type: 'log', level: 'info', event: 'claimLost', fields },
  ]);
}
