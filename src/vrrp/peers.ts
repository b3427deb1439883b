/**
 * What the election learns from the beats of the other Tandem nodes (beats.ts), beside the advertisements of the RFC: who resigned and why,
 * who is silent although it promised not to be, who is active in which term, and who cannot be heard. Pure.
 *
 * Beats only ever make the election faster or more careful. Nobody takes a lease on their word while the advertisements of another router
 * say otherwise, and a cluster whose beats are all lost is a plain VRRP cluster.
 */
import type { Monotonic } from '../system/clock.js';
import { announceAgain, beginVerification, challengeFailed, HAND_OVER_GRACE_MS, LAPSE_HOLD_DOWN_MS } from './active.js';
import { claimIfConfirmed, endOfOthers, loseClaim, obeyIfOrdered } from './claiming.js';
import { followsAnother, isBetter, skewBaseMs, toBackup } from './common.js';
import { doubt, livingHolder, peerOf, saysNothingNew, viewOf } from './peer-view.js';
import type { Active, Backup, Claiming, PeerView, PeerWord, RouterEffect, RouterEvent, RouterState, SenderKey, Step } from './state.js';
import { activeDownMs, earliest, latest, lateWakeMs, plus, skewMs } from './timing.js';

/** How long an active node that a peer does not hear may take to prove, by an echo, that it is heard by others. */
const CHALLENGE_MS = 150;
/** Who is active answers an advert of this priority at once (F13), and nobody gives way to it. */
const QUESTION_PRIORITY = 1;
/** A heartbeat with real-time priority answers within a millisecond; promises are given by no other. */
const ANSWER_MS = 1.5;

const replaced = (state: RouterState, peer: PeerView): readonly PeerView[] => [
  ...state.peers.filter((other) => other.node !== peer.node),
  peer,
];

export function peerSpoke(state: RouterState, word: PeerWord, now: Monotonic): Step {
  const before = peerOf(state, word.node);
  const peer = viewOf(word, before, state.settings.leaseIntervalMs);
  if (before !== null && saysNothingNew(peer, before)) {
    const { adverts, leaseUntil } = peer;
    return { state: { ...state, peers: replaced(state, { ...before, adverts, leaseUntil }) }, effects: [] };
  }
  const known = { ...state, peers: replaced(state, peer) };
  switch (known.kind) {
    case 'initialize':
      return { state: learnTerm(known, peer), effects: [] };
    case 'backup':
      return backupLearns(learnTerm(known, peer), before, peer, now);
    case 'claiming':
      return claimingLearns(learnTerm(known, peer), before, peer, now);
    case 'active':
      return activeLearns(met(known, before, peer, now), before, peer, now);
  }
}

/** Whom we did not hear, and whoever was active beside us, may have been the last to tell hosts and switches where the addresses are. */
function met(state: Active, before: PeerView | null, peer: PeerView, now: Monotonic): Active {
  if (before === null) return announceAgain(ownerSince(state, peer), now);
  const hasGivenUp = before.role === 'active' && peer.role !== 'active';
  return before.isReachable && !hasGivenUp ? state : announceAgain(state, now);
}

/** The owner of the addresses waits for nobody's beats before it takes them: whatever term it hears of first is an earlier one. */
function ownerSince(state: Active, peer: PeerView): Active {
  return state.tookAsOwner ? { ...state, term: Math.max(state.term, peer.term + 1) } : state;
}

const learnTerm = <S extends RouterState>(state: S, peer: PeerView): S => ({ ...state, term: Math.max(state.term, peer.term) });

/** Of late. Advertisements have no time: to a process that did not run since this was said, any of them may be a later word. */
function hasResigned(before: PeerView | null, peer: PeerView, intervalMs: number, now: Monotonic): boolean {
  const isLeft = before !== null && before.role === 'active' && peer.role !== 'active' && peer.role !== 'claiming';
  return isLeft && now - peer.heardAt <= lateWakeMs(intervalMs);
}

/** Was silent for a while and is active all the same, in no earlier term than we know of. */
const isBackInTerm = (state: RouterState, before: PeerView | null, peer: PeerView): boolean =>
  peer.role === 'active' && peer.term >= state.term && before?.isReachable === false;

const forget = (state: RouterState, node: SenderKey): RouterState['others'] => state.others.filter((other) => other.from !== node);

