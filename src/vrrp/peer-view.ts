/**
 * Questions to what the peers last said of themselves. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import type { Active, PeerView, PeerWord, RouterState, SenderKey } from './state.js';
import { latest, leaseLifeMs, plus } from './timing.js';

export const peerOf = (state: RouterState, node: SenderKey): PeerView | null => state.peers.find((peer) => peer.node === node) ?? null;

/** The peer that says, now, that it is active in a term as late as any we know. */
export const livingHolder = (state: RouterState): PeerView | null =>
  state.peers.find((peer) => peer.isReachable && peer.role === 'active' && peer.term >= state.term) ?? null;

/** A peer's word, and until when its lease may live: from each advertisement that it tells of, which may have been lost. */
export function viewOf(word: PeerWord, before: PeerView | null, leaseIntervalMs: number): PeerView {
  const isNoNews = before?.isReachable && before.role === 'active' && before.adverts === word.adverts;
  if (word.role !== 'active' || isNoNews) return { ...word, leaseUntil: before?.leaseUntil ?? null };
  return { ...word, leaseUntil: plus(word.heardAt, leaseLifeMs(leaseIntervalMs)) };
}

/** Nothing that anybody could act on: at most, another advertisement was sent. */
export function saysNothingNew(peer: PeerView, before: PeerView): boolean {
  const isSame = (key: keyof PeerView): boolean =>
    key === 'heardAt' || key === 'adverts' || key === 'leaseUntil' || peer[key] === before[key];
  return (Object.keys(peer) as (keyof PeerView)[]).every(isSame);
}

/** The last of the leases whose holders were heard to be active until their beats ended. */
export const endOfToldLeases = (state: RouterState, now: Monotonic): Monotonic =>
  state.peers
    .filter((peer) => peer.role === 'active' && peer.term >= state.term)
    .reduce((end, { leaseUntil }) => (leaseUntil === null ? end : latest(end, leaseUntil)), now);

/** How long a node that insists on an older term is not obeyed. Within that it hears of the later one by our beats, which come oftener than
 *  adverts; if not, it does not hear them. One that was out of hearing is taken at its last word for as long. */
const DOUBT_ADVERTS = 3;

const saysOlderTerm = (state: Active, from: SenderKey): PeerView | null => {
  const peer = peerOf(state, from);
  return peer !== null && peer.role === 'active' && peer.term < state.term ? peer : null;
};

/** Begins that time, with a beat or an advert, whichever comes first; anew when it had been heard in no way meanwhile. */
export function doubt(state: Active, from: SenderKey, hasBeats: boolean, now: Monotonic): Active {
  const peer = saysOlderTerm(state, from);
  if (peer === null) return state;
  const { doubted } = state;
  const wasHeard = hasBeats || state.others.some((other) => other.from === from && other.until > now);
  if (doubted?.node === from && (wasHeard || now < doubted.until)) return state;
  return { ...state, doubted: { node: from, until: plus(now, DOUBT_ADVERTS * state.settings.advertIntervalMs) } };
}

/** It believes to be active since before our own lease: a machine that was paused. In the end the adverts alone decide: two that cannot
 *  tell each other are a plain VRRP cluster. */
export function isStale(state: Active, from: SenderKey, now: Monotonic): boolean {
  return saysOlderTerm(state, from) !== null && state.doubted?.node === from && now < state.doubted.until;
}
