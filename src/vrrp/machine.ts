/**
 * The election of one virtual router: the state machine of RFC 9568 section 6.4 for IPv4, with the lease of the data plane inside.
 *
 * Pure: `step(state, event, now)` returns the next state and ordered effects. What it must never do: hold a lease that does not count
 * from a successful send, renew one that has lapsed, take one while another router's may be alive, pre-empt while this node is not in
 * sync. What it adds to the RFC, and why, is in `claiming`: the RFC lets a pre-empting router own the addresses at the moment of its
 * first advertisement, one network delay before the other learns of it; here it advertises, and takes the lease when the other has let
 * go (a parting advertisement of priority 0, to it alone) or its lease must have ended. A silent active costs no such wait.
 */

import type { Monotonic } from '../system/clock.js';
import { enterActive, HAND_OVER_GRACE_MS, keepActive, lapse, stepActive, wokeLate } from './active.js';
import { claimIfConfirmed, handOver, obeyIfOrdered, startClaim, stepClaiming } from './claiming.js';
import { type Ending, followsAnother, isEligible, preemptionAllowed, remember, skewBaseMs, toBackup, toInitialize } from './common.js';
import { endOfToldLeases, livingHolder } from './peer-view.js';
import { answered, peerFellSilent, peerSpoke, waitAnew } from './peers.js';
import type { Backup, HeardAdvert, Initialize, RouterEffect, RouterEvent, RouterSettings, RouterState, Step } from './state.js';
import { activeDownMs, earliest, lateWakeMs, leaseLifeMs, plus, skewMs } from './timing.js';

export function initialState(settings: RouterSettings): Initialize {
  return {
    kind: 'initialize',
    settings,
    conditions: {
      started: false,
      wasReady: false,
      inSync: false,
      peerInSync: false,
      canVerify: false,
      isLinkUp: true,
      isDataPlaneUsable: true,
      fault: null,
      reference: 'open',
    },
    others: [],
    peers: [],
    term: 0,
    isTermKnown: true,
    isPlanned: false,
    losses: [],
    preemptSince: null,
    holdDownUntil: null,
    unheardUntil: null,
  };
}

export function step(state: RouterState, event: RouterEvent, now: Monotonic): Step {
  // A lapsed lease comes first, whatever happened: nothing may be sent or answered in a role that is over.
  if (state.kind === 'active' && now >= state.leaseUntil) {
    const lapsed = lapse(state, event.type === 'sendDone', now);
    const then = step(lapsed.state, event, now);
    return { state: then.state, effects: [...lapsed.effects, ...then.effects] };
  }
  switch (event.type) {
    case 'configure':
      return configure(state, event.settings, now);
    case 'track':
      return track(state, event, now);
    case 'stop':
      return giveUp({ ...state, conditions: { ...state.conditions, started: false } }, 'initialize', event.reason, now, 'planned');
    case 'link':
      return condition(state, { isLinkUp: event.isUp }, event.reason, now);
    case 'fault':
      return condition(state, { fault: event.reason }, event.reason ?? '', now);
    case 'reference':
      return reference(state, event.verdict, now);
    case 'dataPlane':
      return condition(state, { isDataPlaneUsable: event.isUsable }, event.reason, now);
    case 'yield':
      return yieldTo(state, event.reason, event.holdDownMs, now);
    case 'takeOver':
      return handOver(state, { reason: event.reason, term: event.term ?? null, ageMs: event.ageMs ?? 0 }, now);
    case 'peer':
      return peerSpoke(state, event.peer, now);
    case 'term':
      // Who has taken the lease knows its number.
      if (state.kind === 'active' && state.isTermKnown) return { state, effects: [] };
      return { state: { ...state, term: Math.max(state.term, event.term) }, effects: [] };
    case 'peerSilent':
      return peerFellSilent(state, event, now);
    default:
      return stepInRole(state, event, now);
  }
}

