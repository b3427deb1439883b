/**
 * Judges a round. Pure.
 *
 * 1. `twoOwners`: at any instant at most one node owns the VIP. A node claims it by gratuitous ARP (Neighbour Advertisement); what enters
 *    the switch after that is answered and admitted by no other node, until that claims in its turn. Allowed are only
 *    a) new flows at an old owner that has said goodbye on the wire, for HAND_OVER_MS and an interval: neighbours that do not know the
 *       successor yet still ask it, and nobody else is asked for the same flow,
 *    b) two healthy nodes that could not hear each other in either direction, because the schedule had cut every path that counts; and
 *       REACT_ADVERTS intervals and REACT_MS after its end, to notice. If one of them could hear the other, it has as long to give way;
 *       but the better one of two is not expected to when all that it hears of the worse one is adverts (RFC 9568 section 6.4.3). Where
 *       no beats are heard a node may doubt DOUBT_ADVERTS adverts before it gives way,
 *    c) a node that was hit when no beat of it was heard, and adverts not or by chance only: its lease ends LEASE_ADVERTS after the last.
 *    A stopped, killed, starved, late or restarted node is no excuse, nor is a busy machine: nothing is measured against a clock here but
 *    the order in which question and claim entered the switch.
 * 2. `reset`: no RST leaves a node, reaches a client or a server: nobody in this workload has a reason to send one. Unless a node was hit
 *    when no other could keep what it had accepted.
 * 3. `corrupted`, `lostConnections`: every byte is right, always. Connections opened and replicated before the round survive it, unless a
 *    node without a table was left alone.
 * 4. `noOwner`: while a node is able to own the VIP (no fault touches it), somebody shows a sign of ownership within 3 x advert interval +
 *    skew + SLACK_MS, in each address family. Times in which the whole machine stood still (not even clients asked) do not count.
 * 5. `notRecovered`: when everything is healed, there is an owner in time, and later all nodes are ready and in sync.
 */
import { activeDownMs } from '../lab/system-under-test.js';
import { type AppliedFault, type Cut, type RoundEvidence, type Sign, type Violation, YOUNG } from './evidence.js';

