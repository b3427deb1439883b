/**
 * Questions to what the peers last said of themselves. Pure.
 */
import type { Active, PeerView, RouterState, SenderKey } from './state.js';

export const peerOf = (state: RouterState, node: SenderKey): PeerView | null => state.peers.find((peer) => peer.node === node) ?? null;

/** The peer that says, now, that it is active in a term as late as any we know. */
export const livingHolder = (state: RouterState): PeerView | null =>
  state.peers.find((peer) => peer.isReachable && peer.role === 'active' && peer.term >= state.term) ?? null;

/** It believes to be active since before our own lease. */
export function isStale(state: Active, from: SenderKey): boolean {
  const peer = peerOf(state, from);
  return peer !== null && peer.role === 'active' && peer.term < state.term;
}