/** The events that mean something different in each state. */
function stepInRole(state: RouterState, event: RouterEvent, now: Monotonic): Step {
  switch (state.kind) {
    case 'initialize':
      return event.type === 'start' ? start(state, event.leaseRemainingMs, now) : { state, effects: [] };
    case 'backup':
      return stepBackup(state, event, now);
    case 'claiming':
      return stepClaiming(state, event, now);
    case 'active':
      return stepActive(state, event, now);
  }
}

/** Section 6.4.1, but nothing starts before the flow table may serve; a fresh lease of our own says that it already does. */
function start(state: Initialize, leaseRemainingMs: number, now: Monotonic): Step {
  const { conditions, settings } = state;
  const started = { ...state, conditions: { ...conditions, started: true } };
  if (leaseRemainingMs <= 0) return enterIfEligible(started, now);
  const ready = { ...started, conditions: { ...started.conditions, wasReady: true }, isTermKnown: false };
  // What must not be resumed must not run on either: peers will hear that this node does not lead.
  if (!isEligible(ready.conditions)) return { state: started, effects: letGo(0) };
  const until = plus(now, Math.min(leaseRemainingMs, leaseLifeMs(settings.leaseIntervalMs)));
  const resumed = enterActive(ready, until, now);
  return {
    state: resumed.state,
    effects: [
      { type: 'transition', from: 'initialize', to: 'active', reason: 'resumed', heardAt: null },
      { type: 'sendAdvert', priority: settings.priority, to: null },
      ...resumed.effects,
    ],
  };
}

/** Startup event (F3, F4), delayed until everything that has to hold does. */
function enterIfEligible(state: Initialize, now: Monotonic): Step {
  if (!isEligible(state.conditions)) return { state, effects: [] };
  if (state.settings.priority === 255) return startClaim(state, 'initialize', 'owner', now);
  return toBackup(state, 'alone', state.settings.advertIntervalMs, now, 'started', 'planned', []);
}

function condition(state: RouterState, change: Partial<RouterState['conditions']>, reason: string, now: Monotonic): Step {
  const conditions = { ...state.conditions, ...change };
  const changed: RouterState = { ...state, conditions };
  if (state.kind === 'initialize') return enterIfEligible({ ...state, conditions }, now);
  return isEligible(conditions) ? { state: changed, effects: [] } : giveUp(changed, 'initialize', reason, now, 'failed');
}

/** Nobody is heard: who reaches no reference either is cut off, and leaves the addresses to whoever is not. */
function reference(state: RouterState, verdict: RouterState['conditions']['reference'], now: Monotonic): Step {
  const changed: RouterState = { ...state, conditions: { ...state.conditions, reference: verdict } };
  if (changed.kind === 'backup' && verdict === 'open' && changed.deferred !== null) {
    // It was cut off, and the reference answers before whoever leads has had its turn to be heard.
    if (state.conditions.reference === 'lost') return { state: waitForOneAdvert(changed, now), effects: [] };
    // By the timer: a beat that ended the question is still to be read, and may say who leads.
    return { state: { ...changed, downAt: now }, effects: [] };
  }
  const leads = changed.kind === 'active' || changed.kind === 'claiming';
  if (!leads || verdict !== 'lost') return { state: changed, effects: [] };
  const left = giveUp(changed, 'backup', 'cutOff', now, 'failed');
  return { state: left.state, effects: [{ type: 'count', counter: 'cutOffs' }, ...left.effects] };
}

function waitForOneAdvert(state: Backup, now: Monotonic): Backup {
  const { settings, activeIntervalMs } = state;
  const downAt = plus(now, activeIntervalMs + skewMs(settings.priority, skewBaseMs(settings, activeIntervalMs)));
  return { ...state, deferred: null, graced: true, downAt };
}

