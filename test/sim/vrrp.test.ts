/**
 * The election under thousands of seeds. One seed: `TANDEM_SIM_SEED=123 node build/js/test/sim/vrrp.test.js` replays it with its story.
 */
import t from 'tap';
import { type Excuse, judge } from './vrrp-checks.js';
import { runSeed } from './vrrp-world.js';

const SEEDS = Number(process.env.TANDEM_SIM_SEEDS ?? 5000);
const only = process.env.TANDEM_SIM_SEED;
const STORY_LINES = 400;

function story(seed: number): string {
  const world = runSeed(seed, true);
  const { transcript, intervalMs, nodes, faults } = world;
  const { violations } = judge(world);
  const head = [
    `seed ${seed}: ${nodes.length} nodes, advert interval ${intervalMs} ms`,
    ...violations,
    ...faults.map((f) => `  fault ${f.from.toFixed(1)}..${f.to.toFixed(1)} ms: ${f.text}`),
  ];
  // Steps may run ahead of the agenda while a process is stopped: told in the order of time.
  const lines = transcript
    .map((line, index) => ({ line, index }))
    .sort((a, b) => Number.parseFloat(a.line) - Number.parseFloat(b.line) || a.index - b.index);
  return [...head, ...lines.map(({ line }) => line).slice(0, STORY_LINES)].join('\n');
}

t.test('the same seed gives the same run', (t) => {
  const tell = (): string => runSeed(7, true).transcript.join('\n');
  t.equal(tell(), tell());
  t.end();
});

t.test('never two leases at once, one active node after the faults, no flapping', (t) => {
  const excused: Record<Excuse, number> = { cutOff: 0, sameInstant: 0, handOver: 0, stalled: 0 };
  let takeOvers = 0;
  let failed = 0;
  const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, index) => index + 1) : [Number(only)];
  for (const seed of seeds) {
    const verdict = judge(runSeed(seed, false));
    takeOvers += verdict.takeOvers;
    for (const key of Object.keys(excused) as Excuse[]) excused[key] += verdict.excused[key];
    if (verdict.violations.length === 0) continue;
    failed++;
    if (failed <= 3) t.fail(`seed ${seed}`, { story: story(seed) });
  }
  if (only !== undefined) t.comment(story(seeds[0] ?? 0));
  t.comment(`${seeds.length} seeds, ${takeOvers} take-overs, excused overlaps ${JSON.stringify(excused)}`);
  t.equal(failed, 0, 'seeds that failed');
  if (only === undefined) {
    t.ok(takeOvers > 2 * SEEDS, 'the faults cause take-overs');
    t.ok(excused.cutOff > 0, 'some seeds separate healthy nodes, so that the excuse is exercised');
  }
  t.end();
});
