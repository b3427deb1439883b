/**
 * Schedules: a seed names one for ever, every kind of fault is drawn, and nothing lies outside its bounds.
 */
import t from 'tap';
import { describePlanned, drawRound, FAULT_KINDS, type PlannedFault, type ScheduleOptions } from '../../support/nemesis/schedule.js';

const OPTIONS = { nodes: 3, kinds: FAULT_KINDS };
const draw = (seed: number, rounds: number, options: ScheduleOptions = OPTIONS): PlannedFault[] =>
  Array.from({ length: rounds }, (_, index) => drawRound(seed, index + 1, options)).flat();

t.test('the same seed and round give the same schedule, others give others', async (t) => {
  t.same(drawRound(7, 3, OPTIONS), drawRound(7, 3, OPTIONS));
  t.notSame(draw(7, 10), draw(8, 10));
  t.notSame(drawRound(7, 3, OPTIONS), drawRound(7, 4, OPTIONS));
});

t.test('every kind comes, the active node is hit most, faults overlap', async (t) => {
  const faults = draw(1, 300);
  t.same(
    FAULT_KINDS.filter((kind) => !faults.some((fault) => fault.kind === kind)),
    [],
  );
  const share = faults.filter(({ victim }) => victim === 0).length / faults.length;
  t.ok(share > 0.5 && share < 0.8, `share of the active node: ${share}`);
  const overlapping = Array.from({ length: 300 }, (_, index) => drawRound(1, index + 1, OPTIONS)).filter((round) =>
    round.some((fault, index) => round.slice(index + 1).some((later) => later.atMs < fault.atMs + fault.forMs)),
  );
  t.ok(overlapping.length > 100, `${overlapping.length} of 300 rounds`);
});

t.test('bounds', async (t) => {
  for (const nodes of [2, 5]) {
    const rounds = Array.from({ length: 200 }, (_, index) => drawRound(2, index + 1, { ...OPTIONS, nodes }));
    for (const round of rounds) {
      if (round.length < 1 || round.length > 4) t.fail(`${round.length} faults`);
      for (const { atMs, forMs, victim, other } of round) {
        const isPossible = atMs >= 0 && atMs <= 3000 + 3 * 400 && forMs > 0 && forMs <= 3000 && victim < nodes && other < nodes;
        if (!isPossible || victim === other) t.fail(JSON.stringify({ atMs, forMs, victim, other }));
      }
    }
  }
  t.same([...new Set(draw(3, 50, { ...OPTIONS, kinds: ['loss'] }).map(({ kind }) => kind))], ['loss'], 'only what was asked for');
});

t.test('in words', async (t) => {
  const fault: PlannedFault = { kind: 'cut-all', atMs: 5, forMs: 150, victim: 0, other: 2, amount: 0 };
  t.equal(describePlanned(fault), '5 ms: cut-all of the active node and node of rank 2 for 150 ms');
  t.equal(describePlanned({ ...fault, kind: 'loss', victim: 1, amount: 30 }), '5 ms: loss (30) of node of rank 1 for 150 ms');
});
