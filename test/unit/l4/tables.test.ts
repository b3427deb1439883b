import fc from 'fast-check';
import t from 'tap';
import { emptyTables, type ServiceTables } from '../../../src/l4/contents.js';
import { rotateTables, tableSteps } from '../../../src/l4/tables.js';

const slots = (...values: number[]): Uint32Array => Uint32Array.from(values);
const own = new Set([1, 2, 3]);

t.test('the table before becomes the second chance', async (t) => {
  const first = rotateTables(emptyTables, slots(1, 2), 'maglev', 10n, own);
  t.same(first, { current: slots(1, 2), previous: slots(), sinceNs: 10n });
  const second = rotateTables(first, slots(1, 1), 'maglev', 20n, own);
  t.same(second, { current: slots(1, 1), previous: slots(1, 2), sinceNs: 20n });
  t.equal(rotateTables(second, slots(1, 1), 'maglev', 30n, own), second, 'nothing changed: the same object, the same start');
});

t.test('servers that left the service do not come back through the second chance', async (t) => {
  const before: ServiceTables = { current: slots(1, 9, 2), previous: slots(), sinceNs: 1n };
  t.same(rotateTables(before, slots(2, 2, 2), 'maglev', 2n, own).previous, slots(1, 0, 2));
});

t.test('round robin has no second chance: its choices cannot be derived', async (t) => {
  const before: ServiceTables = { current: slots(1, 2), previous: slots(), sinceNs: 1n };
  t.same(rotateTables(before, slots(1, 2, 3), 'roundRobin', 2n, own).previous, slots());
});

t.test('equal tables need no writes', async (t) => {
  const tables: ServiceTables = { current: slots(1), previous: slots(2), sinceNs: 1n };
  t.same(tableSteps(tables, { ...tables }), []);
});

t.test('writes of a usual change: the second chance begins before the table changes', async (t) => {
  const from: ServiceTables = { current: slots(1, 2), previous: slots(), sinceNs: 1n };
  const to: ServiceTables = { current: slots(1, 1), previous: slots(1, 2), sinceNs: 2n };
  t.same(tableSteps(from, to), [
    { type: 'table', which: 'previous', slots: slots(1, 2) },
    { type: 'service', currentSize: 2, previousSize: 2, sinceNs: 2n },
    { type: 'table', which: 'current', slots: slots(1, 1) },
  ]);
});

t.test('the first table of a service has nothing before it', async (t) => {
  t.same(tableSteps(emptyTables, { current: slots(1, 2), previous: slots(), sinceNs: 2n }), [
    { type: 'table', which: 'current', slots: slots(1, 2) },
    { type: 'service', currentSize: 2, previousSize: 0, sinceNs: 2n },
  ]);
});

t.test('at no step does the element say more than a table has', async () => {
  const table = fc.array(fc.nat(3), { maxLength: 6 }).map((values) => slots(...values));
  const tables = fc.record({ current: table, previous: table, sinceNs: fc.bigInt({ min: 0n, max: 9n }) });
  fc.assert(
    fc.property(tables, tables, (from, to) => {
      let said = { currentSize: from.current.length, previousSize: from.previous.length };
      const there = { current: from.current, previous: from.previous };
      let isSafe = true;
      for (const step of tableSteps(from, to)) {
        if (step.type === 'table') there[step.which] = step.slots;
        else said = step;
        isSafe &&= said.currentSize <= there.current.length && said.previousSize <= there.previous.length;
      }
      const isDone = said.currentSize === to.current.length && said.previousSize === to.previous.length;
      return isSafe && isDone && there.current.join() === to.current.join() && there.previous.join() === to.previous.join();
    }),
    { numRuns: 500 },
  );
});
