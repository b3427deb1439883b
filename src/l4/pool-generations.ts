/**
 * Pool generations as the engine sees them: which servers a pool consists of, what a restarted node takes over from the maps it finds, and
 * which of the announced generations are news. Who decides a generation is not decided here. Pure.
 */
import type { Config, PoolConfig } from '../config/model.js';
import { serverFlag } from './abi.gen.js';
import type { PoolGeneration, PoolMember } from './api.js';
import { type Contents, serverId, serverIdOf, serviceId } from './contents.js';
import { usedMembers } from './panic.js';
import { isUsable, sameMembers } from './pool-members.js';

const placeOf = ({ name, address, port }: PoolConfig['servers'][number]): Pick<PoolMember, 'name' | 'address' | 'port'> => ({
  name,
  address,
  port,
});

/**
 * What was in force when the maps were last written: servers found there keep their state, servers that are new count as alive. A pool that
 * no service uses was never written; it starts afresh.
 */
export function adoptGenerations(config: Config, present: Contents): PoolGeneration[] {
  const wasAlive = new Map([...present.servers.values()].map((server) => [serverIdOf(server), (server.flags & serverFlag.alive) !== 0]));
  return config.pools.map((pool) => {
    const services = config.services.filter((service) => service.pool === pool.name).map(serviceId);
    const members = pool.servers.map((server) => {
      const found = services.flatMap((service) => wasAlive.get(serverId(service, server)) ?? []);
      return { ...placeOf(server), weight: server.weight, alive: found.length === 0 || found.includes(true) };
    });
    return { pool: pool.name, generation: 0, members };
  });
}

/** Announced generations that say something else than those in force; generations of pools that the configuration does not know are not ours. */
export function changedGenerations(
  config: Config,
  inForce: ReadonlyMap<string, PoolGeneration>,
  announced: readonly PoolGeneration[],
): PoolGeneration[] {
  return announced.filter((generation) => {
    const current = inForce.get(generation.pool);
    if (!config.pools.some((pool) => pool.name === generation.pool)) return false;
    return current === undefined || current.generation !== generation.generation || !sameMembers(current.members, generation.members);
  });
}

/**
 * Members of a pool on this node, as the data plane is to treat them: those of the generation, in a panic all of them, and servers of the
 * configuration that the generation does not know (dead to new flows until a generation names them, but their flows in progress are
 * recognised).
 */
export function poolMembers(pool: PoolConfig, generation: PoolGeneration | undefined): PoolMember[] {
  const members = generation?.members ?? pool.servers.map((server) => ({ ...placeOf(server), weight: server.weight, alive: true }));
  const names = new Set(members.map((member) => member.name));
  const others = pool.servers
    .filter((server) => !names.has(server.name))
    .map((server) => ({ ...placeOf(server), weight: 0, alive: false }));
  return [...usedMembers(pool, members), ...others];
}

/** Servers that get new flows. */
export const usableServers = (pool: PoolConfig, generation: PoolGeneration): string[] =>
  poolMembers(pool, generation)
    .filter(isUsable)
    .map(({ name }) => name);
