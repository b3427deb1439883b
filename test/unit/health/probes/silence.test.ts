/**
 * Servers that say nothing, or the half of something, until the time is up: with the real clock, for each type that waits for an answer.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { PoolConfig } from '../../../../src/config/model.js';
import { createHealthChecker, type HealthChange } from '../../../../src/health/checker.js';
import { systemClock } from '../../../../src/system/clock.js';
import { checkOf, tcp } from '../../../support/probe-bench.js';
import { samplePool, sampleServer } from '../../../support/sample-config.js';

const TIMES = { interval: '200ms', timeout: '150ms' };
const LATE = 'no answer within 150 ms';

const poolOf = (name: string, port: number, keys: object): PoolConfig => ({
  ...samplePool,
  name,
  servers: [sampleServer({ name: 'be1', address: '127.0.0.1', port })],
  healthCheck: checkOf({ ...TIMES, ...keys }),
});

/** The first verdict on each pool. */
function verdicts(t: Test, pools: readonly PoolConfig[]): Promise<Map<string, HealthChange>> {
  const seen = new Map<string, HealthChange>();
  return new Promise((resolve) => {
    const checker = createHealthChecker({
      pools,
      clock: systemClock,
      log: { event: () => undefined },
      onChange(change) {
        seen.set(change.pool, change);
        if (seen.size === pools.length) resolve(seen);
      },
    });
    checker.start();
    t.teardown(() => checker.stop());
  });
}

const HALVES: [name: string, keys: object, half: string][] = [
  ['tcp', { type: 'tcp', send: 'STATUS', expect: 'READY' }, 'REA'],
  ['https', { type: 'https', verify: false }, '\x16\x03'],
  ['redis', { type: 'redis' }, '+PO'],
  ['smtp', { type: 'smtp' }, '220-mail'],
  ['mysql', { type: 'mysql' }, '\x4a\0\0\0\x0a8.0'],
  ['postgres', { type: 'postgres' }, 'R\0\0\0'],
  ['grpc', { type: 'grpc' }, '\0\0'],
];

t.test('connections', async (t) => {
  const pools: PoolConfig[] = [];
  for (const [name, keys, half] of HALVES) {
    pools.push(poolOf(`${name}, nothing`, await tcp(t, (socket) => socket.resume()), keys));
    const port = await tcp(t, (socket) => {
      socket.resume();
      socket.write(Buffer.from(half, 'latin1'));
    });
    pools.push(poolOf(`${name}, half`, port, keys));
  }
  const agent = await tcp(t, (socket) => socket.write('up 5'));
  pools.push(poolOf('agent, half', agent, { type: 'agent', port: agent }));
  const seen = await verdicts(t, pools);
  for (const { name } of pools) t.match(seen.get(name), { to: 'down', reason: LATE }, name);
});

t.test('datagrams', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const { port } = socket.address();
  const seen = await verdicts(t, [
    poolOf('dns', port, { type: 'dns', query: '.' }),
    poolOf('silence is down', port, { type: 'udp', send: 'x' }),
    poolOf('silence is up', port, { type: 'udp', send: 'x', silence: 'up' }),
  ]);
  t.match(seen.get('dns'), { to: 'down', reason: LATE });
  t.match(seen.get('silence is down'), { to: 'down', reason: LATE });
  t.match(seen.get('silence is up'), { to: 'up', reason: LATE });
});
