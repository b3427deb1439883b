import fc from 'fast-check';
import t from 'tap';
import type { MaglevMember } from '../../../src/l4/maglev.js';
import { MAX_ROUND_LENGTH, roundRobinTable } from '../../../src/l4/round-robin.js';

const members = (...weights: number[]): MaglevMember[] =>
  weights.map((weight, index) => ({ name: `be${String(index).padStart(4, '0')}`, weight, slot: index + 1, isUsable: true }));

t.test('the smooth sequence of nginx', async (t) => {
  t.same([...roundRobinTable(members(5, 1, 1))], [1, 1, 2, 1, 3, 1, 1]);
  t.same([...roundRobinTable(members(1, 1, 1))], [1, 2, 3]);
  t.same([...roundRobinTable(members(100, 200))], [2, 1, 2], 'weights count relative to each other');
});

t.test('dead and weightless servers take no turn', async (t) => {
  const [first, second] = members(1, 1) as [MaglevMember, MaglevMember];
  t.same([...roundRobinTable([first, { ...second, isUsable: false }])], [1]);
  t.same([...roundRobinTable([{ ...first, weight: 0 }, second])], [2]);
  t.same([...roundRobinTable([])], []);
});

t.test('in one round everybody has the turns of its weight, whatever the order of members', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }), (weights) => {
      const pool = members(...weights);
      const table = roundRobinTable(pool);
      const reversed = roundRobinTable(pool.slice().reverse());
      const turns = weights.map((_, index) => table.filter((slot) => slot === index + 1).length);
      const scale = (turns[0] ?? 0) / (weights[0] ?? 1);
      return table.join() === reversed.join() && turns.every((count, index) => count === (weights[index] ?? 0) * scale);
    }),
  );
});

t.test('smooth: at no moment of a round is anybody a turn ahead of its share, or two behind', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }), (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const had = weights.map(() => 0);
      return [...roundRobinTable(members(...weights))].every((slot, turn) => {
        had[slot - 1] = (had[slot - 1] ?? 0) + 1;
        const ahead = weights.map((weight, index) => (had[index] ?? 0) - ((turn + 1) * weight) / total);
        return ahead.every((turns) => turns < 1 && turns > -2);
      });
    }),
    { numRuns: 300 },
  );
});

t.test('a round stays short, and the lightest server keeps a turn', async (t) => {
  const table = roundRobinTable(members(1, 65_536, 32_768));
  t.ok(table.length <= MAX_ROUND_LENGTH);
  t.equal(table.filter((slot) => slot === 1).length, 1);
  const many = roundRobinTable(members(...Array.from({ length: 300 }, (_, index) => 1 + index * 7)));
  t.ok(many.length <= MAX_ROUND_LENGTH);
  t.equal(new Set(many).size, 300);
});
