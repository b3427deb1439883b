import fc from 'fast-check';
import t from 'tap';
import {
  type CheckEffect,
  type CheckEvent,
  type CheckState,
  type CheckTiming,
  FIRST_SPREAD_MS,
  initialCheck,
  LATE_WAKE_MS,
  nextDeadline,
  stepCheck,
} from '../../../src/health/machine.js';
import type { Monotonic } from '../../../src/system/clock.js';

const timing = { intervalMs: 5000, timeoutMs: 3000, rise: 2, fall: 3 };
const at = (ms: number): Monotonic => ms as Monotonic;
const step = (state: CheckState, event: CheckEvent, now: number) => stepCheck(state, event, at(now), timing);

type Health = 'up' | 'down' | 'unknown';
const verdict = (health: Health, contrary = 0, reason = 'r') => ({ health, contrary, reason });
const waiting = (health: Health, contrary = 0): CheckState => ({
  phase: 'waiting',
  probe: 4,
  dueAt: at(1000),
  turn: at(1000),
  ...verdict(health, contrary),
});
const probing = (health: Health, contrary = 0): CheckState => ({
  phase: 'probing',
  probe: 4,
  timeoutAt: at(4000),
  turn: at(1000),
  ...verdict(health, contrary),
});
const idle = (health: Health): CheckState => ({ phase: 'idle', ...verdict(health) });
const after = (health: Health, contrary: number, reason: string): CheckState => ({
  phase: 'waiting',
  probe: 5,
  dueAt: at(6000),
  turn: at(6000),
  ...verdict(health, contrary, reason),
});

const good: CheckEvent = { type: 'result', probe: 4, ok: true, reason: 'good' };
const bad: CheckEvent = { type: 'result', probe: 4, ok: false, reason: 'bad' };
const changed = (from: Health, to: 'up' | 'down', reason: string): CheckEffect => ({ type: 'changed', from, to, reason });
const cancel: CheckEffect = { type: 'cancelProbe', probe: 4 };
const late = 'no answer within 3000 ms';

interface Row {
  name: string;
  state: CheckState;
  event: CheckEvent;
  now: number;
  next: CheckState | 'same';
  effects: CheckEffect[];
}

const rows: Row[] = [
  {
    name: 'idle, start: the first probe early, the rhythm spread over the interval',
    state: initialCheck,
    event: { type: 'start', spread: 0.5 },
    now: 100,
    next: { phase: 'waiting', probe: 1, dueAt: at(100 + FIRST_SPREAD_MS / 2), turn: at(2600), ...verdict('unknown', 0, 'not checked yet') },
    effects: [],
  },
  { name: 'idle, wake', state: idle('up'), event: { type: 'wake' }, now: 9000, next: 'same', effects: [] },
  { name: 'idle, result', state: idle('up'), event: bad, now: 9000, next: 'same', effects: [] },
  { name: 'idle, stop', state: idle('up'), event: { type: 'stop' }, now: 9000, next: 'same', effects: [] },

  { name: 'waiting, start', state: waiting('up'), event: { type: 'start', spread: 0 }, now: 900, next: 'same', effects: [] },
  { name: 'waiting, wake too early', state: waiting('up'), event: { type: 'wake' }, now: 999, next: 'same', effects: [] },
  {
    name: 'waiting, wake',
    state: waiting('up', 1),
    event: { type: 'wake' },
    now: 1000,
    next: probing('up', 1),
    effects: [{ type: 'probe', probe: 4 }],
  },
  { name: 'waiting, result of an old probe', state: waiting('up'), event: bad, now: 1000, next: 'same', effects: [] },
  { name: 'waiting, stop', state: waiting('down'), event: { type: 'stop' }, now: 500, next: idle('down'), effects: [] },

  { name: 'probing, start', state: probing('up'), event: { type: 'start', spread: 0 }, now: 2000, next: 'same', effects: [] },
  { name: 'probing, wake too early', state: probing('up'), event: { type: 'wake' }, now: 3999, next: 'same', effects: [] },
  { name: 'probing, result of another probe', state: probing('up'), event: { ...bad, probe: 3 }, now: 2000, next: 'same', effects: [] },
  { name: 'probing, stop', state: probing('up'), event: { type: 'stop' }, now: 2000, next: idle('up'), effects: [cancel] },
  {
    name: 'unknown, first good result decides',
    state: probing('unknown'),
    event: good,
    now: 1010,
    next: after('up', 0, 'good'),
    effects: [changed('unknown', 'up', 'good')],
  },
  {
    name: 'unknown, first bad result decides',
    state: probing('unknown'),
    event: bad,
    now: 1010,
    next: after('down', 0, 'bad'),
    effects: [changed('unknown', 'down', 'bad')],
  },
  { name: 'up, good', state: probing('up', 2), event: good, now: 1010, next: after('up', 0, 'good'), effects: [] },
  { name: 'up, bad once', state: probing('up', 0), event: bad, now: 1010, next: after('up', 1, 'bad'), effects: [] },
  { name: 'up, bad twice', state: probing('up', 1), event: bad, now: 1010, next: after('up', 2, 'bad'), effects: [] },
  {
    name: 'up, bad three times',
    state: probing('up', 2),
    event: bad,
    now: 1010,
    next: after('down', 0, 'bad'),
    effects: [changed('up', 'down', 'bad')],
  },
  { name: 'down, bad', state: probing('down', 1), event: bad, now: 1010, next: after('down', 0, 'bad'), effects: [] },
  { name: 'down, good once', state: probing('down', 0), event: good, now: 1010, next: after('down', 1, 'good'), effects: [] },
  {
    name: 'down, good twice',
    state: probing('down', 1),
    event: good,
    now: 1010,
    next: after('up', 0, 'good'),
    effects: [changed('down', 'up', 'good')],
  },
  {
    name: 'probing, timeout counts as bad',
    state: probing('up', 2),
    event: { type: 'wake' },
    now: 4000,
    next: after('down', 0, late),
    effects: [cancel, changed('up', 'down', late)],
  },
  {
    name: 'probing, woke much too late: this process was paused, the probe counts for nothing',
    state: probing('up', 2),
    event: { type: 'wake' },
    now: 4000 + LATE_WAKE_MS,
    next: after('up', 2, 'r'),
    effects: [cancel],
  },
  {
    name: 'turns that passed meanwhile are not made up for',
    state: probing('up'),
    event: good,
    now: 17_000,
    next: { ...after('up', 0, 'good'), dueAt: at(21_000), turn: at(21_000) } as CheckState,
    effects: [],
  },
  {
    name: 'the early first probe is followed by its own turn',
    state: { phase: 'probing', probe: 4, timeoutAt: at(4000), turn: at(4500), ...verdict('unknown') },
    event: good,
    now: 1010,
    next: { phase: 'waiting', probe: 5, dueAt: at(4500), turn: at(4500), ...verdict('up', 0, 'good') },
    effects: [changed('unknown', 'up', 'good')],
  },
];

