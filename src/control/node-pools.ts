/**
 * What a node does about pools: servers are checked, commanded, and put in force, and what came of it is kept and said. Wiring only.
 */
import type { Config } from '../config/model.js';
import type { HealthChecker } from '../health/checker.js';
import type { L4Engine } from '../l4/engine.js';
import { usableServers } from '../l4/pool-generations.js';
import type { PoolGeneration, Replication } from '../replication/api.js';
import type { Clock } from '../system/clock.js';
import type { Log } from '../telemetry/log.js';
import type { Chronicle } from './chronicle.js';
import { createPanicWatch } from './panic-watch.js';
import type { PeersView } from './peers-view.js';
import { memberAdvice } from './pool-authority.js';
import { createPoolKeeper, type PoolKeeper } from './pool-keeper.js';
import type { Roles } from './roles.js';
import { createServerAdmin, type ServerAdmin } from './server-admin.js';
import { wordText } from './server-command.js';
import { loadOverrides, loadPools, type StateDir, saveOverrides, savePools } from './state-dir.js';

export interface NodePoolsOptions {
  config: Config;
  node: string;
  clock: Clock;
  log: Pick<Log, 'event'>;
  stateDir: StateDir;
  engine: Pick<L4Engine, 'generations' | 'setGenerations' | 'countFlows'>;
  health: Pick<HealthChecker, 'status'>;
  peersView: PeersView;
  chronicle: Pick<Chronicle, 'ordered' | 'panicked'>;
  /** These are made later than this. */
  replication(): Pick<Replication, 'broadcast' | 'send' | 'peers'>;
  roles(): Pick<Roles, 'held'>;
  onError(error: unknown): void;
}

export interface NodePools {
  pools: PoolKeeper;
  servers: ServerAdmin;
}

export function createNodePools(options: NodePoolsOptions): NodePools {
  const { config, node, clock, log, stateDir, engine, health, peersView, chronicle, replication, roles, onError } = options;
  const servers = createServerAdmin({
    ...{ config, node, clock, log, replication, onError },
    saved: loadOverrides(stateDir),
    save: (overrides) => saveOverrides(stateDir, overrides),
    generations: () => pools.current(),
    holderOf: (router) => (roles().held().has(router) ? node : peersView.holderOf(router)),
    countFlows: (named) => engine.countFlows(named.map(({ pool, server }) => ({ ...server, pool: pool.name }))),
    onChange: () => pools.review(roles().held()),
    onWord: (word) => {
      const { pool, server, origin } = word;
      chronicle.ordered({ pool, server, change: wordText(word), node: origin.node, by: origin.by, why: origin.why });
    },
  });
  const panics = createPanicWatch(config);
  const put = (generations: PoolGeneration[]): void => {
    engine.setGenerations(generations);
    for (const news of panics.look(generations)) {
      const { pool, isPanicking, up, wanted, threshold } = news;
      const reason = `${up} of ${wanted} servers are up`;
      log.event(isPanicking ? 'pool.panic' : 'pool.calm', { pool, up, wanted, threshold, reason });
      chronicle.panicked({ pool, isPanicking, up, wanted });
    }
  };
  const pools = createPoolKeeper({
    ...{ config, clock, onError },
    saved: [...loadPools(stateDir), ...engine.generations()],
    intentOf: servers.intentOf,
    healthOf: (pool, server) => health.status(pool, server)?.state ?? 'unknown',
    adviceOf: (pool, server) => memberAdvice(health.status(pool, server)?.advice ?? null),
    heldBy: (peer) => peersView.heldBy(peer),
    broadcast: (message, timeoutMs) => replication().broadcast(message, timeoutMs),
    activate: (generations) => {
      put(generations);
      for (const said of generations) {
        const alive = said.members.filter((member) => member.alive).map((member) => member.name);
        const pool = config.pools.find((each) => each.name === said.pool);
        const usable = pool === undefined ? [] : usableServers(pool, said);
        log.event('pool.generation', { pool: said.pool, generation: said.generation, alive, usable, reason: 'changed' });
      }
    },
    save: (generations) => savePools(stateDir, generations),
  });
  put(pools.current());
  // The next daemon begins with it: the maps do not tell weights, and nobody drained may get a flow meanwhile.
  try {
    savePools(stateDir, pools.current());
  } catch (error) {
    onError(error);
  }
  return { pools, servers };
}
