/**
 * The Active state (RFC 9568 section 6.4.3): advertise, renew the lease with every advertisement that was sent, announce the addresses,
 * check from the wire that the take-over landed. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import { carried, isBetter, remember, toBackup } from './common.js';
import { doubt, isStale, peerOf } from './peer-view.js';
import type { Active, HeardAdvert, RouterEffect, RouterEvent, RouterSettings, RouterState, Step, Verification } from './state.js';
import { latest, lateWakeMs, leaseLifeMs, nextBeat, plus } from './timing.js';

/** Waits after each echo of the verification. The first covers a round trip; in sum under four seconds, then the answer is no. */
export const VERIFY_GAPS_MS: readonly number[] = [20, 40, 80, 160, 320, 640, 1280, 1280];
/** A failed send is tried again well before the lease ends. */
const SEND_RETRY_SHARE = 0.25;
const SEND_RETRY_MIN_MS = 2;
/** A node that stalled for a whole lease leaves a successor alone for this long: enough for the daemon to notice what it missed, and
 *  for a starved machine not to flap. */
export const LAPSE_HOLD_DOWN_MS = 1000;

/** A node that left because it was not heard does not pre-empt before this: long enough for somebody to mend a cable or a filter. */
const UNHEARD_HOLD_DOWN_MS = 10_000;

/** What a successor needs from our goodbye until hosts and switches know it: the time new flows are still admitted here. */
export const HAND_OVER_GRACE_MS = 20;

/** Active under a lease that ends at `until`, with the announcements of a take-over. */
export function enterActive(state: RouterState, until: Monotonic, now: Monotonic): { state: Active; effects: RouterEffect[] } {
  const { settings } = state;
  const { repeat } = settings.announce;
  const active: Active = {
    ...carried(state),
    kind: 'active',
    isPlanned: false,
    tookAsOwner: false,
    since: now,
    nextAdvertAt: plus(now, settings.advertIntervalMs),
    leaseUntil: until,
    announceLeft: Math.max(0, repeat - 1),
    announceAt: announceAfter(settings, repeat - 1, now),
    verification: { status: 'notApplicable', since: now, attempt: 0, nextAt: null, afterMs: null },
    handOverUntil: null,
    challengedUntil: null,
    doubted: null,
  };
  const verified = keepActive(active, now);
  return { state: verified.state, effects: [{ type: 'announce' }, ...verified.effects] };
}

/** After a word from the daemon: verification starts as soon as there is somebody to ask. */
export function keepActive(state: Active, now: Monotonic): { state: Active; effects: RouterEffect[] } {
  if (!state.conditions.canVerify || state.verification.status !== 'notApplicable') return { state, effects: [] };
  return beginVerification(state, state.since, now);
}

export function beginVerification(state: Active, since: Monotonic, now: Monotonic): { state: Active; effects: RouterEffect[] } {
  const verification: Verification = { status: 'pending', since, attempt: 1, nextAt: plus(now, VERIFY_GAPS_MS[0] ?? 0), afterMs: null };
  return { state: { ...state, verification }, effects: [{ type: 'verify', attempt: 1, since }] };
}

/** The lease ended while nobody renewed it: back to the start of the election, and no pre-emption until the daemon confirms that the
 *  flow table is in sync, for somebody else may have been active meanwhile. Only a packet sent in this very instant is taken back. */
export function lapse(state: Active, hasJustSent: boolean, now: Monotonic): Step {
  const conditions = { ...state.conditions, inSync: false };
  const farewell: RouterEffect[] = hasJustSent ? [{ type: 'sendAdvert', priority: 0, to: null }] : [];
  const before: RouterEffect[] = [{ type: 'count', counter: 'leaseLapses' }, ...farewell];
  const holdDownUntil = latest(state.holdDownUntil ?? now, plus(now, LAPSE_HOLD_DOWN_MS));
  return toBackup({ ...state, conditions, holdDownUntil }, 'alone', state.settings.advertIntervalMs, now, 'leaseLapsed', 'failed', before);
}

export function stepActive(state: Active, event: RouterEvent, now: Monotonic): Step {
  switch (event.type) {
    case 'advert':
      return activeHears(state, event.advert, now);
    case 'timer':
      return activeTimer(state, now);
    case 'sendDone':
      return sent(state, event.at);
    case 'sendFailed':
      return sendFailed(state, event.code, now);
    case 'leaseLapsed':
      return lapse(state, true, now);
    case 'verified':
      return verified(state, event.at);
    default:
      return { state, effects: [] };
  }
}

function sent(state: Active, at: Monotonic): Step {
  const until = plus(at, leaseLifeMs(state.settings.leaseIntervalMs));
  if (until <= state.leaseUntil) return { state, effects: [] };
  return { state: { ...state, leaseUntil: until }, effects: [{ type: 'renewLease', until }] };
}

function sendFailed(state: Active, code: string, now: Monotonic): Step {
  const retryMs = Math.max(SEND_RETRY_MIN_MS, SEND_RETRY_SHARE * state.settings.advertIntervalMs);
  const nextAdvertAt = plus(now, Math.min(retryMs, state.settings.advertIntervalMs));
  return { state: { ...state, nextAdvertAt }, effects: [{ type: 'log', level: 'error', event: 'sendFailed', fields: { code } }] };
}

function verified(state: Active, at: Monotonic): Step {
  // A late proof is a proof: also after the attempts were used up.
  const { status, since } = state.verification;
  if ((status !== 'pending' && status !== 'no') || at < since) return { state, effects: [] };
  const afterMs = Math.max(0, at - since);
  const verification: Verification = { ...state.verification, status: 'yes', nextAt: null, afterMs };
  const fields = { afterMs: Math.round(afterMs * 10) / 10, attempt: verification.attempt };
  return { state: { ...state, verification, challengedUntil: null }, effects: [{ type: 'log', level: 'info', event: 'verified', fields }] };
}

