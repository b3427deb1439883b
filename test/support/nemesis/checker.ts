/**
 * Judges a round. Pure.
 *
 * 1. `twoOwners`: at any instant at most one node owns the VIP. A node claims it by gratuitous ARP; from then on no other node may answer
 *    ARP for it or admit a new flow, until it claims in its turn. Allowed are only
 *    a) frames that were on their way when the claim was seen (TRANSIT_MS; more while the machine itself is late),
 *    b) new flows admitted by the old owner of a planned hand-over for HAND_OVER_MS: nobody else is asked for them then,
 *    c) two healthy nodes that could not hear each other, because the schedule had cut every path that counts in one direction at least;
 *       and the time they need to notice that they hear each other again (REACT_ADVERTS intervals).
 *    A stopped, killed, starved, late or restarted node is no excuse.
 * 2. `reset`: no RST leaves a node, reaches a client or a server: nobody in this workload has a reason to send one.
 * 3. `corrupted`, `lostConnections`: every byte is right, always. Connections opened and replicated before the round survive it, unless a
 *    node without a table was left alone.
 * 4. `noOwner`: while a node is able to own the VIP (no fault touches it), somebody shows a sign of ownership within 3 x advert interval +
 *    skew + SLACK_MS.
 * 5. `notRecovered`: when everything is healed, there is an owner in time, and later all nodes are ready and in sync.
 */
import { activeDownMs } from '../lab/system-under-test.js';
import type { AppliedFault, RoundEvidence, Sign, Violation } from './evidence.js';

/** From the decision in a node's kernel to the time the switch writes down. */
const TRANSIT_MS = 5;
const LATE_TRANSIT_MS = 60;
/** A claim follows the lease at once; what is answered between is the new owner's. */
const CLAIM_LAG_MS = 20;
const LATE_CLAIM_LAG_MS = 100;
/** Of a planned hand-over, without the part that depends on the interval. */
const HAND_OVER_MS = 60;
const REACT_ADVERTS = 3;
const REACT_MS = 100;
/** What user space and this machine's scheduler may add to the election's own time. */
const SLACK_MS = 400;
const LATE_SLACK_MS = 1500;
/** From the end of the last fault to an owner, where no process had to be started. */
const RECOVERY_MS = 1000;

const overlaps = (fault: AppliedFault, fromMs: number, toMs: number, marginMs = 0): boolean =>
  fault.fromMs <= toMs && fault.toMs + marginMs >= fromMs;

const isLate = ({ faults }: RoundEvidence, fromMs: number, toMs: number): boolean =>
  faults.some((fault) => fault.isMachineLate && overlaps(fault, fromMs, toMs, LATE_SLACK_MS));

export function judge(evidence: RoundEvidence): Violation[] {
  return [
    ...judgeOwners(evidence),
    ...judgeResets(evidence),
    ...judgeConnections(evidence),
    ...judgeGaps(evidence),
    ...judgeRecovery(evidence),
    ...evidence.died.map((what): Violation => ({ rule: 'died', atMs: evidence.toMs, text: `${what} ended although no fault hit it` })),
  ].sort((a, b) => a.atMs - b.atMs);
}

/** Rule 1. */
function judgeOwners(evidence: RoundEvidence): Violation[] {
  const violations: Violation[] = [];
  const signs = [...evidence.signs].sort((a, b) => a.atMs - b.atMs);
  let owner: Sign | null = null;
  signs.forEach((sign, index) => {
    // After a time in which both were allowed to own it, whoever shows itself first has won.
    if (owner !== null && wasApart(evidence, owner.atMs, sign.atMs)) owner = null;
    if (owner === null || sign.kind === 'claim') {
      if (sign.node !== owner?.node) owner = sign;
      return;
    }
    if (sign.node === owner.node) return;
    const lagMs = isLate(evidence, sign.atMs, sign.atMs) ? LATE_CLAIM_LAG_MS : CLAIM_LAG_MS;
    if (claimsSoon(signs, index, lagMs)) {
      owner = sign;
      return;
    }
    if (isAllowed(evidence, sign, owner)) return;
    const didWhat = sign.kind === 'arp' ? 'answered ARP' : 'admitted a new flow';
    violations.push({
      rule: 'twoOwners',
      atMs: sign.atMs,
      text: `${sign.node} ${didWhat} ${(sign.atMs - owner.atMs).toFixed(1)} ms after ${owner.node} had claimed the VIP`,
    });
  });
  return firstOfEach(violations);
}

