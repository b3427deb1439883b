/**
 * From captured probes to figures: outage, take-over, who answered when. Pure. Times come from the kernel's timestamps at the switch, so
 * that a late user-space process on either side changes nothing.
 */
import type { Observation } from './observations.js';

export interface Probe {
  sequence: number;
  sentMs: number;
  /** First answer. */
  answeredMs: number | null;
  /** Node whose MAC the first answer came from. */
  by: string | null;
}

export interface Interval {
  node: string;
  fromMs: number;
  toMs: number;
}

export interface ProbeFigures {
  sent: number;
  answered: number;
  /** Around and after the fault: probes without an answer. */
  lost: number;
  /** Longest time without any answer while a probe went unanswered or was answered late, around and after the fault; 0: there was none. */
  outageMs: number;
  /** First answer by another node than `victim`, counted from the fault; null when there was none. */
  takeoverMs: number | null;
  /** Answers by the victim after the first one of another node. */
  lateAnswers: number;
  /** Who answered last before the fault. Another one than the victim: the VIP had moved before, and the fault hit a backup. */
  ownerAtFault: string | null;
  /** Who answered, in order. */
  intervals: Interval[];
  /** Median time between question and answer before the fault. */
  roundTripMs: number;
}

export interface ProbeSelection {
  /** The address and port that are probed. */
  address: string;
  port: number;
  nodeOfMac: (mac: string) => string | null;
}

/** Pairs questions (entering the switch from a client) with answers (entering it from a node). */
export function collectProbes(observations: readonly Observation[], { address, port, nodeOfMac }: ProbeSelection): Probe[] {
  const probes = new Map<number, Probe>();
  for (const seen of observations) {
    if (seen.kind !== 'udp') continue;
    if (seen.destination === address && seen.destinationPort === port && nodeOfMac(seen.sourceMac) === null) {
      if (!probes.has(seen.sequence)) probes.set(seen.sequence, { sequence: seen.sequence, sentMs: seen.atMs, answeredMs: null, by: null });
    } else if (seen.source === address && seen.sourcePort === port) {
      const probe = probes.get(seen.sequence);
      const by = nodeOfMac(seen.sourceMac);
      if (probe === undefined || probe.answeredMs !== null || by === null) continue;
      probe.answeredMs = seen.atMs;
      probe.by = by;
    }
  }
  return [...probes.values()].sort((a, b) => a.sequence - b.sequence);
}

/** A question this young at the end of the capture may still be answered: it is not counted. */
const TAIL_MS = 200;
/** The fault's moment is known to a few milliseconds: probes just before it belong to it. */
const BEFORE_FAULT_MS = 20;

export function analyseProbes(all: readonly Probe[], faultMs: number, victim: string): ProbeFigures {
  const endMs = all.at(-1)?.sentMs ?? 0;
  const fromMs = faultMs - BEFORE_FAULT_MS;
  const probes = all.filter((probe) => probe.answeredMs !== null || probe.sentMs < endMs - TAIL_MS);
  const answers = probes.filter((probe) => probe.answeredMs !== null) as (Probe & { answeredMs: number; by: string })[];
  const takeover = answers.find((probe) => probe.answeredMs >= faultMs && probe.by !== victim);
  return {
    sent: probes.length,
    answered: answers.length,
    lost: probes.filter((probe) => probe.answeredMs === null && probe.sentMs >= fromMs).length,
    outageMs: longestHole(probes, fromMs),
    takeoverMs: takeover === undefined ? null : takeover.answeredMs - faultMs,
    lateAnswers: takeover === undefined ? 0 : answers.filter((p) => p.answeredMs > takeover.answeredMs && p.by === victim).length,
    ownerAtFault: answers.findLast((probe) => probe.answeredMs <= faultMs)?.by ?? null,
    intervals: ownership(answers),
    roundTripMs: median(answers.filter((p) => p.answeredMs < faultMs).map((p) => p.answeredMs - p.sentMs)),
  };
}

/**
 * An answer later than this is a gap in service, too: a network that has no owner of the VIP may keep packets and deliver them in a burst.
 * Well above the round trip of the lab (0.1 ms), and above what a busy machine adds to it by letting the echo wait for a core.
 */
