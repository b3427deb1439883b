/**
 * What a switchover moves, and to whom: whole sync groups, to the best peer that has every connection and takes part in the election.
 * Refusals name what is missing. Pure.
 */
import type { PeerStatus } from '../replication/api.js';
import type { RouterStatus } from '../vrrp/heartbeat-api.js';

export interface Refusal {
  refusal: string;
}

export interface Question {
  /** Of a virtual router or a sync group; absent: everything this node holds. */
  router?: string;
  /** Wanted successor; absent: the best. */
  to?: string;
}

/** `holderOf`: the peer that says it holds this router. */
export function chosenRouters(
  routers: readonly RouterStatus[],
  wanted: string | undefined,
  holderOf: (router: string) => string | null,
): { routers: RouterStatus[] } | Refusal {
  const named = wanted === undefined ? [...routers] : routers.filter(({ name, group }) => name === wanted || group === wanted);
  if (wanted !== undefined && named.length === 0) {
    return { refusal: `no virtual router or sync group is named ${wanted}; there are: ${namesOf(routers)}` };
  }
  const groups = new Set(named.map((router) => router.group));
  const active = routers.filter((router) => groups.has(router.group) && router.role === 'active');
  return active.length > 0 ? { routers: active } : { refusal: notActive(named, holderOf) };
}

const namesOf = (routers: readonly RouterStatus[]): string =>
  [...new Set(routers.flatMap(({ name, group }) => [name, group]))].join(', ') || 'none';

function notActive(routers: readonly RouterStatus[], holderOf: (router: string) => string | null): string {
  const places = routers.map(({ name }) => {
    const holder = holderOf(name);
    return holder === null ? `no peer says that it is active for ${name}` : `${name} is active on ${holder}: ask there`;
  });
  return ['this node is not active', ...places].join('; ');
}

/** `canChange`: it may be worth waiting. */
export function chosenSuccessor(
  peers: readonly PeerStatus[],
  routers: readonly RouterStatus[],
  wanted: string | undefined,
): { node: string } | (Refusal & { canChange: boolean }) {
  if (peers.length === 0) return { refusal: 'no peer is configured', canChange: false };
  const candidates = wanted === undefined ? bestFirst(peers, routers) : peers.filter((peer) => peer.node === wanted);
  if (candidates.length === 0) {
    return { refusal: `${wanted} is not a peer; there are: ${peers.map((peer) => peer.node).join(', ')}`, canChange: false };
  }
  const obstacles = candidates.map((peer) => ({ node: peer.node, missing: missingAt(peer, routers) }));
  const ready = obstacles.find(({ missing }) => missing === null);
  if (ready !== undefined) return { node: ready.node };
  return { refusal: obstacles.map(({ node, missing }) => `${node} ${missing}`).join('; '), canChange: true };
}

/** By the priority that they last said; those that said none come last. */
function bestFirst(peers: readonly PeerStatus[], routers: readonly RouterStatus[]): PeerStatus[] {
  const priority = ({ node }: PeerStatus): number =>
    Math.min(...routers.map((router) => router.peers.find((peer) => peer.node === node)?.priority ?? 0));
  return [...peers].sort((a, b) => priority(b) - priority(a));
}

/** What this peer lacks to take over without loss; null: nothing. */
function missingAt(peer: PeerStatus, routers: readonly RouterStatus[]): string | null {
  if (!peer.connected) return `is not connected (${peer.reason})`;
  if (!peer.inSync) return `is not in sync (${peer.reason})`;
  // Without a word over the second path nothing is known of it, and the hand-over itself will show.
  const unfit = routers.filter((router) => router.peers.some((each) => each.node === peer.node && each.isReachable && !each.isEligible));
  return unfit.length === 0 ? null : `takes no part in the election of ${unfit.map(({ name }) => name).join(', ')}: see its status`;
}