t.test('faster on the way up or down, at its own pace while down', async (t) => {
  const paces = { ...timing, fastIntervalMs: 500, downIntervalMs: 8000 };
  const dueAfter = (state: CheckState, event: CheckEvent, now = 1010, limits: CheckTiming = paces) =>
    nextDeadline(stepCheck(state, event, at(now), limits).state);
  t.equal(dueAfter(probing('up'), good), 6000, 'up and well');
  t.equal(dueAfter(probing('up'), bad), 1500, 'on the way down');
  t.equal(dueAfter(probing('up', 1), bad), 1500);
  t.equal(dueAfter(probing('up', 2), good), 6000, 'it came back');
  t.equal(dueAfter(probing('up', 2), bad), 9000, 'down');
  t.equal(dueAfter(probing('down'), bad), 9000);
  t.equal(dueAfter(probing('down'), good), 1500, 'on the way up');
  t.equal(dueAfter(probing('down', 1), good), 6000, 'up');
  t.equal(dueAfter(probing('up'), { type: 'wake' }, 4000), 4500, 'a timeout is longer than the fast interval: no probe overlaps');
  t.equal(dueAfter(probing('up', 1), { type: 'wake' }, 4000 + LATE_WAKE_MS), 5500, 'a probe that counts for nothing keeps the pace');
  for (const none of [{}, { fastIntervalMs: null, downIntervalMs: null }]) {
    t.equal(dueAfter(probing('up'), bad, 1010, { ...timing, ...none }), 6000, 'unless written it is the interval');
    t.equal(dueAfter(probing('down'), bad, 1010, { ...timing, ...none }), 6000);
  }
  const first: CheckState = { phase: 'probing', probe: 4, timeoutAt: at(4000), turn: at(4700), ...verdict('unknown') };
  t.equal(dueAfter(first, bad, 1010, { ...paces, downIntervalMs: 1000 }), 1700, 'turns before that of the early first probe are used');
});

t.test('silence may be good', async (t) => {
  const quiet = { ...timing, isSilenceGood: true };
  const { state, effects } = stepCheck(probing('down', 1), { type: 'wake' }, at(4000), quiet);
  t.same(state, after('up', 0, late));
  t.same(effects, [cancel, changed('down', 'up', late)]);
  t.equal(stepCheck(probing('up'), bad, at(1010), quiet).state.contrary, 1, 'a wrong answer is not');
});

for (const row of rows) {
  t.test(row.name, async (t) => {
    const result = step(row.state, row.event, row.now);
    t.same(result.state, row.next === 'same' ? row.state : row.next);
    t.same(result.effects, row.effects);
  });
}

t.test('every pair of phase and event has a row', async (t) => {
  const pairs = new Set(rows.map(({ state, event }) => `${state.phase} ${event.type}`));
  for (const phase of ['idle', 'waiting', 'probing']) {
    for (const event of ['start', 'wake', 'result', 'stop']) t.ok(pairs.has(`${phase} ${event}`), `${phase}, ${event}`);
  }
});

t.test('deadlines', async (t) => {
  t.equal(nextDeadline(idle('up')), null);
  t.equal(nextDeadline(waiting('up')), 1000);
  t.equal(nextDeadline(probing('up')), 4000);
});

t.test('up needs `rise` good results in a row, down `fall` bad ones, whatever comes between', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      (results, rise, fall) => {
        const limits = { ...timing, rise, fall };
        let now = 0;
        let state = stepCheck(initialCheck, { type: 'start', spread: 0 }, at(now), limits).state;
        let expected: Health = 'unknown';
        return results.every((ok, index) => {
          now = nextDeadline(state) ?? now;
          state = stepCheck(state, { type: 'wake' }, at(now), limits).state;
          if (state.phase !== 'probing') return false;
          state = stepCheck(state, { type: 'result', probe: state.probe, ok, reason: '' }, at(now + 1), limits).state;
          const run = (wanted: boolean): number => {
            const from = results.slice(0, index + 1).lastIndexOf(!wanted);
            return index - from;
          };
          if (expected === 'unknown') expected = ok ? 'up' : 'down';
          else if (expected === 'down' && ok && run(true) >= rise) expected = 'up';
          else if (expected === 'up' && !ok && run(false) >= fall) expected = 'down';
          return state.health === expected;
        });
      },
    ),
    { numRuns: 300 },
  );
});
