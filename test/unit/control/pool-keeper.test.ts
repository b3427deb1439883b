import t from 'tap';
import type { Config, PoolConfig } from '../../../src/config/model.js';
import { type CheckedHealth, configuredIntent, firstGeneration } from '../../../src/control/pool-authority.js';
import { createPoolKeeper } from '../../../src/control/pool-keeper.js';
import type { PoolGeneration } from '../../../src/replication/api.js';
import { FakeClock } from '../../support/fake-clock.js';
import { samplePool, sampleServer } from '../../support/sample-config.js';

const config = {
  pools: [{ ...samplePool, servers: [sampleServer({ name: 'be1', address: '10.2.0.21', port: 80 })] }],
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
    clock: new FakeClock(),
    intentOf: configuredIntent,
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

const slowConfig = { ...config, pools: [{ ...config.pools[0], slowStartMs: 10_000 }] } as Config;
const weights = (generations: readonly PoolGeneration[]) =>
  generations[0]?.members.map((member) => member.milliWeight ?? member.weight * 1000);

/** A pair: what each says reaches the other at once, or is kept. */
function pair() {
  const clocks = [new FakeClock(5000), new FakeClock(900_000)] as const;
  const held: [ReadonlySet<string>, ReadonlySet<string>] = [new Set(['front']), none];
  const health: Record<string, CheckedHealth> = {};
  const saved: PoolGeneration[][] = [[], []];
  const make = (index: 0 | 1, old: PoolGeneration[] = []) =>
    createPoolKeeper({
      config: slowConfig,
      saved: old,
      clock: clocks[index],
      intentOf: configuredIntent,
      healthOf: (_pool, server) => health[server] ?? 'unknown',
      broadcast: async (message) => {
        if (message.type === 'pools')
          keepers[1 - index]?.announced(`lb${index + 1}`, JSON.parse(JSON.stringify(message.generations)), held[1 - index] ?? none);
        return true;
      },
      heldBy: (node) => held[node === 'lb1' ? 0 : 1],
      activate: () => undefined,
      save: (generations) => {
        saved[index] = generations.slice();
      },
      onError: (error) => t.fail(String(error)),
    });
  const keepers = [make(0), make(1)];
  const advance = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      for (const clock of clocks) clock.advance(100);
      await settle();
    }
  };
  return { keepers: keepers as [ReturnType<typeof make>, ReturnType<typeof make>], held, health, advance, saved, make, clocks };
}

async function comesUp({ keepers, held, health }: ReturnType<typeof pair>): Promise<void> {
  for (const state of ['down', 'up'] as const) {
    health.be1 = state;
    keepers[0].review(held[0]);
    await settle();
  }
}

t.test('a slow start takes its steps by itself, on both nodes, and a take-over goes on from where it was', async (t) => {
  const cluster = pair();
  const { keepers, held, advance, clocks } = cluster;
  await comesUp(cluster);
  t.same(
    keepers.map((keeper) => weights(keeper.current())),
    [[100], [100]],
  );
  await advance(3500);
  t.same(
    keepers.map((keeper) => weights(keeper.current())),
    [[370], [370]],
  );
  // lb1 is gone: lb2, whose clock is another one, has heard how old the slow start is.
  held[0] = none;
  keepers[0].stop();
  held[1] = new Set(['front']);
  keepers[1].holdersChanged(held[1]);
  keepers[1].review(held[1]);
  await advance(400);
  t.same(weights(keepers[1].current()), [370], 'no step before its time');
  await advance(100);
  t.same(weights(keepers[1].current()), [460], 'the next one when it is due');
  await advance(6000);
  t.same(weights(keepers[1].current()), [1000]);
  t.same(keepers[1].current()[0]?.members[0], firstGeneration(slowConfig.pools[0] as PoolConfig).members[0]);
  t.equal(clocks[1].waiting, 0, 'nothing is waited for any more');
});

t.test('a slow start goes on after a restart of the daemon, and a peer that comes in the middle is told its age', async (t) => {
  const cluster = pair();
  const { keepers, held, advance, saved, make } = cluster;
  await comesUp(cluster);
  await advance(2000);
  keepers[0].stop();
  const again = make(0, saved[0]);
  keepers[0] = again;
  again.review(held[0]);
  await advance(1500);
  t.same(weights(again.current()), [370]);
  t.match(again.decided(held[0]), [{ members: [{ slowStartMs: 3500 }] }]);
  again.stop();
});

t.test('stopped, it takes no step', async (t) => {
  const cluster = pair();
  await comesUp(cluster);
  cluster.keepers[0].stop();
  await cluster.advance(20_000);
  t.same(weights(cluster.keepers[0].current()), [100]);
});
