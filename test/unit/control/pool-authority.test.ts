import t from 'tap';
import type { Config, PoolConfig } from '../../../src/config/model.js';
import {
  adoptGeneration,
  aged,
  type CheckedHealth,
  decidedPools,
  decideGeneration,
  firstGeneration,
  type IntentOf,
  isObeyed,
  memberAdvice,
  untilSlowStartStep,
} from '../../../src/control/pool-authority.js';
import type { MemberAdvice, PoolGeneration } from '../../../src/l4/api.js';
import { panicOf } from '../../../src/l4/panic.js';
import { usableServers } from '../../../src/l4/pool-generations.js';
import { samplePool, sampleServer } from '../../support/sample-config.js';

const server = (name: string, port: number, weight = 1) => sampleServer({ name, address: '10.2.0.21', port, weight });
const pool: PoolConfig = { ...samplePool, servers: [server('be1', 1), server('be2', 2)] };
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

const intents =
  (given: Record<string, Partial<ReturnType<IntentOf>>>): IntentOf =>
  (_pool, { name, state, weight }) => ({ state, milliWeight: weight * 1000, ...given[name] });

t.test('drain takes the weight, disable also the life, and neither is forgotten by what the checks said', async (t) => {
  const first = firstGeneration(pool);
  const drained = decideGeneration(pool, first, health({}), intents({ be1: { state: 'drain' } }));
  t.same(drained.members[0], { name: 'be1', address: '10.2.0.21', port: 1, weight: 0, alive: true, sizeWeight: 1000, state: 'drain' });
  t.same(drained.members[1], first.members[1], 'an ordinary server is said in the words of before');
  t.same(usableServers(pool, drained), ['be2']);
  const disabled = decideGeneration(pool, drained, health({ be1: 'up' }), intents({ be1: { state: 'disable' } }));
  t.match(disabled.members[0], { weight: 0, alive: false, state: 'disable', up: true, sizeWeight: 1000 });
  const enabled = decideGeneration(pool, disabled, health({}), intents({ be1: { state: 'ready' } }));
  t.same(enabled.members, first.members, 'it was up before, so it is now, whatever its checks say yet');
  const failed = decideGeneration(pool, disabled, health({ be1: 'down' }), intents({ be1: { state: 'disable' } }));
  t.notOk('up' in (failed.members[0] ?? {}));
  t.match(decideGeneration(pool, failed, health({}), intents({})).members[0], { alive: false, weight: 1 }, 'down before, down now');
  const configured: PoolConfig = {
    ...pool,
    servers: [sampleServer({ name: 'be1', address: '10.2.0.21', state: 'drain' }), server('be2', 2)],
  };
  t.match(firstGeneration(configured).members, [{ weight: 0, state: 'drain' }, { weight: 1 }], 'by configuration');
});

t.test('a pool without checks counts every server as up, whatever was so when it had some', async (t) => {
  const down = decideGeneration(pool, firstGeneration(pool), health({ be1: 'down' }));
  t.match(decideGeneration(pool, down, health({ be1: 'unchecked' })).members[0], { alive: true });
});

t.test('weights of operators: whole, in parts, and none', async (t) => {
  const weighed = (milliWeight: number) =>
    decideGeneration(pool, firstGeneration(pool), health({}), intents({ be1: { milliWeight } })).members[0];
  t.match(weighed(5000), { weight: 5, sizeWeight: 1000 });
  t.notOk('milliWeight' in (weighed(5000) ?? {}));
  t.match(weighed(250), { weight: 1, milliWeight: 250 }, 'an older program gives it something, not nothing');
  t.match(weighed(2400), { weight: 2, milliWeight: 2400 });
  t.match(weighed(0), { weight: 0, alive: true, sizeWeight: 1000 });
});

