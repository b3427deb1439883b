/**
 * What must hold in every run of a simulated cluster:
 * (a) never two leases at once; (b) somebody is active soon after the faults, the best node later, and every packet is served then;
 * (c) no shared flow is lost by a node that had it, and nobody believes a peer to be complete that is not; (d) no change without a fault;
 * (e) all tables and pools are equal at the end and everybody knows it; (f) nothing is served beyond the drain window; (s) a node does
 * nothing that is forbidden whatever the others do: pre-empt while it is not in sync, say that it leads without a lease, hold one for longer
 * than its beats promised; (t) nobody gives way to an older belief that its beats told of; (g) and (w) in watch.ts.
 *
 * Two leases at once are excused in exactly these cases, and counted:
 * - `cutOff`: none of the advertisements that the holder sent within the life of a lease before the other acquired had reached the
 *   acquirer, and all that were due were lost or held up by a fault. A lease lives from a successful send, and nobody can tell a sent
 *   packet from a received one without an answer: separated healthy nodes look dead to each other.
 * - `promiseLost`: the same for fast liveness: none of the beats that the holder sent on any path within its promise had reached the other,
 *   and a fault had met each that was due.
 * - `sameInstant`: the other acquired while the holder's first advertisement was still under way, and gave up on receiving it.
 * - `handOver`: a daemon told a node to take over while a third one, not the one that gave up, was already doing so by itself.
 * - `lateWord`: the second took over because a beat said that the first had resigned, and the first led again; or because of a silence
 *   within a promise that was none: a fault held the beats up for longer than that. Without beats, because an advertisement of priority 0
 *   said so that a fault had held up: nothing in an advertisement tells an old one from a new one.
 * - `doubted`: one of them, while it led, took the other at its last word for three advertisements: that of a holder in an earlier term. It
 *   had been started anew since, and its beats, with a new key, could not be understood yet. For a machine that was paused the word is true.
 * - `stalled`: one of the two was stopped in the middle of the few instructions between looking at its input and taking the lease.
 * - `frozen`: the clock of the first one's whole machine stood still or went back, so its lease ended later than the others could know.
 */
import { leaseLifeMs, skewMs } from '../../../src/vrrp/timing.js';
import type { Loss } from './clients.js';
import type { FlowRecord, FlowTable } from './flow-table.js';
import type { Holding } from './kernel.js';
import type { SimNode } from './node.js';
import type { Span } from './node-parts.js';
import { MAX_DELAY_MS } from './packets.js';
import { priorityOf } from './shape.js';
import type { Watch } from './watch.js';
import type { World } from './world.js';

export type Excuse = 'cutOff' | 'promiseLost' | 'lateWord' | 'sameInstant' | 'handOver' | 'doubted' | 'stalled' | 'frozen';
export const EXCUSES: readonly Excuse[] = ['cutOff', 'promiseLost', 'lateWord', 'sameInstant', 'handOver', 'doubted', 'stalled', 'frozen'];

export interface Verdict {
  seed: number;
  violations: string[];
  excused: Record<Excuse, number>;
  lost: Record<Loss, number>;
  takeOvers: number;
  flows: number;
  served: number;
  drained: number;
  /** Transitions by reason. */
  reasons: Record<string, number>;
  /** Looks at nodes that had to have given up (watch.ts). */
  met: Watch['met'];
}

/** Longest time from the last look into the socket to the lease in an undisturbed step (CLAIM_STALL_MS and a little). */
const STEP_MS = 2.5;
const EPSILON_MS = 1e-6;
/** Longer than a fault holds a beat or an advertisement up. */
const LATE_WORD_MS = 2000;
/** For so many advertisements one that leads in the later term does not obey one that insists on an earlier one (peer-view.ts). */
const DOUBT_INTERVALS = 3;
/** Until somebody is active again: a node that was started anew waits this long for peers that are away, then elects itself. */
const ACTIVE_WITHIN_MS = 6000;
const ACTIVE_WITHIN_INTERVALS = 6;

