/**
 * Commands to servers at run time, as data that every node has: for each server the last word on its state and the last on its weight. Any
 * node takes commands; nodes that meet again keep the later word of each, so all of them end with the same, whatever was lost or came in
 * another order. Later is the word that was given by a node that had heard the other; where neither had, the one by the later wall clock,
 * as the operators saw it; then the one of the node with the later name. Pure.
 */
import type { Config, PoolConfig, ServerConfig } from '../config/model.js';
import { MAX_SERVER_WEIGHT, MILLI } from '../l4/pool-members.js';
import type { OverrideOrigin, ServerOverride, WeightOverride } from '../replication/api.js';
import type { Intent } from './pool-authority.js';

/** By what it is about. */
export type Overrides = ReadonlyMap<string, ServerOverride>;

/** More than this of a weight is a mistake; the product is capped at MAX_SERVER_WEIGHT. */
export const MAX_WEIGHT_PERCENT = 25_600;

const keyOf = ({ pool, server, about }: Pick<ServerOverride, 'pool' | 'server' | 'about'>): string => `${pool}/${server} ${about}`;

/** The words that are later than those known, and everything known after them. */
export function merge(known: Overrides, heard: readonly ServerOverride[]): { known: Overrides; news: ServerOverride[] } {
  const merged = new Map(known);
  const news = new Map<string, ServerOverride>();
  for (const override of heard) {
    const key = keyOf(override);
    const before = merged.get(key);
    if (before !== undefined && !isLater(override, before)) continue;
    merged.set(key, override);
    news.set(key, override);
  }
  return { known: merged, news: [...news.values()] };
}

function isLater(a: ServerOverride, b: ServerOverride): boolean {
  if (a.origin.stamp !== b.origin.stamp) return a.origin.stamp > b.origin.stamp;
  if (a.origin.node !== b.origin.node) return a.origin.node > b.origin.node;
  // One node with one stamp twice has lost its memory and its clock; still all must choose the same.
  return JSON.stringify(a.value) > JSON.stringify(b.value);
}

/** A word with its place among the others; `wallMs` orders it among those that this node has not heard. */
export function give(
  known: Overrides,
  word: { pool: string; server: string } & Pick<ServerOverride, 'about' | 'value'>,
  origin: Omit<OverrideOrigin, 'stamp'>,
  wallMs: number,
): ServerOverride {
  const heard = known.get(keyOf(word))?.origin.stamp ?? 0;
  return { ...word, origin: { ...origin, stamp: Math.max(heard + 1, Math.floor(wallMs)) } } as ServerOverride;
}

/** Without servers that the configuration does not have (any more): they are forgotten. */
export function ofConfig(config: Pick<Config, 'pools'>, overrides: Iterable<ServerOverride>): Overrides {
  const servers = new Set(config.pools.flatMap((pool) => pool.servers.map((server) => `${pool.name}/${server.name}`)));
  return new Map([...overrides].filter(({ pool, server }) => servers.has(`${pool}/${server}`)).map((each) => [keyOf(each), each]));
}

export interface OverriddenServer {
  state: Extract<ServerOverride, { about: 'state' }> | null;
  weight: Extract<ServerOverride, { about: 'weight' }> | null;
}

/** What was said of this server and not taken back. */
export function overridden(overrides: Overrides, pool: string, server: string): OverriddenServer {
  const given = (about: ServerOverride['about']) => {
    const found = overrides.get(keyOf({ pool, server, about }));
    return found === undefined || found.value === null ? null : found;
  };
  return { state: given('state'), weight: given('weight') } as OverriddenServer;
}

/** The last word, else the configuration. */
export function intentOf(overrides: Overrides, pool: Pick<PoolConfig, 'name'>, server: ServerConfig): Intent {
  const { state, weight } = overridden(overrides, pool.name, server.name);
  return {
    state: state?.value ?? server.state,
    milliWeight: milliWeight(weight?.value ?? null, server.weight),
    commanded: { state: state !== null, weight: weight !== null },
  };
}

function milliWeight(override: WeightOverride | null, configured: number): number {
  if (override === null) return configured * MILLI;
  const weight = 'weight' in override ? override.weight * MILLI : Math.round((configured * MILLI * override.percent) / 100);
  return Math.min(weight, MAX_SERVER_WEIGHT * MILLI);
}
