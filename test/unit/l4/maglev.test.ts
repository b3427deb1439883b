import fc from 'fast-check';
import t from 'tap';
import { MAX_TABLE_SIZE, type MaglevMember, maglevSize, maglevTable, TABLE_SIZES } from '../../../src/l4/maglev.js';

const member = (index: number, weight = 1, isUsable = true): MaglevMember => ({ name: `be${index}`, weight, slot: index + 1, isUsable });
const members = (...weights: number[]): MaglevMember[] => weights.map((weight, index) => member(index, weight));

const countBySlot = (table: Uint32Array): Map<number, number> => {
  const counts = new Map<number, number>();
  for (const slot of table) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  return counts;
};
const changedEntries = (a: Uint32Array, b: Uint32Array): number => a.reduce((sum, slot, index) => sum + (slot === b[index] ? 0 : 1), 0);

const poolOf = fc
  .array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 12 })
  .map((weights) => weights.map((weight, index) => member(index, weight)));

t.test('sizes are primes in growing order', async (t) => {
  for (const size of TABLE_SIZES) {
    const divisors = Array.from({ length: Math.floor(Math.sqrt(size)) - 1 }, (_, index) => index + 2).filter((n) => size % n === 0);
    t.same(divisors, [], `${size} is prime`);
  }
  t.same(
    [...TABLE_SIZES].sort((a, b) => a - b),
    TABLE_SIZES,
  );
});

t.test('the size follows members and weights, not who is alive', async (t) => {
  t.equal(maglevSize(members(1)), 251);
  t.equal(maglevSize(members(1, 1, 1)), 509);
  t.equal(maglevSize(members(5, 5, 5)), 509, 'weights count relative to each other');
  t.equal(maglevSize(members(1, 9)), 1021, '1 : 9 needs entries as for ten servers');
  t.equal(maglevSize(members(...new Array(2000).fill(1))), MAX_TABLE_SIZE, 'capped');
  t.equal(maglevSize(members(0, 0)), 0);
  const three = members(1, 1, 1);
  t.equal(maglevTable(three).length, maglevTable([three[0] as MaglevMember, member(1, 1, false), three[2] as MaglevMember]).length);
});

t.test('nobody usable: no table', async (t) => {
  t.equal(maglevTable([]).length, 0);
  t.equal(maglevTable([member(0, 1, false)]).length, 0);
  t.equal(maglevTable([member(0, 0)]).length, 0);
});

t.test('shares follow weights within 3 % of what each should have', async () => {
  fc.assert(
    fc.property(poolOf, (pool) => {
      const table = maglevTable(pool);
      const counts = countBySlot(table);
      const total = pool.reduce((sum, one) => sum + one.weight, 0);
      return pool.every((one) => {
        const wanted = (table.length * one.weight) / total;
        return Math.abs((counts.get(one.slot) ?? 0) - wanted) <= Math.max(2, wanted * 0.03);
      });
    }),
    { numRuns: 100, seed: 7 },
  );
});

t.test('the order of members means nothing', async () => {
  fc.assert(
    fc.property(poolOf, fc.infiniteStream(fc.nat()), (pool, picks) => {
      const shuffled = pool.map((one) => ({ one, key: picks.next().value as number })).sort((a, b) => a.key - b.key);
      return changedEntries(maglevTable(pool), maglevTable(shuffled.map(({ one }) => one))) === 0;
    }),
    { numRuns: 50 },
  );
});

t.test('dead and weightless servers have no entries', async () => {
  fc.assert(
    fc.property(poolOf, fc.nat(11), fc.boolean(), (pool, pick, isDead) => {
      const index = pick % pool.length;
      const gone = pool.map((one, at) => (at === index ? { ...one, ...(isDead ? { isUsable: false } : { weight: 0 }) } : one));
      return !maglevTable(gone).includes(index + 1);
    }),
    { numRuns: 50 },
  );
});

t.test('a server that fails moves its own entries and few of the others', async (t) => {
  for (const count of [3, 5, 10, 20]) {
    const pool = members(...new Array(count).fill(1));
    const before = maglevTable(pool);
    const moved = pool.map((victim) => {
      const after = maglevTable(pool.map((one) => (one === victim ? { ...one, isUsable: false } : one)));
      const own = countBySlot(before).get(victim.slot) ?? 0;
      return (changedEntries(before, after) - own) / before.length;
    });
    const worst = Math.max(...moved);
    t.ok(worst < 0.06, `${count} servers: at most ${(100 * worst).toFixed(1)} % of the entries change hands without need`);
    t.ok(moved.reduce((sum, share) => sum + share, 0) / count < 0.04);
  }
});

/** Entries that change hands beyond those that the shares ask for, as a part of the table. */
function needless(before: Uint32Array, after: Uint32Array): number {
  const [had, has] = [countBySlot(before), countBySlot(after)];
  const needed = [...has].reduce((sum, [slot, count]) => sum + Math.max(0, count - (had.get(slot) ?? 0)), 0);
  return (changedEntries(before, after) - needed) / before.length;
}

t.test('a server that is drained, weighed anew or starts slowly moves little beside its own share', async (t) => {
  const full = (index: number): MaglevMember => ({ ...member(index, 1000), sizeWeight: 1000 });
  for (const count of [2, 3, 5, 10, 20, 50]) {
    const pool = Array.from({ length: count }, (_, index) => full(index));
    for (const [from, to] of [
      [1000, 0],
      [1000, 500],
      [1000, 100],
      [1000, 2000],
      [460, 550],
    ]) {
      const table = (victim: number, weight = 0) => maglevTable(pool.map((one, at) => (at === victim ? { ...one, weight } : one)));
      const moved = pool.map((_, victim) => needless(table(victim, from), table(victim, to)));
      t.ok(
        Math.max(...moved) < 0.04,
        `${count} servers, ${from} to ${to}: at most ${(100 * Math.max(...moved)).toFixed(1)} % without need`,
      );
    }
  }
  t.equal(maglevSize([{ weight: 0, sizeWeight: 1000 }, full(1), full(2)]), maglevSize([full(0), full(1), full(2)]), 'the size stays');
  t.not(maglevSize([{ weight: 0 }, full(1), full(2)]), maglevSize([full(0), full(1), full(2)]), 'which is why it is told');
});

t.test('the widest weights: the share of each is right within what the table can show', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 256_000 }), { minLength: 1, maxLength: 8 }), (weights) => {
      const table = maglevTable(weights.map((weight, index) => ({ ...member(index, weight), sizeWeight: 1000 })));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const counts = countBySlot(table);
      if (total === 0) return table.length === 0;
      return weights.every((weight, index) => Math.abs((counts.get(index + 1) ?? 0) - (table.length * weight) / total) <= 2);
    }),
    { numRuns: 100, seed: 3 },
  );
});

t.test('one table, fixed for all time: nodes of different versions must agree', async (t) => {
  t.same([...maglevTable(members(1, 2, 3)).subarray(0, 24)], [2, 2, 3, 2, 1, 3, 2, 2, 3, 2, 2, 1, 2, 2, 2, 2, 2, 2, 2, 1, 3, 3, 3, 3]);
});
