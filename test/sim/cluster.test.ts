/**
 * Whole clusters under thousands of seeds, on all cores. `TANDEM_SIM_SEEDS=100000` runs more of them, `TANDEM_SIM_FIRST` begins elsewhere.
 * One seed: `TANDEM_SIM_SEED=123 node build/js/test/sim/cluster.test.js` replays it and tells its story, without the faults that do not matter.
 */
import t from 'tap';
import type { Excuse } from './cluster/checks.js';
import { runSeeds, runShares } from './cluster/fleet.js';
import { MUTANTS, type Mutant } from './cluster/mutants.js';
import { run, shrink, story } from './cluster/run.js';

const SEEDS = Number(process.env.TANDEM_SIM_SEEDS ?? 10_000);
const FIRST = Number(process.env.TANDEM_SIM_FIRST ?? 1);
const only = process.env.TANDEM_SIM_SEED;
/** Of transitions: each way to a role, and out of it. */
const REASONS =
  'activeSilent alone betterActive cutOff detached leaseLapsed linkDown operator peerSilent preempt priorityZero resumed staleTerm stop told unheard'.split(
    ' ',
  );
/** In so many seeds each kind of excuse and transition has to occur. */
const EVERYTHING_SEEDS = 5000;
const FREQUENT: readonly Excuse[] = ['cutOff', 'promiseLost', 'frozen'];
/** Failing runs that are looked into. */
const TOLD = 2;
/** A mutant that does harm in so few runs that none of these shows it proves nothing about its check. */
const MUTANT_SEEDS = 1000;
const NO_LIMIT = { timeout: 0 };
t.setTimeout(0);

const told = async (seed: number): Promise<string> => story({ seed, without: await shrink({ seed }) });

if (only !== undefined) {
  t.test(`seed ${only}`, NO_LIMIT, async (t) => {
    const seed = Number(only);
    const { verdict } = await run({ seed });
    t.comment(verdict.violations.length > 0 ? await told(seed) : await story({ seed }));
    t.same(verdict.violations, []);
  });
} else {
  t.test('the same seed gives the same run', async (t) => {
    for (const seed of [3, 8]) t.equal(await story({ seed }), await story({ seed }));
  });

  t.test('whole clusters', NO_LIMIT, async (t) => {
    const tally = await runSeeds({ first: FIRST, seeds: SEEDS, mutant: null, maxFailures: 20 });
    const { seeds, takeOvers, flows, served, drained, excused, lost, failures } = tally;
    t.comment(`${seeds} seeds, ${takeOvers} take-overs, ${flows} flows, ${served} packets served, ${drained} of them without a lease`);
    t.comment(`two leases at once, excused: ${JSON.stringify(excused)}`);
    t.comment(`flows lost, excused: ${JSON.stringify(lost)}`);
    for (const { seed } of failures.slice(0, TOLD)) t.fail(`seed ${seed}`, { story: await told(seed) });
    t.same(
      failures.map(({ seed, violations }) => `seed ${seed}: ${violations[0]}`),
      [],
      'runs that failed',
    );
    t.ok(takeOvers > 2 * seeds, 'the faults cause take-overs');
    t.ok(drained > 0 && lost.notShared > 0, 'the clients meet drain windows, and flows that nobody else had');
    t.comment(`transitions: ${JSON.stringify(tally.reasons)}`);
    t.comment(
      `looks at a node that was cut off and had given up: ${tally.met.cutOff}; at records that wait for digests: ${tally.met.leftOver}; packets after a claim unheard of: ${tally.met.unheardClaim}`,
    );
    if (SEEDS >= EVERYTHING_SEEDS) {
      for (const reason of REASONS) t.ok((tally.reasons[reason] ?? 0) > 0, `${reason} is exercised`);
      for (const excuse of FREQUENT) t.ok(excused[excuse] > 0, `${excuse} is exercised`);
    }
  });

  t.test('a node that is wrong on purpose is caught', NO_LIMIT, async (t) => {
    const mutants = Object.keys(MUTANTS) as Mutant[];
    const tallies = await runShares(
      mutants.map((mutant) => ({ first: 1, seeds: MUTANT_SEEDS, mutant, maxFailures: Number.POSITIVE_INFINITY })),
    );
    for (const [index, mutant] of mutants.entries()) {
      const { text, caughtBy } = MUTANTS[mutant];
      const violations = tallies[index]?.failures.flatMap((failure) => failure.violations) ?? [];
      for (const check of caughtBy) {
        t.ok(
          violations.some((violation) => violation.startsWith(check)),
          `${text}: caught by ${check}`,
          { violations: violations.slice(0, 5) },
        );
      }
      const first = tallies[index]?.failures[0]?.seed;
      t.comment(`${mutant}: first caught with seed ${first}`);
    }
  });
}
