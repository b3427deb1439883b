import t from 'tap';
import { renderMarkdown } from '../../../scripts/lib/bench/failover-markdown.js';
import {
  type BusyRow,
  CASE_NAMES,
  DEFAULTS,
  expectedSeconds,
  type FailoverResult,
  OTHER_CASES,
  OUTAGE_CASES,
  type OutageRow,
  outageGroups,
  type Peer,
} from '../../../scripts/lib/bench/failover-plan.js';
import { duration, ratio, renderFailover } from '../../../scripts/lib/bench/failover-report.js';

const peers: readonly Peer[] = ['keepalived', 'conntrackd'];

t.test('plan: cases of the same size and interval share their labs', async (t) => {
  const groups = outageGroups({ cases: ['crash', 'link', 'switchover', 'crash5', 'busy'], adverts: null, peers });
  t.same(
    groups.map(({ nodes, advertMs, systems, cases }) => [nodes, advertMs, systems, cases.map(({ name }) => name)]),
    [
      [2, 10, ['tandem', 'tandem fast', 'keepalived'], ['crash', 'link', 'switchover']],
      [2, 100, ['tandem', 'tandem fast', 'keepalived'], ['crash']],
      [5, 10, ['tandem', 'keepalived'], ['crash5']],
    ],
  );
});

t.test('plan: other intervals, and no keepalived where it is not installed', async (t) => {
  const groups = outageGroups({ cases: ['switchover', 'crash'], adverts: [50], peers: [] });
  t.same(
    groups.map(({ advertMs, systems, cases }) => [advertMs, systems, cases.map(({ name, systems }) => [name, systems])]),
    [
      [
        50,
        ['tandem', 'tandem fast'],
        [
          ['crash', ['tandem', 'tandem fast']],
          ['switchover', ['tandem']],
        ],
      ],
    ],
  );
});

t.test('plan: the usual run stays under twenty minutes, and each case adds to it', async (t) => {
  const whole = expectedSeconds(DEFAULTS);
  t.ok(whole < 20 * 60, `${whole} s`);
  t.ok(expectedSeconds({ ...DEFAULTS, peers: [] }) < whole);
  t.equal(expectedSeconds({ ...DEFAULTS, cases: [] }), 0);
  for (const name of CASE_NAMES) t.ok(expectedSeconds({ ...DEFAULTS, cases: [name] }) > 0, name);
  t.equal(CASE_NAMES.length, OUTAGE_CASES.length + OTHER_CASES.length);
});

const range = (median: number, min = median, max = median) => ({ median, min, max });

const row = (system: string, outage: number, change: Partial<OutageRow> = {}): OutageRow => ({
  system,
  case: 'crash',
  advertMs: 10,
  nodes: 2,
  trials: 20,
  outageMs: range(outage),
  takeoverMs: range(outage + 2),
  silenceMs: range(35),
  lostProbes: range(Math.round(outage)),
  lostInAll: Math.round(outage) * 20,
  movedBefore: 0,
  lateAnswers: 0,
  ...change,
});

const busy = (system: string, takeovers: number, isRealtime: boolean): BusyRow => ({
  system,
  advertMs: 10,
  isRealtime,
  seconds: 60,
  loops: 4,
  takeovers,
  longestSilenceMs: 14.25,
});

const result = (change: Partial<FailoverResult>): FailoverResult => ({
  benchmark: 'failover',
  kernel: '6.1.0',
  cpus: 2,
  trials: 20,
  seconds: 754,
  outage: [],
  busy: [],
  survival: [],
  notes: [],
  ...change,
});

const outage = [
  row('tandem', 30),
  row('tandem fast', 9.5),
  row('keepalived', 32),
  row('tandem', 0, { case: 'switchover', takeoverMs: null }),
];

t.test('report: ratio to keepalived of the same event and run', async (t) => {
  t.equal(ratio(row('tandem', 30), [row('tandem', 30), row('keepalived', 40)]), 0.75);
  t.equal(ratio(row('tandem', 30), [row('tandem', 30)]), null);
  t.equal(ratio(row('tandem', 30), [row('keepalived', 0)]), null);
  const keepalived = row('keepalived', 40);
  t.equal(ratio(keepalived, [keepalived]), null);
});

t.test('report: medians with ranges, ratios, what happened by itself', async (t) => {
  const text = renderFailover(
    result({ outage: [...outage, row('keepalived', 5, { case: 'link', movedBefore: 2 })], notes: ['hear, hear'] }),
  );
  t.match(text, /crash +10 ms +tandem +30\.0 \(30\.0\.\.30\.0\) +0\.94 +32\.0 .* 30 \(30\.\.30\) +600$/m);
  t.match(text, /crash +10 ms +tandem fast +9\.5 .* +0\.30 /m);
  t.match(text, /switchover +10 ms +tandem +0 \(0\.\.0\) +- /m);
  t.match(text, /keepalived, 10 ms link: 2 trials repeated/);
  t.match(text, /kernel 6\.1\.0, 2 CPUs, 12 min 34 s\nnote: hear, hear$/);
});

t.test('report: a part that was not measured is not there', async (t) => {
  t.equal(renderFailover(result({})), 'kernel 6.1.0, 2 CPUs, 12 min 34 s');
  t.equal(renderMarkdown(result({})), '');
});

t.test('report: take-overs on a busy machine', async (t) => {
  const rows = [busy('tandem', 0, true), busy('keepalived', 3, false)];
  const text = renderFailover(result({ busy: rows }));
  t.match(text, /4 busy loops for 60 s at advert 10 ms, no fault/);
  t.match(text, /tandem +yes +0 +14\.3/);
  t.match(text, /keepalived +no +3 /);
  t.match(renderMarkdown(result({ busy: rows })), /\| keepalived \| no \| 3 \| 14\.3 \|/);
});

t.test('tables of the documentation', async (t) => {
  const lines = renderMarkdown(result({ outage })).split('\n');
  t.ok(
    lines.includes(
      '| crash: kill -9 of everything, cables pulled | 10 ms | 30.0 (30.0–30.0) / 32.0 | 9.5 (9.5–9.5) / 11.5 | 32.0 (32.0–32.0) / 34.0 | 0.94 |',
    ),
    lines.join('\n'),
  );
  t.ok(lines.includes('| switchover by command | 10 ms | 0 |  |  |  |'));
});

t.test('times in words', async (t) => {
  t.equal(duration(42), '42 s');
  t.equal(duration(754), '12 min 34 s');
});