export function judge(world: World): Verdict {
  const verdict: Verdict = {
    seed: world.shape.seed,
    violations: [],
    excused: { cutOff: 0, promiseLost: 0, lateWord: 0, sameInstant: 0, handOver: 0, doubted: 0, stalled: 0, frozen: 0 },
    lost: world.clients.lost,
    takeOvers: 0,
    flows: world.clients.flows.size,
    served: world.clients.served,
    drained: world.clients.drained,
    reasons: reasonsOf(world),
    met: world.watch.met,
  };
  leases(world, verdict);
  verdict.violations.push(...world.clients.violations, ...world.untrue.slice(0, 1));
  for (const node of world.nodes) verdict.violations.push(...node.sins.map((sin) => `(s) ${node.name} ${sin}`));
  verdict.violations.push(...staleWins(world), ...world.watch.violations);
  verdict.violations.push(...afterwards(world), ...changes(world), ...differences(world));
  return verdict;
}

function reasonsOf(world: World): Record<string, number> {
  const reasons: Record<string, number> = {};
  for (const { reason } of world.nodes.flatMap((node) => node.transitions)) {
    const word = reason.split(/[: ]/)[0] ?? '';
    reasons[word] = (reasons[word] ?? 0) + 1;
  }
  return reasons;
}

// --- (a) ------------------------------------------------------------------------------------------------------------------------------

function leases(world: World, verdict: Verdict): void {
  const holdings = world.nodes.flatMap((node) => node.kernel.holdings).sort((a, b) => a.from - b.from);
  verdict.takeOvers = holdings.length;
  for (const [index, first] of holdings.entries()) {
    for (const second of holdings.slice(index + 1)) {
      if (second.from >= first.to) break;
      if (second.node === first.node || overlapOf(world, first, second) <= EPSILON_MS) continue;
      const excuse = excuseFor(world, first, second);
      if (excuse === null) verdict.violations.push(overlapText(world, first, second));
      else verdict.excused[excuse]++;
    }
  }
}

const nodeAt = (world: World, index: number): SimNode => world.nodes[index] as SimNode;

/** Time during which both could act: a machine that stands still does nothing with its lease. */
function overlapOf(world: World, first: Holding, second: Holding): number {
  const common: Span = { from: second.from, to: Math.min(first.to, second.to) };
  const still = [first, second].flatMap((holding) => nodeAt(world, holding.node).frozen);
  const covered = still.reduce((sum, span) => sum + Math.max(0, Math.min(span.to, common.to) - Math.max(span.from, common.from)), 0);
  return common.to - common.from - covered;
}

function overlapText(world: World, first: Holding, second: Holding): string {
  const [a, b] = [nodeAt(world, first.node).name, nodeAt(world, second.node).name];
  return `(a) ${a} and ${b} both held a lease for ${overlapOf(world, first, second).toFixed(3)} ms from ${second.from.toFixed(3)} ms`;
}

function excuseFor(world: World, first: Holding, second: Holding): Excuse | null {
  const lifeMs = leaseLifeMs(world.shape.intervalMs);
  if (wasFrozen(world, first, second)) return 'frozen';
  if (isPromiseLost(world, first, second)) return 'promiseLost';
  const adverts = (world.sent[first.node] ?? []).filter(
    (advert) =>
      advert.isAddressed[second.node] === true &&
      advert.priority > 0 &&
      advert.at > Math.max(first.from - STEP_MS, second.from - lifeMs) &&
      advert.at < second.from,
  );
  const stops = nodeAt(world, second.node).heartbeat.process.stalls.filter((stall) => stall.isInside && stall.to > second.from - STEP_MS);
  const wasUnread = (at: number): boolean => stops.some((stop) => at >= stop.from - STEP_MS && at <= stop.to);
  const hasArrived = adverts.some((advert) => {
    const at = advert.arrived[second.node] ?? Number.POSITIVE_INFINITY;
    return at < second.from - STEP_MS && !wasUnread(at);
  });
  const overdue = adverts.filter((advert) => advert.at < second.from - MAX_DELAY_MS);
  const due = overdue.length > 0 ? overdue : adverts;
  const isDisturbed = due.length > 0 && due.every((advert) => advert.isDisturbed[second.node] === true);
  if (!hasArrived && isDisturbed) return 'cutOff';
  const overlapMs = Math.min(first.to, second.to) - second.from;
  const hasJustBegun = second.from - first.from < MAX_DELAY_MS + STEP_MS;
  if (!hasArrived && hasJustBegun && overlapMs < MAX_DELAY_MS + STEP_MS) return 'sameInstant';
  if (wasWordLate(world, first, second)) return 'lateWord';
  if (overlapMs < DOUBT_INTERVALS * world.shape.intervalMs && isDoubted(first, second)) return 'doubted';
  const wasStopped = [first, second].some(({ node }) =>
    nodeAt(world, node).heartbeat.process.stalls.some((stall) => stall.from < second.from + EPSILON_MS && stall.to > second.from - lifeMs),
  );
  if (!hasArrived && wasStopped && world.hasStalls) return 'stalled';
  return isThirdParty(first, second) ? 'handOver' : null;
}