/** One message for what is one story: the same text apart from its numbers. */
function firstOfEach(violations: Violation[]): Violation[] {
  const stories = new Map<string, { first: Violation; count: number }>();
  for (const violation of violations) {
    const story = violation.text.replace(/[\d.]+ ms/, '');
    const known = stories.get(story);
    if (known === undefined) stories.set(story, { first: violation, count: 1 });
    else known.count += 1;
  }
  return [...stories.values()].map(({ first, count }) => ({
    ...first,
    text: count === 1 ? first.text : `${first.text}; ${count} times in all`,
  }));
}

function claimsSoon(signs: readonly Sign[], index: number, withinMs: number): boolean {
  const { node, atMs } = signs[index] as Sign;
  for (let next = index + 1; next < signs.length; next += 1) {
    const later = signs[next] as Sign;
    if (later.atMs > atMs + withinMs) return false;
    if (later.node === node && later.kind === 'claim') return true;
  }
  return false;
}

function isAllowed(evidence: RoundEvidence, sign: Sign, owner: Sign): boolean {
  const sinceMs = sign.atMs - owner.atMs;
  if (sinceMs <= (isLate(evidence, sign.atMs, sign.atMs) ? LATE_TRANSIT_MS : TRANSIT_MS)) return true;
  if (sign.kind === 'admitted' && isHandOver(evidence, sign, owner)) return true;
  return isDeaf(evidence, sign.node, owner.node, sign.atMs);
}

const isHandOver = (evidence: RoundEvidence, sign: Sign, owner: Sign): boolean =>
  sign.atMs - owner.atMs <= HAND_OVER_MS + evidence.advertMs &&
  evidence.faults.some((fault) => fault.handOverFrom === sign.node && overlaps(fault, owner.atMs, sign.atMs, HAND_OVER_MS));

const reactMs = (evidence: RoundEvidence): number => REACT_ADVERTS * evidence.advertMs + REACT_MS;

/** Exception c: at this moment, or so shortly before that they need not have noticed yet. */
export function isDeaf(evidence: RoundEvidence, a: string, b: string, atMs: number): boolean {
  const inForce = evidence.faults.filter((fault) => overlaps(fault, atMs, atMs, reactMs(evidence)));
  const isCut = (from: string, to: string): boolean => {
    const sides = evidence.paths === 'any' ? (['client', 'server'] as const) : (['client'] as const);
    return sides.every((side) => inForce.some(({ cuts }) => cuts.some((cut) => cut.from === from && cut.to === to && cut.side === side)));
  };
  return isCut(a, b) || isCut(b, a);
}

/** A time of deafness ended between these two moments. */
function wasApart(evidence: RoundEvidence, fromMs: number, toMs: number): boolean {
  return evidence.faults.some(({ cuts, toMs: endMs }) => {
    const overMs = endMs + reactMs(evidence);
    return cuts.length > 0 && overMs > fromMs && overMs <= toMs;
  });
}

/** Rule 2. */
const judgeResets = ({ resets }: RoundEvidence): Violation[] =>
  resets.slice(0, 1).map(({ atMs, port, from, to }) => ({
    rule: 'reset',
    atMs,
    text: `a RST from ${from} to ${to} entered the switch at ${port}${resets.length > 1 ? `; ${resets.length} in all` : ''}`,
  }));

/** Rule 3. */
function judgeConnections(evidence: RoundEvidence): Violation[] {
  const violations: Violation[] = [];
  const mustSurvive = !wasEmptyNodeAlone(evidence);
  for (const [group, report] of Object.entries(evidence.connections)) {
    const at = { atMs: evidence.toMs };
    if (report.corrupted > 0)
      violations.push({ ...at, rule: 'corrupted', text: `${report.corrupted} connections of ${group} got wrong bytes` });
    if (report.reset > 0) violations.push({ ...at, rule: 'reset', text: `${report.reset} connections of ${group} were reset` });
    const lost = report.established - report.alive - report.corrupted - report.reset;
    if (lost > 0 && mustSurvive)
      violations.push({
        ...at,
        rule: 'lostConnections',
        text: `${lost} of ${report.established} connections of ${group} fell silent or were closed`,
      });
  }
  return violations;
}

