/** What the status says of servers: the generation in force, the commands, this node's checks. */
import t from 'tap';
import type { PoolConfig } from '../../../src/config/model.js';
import { buildStatus, type StatusSources } from '../../../src/control/status-builder.js';
import type { PoolGeneration, ServerOverride } from '../../../src/replication/api.js';
import { sampleConfig, samplePool, sampleServer } from '../../support/sample-config.js';

const servers = [...samplePool.servers, sampleServer({ name: 'spare', address: '10.2.0.23', weight: 2, backup: true, state: 'drain' })];
const origin = (stamp: number, node: string) => ({ stamp, node, by: 'ops', why: '' });
const state: ServerOverride = { pool: 'web', server: 'be1', about: 'state', value: 'ready', origin: origin(5, 'lb1') };
const weight: ServerOverride = { pool: 'web', server: 'be1', about: 'weight', value: { percent: 50 }, origin: origin(6, 'lb2') };

function poolOf(members: PoolGeneration['members'], changes: Partial<PoolConfig> = {}) {
  const config = sampleConfig({ pools: [{ ...samplePool, servers, slowStartMs: 10_000, ...changes }] });
  const sources = {
    ...{ version: '1', config, node: 'lb1', startedAtWallMs: 0, pinDir: '', isInSync: true, isHeartbeatConnected: true },
    readiness: { compiledAt: null, ready: true, reason: '' },
    roles: { routers: () => [], process: () => ({ pid: 1, realtime: true }), beats: () => null },
    dataPlane: { isAttached: () => true, memoryBytes: () => 0 },
    engine: { counters: () => ({ services: [], drops: {}, flows: [] }), steered: () => [], foreignClaims: () => [] },
    ...{ interfaces: [], peers: [], chronicle: { history: { waiting: 0, dropped: 0 }, notify: [] }, metricsAddress: '' },
    health: { status: () => undefined },
    pools: [{ pool: 'web', generation: 4, members }],
    servers: { overridden: (_pool: string, server: string) => (server === 'be1' ? { state, weight } : { state: null, weight: null }) },
    tracker: { results: () => null, status: () => [] },
    switchovers: { counts: { done: 0, refused: 0, returned: 0 }, last: null, drillSinceWallMs: null },
  } as unknown as StatusSources;
  return buildStatus(sources).pools[0];
}

t.test('servers: weight in force, state, command, slow start', async (t) => {
  const place = { address: '10.2.0.21', port: 8080 };
  const pool = poolOf([
    { name: 'be1', ...place, weight: 1, milliWeight: 140, sizeWeight: 1000, alive: true, slowStartMs: 2500 },
    { name: 'be2', ...place, weight: 1, alive: false },
  ]);
  t.match(pool, { name: 'web', generation: 4 });
  t.match(pool?.servers, [
    {
      name: 'be1',
      state: 'ready',
      weight: 0.14,
      configuredWeight: 1,
      backup: false,
      override: { state: 'ready', weight: '50%', node: 'lb2', by: 'ops', why: '' },
      slowStartMs: 2500,
      alive: true,
      usable: true,
    },
    { name: 'be2', state: 'ready', weight: 1, override: null, slowStartMs: null, alive: false, usable: false },
    { name: 'spare', state: 'drain', weight: 0, configuredWeight: 2, backup: true, alive: false, usable: false },
  ]);
});

t.test('in a panic servers that are down get new flows, and are down all the same', async (t) => {
  const place = { address: '10.2.0.21', port: 8080, weight: 1 };
  const members = [
    { name: 'be1', ...place, alive: false },
    { name: 'be2', ...place, alive: false },
  ];
  const usable = (pool: ReturnType<typeof poolOf>) => pool?.servers.map((server) => [server.alive, server.usable]);
  const calm = poolOf(members);
  t.match(calm, { panic: false });
  t.same(usable(calm), [
    [false, false],
    [false, false],
    [false, false],
  ]);
  const panicking = poolOf(members, { panicThreshold: 50 });
  t.match(panicking, { panic: true });
  t.same(usable(panicking), [
    [false, true],
    [false, true],
    [false, false],
  ]);
});

t.test('what of the wishes of an agent is in force', async (t) => {
  const place = { address: '10.2.0.21', port: 8080, weight: 1, alive: true };
  const members = [
    { name: 'be1', ...place, milliWeight: 500, advice: { weightPercent: 50 } },
    { name: 'be2', ...place },
  ];
  t.match(poolOf(members)?.servers, [{ weight: 0.5, advised: { weightPercent: 50 } }, { advised: null }]);
});
