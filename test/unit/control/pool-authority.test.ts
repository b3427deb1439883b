import t from 'tap';
import type { Config, PoolConfig } from '../../../src/config/model.js';
import {
  adoptGeneration,
  type CheckedHealth,
  decidedPools,
  decideGeneration,
  firstGeneration,
} from '../../../src/control/pool-authority.js';

const server = (name: string, port: number, weight = 1) => ({ name, address: '10.2.0.21', port, weight });
const pool: PoolConfig = {
  name: 'web',
  scheduler: 'maglev',
  servers: [server('be1', 1), server('be2', 2)],
  healthCheck: null,
  onServerDown: 'keep',
};
const health = (states: Record<string, CheckedHealth>) => (_pool: string, name: string) => states[name] ?? 'unknown';

t.test('everybody is alive at first', async (t) => {
  t.match(firstGeneration(pool), {
    pool: 'web',
    generation: 1,
    members: [
      { name: 'be1', alive: true },
      { name: 'be2', alive: true },
    ],
  });
});

t.test('a generation changes only where a check contradicts it', async (t) => {
  const first = firstGeneration(pool);
  t.equal(decideGeneration(pool, first, health({})), first, 'unknown changes nothing');
  t.equal(decideGeneration(pool, first, health({ be1: 'up', be2: 'unchecked' })), first);
  const second = decideGeneration(pool, first, health({ be1: 'down' }));
  t.match(second, {
    generation: 2,
    members: [
      { name: 'be1', alive: false },
      { name: 'be2', alive: true },
    ],
  });
  t.equal(decideGeneration(pool, second, health({ be1: 'unknown' })), second, 'a node that knows nothing keeps what it was told');
  t.match(decideGeneration(pool, second, health({ be1: 'up' })), { generation: 3, members: [{ name: 'be1', alive: true }, {}] });
});

t.test('members and weights follow the configuration', async (t) => {
  const first = decideGeneration(pool, firstGeneration(pool), health({ be2: 'down' }));
  const changed: PoolConfig = { ...pool, servers: [server('be2', 2, 5), server('be3', 3)] };
  const next = decideGeneration(changed, first, health({}));
  t.match(next.members, [
    { name: 'be2', weight: 5, alive: false },
    { name: 'be3', alive: true },
  ]);
  t.equal(next.members.length, 2);
});

t.test('what a holder announced replaces ours, unless it is the same', async (t) => {
  const first = firstGeneration(pool);
  t.equal(adoptGeneration(first, firstGeneration(pool)), first);
  const other = decideGeneration(pool, first, health({ be1: 'down' }));
  t.equal(adoptGeneration(first, other), other);
});

t.test('one node decides a pool: the holder of its first service', async (t) => {
  const service = (name: string, virtualRouter: string) => ({
    name,
    address: '10.1.0.100',
    port: 80,
    protocol: 'tcp' as const,
    forward: 'nat' as const,
    pool: 'web',
    virtualRouter,
  });
  const config = { pools: [pool, { ...pool, name: 'idle' }], services: [service('b', 'back'), service('a', 'front')] } as unknown as Config;
  t.same(
    decidedPools(config, new Set(['front'])).map((decided) => decided.name),
    ['web'],
  );
  t.same(decidedPools(config, new Set(['back'])), []);
});