/** A claim follows the lease at once; what is answered between is the new owner's. More while the machine itself is late. */
const CLAIM_LAG_MS = 20;
const LATE_CLAIM_LAG_MS = 100;
/** Of a hand-over, without the part that depends on the interval. */
const HAND_OVER_MS = 20;
/** The successor may have heard of it over a faster path. */
const FAREWELL_LAG_MS = 5;
const REACT_ADVERTS = 1;
const REACT_MS = 100;
/** DOUBT_ADVERTS of src/vrrp/peer-view.ts, MISSED_ADVERTS of src/vrrp/timing.ts. */
const DOUBT_ADVERTS = 3;
const LEASE_ADVERTS = 3;
/** Who does not answer for so long, of questions each few milliseconds, does not own it any more. */
const GAVE_WAY_MS = 50;
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
  const apart = new Apart(evidence);
  const shownMs = new Map<string, number>();
  let owner: Sign | null = null;
  signs.forEach((sign, index) => {
    const ownerShownMs = shownMs.get(owner?.node ?? '') ?? sign.atMs;
    shownMs.set(sign.node, sign.atMs);
    // After a time in which both were allowed to own it, whoever shows itself first has won.
    if (owner !== null && apart.hasEndedFor(owner.node, sign.node, owner.atMs, sign.atMs)) owner = null;
    if (owner === null || sign.kind === 'claim') {
      if (sign.node !== owner?.node) owner = sign;
      return;
    }
    if (sign.node === owner.node || sign.askedMs <= owner.atMs) return;
    if (claimsSoon(signs, index, isLate(evidence, sign.atMs, sign.atMs) ? LATE_CLAIM_LAG_MS : CLAIM_LAG_MS)) {
      owner = sign;
      return;
    }
    if (apart.isOneWay(sign, owner) && sign.askedMs - ownerShownMs > GAVE_WAY_MS) {
      owner = sign;
      return;
    }
    if (isHandOver(evidence, sign, owner) || apart.excuses(sign, owner) || apart.wasHitUnheard(sign, owner)) return;
    const family = sign.family === 'ipv4' ? 'ARP' : 'a Neighbour Solicitation';
    violations.push({
      rule: 'twoOwners',
      atMs: sign.atMs,
      text: `${sign.node} ${sign.kind === 'admitted' ? 'admitted a new flow' : `answered ${family}`} that came ${(sign.askedMs - owner.atMs).toFixed(1)} ms after ${owner.node} had claimed the VIP`,
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

/** Exception a. */
const isHandOver = ({ farewells, advertMs }: RoundEvidence, sign: Sign, owner: Sign): boolean =>
  sign.kind === 'admitted' &&
  farewells.some(({ node, atMs }) => {
    const untilMs = atMs + advertMs + HAND_OVER_MS;
    return node === sign.node && atMs <= owner.atMs + FAREWELL_LAG_MS && sign.askedMs <= untilMs;
  });

/** Exception b: who could hear whom, and how long two owners have had to notice each other. */
class Apart {
  readonly #evidence: RoundEvidence;
  readonly #reactMs: number;
  readonly #doubtMs: number;
  /** Of a time with two owners, one of which hears the other. */
  #noticing: { sinceMs: number; lastMs: number } | null = null;

  constructor(evidence: RoundEvidence) {
    this.#evidence = evidence;
    this.#reactMs = REACT_ADVERTS * evidence.advertMs + REACT_MS;
    this.#doubtMs = DOUBT_ADVERTS * evidence.advertMs;
  }

  excuses({ node, atMs }: Sign, owner: Sign): boolean {
    const [there, back] = [this.#heard(node, owner.node, atMs), this.#heard(owner.node, node, atMs)];
    if (there === 'nothing' && back === 'nothing') return true;
    if (there !== 'nothing' && back !== 'nothing') return false;
    const better = this.#isBetter(node, owner.node) ? back : there;
    if (better === 'adverts') return true;
    const doubtMs = there === 'adverts' || back === 'adverts' ? this.#doubtMs : 0;
    if (this.#noticing === null || atMs - this.#noticing.lastMs > this.#reactMs) this.#noticing = { sinceMs: atMs, lastMs: atMs };
    this.#noticing.lastMs = atMs;
    return atMs - this.#noticing.sinceMs <= this.#reactMs + doubtMs;
  }

  isOneWay({ node, atMs }: Sign, owner: Sign): boolean {
    return this.#isCut(node, owner.node, atMs) !== this.#isCut(owner.node, node, atMs);
  }

  /** Exception c. */
  wasHitUnheard({ node, atMs }: Sign, owner: Sign): boolean {
    const { faults, advertMs } = this.#evidence;
    return faults.some(({ unable, fromMs }) => {
      if (!unable.includes(node) || atMs < fromMs || atMs > fromMs + LEASE_ADVERTS * advertMs) return false;
      const heard = this.#heard(node, owner.node, fromMs);
      const isLossy = faults.some((fault) => fault.lossy.includes(node) && overlaps(fault, fromMs - LEASE_ADVERTS * advertMs, fromMs));
      return heard === 'nothing' || (heard === 'adverts' && isLossy);
    });
  }

  #isBetter(a: string, b: string): boolean {
    const { priorities } = this.#evidence;
    return (priorities[a] ?? 0) > (priorities[b] ?? 0);
  }

  #isCut(from: string, to: string, atMs: number): boolean {
    return this.#heard(from, to, atMs) === 'nothing';
  }

  /** The most that `to` hears of `from` at this moment; what was lost so shortly before that it need not have been missed yet is not heard. */
  #heard(from: string, to: string, atMs: number): 'nothing' | 'adverts' | 'beats' {
    const { faults, paths } = this.#evidence;
    const passes = (what: 'adverts' | 'beats', side: Cut['side'], noticeMs: number): boolean =>
      !faults
        .filter((fault) => overlaps(fault, atMs, atMs, noticeMs))
        .flatMap(({ cuts }) => cuts)
        .some((cut) => cut.from === from && cut.to === to && cut.side === side && (cut.only === undefined || cut.only === what));
    if (passes('beats', 'client', this.#reactMs) || (paths === 'any' && passes('beats', 'server', this.#reactMs))) return 'beats';
    return passes('adverts', 'client', this.#reactMs + this.#doubtMs) ? 'adverts' : 'nothing';
  }

  /** A time in which these two did not hear each other ended between these two moments. */
  hasEndedFor(a: string, b: string, fromMs: number, toMs: number): boolean {
    const ends = this.#evidence.faults
      .filter(({ cuts }) => cuts.some(({ from, to }) => (from === a && to === b) || (from === b && to === a)))
      .filter((fault) => fault.toMs + this.#reactMs > fromMs && fault.toMs + this.#reactMs <= toMs);
    return ends.some(({ toMs: endMs }) => this.#isCut(a, b, endMs) || this.#isCut(b, a, endMs));
  }
}

/** Rule 2. */
function judgeResets(evidence: RoundEvidence): Violation[] {
  if (wasLastAlone(evidence)) return [];
  return evidence.resets.slice(0, 1).map(({ atMs, port, from, to }) => ({
    rule: 'reset',
    atMs,
    text: `a RST from ${from} to ${to} entered the switch at ${port}${evidence.resets.length > 1 ? `; ${evidence.resets.length} in all` : ''}`,
  }));
}

/** A node was hit while all others were out already: nobody else knows what it had accepted, and it need not be the first to come back. */
const wasLastAlone = ({ faults, nodes }: RoundEvidence): boolean =>
  faults.some(({ fromMs, unable }) =>
    unable.some((last) => {
      const isOut = (node: string): boolean =>
        faults.some((fault) => fault.unable.includes(node) && fault.fromMs < fromMs && fault.toMs > fromMs);
      return !isOut(last) && nodes.every((node) => node === last || isOut(node));
    }),
  );

/** Rule 3. */
function judgeConnections(evidence: RoundEvidence): Violation[] {
  const violations: Violation[] = [];
  const isEmptyAlone = wasEmptyNodeAlone(evidence);
  const isLastAlone = wasLastAlone(evidence);
  for (const [group, report] of Object.entries(evidence.connections)) {
    const at = { atMs: evidence.toMs };
    // Those of before the round are known to all.
    const mayBeUnknown = isLastAlone && group === YOUNG;
    if (report.corrupted > 0)
      violations.push({ ...at, rule: 'corrupted', text: `${report.corrupted} connections of ${group} got wrong bytes` });
    if (report.reset > 0 && !mayBeUnknown)
      violations.push({ ...at, rule: 'reset', text: `${report.reset} connections of ${group} were reset` });
    const lost = report.established - report.alive - report.corrupted - report.reset;
    if (lost > 0 && !isEmptyAlone && !mayBeUnknown)
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
const judgeGaps = (evidence: RoundEvidence): Violation[] =>
  (['ipv4', 'ipv6'] as const).flatMap((family) => gapsOf(evidence, family).map((gap) => gapViolation(evidence, family, gap)));

interface Gap {
  fromMs: number;
  toMs: number;
  able: string;
  ableMs: number;
}

function gapsOf(evidence: RoundEvidence, family: Sign['family']): Gap[] {
  const shown = evidence.signs.filter((sign) => sign.family === family).map((sign) => sign.atMs);
  const moments = [evidence.fromMs, ...shown.sort((a, b) => a - b), evidence.toMs];
  return moments.slice(1).flatMap((toMs, index) => {
    const fromMs = moments[index] as number;
    const boundMs = ownerWithinMs(evidence, fromMs, toMs);
    if (toMs - fromMs <= boundMs) return [];
    const stretches = evidence.nodes.map((able) => ({ fromMs, toMs, able, ableMs: ableStretch(evidence, able, fromMs, toMs) }));
    return stretches.filter(({ ableMs }) => ableMs > boundMs).slice(0, 1);
  });
}

const gapViolation = (evidence: RoundEvidence, family: Sign['family'], { fromMs, toMs, able, ableMs }: Gap): Violation => ({
  rule: 'noOwner',
  atMs: fromMs,
  text: `no sign of an owner (${family}) for ${(toMs - fromMs).toFixed(0)} ms, although ${able} could take over for ${ableMs.toFixed(0)} ms of it (bound ${ownerWithinMs(evidence, fromMs, toMs).toFixed(0)} ms)`,
});

const ownerWithinMs = (evidence: RoundEvidence, fromMs: number, toMs: number): number =>
  activeDownMs(evidence.advertMs, Math.min(...Object.values(evidence.priorities))) +
  (isLate(evidence, fromMs, toMs) ? LATE_SLACK_MS : SLACK_MS);

/** Longest time without interruption between two moments in which no fault touches the node and the machine runs. */
function ableStretch(evidence: RoundEvidence, node: string, fromMs: number, toMs: number): number {
  let longest = 0;
  for (let atMs = fromMs; atMs < toMs; ) {
    const busyUntil = unableUntil(evidence, node, atMs) ?? evidence.pauses.find((p) => p.fromMs <= atMs && p.toMs > atMs)?.toMs ?? null;
    if (busyUntil !== null) {
      atMs = busyUntil;
      continue;
    }
    const interruptions = [...evidence.faults.filter((fault) => fault.unable.includes(node)), ...evidence.pauses];
    const endMs = Math.min(toMs, ...interruptions.map(({ fromMs: at }) => at).filter((at) => at > atMs));
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