t.test('backup servers have weight while no other has, all of them at once', async (t) => {
  const spare = (name: string, port: number) => sampleServer({ name, address: '10.2.0.21', port, backup: true });
  const spared: PoolConfig = { ...pool, servers: [server('be1', 1), server('be2', 2), spare('s1', 3), spare('s2', 4)] };
  const first = firstGeneration(spared);
  t.same(usableServers(spared, first), ['be1', 'be2']);
  t.match(first.members[2], { weight: 0, alive: true, sizeWeight: 1000 }, 'connections in progress to it are served');
  const one = decideGeneration(spared, first, health({ be1: 'down' }));
  t.same(usableServers(spared, one), ['be2']);
  const none = decideGeneration(spared, one, health({ be1: 'down' }), intents({ be2: { state: 'drain' } }));
  t.same(usableServers(spared, none), ['s1', 's2'], 'drained counts as much as down');
  t.same(usableServers(spared, decideGeneration(spared, first, health({ be1: 'down' }), intents({ be2: { milliWeight: 0 } }))), [
    's1',
    's2',
  ]);
  t.same(usableServers(spared, decideGeneration(spared, none, health({ s1: 'down' }), intents({ be2: { state: 'drain' } }))), ['s2']);
  t.same(usableServers(spared, decideGeneration(spared, none, health({ be1: 'up' }), intents({}))), ['be1', 'be2']);
});

const slow: PoolConfig = { ...pool, slowStartMs: 10_000 };
const later = (generation: ReturnType<typeof firstGeneration>, ms: number, given: Record<string, CheckedHealth> = {}) =>
  decideGeneration(slow, aged(generation, ms), health(given));

t.test('a server that comes up starts slowly: ten steps, and not at the start of the pool', async (t) => {
  const first = firstGeneration(slow);
  t.notOk('slowStartMs' in (first.members[0] ?? {}));
  t.equal(untilSlowStartStep(slow, first), null);
  const up = later(later(first, 0, { be1: 'down' }), 0, { be1: 'up' });
  t.match(up.members[0], { alive: true, weight: 1, milliWeight: 100, sizeWeight: undefined, slowStartMs: 0 });
  t.equal(untilSlowStartStep(slow, up), 1000);
  t.equal(untilSlowStartStep(slow, aged(up, 400)), 600);
  const weights: number[] = [];
  let now = up;
  for (let step = 0; step < 10; step++) {
    now = later(now, 1000, { be1: 'up' });
    weights.push(now.members[0]?.milliWeight ?? 1000);
  }
  t.same(weights, [190, 280, 370, 460, 550, 640, 730, 820, 910, 1000]);
  t.same(now.members, first.members, 'over, and said in few words again');
  t.equal(now.generation, up.generation + 10);
  const unchanged = aged(up, 900);
  t.equal(decideGeneration(slow, unchanged, health({})), unchanged, 'between two steps nothing changes');
});

t.test('a slow start begins anew with each coming up, also for one that was enabled or is new', async (t) => {
  const half = later(later(later(firstGeneration(slow), 0, { be1: 'down' }), 0, { be1: 'up' }), 5000);
  t.match(half.members[0], { milliWeight: 550, slowStartMs: 5000 });
  t.match(later(later(half, 0, { be1: 'down' }), 0, { be1: 'up' }).members[0], { milliWeight: 100, slowStartMs: 0 });
  for (const state of ['drain', 'disable'] as const) {
    const off = decideGeneration(slow, half, health({}), intents({ be1: { state } }));
    t.notOk('slowStartMs' in (off.members[0] ?? {}), `${state}: it is over`);
    t.match(later(off, 0).members[0], { milliWeight: 100, slowStartMs: 0 });
  }
  const more: PoolConfig = { ...slow, servers: [...slow.servers, server('be3', 3)] };
  t.match(decideGeneration(more, firstGeneration(slow), health({})).members[2], { slowStartMs: 0 });
  t.match(
    decideGeneration(slow, half, health({}), intents({ be1: { milliWeight: 4000 } })).members[0],
    { milliWeight: 2200 },
    'of a new weight',
  );
  const without: PoolConfig = { ...slow, slowStartMs: null };
  t.notOk('slowStartMs' in (decideGeneration(without, half, health({})).members[0] ?? {}), 'the configuration has none any more');
  t.equal(untilSlowStartStep(without, half), 0, 'so look at once');
});