const LATE_MS = 20;

function longestHole(probes: readonly Probe[], fromMs: number): number {
  const arrivals = probes.flatMap((probe) => probe.answeredMs ?? []).sort((a, b) => a - b);
  const endMs = probes.at(-1)?.sentMs ?? fromMs;
  let longest = 0;
  let next = 0;
  for (const { sentMs, answeredMs } of probes) {
    while (next < arrivals.length && (arrivals[next] as number) <= sentMs) next += 1;
    const isServed = answeredMs !== null && answeredMs - sentMs <= LATE_MS;
    // Never answered again: the hole lasts as long as was watched.
    if (sentMs >= fromMs && !isServed) longest = Math.max(longest, (arrivals[next] ?? endMs) - (arrivals[next - 1] ?? fromMs));
  }
  return longest;
}

/** Two answers of one node further apart than this are two intervals: nothing answered in between. */
const INTERVAL_GAP_MS = 20;

function ownership(answers: readonly { answeredMs: number; by: string }[]): Interval[] {
  const intervals: Interval[] = [];
  for (const { answeredMs, by } of [...answers].sort((a, b) => a.answeredMs - b.answeredMs)) {
    const last = intervals.at(-1);
    if (last !== undefined && last.node === by && answeredMs - last.toMs <= INTERVAL_GAP_MS) last.toMs = answeredMs;
    else intervals.push({ node: by, fromMs: answeredMs, toMs: answeredMs });
  }
  return intervals;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** From the last advertisement of the victim to the first one of another node after the fault. A goodbye is an advertisement, too. */
export function advertSilence(
  observations: readonly Observation[],
  faultMs: number,
  victim: string,
  nodeOfMac: (mac: string) => string | null,
): number | null {
  const adverts = observations.filter((seen) => seen.kind === 'advert');
  const first = adverts.find(({ atMs, sourceMac }) => atMs >= faultMs && nodeOfMac(sourceMac) !== victim);
  if (first === undefined) return null;
  const last = adverts.findLast(({ atMs, sourceMac }) => atMs < first.atMs && nodeOfMac(sourceMac) === victim);
  return last === undefined ? null : first.atMs - last.atMs;
}

/** Longest time between two advertisements of whomever that say that there is an active node. */
export function longestAdvertGap(observations: readonly Observation[]): number {
  const times = observations.flatMap((seen) => (seen.kind === 'advert' && seen.priority > 0 ? seen.atMs : []));
  return times.reduce((longest, atMs, index) => Math.max(longest, atMs - (times[index - 1] ?? atMs)), 0);
}

export interface Sighting {
  atMs: number;
  node: string;
}

/** ARP replies for an address, by node. */
export function arpAnswers(observations: readonly Observation[], address: string, nodeOfMac: (mac: string) => string | null): Sighting[] {
  return observations.flatMap((seen) => {
    if (seen.kind !== 'arpReply' || seen.senderAddress !== address) return [];
    const node = nodeOfMac(seen.senderMac);
    return node === null ? [] : [{ atMs: seen.atMs, node }];
  });
}

/** Answers by a node after another one has answered since: proof of two owners at once. A hand-over gives one change; going back gives two. */
export function ownerChanges(answers: readonly Sighting[]): Sighting[] {
  return answers.filter((answer, index) => index > 0 && answer.node !== answers[index - 1]?.node);
}

/**
 * Flows that a node admitted: their first packet entering the switch on the server side, from the node's MAC there. A client that takes a
 * port for the second time asks with a flow that has a record, which the old owner serves while it drains.
 */
export function admittedBy(observations: readonly Observation[], port: number, nodeOfMac: (mac: string) => string | null): Sighting[] {
  const known = new Set<string>();
  return observations.flatMap((seen) => {
    if (seen.kind !== 'udp' || seen.destinationPort !== port || !seen.port.startsWith('s-')) return [];
    const node = nodeOfMac(seen.sourceMac);
    const flow = `${seen.source}:${seen.sourcePort}`;
    if (node === null || known.has(flow)) return [];
    known.add(flow);
    return [{ atMs: seen.atMs, node }];
  });
}