function backupLearns(waiting: Backup, before: PeerView | null, peer: PeerView, now: Monotonic): Step {
  const state = answered(waiting, peer.node);
  if (isBackInTerm(state, before, peer)) return { state: waitAnew(state, now), effects: [] };
  // Who follows a successor already resigned a while ago, and the word of it came late: nothing is vacant.
  if (!hasResigned(before, peer, state.activeIntervalMs, now) || peer.followsActive) return { state, effects: [] };
  // It comes back after somebody else has led.
  if (before !== null && before.term < state.term) return { state, effects: [] };
  // Nobody was followed yet: whoever leads by now has its turn to be heard.
  const heard = state.others.find((other) => other.from === peer.node);
  if (state.waitsFor === 'alone' && heard === undefined && state.unheard !== peer.node) return { state, effects: [] };
  const left = { ...state, others: forget(state, peer.node), unheard: null };
  const obeyed = obeyIfOrdered(left, now);
  if (obeyed !== null) return obeyed;
  return vacant(left, peer.node, peer.isPlanned, now, () => claimIfConfirmed(left, `told:${peer.reason}`, now));
}

/** Active_Down_Interval. */
const downMs = ({ settings, activeIntervalMs }: Backup): number =>
  activeDownMs(settings.priority, activeIntervalMs, skewBaseMs(settings, activeIntervalMs));

/** It was only silent, or its goodbye is an old one, and leads still: the short wait for its successors is off. */
export function waitAnew(state: Backup, now: Monotonic): Backup {
  if (state.waitsFor !== 'priorityZero') return state;
  return { ...state, waitsFor: 'activeSilent', downAt: plus(now, downMs(state)), graced: false, deferred: null };
}

/** The one we followed holds no lease any more. The best of those left acts at once; the others wait as after a goodbye (F6). */
function vacant(state: Backup, node: SenderKey, isPlanned: boolean, now: Monotonic, act: () => Step): Step {
  if (followsAnother(state, node, now) || livingHolder(state) !== null) return { state, effects: [] };
  if (!isPlanned && isBestLeft(state, node)) return act();
  const downAt = earliest(state.downAt, plus(now, skewMs(state.settings.priority, state.activeIntervalMs)));
  return { state: { ...state, waitsFor: 'priorityZero', downAt, graced: true }, effects: [] };
}

/** In sync before not in sync, then by F12's comparison. */
function isBestLeft(state: Backup, leaving: SenderKey): boolean {
  return !state.peers.some((peer) => {
    if (peer.node === leaving || !peer.isReachable || !peer.isEligible) return false;
    return peer.inSync === state.conditions.inSync ? isBetter(peer, state) : peer.inSync;
  });
}

function claimingLearns(state: Claiming, before: PeerView | null, peer: PeerView, now: Monotonic): Step {
  // It was only silent, and leads still.
  if (isBackInTerm(state, before, peer)) return loseClaim(state, peer.node, state.settings.advertIntervalMs, { node: peer.node }, now);
  if (!hasResigned(before, peer, state.settings.advertIntervalMs, now)) return { state, effects: [] };
  const others = forget(state, peer.node);
  return { state: { ...state, others, claimUntil: endOfOthers(others, now), nextAdvertAt: now }, effects: [] };
}

function activeLearns(leader: Active, before: PeerView | null, peer: PeerView, now: Monotonic): Step {
  const insists = peer.role === 'active' && peer.term < leader.term;
  const isDoubtOver = leader.doubted?.node === peer.node && !insists;
  const state = isDoubtOver ? { ...leader, doubted: null } : doubt(leader, peer.node, before?.isReachable === true, now);
  if (peer.role === 'active') return twoActive(state, peer, now);
  if (peer.term > state.term) {
    // The first word of a peer that was out of hearing while we took the lease: whom it follows may be us. So it may under a lease that was
    // resumed; or it is the one that took it while this machine was paused, which is not to be our equal when it is heard.
    if (!state.isTermKnown || (before === null && peer.followsActive)) return checkHearing({ ...state, term: peer.term }, peer, now);
    if (peer.followsActive) return yieldStale(state, peer, now);
    // Somebody was active since, and is gone: this lease is the later one from now on.
    return checkHearing({ ...state, term: peer.term + 1 }, peer, now);
  }
  return checkHearing(state, peer, now);
}

/** Our beats may not be heard there; it announces itself again after a goodbye. */
const partingTo = (peer: PeerView): RouterEffect => ({ type: 'sendAdvert', priority: 0, to: peer.node });

