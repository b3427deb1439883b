/**
 * Which node held each virtual router last, as far as is known here: kept by whoever starts the replication, because a backup that restarts
 * must know whether a holder that it hears first is the one whose flows it has.
 */
export interface LastHolders {
  /** This node holds these now. Of others nothing is said. */
  took(node: string, routers: readonly string[]): void;
  /** Routers that some other node than this one held last. */
  elsewhere(node: string): string[];
}

/** `known`: node by router, from before. Routers beside `names` are none of this configuration. `onChange` gets what is known then. */
export function createLastHolders(
  known: ReadonlyMap<string, string>,
  names: readonly string[],
  onChange: (holders: ReadonlyMap<string, string>) => void,
): LastHolders {
  const holders = new Map([...known].filter(([router]) => names.includes(router)));
  return {
    took(node, routers) {
      const changed = routers.filter((router) => names.includes(router) && holders.get(router) !== node);
      for (const router of changed) holders.set(router, node);
      if (changed.length > 0) onChange(holders);
    },
    elsewhere: (node) => [...holders].filter(([, holder]) => holder !== node).map(([router]) => router),
  };
}
