/**
 * The latest term that this node knew of each election. Terms count over the life of the cluster, not of a process: a heartbeat that was
 * started while nobody else is heard would else begin at nothing, and give way to one that was paused since before. Pure.
 */
import type { RouterStatus, ToHeartbeat } from '../vrrp/heartbeat-api.js';

/** By virtual router. */
export type Terms = ReadonlyMap<string, number>;

export interface TermMemory {
  heard(routers: readonly Pick<RouterStatus, 'name' | 'term'>[]): void;
  /** For a heartbeat that was just reached. */
  messages(): Extract<ToHeartbeat, { type: 'term' }>[];
}

/** `saved`: of an earlier daemon. */
export function createTermMemory(saved: Terms, save: (terms: Terms) => void): TermMemory {
  const known = new Map(saved);
  return {
    heard(routers) {
      const later = routers.filter(({ name, term }) => term > (known.get(name) ?? 0));
      for (const { name, term } of later) known.set(name, term);
      if (later.length > 0) save(known);
    },
    messages: () => [...known].map(([router, term]) => ({ type: 'term', router, term })),
  };
}
