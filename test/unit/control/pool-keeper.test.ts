import t from 'tap';
import type { Config } from '../../../src/config/model.js';
import type { CheckedHealth } from '../../../src/control/pool-authority.js';
import { createPoolKeeper } from '../../../src/control/pool-keeper.js';
import type { PoolGeneration } from '../../../src/replication/api.js';

const config = {
  pools: [
    {
      name: 'web',
      scheduler: 'maglev',
      servers: [{ name: 'be1', address: '10.2.0.21', port: 80, weight: 1 }],
      healthCheck: null,
      onServerDown: 'keep',
    },
  ],
  services: [{ name: 'web', pool: 'web', virtualRouter: 'front' }],
} as unknown as Config;
const held = new Set(['front']);
const none = new Set<string>();

function setup(saved: PoolGeneration[] = [], heldBy: Record<string, ReadonlySet<string>> = { lb2: held }) {
  const steps: string[] = [];
  const health: Record<string, CheckedHealth> = {};
  let announce: () => void = () => undefined;
  const keeper = createPoolKeeper({
    config,
    saved,
    healthOf: (_pool, server) => health[server] ?? 'unknown',
    broadcast: (message) =>
      new Promise((resolve) => {
        steps.push(`tell ${message.type === 'pools' ? message.generations[0]?.generation : message.type}`);
        announce = () => resolve(true);
      }),
    heldBy: (node) => heldBy[node] ?? none,
    activate: (generations) => steps.push(`activate ${generations[0]?.generation}`),
    save: (generations) => steps.push(`save ${generations[0]?.generation}`),
    onError: (error) => steps.push(`error ${error}`),
  });
  return { keeper, steps, health, confirm: () => announce() };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('peers are told before a change is activated', async (t) => {
  const { keeper, steps, health, confirm } = setup();
  health.be1 = 'down';
  keeper.review(held);
  await settle();
  t.same(steps, ['tell 2']);
  confirm();
  await settle();
  t.same(steps, ['tell 2', 'activate 2', 'save 2']);
});

t.test('a node that holds nothing changes nothing', async (t) => {
  const { keeper, steps, health } = setup();
  health.be1 = 'down';
  keeper.review(none);
  await settle();
  t.same(steps, []);
});

t.test('an announcement is activated by others and ignored by the one who decides', async (t) => {
  const { keeper, steps } = setup();
  const told: PoolGeneration = {
    pool: 'web',
    generation: 7,
    members: [{ name: 'be1', address: '10.2.0.21', port: 80, weight: 1, alive: false }],
  };
  keeper.announced('lb2', [told], held);
  t.same(steps, []);
  keeper.announced('lb2', [told, { ...told, pool: 'unknown' }], none);
  t.same(steps, ['activate 7', 'save 7']);
  t.same(keeper.decided(held), [told], 'a new holder goes on from it');
});

t.test('what a peer says that does not hold the lease is an old word', async (t) => {
  const { keeper, steps } = setup([], {});
  const before = keeper.current();
  keeper.announced('lb2', [{ pool: 'web', generation: 7, members: [] }], none);
  t.same(steps, []);
  t.same(keeper.current(), before);
});

t.test('a peer that comes while a change is announced is told of it', async (t) => {
  const { keeper, health, confirm } = setup();
  health.be1 = 'down';
  keeper.review(held);
  await settle();
  t.match(keeper.decided(held), [{ generation: 2 }], 'it missed the announcement');
  t.match(keeper.current(), [{ generation: 1 }], 'not in force before the others have confirmed');
  confirm();
  await settle();
  t.match(keeper.decided(held), [{ generation: 2 }]);
  t.match(keeper.current(), [{ generation: 2 }]);
});

t.test('the last generation is taken up after a restart', async (t) => {
  const saved: PoolGeneration = {
    pool: 'web',
    generation: 9,
    members: [{ name: 'be1', address: '10.2.0.21', port: 80, weight: 1, alive: false }],
  };
  t.same(setup([saved]).keeper.current(), [saved]);
});

t.test('nobody is told the one before while a change that was announced comes into force', async (t) => {
  const { keeper, health, confirm } = setup();
  health.be1 = 'down';
  keeper.review(held);
  await settle();
  confirm();
  // More than the promises between the last confirmation and the change need.
  for (let turn = 0; turn < 20; turn++) {
    t.match(keeper.decided(held), [{ generation: 2 }], `turn ${turn}`);
    await null;
  }
  t.match(keeper.current(), [{ generation: 2 }], 'by then it is in force');
});

t.test('two that held at once both decided: in the end the word of the one that stays is in force', async (t) => {
  const heldBy: Record<string, ReadonlySet<string>> = { lb2: held, lb3: held };
  const { keeper } = setup([], heldBy);
  const word = (generation: number): PoolGeneration => ({ pool: 'web', generation, members: [] });
  keeper.announced('lb2', [word(7)], none);
  keeper.announced('lb3', [word(8)], none);
  keeper.holdersChanged(none);
  t.match(keeper.current(), [{ generation: 8 }], 'the last word, while both hold');
  heldBy.lb3 = none;
  keeper.holdersChanged(none);
  t.match(keeper.current(), [{ generation: 7 }]);
  heldBy.lb2 = none;
  keeper.holdersChanged(none);
  t.match(keeper.current(), [{ generation: 7 }], 'nobody holds: what was in force stays');
  heldBy.lb3 = held;
  keeper.holdersChanged(none);
  t.match(keeper.current(), [{ generation: 7 }], 'what it said before it ceased to hold is forgotten');
});

t.test('what the other said while both held is taken up by the one that gives way', async (t) => {
  const { keeper } = setup();
  keeper.announced('lb2', [{ pool: 'web', generation: 7, members: [] }], held);
  t.match(keeper.current(), [{ generation: 1 }]);
  keeper.holdersChanged(held);
  t.match(keeper.current(), [{ generation: 1 }]);
  keeper.holdersChanged(none);
  t.match(keeper.current(), [{ generation: 7 }]);
});

t.test('a change is not activated by a node that gave the lease up while it was announced', async (t) => {
  const { keeper, steps, health, confirm } = setup();
  health.be1 = 'down';
  keeper.review(held);
  await settle();
  keeper.holdersChanged(none);
  confirm();
  await settle();
  t.same(steps, ['tell 2']);
});
