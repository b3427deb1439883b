/** Runs a share of the seeds on its own thread and reports their sum; an error of a run counts as its failure. */
import { parentPort, workerData } from 'node:worker_threads';
import { Random } from '../random.js';
import { MUTANTS, type Mutant, type MutantRow } from './mutants.js';
import { run } from './run.js';
import { drawShape, shapeSeed } from './shape.js';
import { count, emptyTally, type Share } from './tally.js';

const share = workerData as Share;
const tally = emptyTally();

const rowOf = (mutant: Mutant): MutantRow => MUTANTS[mutant];

/** A mutant is run where it can do harm. */
function isOfUse(seed: number): boolean {
  const needs = share.mutant === null ? undefined : rowOf(share.mutant).needs;
  return needs === undefined || needs(drawShape(seed, new Random(shapeSeed(seed))));
}

function isEnough(): boolean {
  if (share.mutant === null) return tally.failures.length >= share.maxFailures;
  const found = tally.failures.flatMap(({ violations }) => violations);
  return rowOf(share.mutant).caughtBy.every((check) => found.some((violation) => violation.startsWith(check)));
}

for (let seed = share.first, left = share.seeds; left > 0 && !isEnough(); seed += share.step) {
  if (!isOfUse(seed)) continue;
  left -= share.step;
  try {
    count(tally, (await run({ seed, mutant: share.mutant })).verdict);
  } catch (error) {
    tally.failures.push({ seed, violations: [error instanceof Error ? (error.stack ?? error.message) : String(error)] });
  }
}
parentPort?.postMessage(tally);
