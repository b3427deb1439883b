/**
 * Decides the generation of every pool: who is in it and who is alive. The holder of the lease decides from its own health checks and
 * tells the others; everybody else compiles what the holder said, whatever their own checks say. A node that becomes holder goes on
 * from the generation it was told and changes it only where its own checks contradict it. Pure.
 */
import type { Config, PoolConfig } from '../config/model.js';
import type { PoolGeneration } from '../replication/api.js';

/** What this node's own check says of a server; `unknown` and `unchecked` never change a generation. */
export type CheckedHealth = 'up' | 'down' | 'unknown' | 'unchecked';
export type HealthOf = (pool: string, server: string) => CheckedHealth;

/** The first generation of a pool: everybody is taken to be alive until a check says otherwise. */
export function firstGeneration(pool: PoolConfig): PoolGeneration {
  return { pool: pool.name, generation: 1, members: pool.servers.map((server) => ({ ...server, alive: true })) };
}

/** The generation that the configuration and this node's checks ask for; the same object when nothing has to change. */
export function decideGeneration(pool: PoolConfig, current: PoolGeneration, healthOf: HealthOf): PoolGeneration {
  const members = pool.servers.map((server) => {
    const before = current.members.find((member) => member.name === server.name);
    const health = healthOf(pool.name, server.name);
    const alive = health === 'up' ? true : health === 'down' ? false : (before?.alive ?? true);
    return { ...server, alive };
  });
  return sameMembers(members, current.members) ? current : { pool: pool.name, generation: current.generation + 1, members };
}

/** Members as one holder announced them; ours stays when theirs is older within the same history. */
export function adoptGeneration(current: PoolGeneration, announced: PoolGeneration): PoolGeneration {
  return sameMembers(current.members, announced.members) && current.generation === announced.generation ? current : announced;
}

/**
 * Which pools this node decides: those whose first service (by name) listens on a router whose lease it holds. One node at a time,
 * also when a pool serves routers that are active on different nodes.
 */
export function decidedPools(config: Config, heldRouters: ReadonlySet<string>): PoolConfig[] {
  return config.pools.filter((pool) => {
    const routers = config.services
      .filter((service) => service.pool === pool.name)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((service) => service.virtualRouter);
    return routers[0] !== undefined && heldRouters.has(routers[0]);
  });
}

function sameMembers(a: PoolGeneration['members'], b: PoolGeneration['members']): boolean {
  return (
    a.length === b.length &&
    a.every((member, index) => {
      const other = b[index];
      return (
        other !== undefined &&
        member.name === other.name &&
        member.address === other.address &&
        member.port === other.port &&
        member.weight === other.weight &&
        member.alive === other.alive
      );
    })
  );
}
