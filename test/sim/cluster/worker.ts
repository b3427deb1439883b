/** Runs a share of the seeds on its own thread and reports their sum; an error of a run counts as its failure. */
import { parentPort, workerData } from 'node:worker_threads';
import { run } from './run.js';
import { count, emptyTally, type Share } from './tally.js';

const share = workerData as Share;
const tally = emptyTally();
for (let seed = share.first; seed < share.first + share.seeds && tally.failures.length < share.maxFailures; seed += share.step) {
  try {
    count(tally, (await run({ seed, mutant: share.mutant })).verdict);
  } catch (error) {
    tally.failures.push({ seed, violations: [error instanceof Error ? (error.stack ?? error.message) : String(error)] });
  }
}
parentPort?.postMessage(tally);
