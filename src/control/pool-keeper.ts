/**
 * Keeps the generation of every pool in force: tells the peers before it activates a change of its own, activates what a lease holder
 * announced, and remembers the last state on disk. Changes are made one after the other.
 */
import type { Config, PoolConfig } from '../config/model.js';
import type { ControlMessage, PoolGeneration } from '../replication/api.js';
import { after, type Clock, type Monotonic } from '../system/clock.js';
import {
  type AdviceOf,
  adoptGeneration,
  aged,
  decidedPools,
  decideGeneration,
  firstGeneration,
  type HealthOf,
  type IntentOf,
  untilSlowStartStep,
} from './pool-authority.js';

/** How long a change waits for the peers' word: a flow of the new generation should find it there, but a dead peer must not hold it up. */
export const ANNOUNCE_LIMIT_MS = 250;

export interface PoolKeeperOptions {
  config: Config;
  /** What was in force before, the best knowledge first. */
  saved: readonly PoolGeneration[];
  clock: Pick<Clock, 'now' | 'at'>;
  healthOf: HealthOf;
  adviceOf?: AdviceOf;
  intentOf: IntentOf;
  broadcast(message: ControlMessage, timeoutMs: number): Promise<boolean>;
  /** Routers that this peer says it holds. */
  heldBy(node: string): ReadonlySet<string>;
  activate(generations: PoolGeneration[]): void;
  save(generations: readonly PoolGeneration[]): void;
  onError(error: unknown): void;
}

export interface PoolKeeper {
  /** Looks at health, roles and commands again; call after any change of these. */
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
  /** No step of a slow start is taken after this. */
  stop(): void;
}

/** As it was at that time; how long things have been under way counts from there. */
interface Dated {
  generation: PoolGeneration;
  at: Monotonic;
}

const namesOf = (pools: readonly PoolConfig[]): ReadonlySet<string> => new Set(pools.map((pool) => pool.name));

export function createPoolKeeper(options: PoolKeeperOptions): PoolKeeper {
  const { config, clock, intentOf } = options;
  const dated = (generation: PoolGeneration): Dated => ({ generation, at: clock.now() });
  const now = ({ generation, at }: Dated): PoolGeneration => aged(generation, clock.now() - at);
  let generations = new Map<string, Dated>();
  for (const pool of config.pools) {
    const saved = options.saved.find((generation) => generation.pool === pool.name);
    const before = saved ?? firstGeneration(pool, intentOf);
    // The file may have changed since: members come from it, what is known about them from the last generation.
    generations.set(pool.name, dated(decideGeneration(pool, before, () => 'unknown', intentOf)));
  }
  /** Announced to the peers that were there, not yet in force. */
  const announcing = new Map<string, Dated>();
  /** By node, the one that spoke last at the end: what it announced since it holds what decides them. */
  const said = new Map<string, ReadonlyMap<string, Dated>>();
  let decides: ReadonlySet<string> = new Set();
  let holds: ReadonlySet<string> = new Set();
  let queue: Promise<void> = Promise.resolve();
  let cancelStep: () => void = () => undefined;

  const put = (changed: readonly Dated[]): void => {
    generations = new Map([...generations, ...changed.map((each) => [each.generation.pool, each] as const)]);
    options.activate(changed.map(now));
    options.save([...generations.values()].map(now));
  };

  /** The holder takes the steps of slow starts; everybody else is told. */
  const awaitStep = (): void => {
    cancelStep();
    const steps = config.pools.flatMap((pool) => {
      if (!decides.has(pool.name)) return [];
      const current = generations.get(pool.name);
      return current === undefined ? [] : (untilSlowStartStep(pool, now(current)) ?? []);
    });
    cancelStep = steps.length === 0 ? () => undefined : clock.at(after(clock.now(), Math.min(...steps)), () => review(holds));
  };

  const changes = (held: ReadonlySet<string>): PoolGeneration[] =>
    decidedPools(config, held).flatMap((pool) => {
      const before = generations.get(pool.name);
      const current = before === undefined ? firstGeneration(pool, intentOf) : now(before);
      const next = decideGeneration(pool, current, options.healthOf, intentOf, options.adviceOf);
      return next === current ? [] : [next];
    });

  const remember = (node: string, announced: readonly Dated[]): void => {
    const before = said.get(node) ?? [];
    said.delete(node);
    said.set(node, new Map([...before, ...announced.map((each) => [each.generation.pool, each] as const)]));
  };

  const forgetWhatTheyDoNotHold = (): void => {
    for (const [node, words] of said) {
      const theirs = namesOf(decidedPools(config, options.heldBy(node)));
      said.set(node, new Map([...words].filter(([pool]) => theirs.has(pool))));
    }
  };

  /** The last word of a holder, unless what is in force is the word of one. */
  const wordOn = (pool: string): Dated[] => {
    const current = generations.get(pool)?.generation;
    const words = [...said.values()].flatMap((byPool) => byPool.get(pool) ?? []);
    if (current === undefined || words.some((word) => adoptGeneration(current, word.generation) === current)) return [];
    return words.slice(-1);
  };

  const change = async (held: ReadonlySet<string>): Promise<void> => {
    const changed = changes(held).map(dated);
    if (changed.length === 0) return awaitStep();
    for (const each of changed) announcing.set(each.generation.pool, each);
    // Announced no more and in force in one go: whoever is greeted in between would be told the one before.
    try {
      await options.broadcast({ type: 'pools', generations: changed.map(({ generation }) => generation) }, ANNOUNCE_LIMIT_MS);
    } finally {
      announcing.clear();
    }
    // Who is not the holder any more takes the word of the next one.
    const still = changed.filter(({ generation }) => decides.has(generation.pool));
    if (still.length > 0) put(still);
    awaitStep();
  };

  const review = (held: ReadonlySet<string>): void => {
    decides = namesOf(decidedPools(config, held));
    holds = held;
    if (changes(held).length === 0) return awaitStep();
    queue = queue.then(() => change(held)).catch(options.onError);
  };

  return {
    review,
    announced(node, announcements, held) {
      const own = namesOf(decidedPools(config, held));
      const theirs = namesOf(decidedPools(config, options.heldBy(node)));
      const valid = announcements.filter(({ pool }) => theirs.has(pool) && generations.has(pool)).map(dated);
      remember(node, valid);
      const changed = valid.filter(({ generation }) => {
        const current = generations.get(generation.pool)?.generation as PoolGeneration;
        return !own.has(generation.pool) && adoptGeneration(current, generation) !== current;
      });
      if (changed.length > 0) put(changed);
    },
    holdersChanged(held) {
      decides = namesOf(decidedPools(config, held));
      holds = held;
      forgetWhatTheyDoNotHold();
      const changed = config.pools.flatMap(({ name }) => (decides.has(name) ? [] : wordOn(name)));
      if (changed.length > 0) put(changed);
    },
    decided: (held) =>
      decidedPools(config, held).flatMap((pool) => {
        const last = announcing.get(pool.name) ?? generations.get(pool.name);
        return last === undefined ? [] : now(last);
      }),
    current: () => [...generations.values()].map(now),
    stop: () => cancelStep(),
  };
}