t.test('whether a command is in force', async (t) => {
  const first = firstGeneration(pool);
  const drain = intents({ be1: { state: 'drain' } });
  t.notOk(isObeyed(pool, first, 'be1', drain));
  t.ok(isObeyed(pool, first, 'be2', drain));
  t.ok(isObeyed(pool, decideGeneration(pool, first, health({}), drain), 'be1', drain));
  t.notOk(isObeyed(pool, first, 'be1', intents({ be1: { milliWeight: 500 } })));
  t.notOk(isObeyed(pool, first, 'be9', drain));
});

t.test('what an agent asks for counts below the word of an operator, above the configuration', async (t) => {
  const first = firstGeneration(pool);
  const decide = (said: MemberAdvice | null, intent: Partial<ReturnType<IntentOf>> = {}, current = first, state: CheckedHealth = 'up') =>
    decideGeneration(pool, current, health({ be1: state }), intents({ be1: intent }), (_pool, name) => (name === 'be1' ? said : null));
  const drained = decide({ drain: true });
  t.match(drained.members[0], { weight: 0, alive: true, state: 'drain', sizeWeight: 1000, advice: { drain: true } });
  t.same(usableServers(pool, drained), ['be2']);
  t.match(decide({ weightPercent: 50 }).members[0], { weight: 1, milliWeight: 500, advice: { weightPercent: 50 } });
  t.match(decide({ weightPercent: 0 }).members[0], { weight: 0, alive: true });
  t.match(decide({ weightPercent: 99_999 }).members[0], { weight: 256 }, 'no more than can be configured');
  const ready = decide({ drain: true, weightPercent: 10 }, { state: 'ready', commanded: { state: true, weight: false } }).members[0];
  t.match(ready, { milliWeight: 100 });
  t.notOk('state' in (ready ?? {}), 'an operator has said that it serves');
  t.match(decide({ weightPercent: 10 }, { milliWeight: 3000, commanded: { state: false, weight: true } }).members[0], { weight: 3 });
  t.match(decide({}, { state: 'disable' }).members[0], { state: 'disable' }, 'nor does it undo what the configuration says');
  t.same(decide(null, {}, drained).members, first.members, 'it does not ask for it any more');
  t.equal(decide({ drain: true }, {}, drained), drained);
  const unasked = decideGeneration(pool, drained, health({}), intents({}));
  t.equal(unasked, drained, 'what counted before counts until this node has asked');
  t.ok(isObeyed(pool, drained, 'be1', intents({})), 'so a command on something else is obeyed');
});

t.test('what counts of the words of an agent', async (t) => {
  t.equal(memberAdvice(null), null);
  t.equal(memberAdvice({ admin: 'ready', maxConnections: 5 }), null);
  t.same(memberAdvice({ admin: 'ready', weightPercent: 0 }), { weightPercent: 0 });
  t.same(memberAdvice({ admin: 'drain', weightPercent: 50 }), { drain: true, weightPercent: 50 });
  t.same(memberAdvice({ admin: 'maint' }), { drain: true });
});

t.test('a server in maintenance by its agent stays out, of a panic too, until the agent says ready', async (t) => {
  const panicky: PoolConfig = { ...pool, panicThreshold: 100 };
  const decide = (current: PoolGeneration, be1: CheckedHealth, admin: 'maint' | 'ready') =>
    decideGeneration(panicky, current, health({ be1, be2: 'down' }), intents({}), (_pool, name) =>
      memberAdvice(name === 'be1' ? { admin } : null),
    );
  const maint = decide(firstGeneration(panicky), 'down', 'maint');
  t.same(panicOf(panicky, maint.members), { isPanicking: true, wanted: 1, up: 0 });
  t.same(usableServers(panicky, maint), ['be2']);
  const answers = decide(maint, 'up', 'maint');
  t.match(answers.members[0], { alive: true, weight: 0, state: 'drain' }, 'that it is up is not all that it takes');
  t.same(usableServers(panicky, answers), ['be2']);
  t.same(usableServers({ ...panicky, panicThreshold: 0 }, decide(answers, 'up', 'ready')), ['be1']);
});
