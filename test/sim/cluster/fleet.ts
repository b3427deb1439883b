/** Spreads seeds over all cores. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { merge, type Share, type Tally } from './tally.js';

/** What a few runs leave behind dies young: collected rarely, next to nothing has to be copied. (With the default, a tenth of all time.) */
const YOUNG_MB = 128;

function work(share: Share): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: share,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** Every core takes each n-th seed, so that all end together. */
export async function runSeeds(options: Omit<Share, 'step'>): Promise<Tally> {
  const step = availableParallelism();
  const shares = Array.from({ length: step }, (_, index) =>
    work({ ...options, first: options.first + index, seeds: options.seeds - index, step }),
  );
  return merge(await Promise.all(shares));
}

/** One task after the other on each core. */
export async function runShares(shares: readonly Omit<Share, 'step'>[]): Promise<Tally[]> {
  const results = new Array<Tally>(shares.length);
  const waiting = [...shares.entries()];
  const next = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) results[task[0]] = await work({ ...task[1], step: 1 });
  };
  await Promise.all(Array.from({ length: availableParallelism() }, next));
  return results;
}
