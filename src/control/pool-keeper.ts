/**
 * Keeps the generation of every pool in force: tells the peers before it activates a change of its own, activates what a lease holder
 * announced, and remembers the last state on disk. Changes are made one after the other.
 */
import type { Config, PoolConfig } from '../config/model.js';
import type { ControlMessage, PoolGeneration } from '../replication/api.js';
import { adoptGeneration, decidedPools, decideGeneration, firstGeneration, type HealthOf } from './pool-authority.js';

/** How long a change waits for the peers' word: a flow of the new generation should find it there, but a dead peer must not hold it up. */
const ANNOUNCE_LIMIT_MS = 250;

export interface PoolKeeperOptions {
  config: Config;
  /** What was in force before, the best knowledge first. */
  saved: readonly PoolGeneration[];
  healthOf: HealthOf;
  broadcast(message: ControlMessage, timeoutMs: number): Promise<boolean>;
  /** Routers that this peer says it holds. */
  heldBy(node: string): ReadonlySet<string>;
  activate(generations: PoolGeneration[]): void;
  save(generations: readonly PoolGeneration[]): void;
  onError(error: unknown): void;
}

export interface PoolKeeper {
  /** Looks at health and roles again; call after any change of either. */
  review(heldRouters: ReadonlySet<string>): void;
  /**
   * A peer announced these. Pools that this node decides itself are left alone, and so are those that the peer does not decide (any more):
   * what it said as holder may have waited for a reconnect while another went on.
   */
  announced(node: string, generations: readonly PoolGeneration[], heldRouters: ReadonlySet<string>): void;
  /**
   * This node or a peer began or ceased to hold something. Where two nodes held a router at once, each decided and the last word was
   * taken up; what counts in the end is the word of the one that stays.
   */
  holdersChanged(heldRouters: ReadonlySet<string>): void;
  /** What a newly connected peer must know from this node. */
  decided(heldRouters: ReadonlySet<string>): PoolGeneration[];
  current(): PoolGeneration[];
}

const namesOf = (pools: readonly PoolConfig[]): ReadonlySet<string> => new Set(pools.map((pool) => pool.name));

export function createPoolKeeper(options: PoolKeeperOptions): PoolKeeper {
  const { config } = options;
  let generations = new Map<string, PoolGeneration>();
  for (const pool of config.pools) {
    const saved = options.saved.find((generation) => generation.pool === pool.name);
    const before = saved ?? firstGeneration(pool);
    // The file may have changed since: members come from it, what is known about them from the last generation.
    generations.set(
      pool.name,
      decideGeneration(pool, before, () => 'unknown'),
    );
  }
  /** Announced to the peers that were there, not yet in force. */
  const announcing = new Map<string, PoolGeneration>();
  /** By node, the one that spoke last at the end: what it announced since it holds what decides them. */
  const said = new Map<string, ReadonlyMap<string, PoolGeneration>>();
  let decides: ReadonlySet<string> = new Set();
  let queue: Promise<void> = Promise.resolve();

  const put = (changed: readonly PoolGeneration[]): void => {
    generations = new Map([...generations, ...changed.map((generation) => [generation.pool, generation] as const)]);
    options.activate(changed.slice());
    options.save([...generations.values()]);
  };

  const changes = (held: ReadonlySet<string>): PoolGeneration[] =>
    decidedPools(config, held).flatMap((pool) => {
      const current = generations.get(pool.name) ?? firstGeneration(pool);
      const next = decideGeneration(pool, current, options.healthOf);
      return next === current ? [] : [next];
    });

  const remember = (node: string, announced: readonly PoolGeneration[]): void => {
    const before = said.get(node) ?? [];
    said.delete(node);
    said.set(node, new Map([...before, ...announced.map((generation) => [generation.pool, generation] as const)]));
  };

  const forgetWhatTheyDoNotHold = (): void => {
    for (const [node, words] of said) {
      const theirs = namesOf(decidedPools(config, options.heldBy(node)));
      said.set(node, new Map([...words].filter(([pool]) => theirs.has(pool))));
    }
  };

  /** The last word of a holder, unless what is in force is the word of one. */
  const wordOn = (pool: string): PoolGeneration[] => {
    const current = generations.get(pool);
    const words = [...said.values()].flatMap((byPool) => byPool.get(pool) ?? []);
    if (current === undefined || words.some((word) => adoptGeneration(current, word) === current)) return [];
    return words.slice(-1);
  };

  return {
    review(held) {
      decides = namesOf(decidedPools(config, held));
      if (changes(held).length === 0) return;
      queue = queue
        .then(async () => {
          const changed = changes(held);
          if (changed.length === 0) return;
          for (const generation of changed) announcing.set(generation.pool, generation);
          // Announced no more and in force in one go: whoever is greeted in between would be told the one before.
          try {
            await options.broadcast({ type: 'pools', generations: changed }, ANNOUNCE_LIMIT_MS);
          } finally {
            announcing.clear();
          }
          // Who is not the holder any more takes the word of the next one.
          const still = changed.filter((generation) => decides.has(generation.pool));
          if (still.length > 0) put(still);
        })
        .catch(options.onError);
    },
    announced(node, announcements, held) {
      const own = namesOf(decidedPools(config, held));
      const theirs = namesOf(decidedPools(config, options.heldBy(node)));
      const valid = announcements.filter(({ pool }) => theirs.has(pool) && generations.has(pool));
      remember(node, valid);
      const changed = valid.filter((announcement) => {
        const current = generations.get(announcement.pool) as PoolGeneration;
        return !own.has(announcement.pool) && adoptGeneration(current, announcement) !== current;
      });
      if (changed.length > 0) put(changed);
    },
    holdersChanged(held) {
      decides = namesOf(decidedPools(config, held));
      forgetWhatTheyDoNotHold();
      const changed = config.pools.flatMap(({ name }) => (decides.has(name) ? [] : wordOn(name)));
      if (changed.length > 0) put(changed);
    },
    decided: (held) => decidedPools(config, held).flatMap((pool) => announcing.get(pool.name) ?? generations.get(pool.name) ?? []),
    current: () => [...generations.values()],
  };
}
