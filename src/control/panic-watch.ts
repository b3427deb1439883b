/** Notices when a pool begins or ceases to panic, in whatever generation comes into force. Pure. */
import type { Config } from '../config/model.js';
import type { PoolGeneration } from '../l4/api.js';
import { panicOf } from '../l4/panic.js';
import type { PanicChange } from './history.js';

export interface PanicNews extends PanicChange {
  /** In percent. */
  threshold: number;
}

export interface PanicWatch {
  look(generations: readonly PoolGeneration[]): PanicNews[];
}

export function createPanicWatch({ pools }: Pick<Config, 'pools'>): PanicWatch {
  let panicking: ReadonlySet<string> = new Set();
  return {
    look(generations) {
      const states = pools.flatMap((pool) => {
        const generation = generations.find((each) => each.pool === pool.name);
        return generation === undefined ? [] : [{ pool: pool.name, threshold: pool.panicThreshold, ...panicOf(pool, generation.members) }];
      });
      const news = states.filter(({ pool, isPanicking }) => isPanicking !== panicking.has(pool));
      const changed = new Set(news.map(({ pool }) => pool));
      panicking = new Set([
        ...[...panicking].filter((pool) => !changed.has(pool)),
        ...news.flatMap(({ pool, isPanicking }) => (isPanicking ? pool : [])),
      ]);
      return news;
    },
  };
}
