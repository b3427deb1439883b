/**
 * Slots of virtual routers, services and servers: numbers by which maps and records name them on this node. What is already in the maps
 * keeps its slot (a daemon that starts again finds its own), newcomers take the lowest free one. Pure.
 */
import type { Config } from '../config/model.js';
import { canonicalAddress } from '../system/ip-address.js';
import { limit } from './abi.gen.js';
import type { PoolGeneration } from './api.js';
import { type Contents, serverId, serverIdOf, serviceId } from './contents.js';
import { L4Error } from './l4-error.js';
import { poolMembers } from './pool-generations.js';

export interface Slots {
  /** By name. */
  routers: ReadonlyMap<string, number>;
  /** By serviceId. */
  services: ReadonlyMap<string, number>;
  /** By serverId. */
  servers: ReadonlyMap<string, number>;
}

/** `reservedRouters`: slots whose lease may still be in use by somebody; a new router must not inherit one. */
export function assignSlots(
  config: Config,
  generations: ReadonlyMap<string, PoolGeneration>,
  present: Contents,
  reservedRouters: ReadonlySet<number>,
): Slots {
  const services = config.services.map(serviceId);
  const servers = config.services.flatMap((service) => {
    const pool = config.pools.find((candidate) => candidate.name === service.pool);
    return pool === undefined ? [] : poolMembers(pool, generations.get(pool.name)).map((member) => serverId(serviceId(service), member));
  });
  const knownServices = new Map([...present.services].map(([id, entry]) => [id, entry.slot]));
  const knownServers = new Map([...present.servers].map(([slot, server]) => [serverIdOf(server), slot]));
  return {
    routers: assign('virtual routers', routerNames(config), knownRouters(config, present), reservedRouters, 0, limit.maxVirtualRouters),
    services: assign('services', services, knownServices, new Set(), 0, limit.maxServices),
    // Slot 0 means "no server".
    servers: assign('servers', servers, knownServers, new Set(), 1, limit.maxServerSlots),
  };
}

const routerNames = (config: Config): string[] => config.virtualRouters.map((router) => router.name);

/** A router is recognised by any address of its own; the first in the file wins when addresses were moved between routers. */
function knownRouters(config: Config, present: Contents): Map<string, number> {
  const known = new Map<string, number>();
  const taken = new Set<number>();
  for (const router of config.virtualRouters) {
    const slots = router.addresses.flatMap((address) => present.addresses.get(canonicalAddress(address) ?? address)?.virtualRouter ?? []);
    const slot = slots.find((candidate) => !taken.has(candidate));
    if (slot === undefined) continue;
    taken.add(slot);
    known.set(router.name, slot);
  }
  return known;
}

function assign(
  what: string,
  wanted: readonly string[],
  known: ReadonlyMap<string, number>,
  reserved: ReadonlySet<number>,
  first: number,
  end: number,
): Map<string, number> {
  const assigned = new Map<string, number>();
  for (const id of wanted) {
    const slot = known.get(id);
    if (slot !== undefined) assigned.set(id, slot);
  }
  // Slots that leave with this change are not given away in the same step: their old contents are still in use while it is written.
  const taken = new Set([...known.values(), ...reserved]);
  let next = first;
  for (const id of wanted) {
    if (assigned.has(id)) continue;
    while (taken.has(next)) next++;
    if (next >= end) throw new L4Error('LIMIT_EXCEEDED', `too many ${what}: the data plane has room for ${end - first}`);
    taken.add(next);
    assigned.set(id, next);
  }
  return assigned;
}
