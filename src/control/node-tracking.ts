/**
 * What a node tracks, joined with the parts that know: links, replication, data plane and health checks. The answers go to the heartbeat,
 * the log and the status; nothing is decided here.
 */
import type { Config } from '../config/model.js';
import type { HealthChecker } from '../health/checker.js';
import type { L4Engine } from '../l4/engine.js';
import type { PeerStatus } from '../replication/api.js';
import type { Clock } from '../system/clock.js';
import type { NetworkFacts } from '../system/network-facts.js';
import type { Log } from '../telemetry/log.js';
import { createLook } from '../tracking/looks.js';
import { createTracker, type LookResult, type TrackChange, type Tracker } from '../tracking/tracker.js';

export interface NodeTrackingOptions {
  config: Config;
  clock: Clock;
  log: Pick<Log, 'event'>;
  network(): NetworkFacts;
  peers(): PeerStatus[];
  /** Routers whose lease this node holds. */
  held(): ReadonlySet<string>;
  engine: Pick<L4Engine, 'isReady'>;
  isAttached(interfaceName: string): boolean;
  health: Pick<HealthChecker, 'status'>;
  onChange(): void;
  onNews(change: TrackChange): void;
}

export function createNodeTracking(options: NodeTrackingOptions): Tracker {
  const { config, clock, log } = options;
  return createTracker({
    routers: config.virtualRouters,
    clock,
    look: createLook({
      network: options.network,
      sync: (router) => lookAtSync(options.peers(), options.held().has(router)),
      engine: () => lookAtEngine(config.dataPlane.interfaces, options),
      servers: (pool) => countServers(config, pool, options.health),
    }),
    onChange: options.onChange,
    onNews(change) {
      const { router, kind, name, reason, to, isFirst } = change;
      if (to === 'down') log.event('track.down', { router, kind, name, reason });
      else if (!isFirst) log.event('track.up', { router, kind, name, reason });
      options.onNews(change);
    },
  });
}

/** Who holds the lease has the flows by definition, and with nobody in reach there is nothing to be had. */
export function lookAtSync(peers: readonly PeerStatus[], isHeld: boolean): LookResult {
  if (isHeld) return { ok: true, reason: 'holds the lease' };
  const behind = peers.filter((peer) => peer.connected && !peer.receivedInSync);
  if (behind.length > 0) return { ok: false, reason: `waiting for flows of ${behind.map((peer) => peer.node).join(', ')}` };
  return { ok: true, reason: peers.some((peer) => peer.connected) ? 'in sync' : 'no peer is in reach' };
}

function lookAtEngine(
  interfaces: readonly string[],
  { engine, isAttached }: Pick<NodeTrackingOptions, 'engine' | 'isAttached'>,
): LookResult {
  const detached = interfaces.filter((name) => !isAttached(name));
  if (detached.length > 0) return { ok: false, reason: `not attached to ${detached.join(', ')}` };
  return engine.isReady() ? { ok: true, reason: 'attached and serving' } : { ok: false, reason: 'the flow table may not serve yet' };
}

function countServers(config: Config, pool: string, health: NodeTrackingOptions['health']): { up: number; all: number } {
  const servers = config.pools.find((candidate) => candidate.name === pool)?.servers.filter((server) => server.weight > 0) ?? [];
  const up = servers.filter((server) => {
    const state = health.status(pool, server.name)?.state;
    // Before the first answer nothing speaks against a server, as for the pool itself.
    return state !== 'down';
  });
  return { up: up.length, all: servers.length };
}
