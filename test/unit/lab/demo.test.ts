import t from 'tap';
import { parseDemoOptions } from '../../../scripts/lib/demo/options.js';
import { isClean, lostConnections } from '../../../scripts/lib/demo/result.js';
import { PLAIN, renderTimeline, windowFor } from '../../../scripts/lib/demo/timeline.js';
import type { LoadReport } from '../../support/lab/workload-api.js';

t.test('options: defaults and all of them', async (t) => {
  t.same(parseDemoOptions([]), { ok: true, options: { fault: 'crash', connections: 1000, direct: 200, json: false, keep: false } });
  t.same(parseDemoOptions(['--fault', 'cable', '--connections', '50', '--json', '--keep']), {
    ok: true,
    options: { fault: 'cable', connections: 50, direct: 10, json: true, keep: true },
  });
});

t.test('options: what is wrong is said', async (t) => {
  for (const words of [
    ['--fault', 'fire'],
    ['--connections', '0'],
    ['--connections', '1.5'],
    ['--connections', '99999'],
    ['--unknown'],
    ['word'],
  ]) {
    t.match(parseDemoOptions(words), { ok: false, problem: /.{10,}/ }, words.join(' '));
  }
});

const report = (counts: Partial<LoadReport>): LoadReport => ({
  tried: 10,
  established: 10,
  alive: 10,
  reset: 0,
  closed: 0,
  corrupted: 0,
  silent: 0,
  failed: 0,
  bytesVerified: 1,
  gapMs: { median: 1, p99: 1, max: 1 },
  roundTripMs: { median: 1, p99: 1, max: 1 },
  servers: {},
  young: { established: 0, alive: 0 },
  ...counts,
});

t.test('one lost connection is not clean, nor is one that never opened', async (t) => {
  t.ok(isClean({ nat: report({}), dsr: report({}) }));
  t.notOk(isClean({ nat: report({}), dsr: report({ alive: 9 }) }));
  t.notOk(isClean({ nat: report({ established: 9, alive: 9 }), dsr: report({}) }));
  t.equal(lostConnections({ nat: report({ alive: 7 }), dsr: report({ alive: 9 }) }), 4);
});

t.test('the timeline shows who answered, and nobody during the outage', async (t) => {
  const lines = renderTimeline(
    [
      { node: 'lb1', fromMs: -900, toMs: 0 },
      { node: 'lb2', fromMs: 300, toMs: 2000 },
    ],
    ['lb1', 'lb2'],
    300,
    PLAIN,
  );
  const [first = '', lb1 = '', lb2 = '', scale = ''] = lines;
  const faultAt = first.indexOf('╿');
  t.match(lb1, /^lb1 +━+·+$/);
  t.match(lb2, /^lb2 +·+━+$/);
  t.ok(Math.abs(lb1.lastIndexOf('━') - faultAt) <= 1, 'lb1 ends at the fault');
  const silent = lb2.indexOf('━') - lb1.lastIndexOf('━') - 1;
  const { fromMs, toMs } = windowFor(300);
  t.ok(Math.abs(silent - (300 / (toMs - fromMs)) * PLAIN.columns) <= 2, 'the outage has its length');
  t.match(scale, /-300 ms +0 +\+600 ms/);
});
