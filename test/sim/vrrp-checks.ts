/**
 * What must hold in every run of the simulated election.
 *
 * Two leases at once are excused in exactly these cases, and counted:
 * - `cutOff`: none of the advertisements that the holder sent within the life of a lease before the other acquired had reached the
 *   acquirer, and all that were due were lost or held up by a fault. A lease lives from a successful send, and nobody can tell a sent
 *   packet from a received one without an answer: separated healthy nodes look dead to each other (a witness would be needed).
 * - `sameInstant`: the other acquired while the holder's first advertisement was still under way, and gave up on receiving it. Needs two
 *   surviving nodes whose timers were set by different advertisements of the one that died (a lost one), for skew keeps them apart else.
 * - `handOver`: a daemon told a node to take over while a third one was already doing so by itself.
 * - `stalled`: one of the two was stopped in the middle of the few instructions between looking at its input and taking the lease,
 *   and what arrived meanwhile was not read: the kernel cannot compare the lease with packets that nobody has read.
 */
import { leaseLifeMs } from '../../src/vrrp/timing.js';
import type { Holding } from './vrrp-node.js';
import { MAX_DELAY_MS, type World } from './vrrp-world.js';

export type Excuse = 'cutOff' | 'sameInstant' | 'handOver' | 'stalled';

export interface Verdict {
  violations: string[];
  excused: Record<Excuse, number>;
  takeOvers: number;
}

/** Longest time from the last look into the socket to the lease in an undisturbed step (CLAIM_STALL_MS and a little). */
const STEP_MS = 2.5;
const EPSILON_MS = 1e-6;

export function judge(world: World): Verdict {
  const verdict: Verdict = { violations: [], excused: { cutOff: 0, sameInstant: 0, handOver: 0, stalled: 0 }, takeOvers: 0 };
  const holdings = world.nodes.flatMap((node) => node.holdings).sort((a, b) => a.from - b.from);
  verdict.takeOvers = holdings.length;
  for (const [index, first] of holdings.entries()) {
    for (const second of holdings.slice(index + 1)) {
      const overlapMs = Math.min(first.to, second.to) - second.from;
      if (second.node === first.node || overlapMs <= EPSILON_MS) continue;
      const excuse = excuseFor(world, first, second);
      if (excuse === null) {
        const text = `n${first.node + 1} and n${second.node + 1} both held a lease for ${overlapMs.toFixed(3)} ms from ${second.from.toFixed(3)} ms`;
        verdict.violations.push(text);
      } else verdict.excused[excuse]++;
    }
  }
  for (const node of world.nodes) verdict.violations.push(...node.sins.map((sin) => `n${node.index + 1} ${sin}`));
  verdict.violations.push(...quietEnd(world));
  return verdict;
}

function excuseFor(world: World, first: Holding, second: Holding): Excuse | null {
  const lifeMs = leaseLifeMs(world.intervalMs);
  const adverts = (world.sent[first.node] ?? []).filter(
    (advert) =>
      advert.isAddressed[second.node] === true &&
      advert.priority > 0 &&
      advert.at > Math.max(first.from - STEP_MS, second.from - lifeMs) &&
      advert.at < second.from,
  );
  const stops = (world.nodes[second.node]?.stalls ?? []).filter((stall) => stall.isInside && stall.to > second.from - STEP_MS);
  const wasUnread = (at: number): boolean => stops.some((stop) => at >= stop.from - STEP_MS && at <= stop.to);
  const hasArrived = adverts.some((advert) => {
    const at = advert.arrived[second.node] ?? Number.POSITIVE_INFINITY;
    return at < second.from - STEP_MS && !wasUnread(at);
  });
  const overdue = adverts.filter((advert) => advert.at < second.from - MAX_DELAY_MS);
  const isDisturbed = overdue.length > 0 && overdue.every((advert) => advert.isDisturbed[second.node] === true);
  if (!hasArrived && isDisturbed) return 'cutOff';
  const overlapMs = Math.min(first.to, second.to) - second.from;
  const hasJustBegun = second.from - first.from < MAX_DELAY_MS + STEP_MS;
  if (!hasArrived && hasJustBegun && overlapMs < MAX_DELAY_MS + STEP_MS) return 'sameInstant';
  const wasStopped = [first.node, second.node].some((index) =>
    world.nodes[index]?.stalls.some((stall) => stall.from < second.from + EPSILON_MS && stall.to > second.from - lifeMs),
  );
  if (!hasArrived && wasStopped && world.hasStalls) return 'stalled';
  return first.isHandOver || second.isHandOver ? 'handOver' : null;
}

/** After the faults: one active node, the best one if it may pre-empt, and no more changes. */
function quietEnd(world: World): string[] {
  const found: string[] = [];
  for (const { at, nodes } of world.quietHolders) {
    if (nodes.length !== 1) found.push(`at ${at.toFixed(1)} ms, long after the last fault, ${nodes.length} nodes hold a lease`);
    else if (world.preempt && nodes[0] !== 0) found.push(`at ${at.toFixed(1)} ms n${(nodes[0] ?? 0) + 1} is active instead of n1`);
    if (found.length > 0) break;
  }
  for (const node of world.nodes) {
    const late = node.transitions.find((transition) => transition.at > world.settledAt);
    if (late !== undefined) found.push(`n${node.index + 1} became ${late.to} (${late.reason}) at ${late.at.toFixed(1)} ms without a fault`);
  }
  return found;
}
