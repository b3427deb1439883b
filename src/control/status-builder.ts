/**
 * Puts the snapshot together that `tandem status`, the admin API and the metrics show. Reads only.
 */
import type { Config, PoolConfig, ServiceConfig, TrackConfig } from '../config/model.js';
import type { HealthChecker } from '../health/checker.js';
import type { L4Engine } from '../l4/engine.js';
import type { DataPlane } from '../l4/native.js';
import type { ServerCounters, ServiceCounters } from '../l4/traffic.js';
import type { PeerStatus, PoolGeneration } from '../replication/api.js';
import type { TrackedStatus, Tracker } from '../tracking/tracker.js';
import type { RouterStatus } from '../vrrp/heartbeat-api.js';
import type { Chronicle } from './chronicle.js';
import type { AttachedInterface } from './interfaces.js';
import type { ReadinessState } from './readiness.js';
import type { Roles } from './roles.js';
import type { NodeStatus, PoolStatus, ServerStatus, ServiceStatus, SwitchoverStatus, TrackingStatus, Traffic } from './status.js';

export interface StatusSources {
  version: string;
  config: Config;
  node: string;
  startedAtWallMs: number;
  pinDir: string;
  readiness: ReadinessState;
  isInSync: boolean;
  isHeartbeatConnected: boolean;
  roles: Roles;
  dataPlane: Pick<DataPlane, 'isAttached' | 'memoryBytes'>;
  interfaces: readonly AttachedInterface[];
  peers: PeerStatus[];
  engine: Pick<L4Engine, 'counters' | 'steered' | 'foreignClaims'>;
  health: Pick<HealthChecker, 'status'>;
  pools: readonly PoolGeneration[];
  tracker: Pick<Tracker, 'results' | 'status'>;
  chronicle: ReturnType<Chronicle['status']>;
  switchovers: SwitchoverStatus;
  metricsAddress: string;
}

export function buildStatus(sources: StatusSources): NodeStatus {
  const { config, dataPlane, peers, roles } = sources;
  const counters = sources.engine.counters();
  return {
    version: sources.version,
    cluster: config.cluster.name,
    node: sources.node,
    pid: process.pid,
    startedAtWallMs: sources.startedAtWallMs,
    configFile: config.file,
    configDigest: config.digest,
    ready: sources.readiness.ready,
    readyReason: sources.readiness.reason,
    inSync: sources.isInSync,
    heartbeat: { connected: sources.isHeartbeatConnected, ...roles.process(), beats: roles.beats() },
    routers: roles.routers(),
    tracking: roles.routers().map((router) => trackingStatus(router, config, sources.tracker)),
    dataPlane: {
      pinDir: sources.pinDir,
      interfaces: sources.interfaces.map(({ name, mode, fallbackReason }) => ({
        name,
        attached: dataPlane.isAttached(name),
        mode,
        fallbackReason,
      })),
      maxFlows: config.dataPlane.maxFlows,
      flows: counters.flows.reduce((sum, { flows }) => sum + flows, 0),
      flowTableBytes: dataPlane.memoryBytes('flows'),
      drops: counters.drops,
      steered: sources.engine.steered(),
      foreignClaims: sources.engine.foreignClaims(),
    },
    peers,
    services: config.services.map((service) => serviceStatus(service, config, counters.services)),
    pools: config.pools.map((pool) => poolStatus(pool, sources, counters.services)),
    ...sources.chronicle,
    switchovers: sources.switchovers,
    metricsAddress: sources.metricsAddress,
  };
}

function trackingStatus(router: RouterStatus, config: Config, tracker: StatusSources['tracker']): TrackingStatus {
  const { name } = router;
  const links = config.virtualRouters.find((candidate) => candidate.name === name)?.track.filter(({ kind }) => kind === 'interface') ?? [];
  return {
    router: name,
    fault: tracker.results()?.find((candidate) => candidate.router === name)?.fault ?? null,
    effectivePriority: router.effectivePriority,
    objects: [...tracker.status(name), ...links.map((tracked) => linkStatus(tracked, router))],
  };
}

/** Interfaces are looked at by the heartbeat, which says of each that is down that it is. */
function linkStatus({ kind, name, weight, interface: link }: TrackConfig, router: RouterStatus): TrackedStatus {
  const isDown = router.tracked.some((reason) => reason.startsWith(`interface ${link} is down`));
  const state = isDown ? 'down' : 'up';
  return { kind, name, weight, state, isFault: isDown && weight === null, reason: `carrier is ${state}`, sinceWallMs: null };
}

function serviceStatus(service: ServiceConfig, config: Config, counters: readonly ServiceCounters[]): ServiceStatus {
  const own = counters.find((candidate) => candidate.service === service.name);
  return {
    name: service.name,
    listen: `${service.address}:${service.port}/${service.protocol}`,
    forward: service.forward,
    pool: service.pool,
    virtualRouter: service.virtualRouter,
    usableServers: own?.servers.filter((server) => server.alive).length ?? 0,
    servers: config.pools.find((pool) => pool.name === service.pool)?.servers.length ?? 0,
    traffic: own?.traffic ?? noTraffic(),
    byServer: (own?.servers ?? []).map(({ server, traffic }) => ({ server, traffic })),
  };
}

function poolStatus(pool: PoolConfig, sources: StatusSources, counters: readonly ServiceCounters[]): PoolStatus {
  const generation = sources.pools.find((candidate) => candidate.pool === pool.name);
  const rows = counters.filter((candidate) => candidate.pool === pool.name).flatMap((candidate) => candidate.servers);
  return {
    name: pool.name,
    scheduler: pool.scheduler,
    generation: generation?.generation ?? 0,
    servers: pool.servers.map((server) => {
      const alive = generation?.members.find((member) => member.name === server.name)?.alive ?? false;
      const own = rows.filter((row) => row.server === server.name);
      return serverStatus({ ...server, alive }, sources.health.status(pool.name, server.name), own);
    }),
  };
}

function serverStatus(
  server: { name: string; address: string; port: number; weight: number; alive: boolean },
  health: ReturnType<HealthChecker['status']>,
  rows: readonly ServerCounters[],
): ServerStatus {
  return {
    name: server.name,
    address: `${server.address}:${server.port}`,
    weight: server.weight,
    health: health?.state ?? 'unchecked',
    alive: server.alive,
    reason: health?.reason ?? 'no health check is configured',
    sinceWallMs: health?.sinceWallMs ?? 0,
    advice: health?.advice ?? null,
    nextHop: rows.some((row) => row.nextHop === 'resolved') ? 'resolved' : 'unresolved',
    traffic: rows.map((row) => row.traffic).reduce(add, noTraffic()),
  };
}

const noTraffic = (): Traffic => ({ packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, newFlows: 0 });

const add = (sum: Traffic, part: Traffic): Traffic => ({
  packetsIn: sum.packetsIn + part.packetsIn,
  bytesIn: sum.bytesIn + part.bytesIn,
  packetsOut: sum.packetsOut + part.packetsOut,
  bytesOut: sum.bytesOut + part.bytesOut,
  newFlows: sum.newFlows + part.newFlows,
});