function activeHears(state: Active, advert: HeardAdvert, now: Monotonic): Step {
  const { settings } = state;
  const hasBeats = peerOf(state, advert.from)?.isReachable === true;
  const next = { ...doubt(state, advert.from, hasBeats, now), ...remember(state, advert, now) };
  const assertion: RouterEffect = { type: 'sendAdvert', priority: settings.priority, to: null };
  if (advert.priority === 0) {
    // One that gave way unheard, after a partition, may have announced itself before.
    return { state: { ...announceAgain(next, now), nextAdvertAt: plus(now, settings.advertIntervalMs) }, effects: [assertion] };
  }
  const isBetterOne = isBetter(advert, state);
  // Its own beats say that it was active before us: a machine that was paused, and will learn of it by ours.
  if (isBetterOne && !isStale(next, advert.from, now)) {
    if (state.handOverUntil !== null && now < state.handOverUntil) return { state, effects: [] };
    // F12, and the parting advertisement that a claiming router waits for; to it alone, so that no third one takes it for a vacancy.
    return toBackup(next, 'activeSilent', advert.intervalMs, now, 'betterActive', 'outranked', [
      { type: 'releaseLease', admitMs: HAND_OVER_GRACE_MS },
      { type: 'sendAdvert', priority: 0, to: advert.from },
    ]);
  }
  // F13. The other may have announced itself, so the addresses are announced again once it has been told.
  const conflict: RouterEffect[] = [{ type: 'count', counter: 'conflicts' }, ...conflictLog(state, advert)];
  // A better one answers at once, too: the two would not stop. It hears our next advertisement soon enough.
  const effects = isBetterOne ? conflict : [assertion, ...conflict];
  return { state: announceAgain(next, now), effects };
}

/** At the next wake; a burst that goes on does it. */
export function announceAgain(state: Active, now: Monotonic): Active {
  if (state.announceLeft > 0) return state;
  return { ...state, announceLeft: state.settings.announce.repeat, announceAt: now };
}

function conflictLog(state: Active, advert: HeardAdvert): RouterEffect[] {
  const event = advert.priority !== state.settings.priority ? 'conflict' : advert.priority === 255 ? 'ownerConflict' : 'equalPriority';
  return [{ type: 'log', level: 'warn', event, fields: { priority: advert.priority } }];
}

function activeTimer(state: Active, now: Monotonic): Step {
  if (state.challengedUntil !== null && now >= state.challengedUntil) return challengeFailed(state, now);
  const effects: RouterEffect[] = [];
  let next = state;
  if (now >= state.nextAdvertAt) {
    const { priority, advertIntervalMs } = state.settings;
    const lateMs = now - state.nextAdvertAt;
    // RFC 9568 section 2.5: with short intervals this machine's own delay is what others take for silence.
    if (lateMs > lateWakeMs(advertIntervalMs)) effects.push({ type: 'count', counter: 'lateWakes' }, wokeLate(lateMs));
    effects.push({ type: 'sendAdvert', priority, to: null });
    next = { ...next, nextAdvertAt: nextBeat(state.nextAdvertAt, advertIntervalMs, now) };
  }
  if (now >= state.announceAt) {
    effects.push({ type: 'announce' });
    next = announced(next, now);
  }
  if (state.verification.nextAt !== null && now >= state.verification.nextAt) {
    const verification = verifyAgain(state.verification, now, effects);
    next = { ...next, verification };
  }
  return { state: next, effects };
}

export const wokeLate = (lateMs: number): RouterEffect => ({
  type: 'log',
  level: 'warn',
  event: 'wokeLate',
  fields: { lateMs: Math.round(lateMs) },
});

function announced(state: Active, now: Monotonic): Active {
  const { repeat } = state.settings.announce;
  // A refresh (nothing left) is a burst of its own; the gap of its repetitions is the same.
  const left = state.announceLeft > 0 ? state.announceLeft - 1 : Math.max(0, repeat - 1);
  return { ...state, announceLeft: left, announceAt: announceAfter(state.settings, left, now) };
}

function announceAfter({ announce }: RouterSettings, left: number, now: Monotonic): Monotonic {
  if (left > 0) return plus(now, announce.repeatGapMs);
  return plus(now, announce.refreshMs > 0 ? announce.refreshMs : Number.POSITIVE_INFINITY);
}

function verifyAgain(verification: Verification, now: Monotonic, effects: RouterEffect[]): Verification {
  const gapMs = VERIFY_GAPS_MS[verification.attempt];
  if (gapMs === undefined) {
    effects.push({ type: 'log', level: 'warn', event: 'verifyFailed', fields: { attempts: verification.attempt } });
    return { ...verification, status: 'no', nextAt: null };
  }
  effects.push({ type: 'verify', attempt: verification.attempt + 1, since: verification.since });
  return { ...verification, attempt: verification.attempt + 1, nextAt: plus(now, gapMs) };
}

/** No echo came back: not only the peer that complained does not hear us. */
export function challengeFailed(state: Active, now: Monotonic): Step {
  const { advertIntervalMs } = state.settings;
  const unheardUntil = plus(now, UNHEARD_HOLD_DOWN_MS);
  const holdDownUntil = latest(state.holdDownUntil ?? now, unheardUntil);
  return toBackup({ ...state, holdDownUntil, unheardUntil }, 'alone', advertIntervalMs, now, 'unheard', 'failed', [
    { type: 'releaseLease', admitMs: HAND_OVER_GRACE_MS },
    { type: 'sendAdvert', priority: 0, to: null },
  ]);
}
