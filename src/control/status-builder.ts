/**
 * Puts the snapshot together that `tandem status`, the admin API and the metrics show. Reads only.
 */
import type { Config, PoolConfig, ServerConfig, ServiceConfig, TrackConfig } from '../config/model.js';
import type { HealthChecker } from '../health/checker.js';
import type { L4Engine } from '../l4/engine.js';
import type { DataPlane } from '../l4/native.js';
import { panicOf } from '../l4/panic.js';
import { usableServers } from '../l4/pool-generations.js';
import { MILLI, milliWeightOf } from '../l4/pool-members.js';
import type { ServiceCounters } from '../l4/traffic.js';
import type { PeerStatus, PoolGeneration, PoolMember } from '../replication/api.js';
import type { TrackedStatus, Tracker } from '../tracking/tracker.js';
import type { RouterStatus } from '../vrrp/heartbeat-api.js';
import type { Chronicle } from './chronicle.js';
import type { AttachedInterface } from './interfaces.js';
import type { OverriddenServer } from './overrides.js';
import type { ReadinessState } from './readiness.js';
import type { Roles } from './roles.js';
import type { ServerAdmin } from './server-admin.js';
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
  servers: Pick<ServerAdmin, 'overridden'>;
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
    usableServers: own?.servers.filter((server) => server.isUsable).length ?? 0,
    servers: config.pools.find((pool) => pool.name === service.pool)?.servers.length ?? 0,
    traffic: own?.traffic ?? noTraffic(),
    byServer: (own?.servers ?? []).map(({ server, traffic }) => ({ server, traffic })),
  };
}

function poolStatus(pool: PoolConfig, sources: StatusSources, counters: readonly ServiceCounters[]): PoolStatus {
  const generation = sources.pools.find((candidate) => candidate.pool === pool.name);
  const members = generation?.members ?? [];
  const usable = new Set(generation === undefined ? [] : usableServers(pool, generation));
  const rows = counters.filter((candidate) => candidate.pool === pool.name).flatMap((candidate) => candidate.servers);
  return {
    name: pool.name,
    scheduler: pool.scheduler,
    generation: generation?.generation ?? 0,
    panic: panicOf(pool, members).isPanicking,
    servers: pool.servers.map((server) => {
      const member = members.find((each) => each.name === server.name);
      const own = rows.filter((row) => row.server === server.name);
      const admin = sources.servers.overridden(pool.name, server.name);
      return {
        ...inGeneration(server, member),
        usable: usable.has(server.name),
        ...commanded(server, admin),
        ...checked(sources.health.status(pool.name, server.name)),
        nextHop: own.some((row) => row.nextHop === 'resolved') ? 'resolved' : 'unresolved',
        traffic: own.map((row) => row.traffic).reduce(add, noTraffic()),
      };
    }),
  };
}

type InGeneration = Pick<ServerStatus, 'name' | 'address' | 'weight' | 'slowStartMs' | 'alive' | 'advised'>;

function inGeneration({ name, address, port }: ServerConfig, member: PoolMember | undefined): InGeneration {
  return {
    name,
    address: `${address}:${port}`,
    weight: member === undefined ? 0 : milliWeightOf(member) / MILLI,
    slowStartMs: member?.slowStartMs ?? null,
    alive: member?.alive ?? false,
    advised: member?.advice ?? null,
  };
}

function commanded(
  server: ServerConfig,
  { state, weight }: OverriddenServer,
): Pick<ServerStatus, 'state' | 'configuredWeight' | 'backup' | 'override'> {
  const configured = { configuredWeight: server.weight, backup: server.backup };
  const last = [state, weight].flatMap((each) => each ?? []).sort((a, b) => b.origin.stamp - a.origin.stamp)[0];
  if (last === undefined) return { state: server.state, ...configured, override: null };
  const { node, by, why } = last.origin;
  const given = weight?.value ?? null;
  const text = given === null ? null : 'weight' in given ? String(given.weight) : `${given.percent}%`;
  return { state: state?.value ?? server.state, ...configured, override: { state: state?.value ?? null, weight: text, node, by, why } };
}

const checked = (health: ReturnType<HealthChecker['status']>): Pick<ServerStatus, 'health' | 'reason' | 'sinceWallMs' | 'advice'> => ({
  health: health?.state ?? 'unchecked',
  reason: health?.reason ?? 'no health check is configured',
  sinceWallMs: health?.sinceWallMs ?? 0,
  advice: health?.advice ?? null,
});

const noTraffic = (): Traffic => ({ packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, newFlows: 0 });

const add = (sum: Traffic, part: Traffic): Traffic => ({
  packetsIn: sum.packetsIn + part.packetsIn,
  bytesIn: sum.bytesIn + part.bytesIn,
  packetsOut: sum.packetsOut + part.packetsOut,
  bytesOut: sum.bytesOut + part.bytesOut,
  newFlows: sum.newFlows + part.newFlows,
});
