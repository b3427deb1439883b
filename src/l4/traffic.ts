/**
 * Counters of the data plane by the names of the configuration: traffic by service and server, drops by reason, flows by virtual router.
 */
import type { Config } from '../config/model.js';
import { drop, trafficLayout } from './abi.gen.js';
import type { PoolGeneration, PoolMember, Traffic } from './api.js';
import { type Contents, serverId, serviceId } from './contents.js';
import type { DataPlane } from './native.js';
import { poolMembers } from './pool-generations.js';
import { isUsable } from './pool-members.js';
import type { Slots } from './slots.js';

export interface ServerCounters {
  server: string;
  address: string;
  /** New flows go there. */
  isUsable: boolean;
  nextHop: 'resolved' | 'unresolved';
  traffic: Traffic;
}

export interface ServiceCounters {
  service: string;
  pool: string;
  traffic: Traffic;
  servers: ServerCounters[];
}

export interface EngineCounters {
  services: ServiceCounters[];
  /** By reason as in abi.gen.ts `drop`. */
  drops: Record<string, number>;
  /** Flows in the table by virtual router, whoever created them. */
  flows: { router: string; flows: number }[];
}

const WORDS = trafficLayout.size / 8;
const FIELDS = Object.entries({
  packetsIn: trafficLayout.packetsIn,
  bytesIn: trafficLayout.bytesIn,
  packetsOut: trafficLayout.packetsOut,
  bytesOut: trafficLayout.bytesOut,
  newFlows: trafficLayout.flows,
} satisfies Record<keyof Traffic, number>) as [keyof Traffic, number][];

const noTraffic = (): Traffic => ({ packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, newFlows: 0 });

export interface CounterSources {
  config: Config;
  generations: ReadonlyMap<string, PoolGeneration>;
  slots: Slots;
  present: Contents;
  isResolved(nextHop: number): boolean;
}

export function readCounters(dataPlane: Pick<DataPlane, 'sums' | 'digests'>, sources: CounterSources): EngineCounters {
  const words = dataPlane.sums('traffic');
  const digests = dataPlane.digests();
  return {
    services: sources.config.services.map((service) => {
      const pool = sources.config.pools.find((candidate) => candidate.name === service.pool);
      const members = pool === undefined ? [] : poolMembers(pool, sources.generations.get(pool.name));
      const servers = members.map((member) => {
        const slot = sources.slots.servers.get(serverId(serviceId(service), member)) ?? 0;
        return serverCounters(words, slot, sources, member);
      });
      return {
        service: service.name,
        pool: service.pool,
        traffic: servers.map(({ traffic }) => traffic).reduce(add, noTraffic()),
        servers,
      };
    }),
    drops: dropsByReason(dataPlane.sums('drops')),
    flows: [...sources.slots.routers].map(([router, slot]) => ({ router, flows: Number(digests[slot]?.flows ?? 0n) })),
  };
}

function serverCounters(words: BigUint64Array, slot: number, { present, isResolved }: CounterSources, member: PoolMember): ServerCounters {
  const traffic = noTraffic();
  for (const [name, offset] of FIELDS) traffic[name] = Number(words[slot * WORDS + offset / 8] ?? 0n);
  return {
    server: member.name,
    address: `${member.address}:${member.port}`,
    isUsable: isUsable(member),
    nextHop: isResolved(present.servers.get(slot)?.nextHop ?? 0) ? 'resolved' : 'unresolved',
    traffic,
  };
}

function add(sum: Traffic, part: Traffic): Traffic {
  for (const [name] of FIELDS) sum[name] += part[name];
  return sum;
}

const dropsByReason = (words: BigUint64Array): Record<string, number> =>
  Object.fromEntries(
    Object.entries(drop)
      .filter(([name]) => name !== 'reasons')
      .map(([name, index]) => [name, Number(words[index] ?? 0n)]),
  );