function track(state: RouterState, event: Extract<RouterEvent, { type: 'track' }>, now: Monotonic): Step {
  const { inSync, peerInSync, canVerify } = event;
  const conditions = { ...state.conditions, inSync, peerInSync, canVerify, wasReady: state.conditions.wasReady || event.ready };
  if (state.kind === 'initialize') return enterIfEligible({ ...state, conditions }, now);
  if (state.kind === 'active') return keepActive({ ...state, conditions }, now);
  // What it needs for pre-emption is gone, and the other is still there.
  if (state.kind === 'claiming' && state.reason === 'preempt' && !inSync && state.others.some((other) => other.until > now)) {
    return giveUp({ ...state, conditions }, 'backup', 'notInSync', now, 'failed');
  }
  return { state: { ...state, conditions }, effects: [] };
}

function configure(state: RouterState, settings: RouterSettings, now: Monotonic): Step {
  const soon = plus(now, settings.advertIntervalMs);
  if (state.kind === 'active' || state.kind === 'claiming') {
    return { state: { ...state, settings, nextAdvertAt: earliest(soon, state.nextAdvertAt) }, effects: [] };
  }
  return { state: { ...state, settings }, effects: [] };
}

const goodbye: RouterEffect = { type: 'sendAdvert', priority: 0, to: null };

/** The lease goes before the advertisement, so that nobody takes over too early. */
const letGo = (admitMs: number): RouterEffect[] => [{ type: 'releaseLease', admitMs }, goodbye];

/** Leaves whatever role there is, telling everybody. */
function giveUp(state: RouterState, to: 'initialize' | 'backup', reason: string, now: Monotonic, ending: Ending): Step {
  // The slowest successor waits for the skew of priority 1.
  const admitMs = ending === 'planned' ? skewMs(1, skewBaseMs(state.settings, state.settings.advertIntervalMs)) + HAND_OVER_GRACE_MS : 0;
  const hasLease = state.kind === 'active' || (state.kind === 'claiming' && state.acquiringUntil !== null);
  const hasAdvertised = state.kind === 'active' || state.kind === 'claiming';
  const farewell = hasLease ? letGo(admitMs) : hasAdvertised ? [goodbye] : [];
  if (to === 'initialize') return toInitialize(state, reason, now, ending, farewell);
  return toBackup(state, 'alone', state.settings.advertIntervalMs, now, reason, ending, farewell);
}

function yieldTo(state: RouterState, reason: string, holdDownMs: number, now: Monotonic): Step {
  const held: RouterState = { ...state, holdDownUntil: plus(now, holdDownMs), preemptSince: null };
  return held.kind === 'active' || held.kind === 'claiming' ? giveUp(held, 'backup', reason, now, 'planned') : { state: held, effects: [] };
}

/** Section 6.4.2. */
function stepBackup(state: Backup, event: RouterEvent, now: Monotonic): Step {
  if (event.type === 'advert') return backupHears(state, event.advert, now);
  if (event.type === 'timer' && now >= state.downAt) return backupTimer(state, event.inputAt, now);
  return { state, effects: [] };
}

function backupHears(before: Backup, advert: HeardAdvert, now: Monotonic): Step {
  const state = answered(before, advert.from);
  const { priority } = state.settings;
  const common = remember(state, advert, now);
  if (advert.priority === 0) {
    // F6. One that lost a conflict says goodbye too; it is not the one we follow, so its going changes nothing.
    if (followsAnother(state, advert.from, now)) return { state: { ...state, ...common }, effects: [] };
    const known: Backup = { ...state, ...common };
    const obeyed = obeyIfOrdered(known, now);
    if (obeyed !== null) return obeyed;
    // We have given up by plan, and whoever was told to follow is not heard yet: the goodbye is of somebody else.
    if (hasJustHandedOver(state, now)) return { state: known, effects: [] };
    const downAt = plus(now, skewMs(priority, skewBaseMs(state.settings, state.activeIntervalMs)));
    return { state: { ...state, ...common, waitsFor: 'priorityZero', downAt, graced: true, asked: null }, effects: [] };
  }
  const isLower = advert.priority < priority;
  const preemptSince = isLower && preemptionAllowed(state, now) ? (state.preemptSince ?? now) : isLower ? null : state.preemptSince;
  const mayPreempt = isLower && preemptSince !== null && now >= plus(preemptSince, state.settings.preemptDelayMs);
  if (mayPreempt) return { state: { ...state, ...common, preemptSince }, effects: [] };
  const intervalMs = advert.intervalMs;
  const effects: RouterEffect[] =
    intervalMs === state.activeIntervalMs
      ? []
      : [{ type: 'log', level: 'warn', event: 'intervalDiffers', fields: { heardMs: intervalMs, ownMs: state.settings.advertIntervalMs } }];
  const downAt = plus(now, activeDownMs(priority, intervalMs, skewBaseMs(state.settings, intervalMs)));
  return {
    state: {
      ...state,
      ...common,
      preemptSince,
      waitsFor: 'activeSilent',
      activeIntervalMs: intervalMs,
      downAt,
      graced: false,
      unheard: null,
      deferred: null,
      asked: null,
    },
    effects,
  };
}