/** Why it took the lease of that time: it says so in the same step, which may have been stopped in between. */
function causeOf(world: World, { node, from }: Holding): string {
  const { transitions, heartbeat } = nodeAt(world, node);
  const told = transitions.find(({ at, to }) => to === 'active' && at > from - 1);
  if (told === undefined) return '';
  const wasStopped = heartbeat.process.stalls.some((stall) => stall.isInside && stall.from < from + 1 && stall.to > told.at - 1);
  return told.at < from + 1 || wasStopped ? told.reason : '';
}

/** How long ago the second came to believe in a silence: the best node left acts at once, the others wait for their skew. */
function waitedMs(world: World, second: Holding): number | null {
  const reason = causeOf(world, second);
  // One that was about to pre-empt takes the silence for the end of what it waits for.
  if (reason === 'peerSilent' || reason === 'preempt') return 0;
  return reason === 'priorityZero' ? skewMs(priorityOf(second.node), world.shape.intervalMs) : null;
}

/** When it looked at its input last before it took the lease: it may have been stopped in between. */
const decidedAt = (world: World, { node, from }: Holding): number =>
  nodeAt(world, node)
    .heartbeat.process.stalls.filter((stall) => stall.isInside && stall.from < from)
    .reduceRight((at, stall) => (stall.to > at - STEP_MS ? Math.min(at, stall.from) : at), from);

/** The second acted on a silence within a promise: none of the beats of its length had arrived, and all that were due had met a fault on
 *  every path. */
function isPromiseLost(world: World, first: Holding, second: Holding): boolean {
  const { fast } = world.shape;
  const { index } = nodeAt(world, second.node);
  const waited = waitedMs(world, second);
  if (fast === null || waited === null) return false;
  const since = decidedAt(world, second) - fast.lifeMs - waited;
  const beats = (world.beats[first.node] ?? []).filter(({ at }) => at > since && at < since + fast.lifeMs);
  const believedAt = since + fast.lifeMs;
  const hasArrived = beats.some(({ arrived }) => (arrived[index] ?? Number.POSITIVE_INFINITY) < believedAt - STEP_MS);
  const overdue = beats.filter(({ at }) => at < believedAt - MAX_DELAY_MS);
  return !hasArrived && overdue.length > 0 && overdue.every(({ undisturbed }) => undisturbed[index] === 0);
}

/** Of two that both lead: the one takes the other, whose lease is newer, at a word of before that lease. */
const isDoubted = (first: Holding, second: Holding): boolean => hasOldWord(first, second) || hasOldWord(second, first);

const hasOldWord = (doubter: Holding, doubted: Holding): boolean =>
  (doubter.lastWords.get(doubted.node) ?? Number.POSITIVE_INFINITY) < doubted.from;

/** The one that was told to take over, and one that neither gave up for it nor was told. */
const isThirdParty = (first: Holding, second: Holding): boolean =>
  (first.handedOverBy !== null && first.handedOverBy !== second.node) ||
  (second.handedOverBy !== null && second.handedOverBy !== first.node);

const isSlowAt = (world: World, at: number): boolean => world.slowedUntil.wire > at || world.slowedUntil.back > at;

/** Told by a goodbye of before the first one's lease, which no beat denied. */
function wasGoodbyeLate(world: World, first: Holding, second: Holding): boolean {
  if (world.shape.paths.length > 0 || causeOf(world, second) !== 'priorityZero') return false;
  return (world.sent[first.node] ?? []).some(
    ({ at, priority, isDisturbed }) =>
      priority === 0 && at < first.from && at > second.from - LATE_WORD_MS && isDisturbed[second.node] === true,
  );
}

