import t from 'tap';
import type { PoolConfig } from '../../../src/config/model.js';
import { createHealthChecker, type HealthChange } from '../../../src/health/checker.js';
import type { Probe, ProbeResult } from '../../../src/health/probe.js';
import { FakeClock } from '../../support/fake-clock.js';
import { checkOf } from '../../support/probe-bench.js';
import { samplePool } from '../../support/sample-config.js';

const healthCheck = checkOf({});
const checked: PoolConfig = { ...samplePool, healthCheck };

function bench(pools: PoolConfig[] = [checked]) {
  const clock = new FakeClock(0);
  const changes: HealthChange[] = [];
  const asked: { at: number; address: string; answer: (ok: boolean) => void; isCancelled: boolean }[] = [];
  const probe: Probe = (target, _check, onResult: (result: ProbeResult) => void) => {
    const entry = {
      at: clock.now(),
      address: target.address,
      answer: (ok: boolean) => onResult({ ok, reason: ok ? 'good' : 'bad' }),
      isCancelled: false,
    };
    asked.push(entry);
    return () => {
      entry.isCancelled = true;
    };
  };
  const checker = createHealthChecker({ pools, clock, probe, log: { event: () => undefined }, onChange: (change) => changes.push(change) });
  return { clock, changes, asked, checker };
}

t.test('nobody is asked before start; then all, one after the other', async (t) => {
  const { clock, asked, checker } = bench();
  clock.advance(10_000);
  t.same(asked, []);
  checker.start();
  clock.advance(999);
  t.same(
    asked.map(({ at, address }) => [at, address]),
    [
      [10_000, '10.2.0.21'],
      [10_500, '10.2.0.22'],
    ],
  );
});

t.test('states from unknown to up to down, each change told once', async (t) => {
  const { clock, changes, asked, checker } = bench();
  checker.start();
  t.match(checker.status('web', 'be1'), { state: 'unknown', reason: 'not checked yet' });
  const answerNext = (ok: boolean): void => {
    const before = asked.filter(({ address }) => address === '10.2.0.21').length;
    while (asked.filter(({ address }) => address === '10.2.0.21').length === before) clock.advance(100);
    asked
      .filter(({ address }) => address === '10.2.0.21')
      .at(-1)
      ?.answer(ok);
  };
  answerNext(true);
  t.match(checker.status('web', 'be1'), { state: 'up', reason: 'good' });
  for (const ok of [false, false, true, false, false]) answerNext(ok);
  t.equal(checker.status('web', 'be1')?.state, 'up');
  answerNext(false);
  t.match(checker.status('web', 'be1'), { state: 'down', reason: 'bad', sinceWallMs: clock.wallMs() });
  t.same(
    changes.filter(({ server }) => server === 'be1').map(({ from, to }) => `${from} ${to}`),
    ['unknown up', 'up down'],
  );
});

t.test('a pool without a check is unchecked and never asked', async (t) => {
  const { clock, asked, checker } = bench([samplePool]);
  checker.start();
  clock.advance(60_000);
  t.same(asked, []);
  t.same(
    checker.all().map(({ server, state }) => [server, state]),
    [
      ['be1', 'unchecked'],
      ['be2', 'unchecked'],
    ],
  );
  t.equal(checker.status('web', 'nobody'), undefined);
});

t.test('new pools: what did not change goes on, what left is not asked again, a changed check keeps its state', async (t) => {
  const { clock, asked, checker } = bench();
  checker.start();
  clock.advance(600);
  asked[0]?.answer(true);
  const [first, second] = checked.servers;
  if (first === undefined || second === undefined) throw new Error('the sample pool has two servers');
  checker.applyPools([{ ...checked, servers: [first] }]);
  t.equal(asked[1]?.isCancelled, true, 'be2 was being asked');
  t.equal(checker.status('web', 'be2'), undefined);
  clock.advance(5000);
  t.same(
    asked.slice(2).map(({ at, address }) => [at, address]),
    [[5000, '10.2.0.21']],
    'be1 kept its rhythm',
  );
  checker.applyPools([{ ...checked, servers: [first], healthCheck: { ...healthCheck, intervalMs: 1000 } }]);
  t.equal(checker.status('web', 'be1')?.state, 'up');
  checker.applyPools([{ ...checked, servers: [{ ...first, address: '10.2.0.99' }] }]);
  t.equal(checker.status('web', 'be1')?.state, 'unknown', 'another machine: nothing is known');
});

t.test('advice of an agent stays until it says another, and goes with the agent', async (t) => {
  const agent: PoolConfig = { ...checked, healthCheck: checkOf({ type: 'agent', port: 9000 }) };
  const clock = new FakeClock(0);
  const logged: unknown[] = [];
  let say: (result: ProbeResult) => void = () => undefined;
  const probe: Probe = (target, _check, onResult) => {
    if (target.server === 'be1') say = onResult;
    return () => undefined;
  };
  const event = (name: string, fields: object): void => {
    if (name === 'server.advice') logged.push(fields);
  };
  let told = 0;
  const onAdvice = (): void => {
    told += 1;
  };
  const checker = createHealthChecker({ pools: [agent], clock, probe, log: { event }, onChange: () => undefined, onAdvice });
  const advice = () => checker.status('web', 'be1')?.advice;
  checker.start();
  clock.advance(10);
  t.equal(advice(), null);
  const results: ProbeResult[] = [
    { ok: true, reason: 'a', advice: { weightPercent: 50 } },
    { ok: true, reason: 'b', advice: { admin: 'drain' } },
    { ok: true, reason: 'c' },
    { ok: true, reason: 'd', advice: { weightPercent: 50, admin: 'drain' } },
    { ok: true, reason: 'e', advice: { maxConnections: 30 } },
    { ok: true, reason: 'f', advice: { maxConnections: 30 } },
  ];
  for (const result of results) {
    say(result);
    clock.advance(5000);
  }
  const said = { weightPercent: 50, admin: 'drain', maxConnections: 30 };
  t.same(advice(), said);
  t.same(
    logged,
    [
      { pool: 'web', server: 'be1', reason: 'a', weightPercent: 50 },
      { pool: 'web', server: 'be1', reason: 'b', weightPercent: 50, admin: 'drain' },
      { pool: 'web', server: 'be1', reason: 'e', ...said, ignored: 'maxConnections' },
    ],
    'each change once',
  );
  t.equal(told, 3);
  checker.applyPools([{ ...agent, healthCheck: checkOf({ type: 'agent', port: 9001 }) }]);
  t.same(advice(), said, 'still an agent');
  checker.applyPools([checked]);
  t.equal(advice(), null);
});

t.test('stop cancels everything', async (t) => {
  const { clock, asked, changes, checker } = bench();
  checker.start();
  clock.advance(100);
  checker.stop();
  t.equal(asked[0]?.isCancelled, true);
  asked[0]?.answer(true);
  clock.advance(60_000);
  t.equal(asked.length, 1);
  t.same(changes, []);
  t.equal(clock.waiting, 0);
});