const hasJustHandedOver = ({ isPlanned, waitsFor, holdDownUntil }: Backup, now: Monotonic): boolean =>
  isPlanned && waitsFor === 'alone' && holdDownUntil !== null && now < holdDownUntil;

/** F9. A timer that fires much too late speaks about this machine: the active router gets one more interval to be heard. */
function backupTimer(state: Backup, inputAt: Monotonic, now: Monotonic): Step {
  if (state.asked !== null) return claimIfConfirmed({ ...state, asked: null }, 'peerSilent', now, inputAt);
  const { activeIntervalMs, settings } = state;
  const lateMs = now - state.downAt;
  if (lateMs > lateWakeMs(activeIntervalMs)) {
    const effects: RouterEffect[] = [{ type: 'count', counter: 'lateWakes' }, wokeLate(lateMs)];
    if (!state.graced) {
      const downAt = plus(now, activeIntervalMs + skewMs(settings.priority, skewBaseMs(settings, activeIntervalMs)));
      return { state: { ...state, downAt, graced: true }, effects };
    }
    const claim = claimUnlessHeld(state, inputAt, now);
    return { state: claim.state, effects: [...effects, ...claim.effects] };
  }
  return claimUnlessHeld(state, inputAt, now);
}

/** Silence on the wire of a node that says over another path that it is active: it is told, and leaves if nobody hears it (peers.ts). */
function claimUnlessHeld(state: Backup, inputAt: Monotonic, now: Monotonic): Step {
  const holder = livingHolder(state);
  const reason = state.deferred ?? state.waitsFor;
  // Heard, so it is pre-empted.
  const isHeard = state.others.some((other) => other.from === holder?.node && other.until > now);
  if (isHeard) return startClaim(state, 'backup', reason, now, inputAt);
  if (holder === null) {
    // Advertisements of whoever fell silent were lost: its lease is longer than what was heard. After a goodbye there is none.
    const end = state.waitsFor === 'priorityZero' ? now : endOfToldLeases(state, now);
    if (end <= now) return claimIfConfirmed(state, reason, now, inputAt);
    // All that were told of it wait for the same moment: in the order of their priorities they take over, not at once.
    const { settings, activeIntervalMs } = state;
    return {
      state: { ...state, downAt: plus(end, skewMs(settings.priority, skewBaseMs(settings, activeIntervalMs))) },
      effects: [],
    };
  }
  // Long after the goodbye it says so, which therefore was overtaken by its advertisements.
  if (state.waitsFor === 'priorityZero') return { state: waitAnew(state, now), effects: [] };
  const waiting: Backup = { ...state, unheard: holder.node, deferred: null, downAt: plus(now, state.activeIntervalMs) };
  if (state.unheard === holder.node) return { state: waiting, effects: [] };
  return {
    state: waiting,
    effects: [
      { type: 'count', counter: 'oneWay' },
      { type: 'log', level: 'warn', event: 'unheardActive', fields: { node: holder.node } },
    ],
  };
}