/** Two believe to be active: the later term stays, and in the same term the better one; whoever stays says so again. */
function twoActive(state: Active, peer: PeerView, now: Monotonic): Step {
  const isOlder = state.isTermKnown ? peer.term > state.term : peer.term >= state.term;
  if (isOlder) return yieldStale(state, peer, now);
  const conflict: RouterEffect = { type: 'count', counter: 'conflicts' };
  if (peer.term === state.term && isBetter(peer, state)) {
    const { advertIntervalMs } = state.settings;
    return toBackup(state, 'activeSilent', advertIntervalMs, now, 'betterActive', 'outranked', [
      conflict,
      { type: 'releaseLease', admitMs: HAND_OVER_GRACE_MS },
      partingTo(peer),
    ]);
  }
  const { repeat } = state.settings.announce;
  return {
    state: { ...state, announceLeft: repeat, announceAt: now },
    effects: [
      conflict,
      { type: 'log', level: 'warn', event: 'conflict', fields: { node: peer.node, term: peer.term, ownTerm: state.term } },
      { type: 'sendAdvert', priority: state.settings.priority, to: null },
    ],
  };
}

/** Our belief is the older one. What happened since is not in our flow table: no pre-emption until the daemon has seen to that. */
function yieldStale(state: Active, peer: PeerView, now: Monotonic): Step {
  const conditions = { ...state.conditions, inSync: false };
  const holdDownUntil = latest(state.holdDownUntil ?? now, plus(now, LAPSE_HOLD_DOWN_MS));
  const older = { ...state, conditions, holdDownUntil };
  const fields = { node: peer.node, term: peer.term, ownTerm: state.term };
  const step = toBackup(older, 'activeSilent', state.settings.advertIntervalMs, now, 'staleTerm', 'outranked', [
    { type: 'releaseLease', admitMs: 0 },
    ...(peer.role === 'active' ? [partingTo(peer)] : []),
    { type: 'count', counter: 'staleTerms' },
    { type: 'log', level: 'warn', event: 'staleTerm', fields },
  ]);
  return { state: { ...step.state, term: Math.max(state.term, peer.term), isTermKnown: true }, effects: step.effects };
}

/** A peer that could serve does not hear us: prove that somebody does, or leave. */
function checkHearing(state: Active, peer: PeerView, now: Monotonic): Step {
  if (peer.hearsUs || !peer.isEligible || !peer.inSync || state.challengedUntil !== null) return { state, effects: [] };
  const challenged: RouterEffect = { type: 'log', level: 'warn', event: 'challenged', fields: { node: peer.node } };
  const counted: RouterEffect = { type: 'count', counter: 'oneWay' };
  if (!state.conditions.canVerify) {
    // Left for it a moment ago, and leads again because its successor was not heard either: to leave once more would help nobody.
    if (state.unheardUntil !== null && now < state.unheardUntil) return { state, effects: [counted, challenged] };
    const left = challengeFailed(state, now);
    return { state: left.state, effects: [counted, challenged, ...left.effects] };
  }
  const begun = beginVerification(state, now, now);
  return { state: { ...begun.state, challengedUntil: plus(now, CHALLENGE_MS) }, effects: [counted, challenged, ...begun.effects] };
}

type PeerSilent = Extract<RouterEvent, { type: 'peerSilent' }>;

export function peerFellSilent(state: RouterState, event: PeerSilent, now: Monotonic): Step {
  const before = peerOf(state, event.node);
  if (before === null) return { state, effects: [] };
  const known = { ...state, peers: replaced(state, { ...before, isReachable: false }) };
  // Its advertisements still arrive: not the node is silent but a path.
  const isHeard = state.others.some((other) => other.from === event.node && now - other.heardAt < event.silentMs);
  if (before.role !== 'active' || isHeard || !event.isLeaseOver) return { state: known, effects: [] };
  const others = forget(known, event.node);
  if (known.kind === 'backup') {
    const left = { ...known, others, unheard: null };
    return vacant(left, event.node, false, now, () => ask(left, event.node, now));
  }
  // Whoever is asking whether it is cut off takes no lease on a silence that its own cable may be the reason of: the adverts' time counts.
  if (known.kind === 'claiming' && known.conditions.reference !== 'open') return { state: known, effects: [] };
  if (known.kind === 'claiming')
    return { state: { ...known, others, claimUntil: endOfOthers(others, now), nextAdvertAt: now }, effects: [] };
  return { state: { ...known, others }, effects: [] };
}

/** The beats may be lost on every path while their sender is well: one that is heard on the wire of the virtual router says so. */
function ask(state: Backup, node: SenderKey, now: Monotonic): Step {
  const asked = { node, timerAt: state.downAt };
  return {
    state: { ...state, asked, downAt: plus(now, ANSWER_MS) },
    effects: [{ type: 'sendAdvert', priority: QUESTION_PRIORITY, to: null }],
  };
}

/** The node that was asked is heard, one way or the other: the timer is what it was. */
export function answered(state: Backup, from: SenderKey): Backup {
  return state.asked?.node === from ? { ...state, asked: null, downAt: state.asked.timerAt } : state;
}