/** A node that lost its table could take over, while all that had kept it could not. */
export function wasEmptyNodeAlone(evidence: RoundEvidence): boolean {
  const losers = evidence.faults.flatMap((fault) => fault.lostTable.map((node) => ({ node, fromMs: fault.fromMs })));
  const keepers = evidence.nodes.filter((node) => !losers.some((loser) => loser.node === node));
  if (losers.length === 0) return false;
  const firstLossMs = Math.min(...losers.map((loser) => loser.fromMs));
  const moments = evidence.faults.flatMap((fault) => [fault.fromMs, fault.toMs]).filter((atMs) => atMs >= firstLossMs);
  return moments.some((atMs) => keepers.every((node) => unableUntil(evidence, node, atMs) !== null));
}

/** Until when this node cannot be counted on, at this moment; null: it can. */
function unableUntil({ faults }: RoundEvidence, node: string, atMs: number): number | null {
  const ends = faults
    .filter((fault) => fault.unable.includes(node) && fault.fromMs <= atMs && fault.toMs + fault.afterwardsMs > atMs)
    .map((fault) => fault.toMs + fault.afterwardsMs);
  return ends.length === 0 ? null : Math.max(...ends);
}

/** Rule 4. */
function judgeGaps(evidence: RoundEvidence): Violation[] {
  const moments = [evidence.fromMs, ...evidence.signs.map((sign) => sign.atMs).sort((a, b) => a - b), evidence.toMs];
  const violations: Violation[] = [];
  for (let index = 1; index < moments.length; index += 1) {
    const [fromMs, toMs] = [moments[index - 1] as number, moments[index] as number];
    const boundMs = ownerWithinMs(evidence, fromMs, toMs);
    if (toMs - fromMs <= boundMs) continue;
    for (const node of evidence.nodes) {
      const able = ableStretch(evidence, node, fromMs, toMs);
      if (able <= boundMs) continue;
      violations.push({
        rule: 'noOwner',
        atMs: fromMs,
        text: `no sign of an owner for ${(toMs - fromMs).toFixed(0)} ms, although ${node} could take over for ${able.toFixed(0)} ms of it (bound ${boundMs.toFixed(0)} ms)`,
      });
      break;
    }
  }
  return violations;
}

const ownerWithinMs = (evidence: RoundEvidence, fromMs: number, toMs: number): number =>
  activeDownMs(evidence.advertMs, evidence.lowestPriority) + (isLate(evidence, fromMs, toMs) ? LATE_SLACK_MS : SLACK_MS);

/** Longest time without interruption between two moments in which no fault touches the node. */
function ableStretch(evidence: RoundEvidence, node: string, fromMs: number, toMs: number): number {
  let longest = 0;
  for (let atMs = fromMs; atMs < toMs; ) {
    const busyUntil = unableUntil(evidence, node, atMs);
    if (busyUntil !== null) {
      atMs = busyUntil;
      continue;
    }
    const next = evidence.faults.filter((f) => f.unable.includes(node) && f.fromMs > atMs).map((f) => f.fromMs);
    const endMs = Math.min(toMs, ...next);
    longest = Math.max(longest, endMs - atMs);
    atMs = endMs;
  }
  return longest;
}

/** Rule 5. */
function judgeRecovery(evidence: RoundEvidence): Violation[] {
  const { healedMs, readyMs, notReadyBecause, signs, toMs } = evidence;
  const violations: Violation[] = [];
  const startingMs = Math.max(0, ...evidence.faults.map((fault) => fault.toMs + fault.afterwardsMs - healedMs));
  const boundMs = ownerWithinMs(evidence, healedMs, toMs) + startingMs + RECOVERY_MS;
  const first = signs
    .map((sign) => sign.atMs)
    .sort((a, b) => a - b)
    .find((atMs) => atMs >= healedMs);
  if ((first ?? toMs) - healedMs > boundMs)
    violations.push({ rule: 'notRecovered', atMs: healedMs, text: `no owner within ${boundMs.toFixed(0)} ms after everything was healed` });
  if (readyMs === null) violations.push({ rule: 'notRecovered', atMs: toMs, text: `not ready again: ${notReadyBecause}` });
  return violations;
}
