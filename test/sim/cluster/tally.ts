/** What many runs add up to: sums of what was excused and what happened, and the runs that failed. */
import { EXCUSES, type Excuse, type Verdict } from './checks.js';
import type { Loss } from './clients.js';
import type { Mutant } from './mutants.js';

export interface Failure {
  seed: number;
  violations: string[];
}

export interface Tally {
  seeds: number;
  excused: Record<Excuse, number>;
  lost: Record<Loss, number>;
  takeOvers: number;
  flows: number;
  served: number;
  drained: number;
  reasons: Record<string, number>;
  met: Verdict['met'];
  failures: Failure[];
}

/** A share of the seeds, for one worker. */
export interface Share {
  first: number;
  seeds: number;
  step: number;
  mutant: Mutant | null;
  /** Enough is enough. */
  maxFailures: number;
}

export const LOSSES: readonly Loss[] = ['notShared', 'notHere', 'wentBack', 'serversChanged'];

const zeros = <K extends string>(keys: readonly K[]): Record<K, number> =>
  Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;

export const emptyTally = (): Tally => ({
  seeds: 0,
  excused: zeros(EXCUSES),
  lost: zeros(LOSSES),
  takeOvers: 0,
  flows: 0,
  served: 0,
  drained: 0,
  reasons: {},
  met: { cutOff: 0, leftOver: 0, unheardClaim: 0 },
  failures: [],
});

function add(sums: Record<string, number>, more: Record<string, number>): void {
  for (const [key, value] of Object.entries(more)) sums[key] = (sums[key] ?? 0) + value;
}

export function count(tally: Tally, verdict: Verdict): void {
  tally.seeds += 1;
  for (const key of ['excused', 'lost', 'reasons', 'met'] as const) add(tally[key], verdict[key]);
  tally.takeOvers += verdict.takeOvers;
  tally.flows += verdict.flows;
  tally.served += verdict.served;
  tally.drained += verdict.drained;
  if (verdict.violations.length > 0) tally.failures.push({ seed: verdict.seed, violations: verdict.violations });
}

export function merge(tallies: readonly Tally[]): Tally {
  const total = emptyTally();
  for (const tally of tallies) {
    for (const key of ['excused', 'lost', 'reasons', 'met'] as const) add(total[key], tally[key]);
    for (const key of ['seeds', 'takeOvers', 'flows', 'served', 'drained'] as const) total[key] += tally[key];
    total.failures.push(...tally.failures);
  }
  return total;
}
