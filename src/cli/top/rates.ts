/**
 * Two looks at the counters of a node, and what happened per second between them. A counter that went back or was not there before has no
 * rate (null), never a negative one or one that counts from the beginning of time; the same holds for all of a daemon that was started
 * anew in between. Pure.
 */
import type { NodeStatus, PoolStatus, ServerStatus, ServiceStatus, Traffic } from '../../control/status.js';
import type { Monotonic } from '../../system/clock.js';

export interface Sample {
  /** By the clock of whoever asks, when the answer came: the counters carry no time of their own. */
  at: Monotonic;
  atWallMs: number;
  status: NodeStatus;
}

/** Per second; null: not known. */
export interface Rates {
  newFlows: number | null;
  packetsIn: number | null;
  /** Also null where answers do not come by here (`dsr`). */
  packetsOut: number | null;
  bitsIn: number | null;
  bitsOut: number | null;
}

export interface ServiceRates extends Pick<ServiceStatus, 'name' | 'listen' | 'usableServers' | 'servers'>, Rates {}

export interface ServerRates extends Pick<ServerStatus, 'name' | 'address' | 'state' | 'health' | 'usable'>, Rates {
  pool: string;
  /** Of the new flows of its pool, 0 to 1. */
  share: number | null;
}

export interface NodeRates {
  /** Between the two samples; null: there was none before that counts. */
  intervalMs: number | null;
  services: ServiceRates[];
  servers: ServerRates[];
  /** Packets per second, by reason. */
  drops: Record<string, number | null>;
}

/** The latest sample, what it amounts to, and why none has come since. */
export interface Reading {
  sample: Sample;
  rates: NodeRates;
  failure: string | null;
}

export const read = (before: Reading | null, sample: Sample): Reading => ({
  sample,
  rates: ratesBetween(before?.sample ?? null, sample),
  failure: null,
});

export const missed = (before: Reading, failure: string): Reading => ({ ...before, failure });

export function ratesBetween(before: Sample | null, now: Sample): NodeRates {
  const former = before !== null && isSameRun(before.status, now.status) && now.at > before.at ? before : null;
  const intervalMs = former === null ? null : now.at - former.at;
  const rate: Rate = (value, last) =>
    intervalMs === null || last === undefined || value < last ? null : ((value - last) * 1000) / intervalMs;
  const { services, pools, dataPlane } = now.status;
  return {
    intervalMs,
    services: services.map(({ name, listen, usableServers, servers, forward, traffic }) => {
      const last = former?.status.services.find((each) => each.name === name)?.traffic;
      return { name, listen, usableServers, servers, ...trafficRates(traffic, last, forward === 'nat', rate) };
    }),
    servers: pools.flatMap((pool) => {
      const last = former?.status.pools.find((each) => each.name === pool.name);
      const isAnsweredHere = services.some((service) => service.pool === pool.name && service.forward === 'nat');
      return withShares(pool.servers.map((server) => serverRates(server, pool.name, last, isAnsweredHere, rate)));
    }),
    drops: Object.fromEntries(
      Object.entries(dataPlane.drops).map(([reason, packets]) => [reason, rate(packets, former?.status.dataPlane.drops[reason])]),
    ),
  };
}

type Rate = (value: number, last: number | undefined) => number | null;

const isSameRun = (a: NodeStatus, b: NodeStatus): boolean => a.pid === b.pid && a.startedAtWallMs === b.startedAtWallMs;

function trafficRates(traffic: Traffic, last: Traffic | undefined, isAnsweredHere: boolean, rate: Rate): Rates {
  return {
    newFlows: rate(traffic.newFlows, last?.newFlows),
    packetsIn: rate(traffic.packetsIn, last?.packetsIn),
    packetsOut: isAnsweredHere ? rate(traffic.packetsOut, last?.packetsOut) : null,
    bitsIn: bits(rate(traffic.bytesIn, last?.bytesIn)),
    bitsOut: isAnsweredHere ? bits(rate(traffic.bytesOut, last?.bytesOut)) : null,
  };
}

const bits = (bytes: number | null): number | null => (bytes === null ? null : bytes * 8);

function serverRates(
  { name, address, state, health, usable, traffic }: ServerStatus,
  pool: string,
  before: PoolStatus | undefined,
  isAnsweredHere: boolean,
  rate: Rate,
): ServerRates {
  const last = before?.servers.find((each) => each.name === name)?.traffic;
  return { pool, name, address, state, health, usable, share: null, ...trafficRates(traffic, last, isAnsweredHere, rate) };
}

function withShares(servers: ServerRates[]): ServerRates[] {
  const all = servers.reduce((sum, { newFlows }) => sum + (newFlows ?? 0), 0);
  return servers.map((server) => ({ ...server, share: server.newFlows === null || all === 0 ? null : server.newFlows / all }));
}