/** Told by a beat, while a fault delays beats, and by one that led again by then. */
function wasWordLate(world: World, first: Holding, second: Holding): boolean {
  if (wasGoodbyeLate(world, first, second)) return true;
  if (world.shape.fast !== null && isSlowAt(world, second.from) && waitedMs(world, second) !== null) return true;
  const resigned = nodeAt(world, first.node).transitions.some(
    ({ at, to }) => to !== 'active' && at < first.from && at > first.from - LATE_WORD_MS,
  );
  return isSlowAt(world, second.from) && (resigned || world.shape.fast !== null) && causeOf(world, second).startsWith('told:');
}

/** When each of them has sent something to the other that no fault met; infinite: not while it would have helped. */
function heardFrom(world: World, first: Holding, second: Holding): number {
  const until = Math.min(first.to, second.to) - world.shape.intervalMs;
  const ways = [
    [first.node, second.node],
    [second.node, first.node],
  ];
  const begins = ways.map(([from = 0, to = 0]) => {
    const adverts = (world.sent[from] ?? []).filter(
      ({ at, priority, isAddressed }) => isAddressed[to] === true && priority > 0 && at > second.from && at < until,
    );
    const heard = adverts.find(({ isDisturbed }) => isDisturbed[to] !== true);
    return heard?.at ?? (adverts.length > 0 ? Number.POSITIVE_INFINITY : second.from);
  });
  return Math.max(...begins);
}

/** The clock of one of them stood still or went back during the other's patience or its own lease. */
function wasFrozen(world: World, first: Holding, second: Holding): boolean {
  const { intervalMs } = world.shape;
  const lifeMs = leaseLifeMs(intervalMs);
  const end = Math.min(first.to, second.to);
  // Nobody can tell it what happened meanwhile as long as it is not heard either; then it is doubted, until its next advertisement.
  const heard = heardFrom(world, first, second);
  const latestBegin = heard === Number.POSITIVE_INFINITY ? second.from + STEP_MS : end;
  const endOf = (span: Span): number => Math.max(span.to + lifeMs, heard + intervalMs) + DOUBT_INTERVALS * intervalMs + STEP_MS;
  return [first, second].some((holding) =>
    nodeAt(world, holding.node).frozen.some(
      (span) => span.from < latestBegin && span.to > second.from - lifeMs - intervalMs && end <= endOf(span),
    ),
  );
}

// --- (t) ------------------------------------------------------------------------------------------------------------------------------

/** Whoever leads since before a pause of its whole machine gives way to who has led since; not the other way round, once they hear beats. */
function staleWins(world: World): string[] {
  return world.nodes.flatMap((node) => {
    const wrong = node.yieldedToStale;
    return wrong === null ? [] : [`(t) ${node.name} gave way at ${wrong.toFixed(1)} ms to a node that led before it`];
  });
}

// --- (b) ------------------------------------------------------------------------------------------------------------------------------

function afterwards(world: World): string[] {
  const { intervalMs, preempt } = world.shape;
  const activeFrom = world.faultsEnd + ACTIVE_WITHIN_MS + ACTIVE_WITHIN_INTERVALS * intervalMs;
  let wasEmpty = false;
  for (const { at, holders } of world.looks) {
    if (at < activeFrom) continue;
    const isSettled = at >= world.settledAt;
    // Between the release of one and the claim of another is an instant.
    if (holders.length > 0 || isSettled) wasEmpty = false;
    if (holders.length === 0 && !isSettled && !wasEmpty) {
      wasEmpty = true;
      continue;
    }
    if (holders.length === 0) return [`(b) at ${at.toFixed(1)} ms, long after the last fault, nobody is active`];
    if (!isSettled) continue;
    if (holders.length > 1) return [`(b) at ${at.toFixed(1)} ms, long after the last fault, ${holders.length} nodes hold a lease`];
    const [holder] = holders;
    const best = bestOf(world, holder);
    if (preempt && holder !== best) return [`(b) at ${at.toFixed(1)} ms n${(holder ?? 0) + 1} is active instead of n${(best ?? 0) + 1}`];
  }
  return [];
}

/** The node of highest priority that was not told to give way. */
const bestOf = (world: World, holder: number | undefined): number | undefined =>
  world.nodes.find((node) => node.index === holder || (!node.isHeldDown && node.givesWayUntil < world.agenda.now))?.index;

/** From the end of a time in which it gave way to the next advertisement that a node may pre-empt at, and what it waits then. */
const mayFollowMs = ({ shape }: World): number => (shape.preempt ? shape.preemptDelayMs + 3 * shape.intervalMs : 0);

