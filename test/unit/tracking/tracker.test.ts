/**
 * The tracker with a clock and looks of the test's own: first answer, hysteresis, time limits, looks that never overlap.
 */
import t from 'tap';
import type { TrackConfig } from '../../../src/config/model.js';
import { createTracker, type LookResult, type TrackChange } from '../../../src/tracking/tracker.js';
import { FakeClock } from '../../support/fake-clock.js';
import { tracked } from '../../support/tracked.js';

function setup(track: TrackConfig[]) {
  const clock = new FakeClock();
  const asked: { name: string; answer(result: LookResult): void; isCancelled: boolean }[] = [];
  const news: TrackChange[] = [];
  let changes = 0;
  const tracker = createTracker({
    routers: [
      { name: 'front', track },
      { name: 'back', track: [] },
    ],
    clock,
    look(_router, { name }, answer) {
      const look = { name, answer, isCancelled: false };
      asked.push(look);
      return () => {
        look.isCancelled = true;
      };
    },
    onChange: () => changes++,
    onNews: (change) => news.push(change),
  });
  const answer = (ok: boolean, value?: number) =>
    asked.at(-1)?.answer({ ok, reason: ok ? 'fine' : 'broken', ...(value === undefined ? {} : { value }) });
  return { clock, asked, news, tracker, answer, changes: () => changes };
}

t.test('no result before the first answer, which decides at once', async (t) => {
  const { clock, tracker, answer, news } = setup([tracked({ kind: 'process', process: 'x', fall: 3 })]);
  t.equal(tracker.results(), null);
  tracker.start();
  clock.advance(0);
  t.equal(tracker.results(), null, 'asked, not answered');
  answer(false);
  t.match(tracker.results(), [
    { router: 'front', fault: 'track:process:x', reasons: ['process x: broken (gives up)'] },
    { router: 'back', fault: null, priorityDelta: 0, reasons: [] },
  ]);
  t.match(news, [{ router: 'front', kind: 'process', name: 'x', to: 'down', isFirst: true, reason: 'broken' }]);
});

t.test('rise and fall', async (t) => {
  const { clock, tracker, answer, news } = setup([
    tracked({ kind: 'process', process: 'x', weight: -50, rise: 2, fall: 3, interval: 100 }),
  ]);
  tracker.start();
  clock.advance(0);
  answer(true);
  const deltas: number[] = [];
  for (const ok of [false, false, true, false, false, false, true, false, true, true]) {
    clock.advance(100);
    answer(ok);
    deltas.push(tracker.results()?.[0]?.priorityDelta ?? Number.NaN);
  }
  t.same(deltas, [0, 0, 0, 0, 0, -50, -50, -50, -50, 0]);
  t.same(
    news.map(({ to, isFirst }) => [to, isFirst]),
    [
      ['up', true],
      ['down', false],
      ['up', false],
    ],
  );
});

t.test('a look is never overtaken, and has a limit', async (t) => {
  const { clock, tracker, asked, answer } = setup([tracked({ kind: 'script', command: ['/x'], interval: 100, timeout: 250 })]);
  tracker.start();
  clock.advance(0);
  clock.advance(240);
  t.equal(asked.length, 1, 'the second waits for the first');
  clock.advance(10);
  t.equal(asked[0]?.isCancelled, true);
  t.match(tracker.status('front'), [{ state: 'down', isFault: true, reason: 'no answer within 250 ms' }]);
  clock.advance(50);
  t.equal(asked.length, 2, 'in its turn');
  asked[0]?.answer({ ok: true, reason: 'late' });
  t.match(tracker.status('front'), [{ state: 'down' }], 'an answer to an old question means nothing');
  answer(true);
  t.match(tracker.status('front'), [{ state: 'up', reason: 'fine' }]);
  tracker.stop();
  clock.advance(1000);
  t.equal(asked.length, 2, 'stopped');
});

t.test('a number counts as soon as it was read', async (t) => {
  const { clock, tracker, answer, changes } = setup([tracked({ kind: 'file', file: '/x', content: 'number', interval: 100 })]);
  tracker.start();
  clock.advance(0);
  answer(true, -10);
  const before = changes();
  t.match(tracker.results(), [{ priorityDelta: -10 }, {}]);
  clock.advance(100);
  answer(true, -20);
  t.match(tracker.results(), [{ priorityDelta: -20 }, {}]);
  t.equal(changes(), before + 1);
  t.match(tracker.status('front'), [{ weight: -20, state: 'up' }]);
  clock.advance(100);
  answer(true, -20);
  t.equal(changes(), before + 1, 'the same number is no news');
});

t.test('carrier is not looked at here', async (t) => {
  const { tracker, asked } = setup([tracked({ kind: 'interface', interface: 'eth1' })]);
  tracker.start();
  t.equal(asked.length, 0);
  t.match(tracker.results(), [{ fault: null }, {}]);
});
