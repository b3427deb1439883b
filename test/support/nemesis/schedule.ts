/**
 * What the nemesis does in one round: a few faults with their moments, victims and lengths, drawn from a seed. Pure, so that a seed names a
 * schedule for ever. Victims are ranks, not names: rank 0 is whoever is active when the fault comes, because that is whom it should hit.
 */
import { type Random, randomFrom, roundSeed } from './random.js';

export const FAULT_KINDS = [
  'kill-daemon',
  'kill-heartbeat',
  'kill-spare',
  'kill-heartbeat-and-spare',
  'kill-node',
  'kill-all-nodes',
  'stop-daemon',
  'stop-heartbeat',
  'stop-node',
  'crash',
  'restart-storm',
  'cable-client',
  'cable-server',
  'cable-both',
  'cut-client',
  'cut-all',
  'cut-replication',
  'mute',
  'deaf',
  'silence',
  'no-adverts',
  'no-beats',
  'loss',
  'delay',
  'hog',
  'memory',
  'disk',
  'clock',
  'drift',
  'switchover',
  'graceful',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface PlannedFault {
  kind: FaultKind;
  /** Since the start of the round. */
  atMs: number;
  forMs: number;
  /** Place of the victim among the nodes: 0 the active one, then the others by name. */
  victim: number;
  /** Of the second node, where two are concerned; never the same. */
  other: number;
  /** Percent of a loss, milliseconds of a delay, seconds of a clock. */
  amount: number;
}

export interface ScheduleOptions {
  nodes: number;
  kinds: readonly FaultKind[];
}

const MAX_FAULTS = 4;
/** Faults begin within this time; the longest may end as much later. */
const BEGIN_WITHIN_MS = 3000;
const LENGTHS_MS = [150, 400, 800, 1500, 3000] as const;

/** The active node is where faults hurt. */
const ACTIVE_SHARE = 0.65;
/** Half of all faults come together with the one before: what is handled alone is not always handled together. */
const TOGETHER_SHARE = 0.5;
const TOGETHER_WITHIN_MS = 400;

const amountOf = (kind: FaultKind, random: Random): number => {
  if (kind === 'loss') return random.pick([5, 15, 30, 50]);
  if (kind === 'delay') return random.pick([2, 5, 15]);
  if (kind === 'clock') return random.pick([-600, 288, 86_400]);
  return 0;
};

export function drawRound(seed: number, round: number, { nodes, kinds }: ScheduleOptions): PlannedFault[] {
  const random = randomFrom(roundSeed(seed, round));
  const faults: PlannedFault[] = [];
  const count = random.between(1, MAX_FAULTS);
  for (let index = 0; index < count; index += 1) {
    const kind = random.pick(kinds);
    const victim = random.next() < ACTIVE_SHARE ? 0 : random.between(1, nodes - 1);
    const distance = random.between(1, nodes - 1);
    const previous = faults.at(-1);
    const isTogether = random.next() < TOGETHER_SHARE && previous !== undefined;
    const free = random.between(0, BEGIN_WITHIN_MS);
    const close = (previous?.atMs ?? 0) + random.between(0, TOGETHER_WITHIN_MS);
    faults.push({
      kind,
      atMs: isTogether ? close : free,
      forMs: random.pick(LENGTHS_MS),
      victim,
      other: (victim + distance) % nodes,
      amount: amountOf(kind, random),
    });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

export function describePlanned({ kind, atMs, forMs, victim, other, amount }: PlannedFault): string {
  const rank = (place: number): string => (place === 0 ? 'the active node' : `node of rank ${place}`);
  const second = kind.startsWith('cut-') ? ` and ${rank(other)}` : '';
  return `${atMs} ms: ${kind}${amount === 0 ? '' : ` (${amount})`} of ${rank(victim)}${second} for ${forMs} ms`;
}