/** Everything is as it should be. */
export function isSettled(world: World): boolean {
  const [holder, ...others] = world.nodes.filter((node) => node.holds);
  if (holder === undefined || others.length > 0) return false;
  if (world.shape.preempt && holder.index !== bestOf(world, holder.index)) return false;
  if (world.nodes.some((node) => node.givesWayUntil + mayFollowMs(world) > world.agenda.now)) return false;
  // A stop inside of a step may outlast the fault that began it.
  if (world.nodes.some((node) => !node.heartbeat.process.isRunning || !node.daemonProcess.isRunning)) return false;
  if (!world.nodes.every((node) => node.daemon?.readiness.ready === true && node.isIdle && doubts(node).length === 0)) return false;
  return !world.nodes.some((node) => hasLeftOver(world, node, holder));
}

/**
 * What a former holder had still to say of a connection that is over comes late where its stream was held up, and brings the record back;
 * or not at all where it broke, because it may be wrong for who leads by then, and the record stays. And a connection that two holders took
 * for new, each by itself, has a record of each: where the late word of the one crosses that of the other, each node is left with the
 * other's. Only the next digests find that, and within the bound of the settling they have to.
 */
function hasLeftOver({ clients, watch }: World, node: SimNode, holder: SimNode): boolean {
  const [own, held] = [node.kernel.table, holder.kernel.table];
  if (own.isEqualTo(held)) return false;
  const isOver = (flow: number): boolean => clients.flows.get(flow)?.isOver === true;
  const isOnlyIn = (table: FlowTable, other: FlowTable): boolean => table.flows().some((flow) => isOver(flow) && other.get(flow) === null);
  const isLeft = isOnlyIn(own, held) || isOnlyIn(held, own) || own.flows().some((flow) => isOfAnother(own.get(flow), held.get(flow)));
  if (isLeft) watch.met.leftOver += 1;
  return isLeft;
}

const isOfAnother = (a: FlowRecord | null, b: FlowRecord | null): boolean => a !== null && b !== null && a.generation !== b.generation;

// --- (d) ------------------------------------------------------------------------------------------------------------------------------

function changes(world: World): string[] {
  return world.nodes.flatMap((node) => {
    const late = node.transitions.find((transition) => transition.at > world.settledAt);
    return late === undefined ? [] : [`(d) ${node.name} became ${late.to} (${late.reason}) at ${late.at.toFixed(1)} ms without a fault`];
  });
}

// --- (e) ------------------------------------------------------------------------------------------------------------------------------

function differences(world: World): string[] {
  const holder = world.nodes.find((node) => node.holds);
  if (holder === undefined) return [];
  const expected = holder.kernel.table.content();
  const [digest] = holder.kernel.table.digests();
  return world.nodes.flatMap((node) => {
    if (node === holder) return [];
    const found: string[] = [];
    const content = node.kernel.table.content();
    const missing = [...expected].find(([flow, record]) => content.get(flow)?.generation !== record.generation);
    if (missing !== undefined) found.push(`(e) ${node.name} lacks flow ${missing[0]} that ${holder.name} has at the end`);
    const surplus = [...content.keys()].find((flow) => !expected.has(flow));
    if (surplus !== undefined) found.push(`(e) ${node.name} has flow ${surplus} that ${holder.name} has not at the end`);
    if (found.length === 0 && node.kernel.table.digests()[0]?.digest !== digest?.digest) found.push(`(e) ${node.name} has another digest`);
    return [...found, ...doubts(node), ...pools(node, holder)];
  });
}

function doubts(node: SimNode): string[] {
  const { daemon } = node;
  if (daemon === null) return [`(e) ${node.name} has no daemon at the end`];
  return daemon.replication
    .peers()
    .filter((peer) => !peer.inSync || !peer.receivedInSync || peer.queuedRecords > 0)
    .map(
      (peer) =>
        `(e) ${node.name} about ${peer.node}: ${peer.state}, sends in sync ${peer.inSync}, receives ${peer.receivedInSync} (${peer.reason})`,
    );
}

function pools(node: SimNode, holder: SimNode): string[] {
  const isEqual = JSON.stringify(node.generation()) === JSON.stringify(holder.generation());
  return isEqual ? [] : [`(e) ${node.name} and ${holder.name} have different generations of the pool`];
}
