import t from 'tap';
import { flowLayout, recordLayout } from '../../../src/l4/abi.gen.js';
import { hasUnnamed, splitChunk } from '../../../src/replication/bulk-split.js';

/** One record per router slot, marked by its position. */
const records = (...slots: number[]): Buffer =>
  Buffer.concat(
    slots.map((slot, position) => {
      const record = Buffer.alloc(recordLayout.size, position);
      record.writeUInt8(slot, recordLayout.virtualRouter);
      return record;
    }),
  );
const slots = (bulk: number[], merge: number[]) => ({ bulk: new Set(bulk), merge: new Set(merge) });

t.test('who holds everything, or held everything, sends the chunk as it is', async (t) => {
  const chunk = records(0, 1);
  t.same(splitChunk(chunk, slots([0, 1], []), [0, 1]), [{ mode: 'bulk', records: chunk }]);
  t.same(splitChunk(chunk, slots([], [0, 1]), [0, 1]), [{ mode: 'merge', records: chunk }]);
  t.equal(splitChunk(chunk, slots([0, 1], []), [0, 1])[0]?.records, chunk, 'not copied');
});

t.test('records of others are left out', async (t) => {
  const chunk = records(0, 1, 2, 0);
  const [first, second, , fourth] = [0, 1, 2, 3].map((index) => chunk.subarray(index * recordLayout.size, (index + 1) * recordLayout.size));
  t.same(splitChunk(chunk, slots([0], [1]), [0, 1, 2]), [
    { mode: 'bulk', records: Buffer.concat([first ?? chunk, fourth ?? chunk]) },
    { mode: 'merge', records: second },
  ]);
  t.same(splitChunk(chunk, slots([], [1]), [0, 1, 2]), [{ mode: 'merge', records: second }]);
});

t.test('nothing is nothing', async (t) => {
  t.same(splitChunk(Buffer.alloc(0), slots([0], []), [0]), []);
  t.same(splitChunk(records(2), slots([0], [1]), [0, 1, 2]), []);
});

/** By router slot and epoch. */
const named = (...pairs: [slot: number, epoch: number][]): Buffer => {
  const chunk = records(...pairs.map(([slot]) => slot));
  for (const [position, [, epoch]] of pairs.entries())
    chunk.writeUInt16LE(epoch, position * recordLayout.size + recordLayout.flow + flowLayout.syncEpoch);
  return chunk;
};

t.test('a record that the bulk did not name is found among those it named', async (t) => {
  t.ok(hasUnnamed(named([0, 7], [0, 0], [0, 7]), 7, [0]), 'born here');
  t.ok(hasUnnamed(named([0, 7], [1, 6]), 7, [0, 1]), 'of an earlier bulk');
});

t.test('records of other routers, and those that were named, are none', async (t) => {
  t.notOk(hasUnnamed(named([0, 7], [1, 0], [2, 6]), 7, [0]));
  t.notOk(hasUnnamed(named([0, 7], [1, 7]), 7, [0, 1]));
  t.notOk(hasUnnamed(Buffer.alloc(0), 7, [0]));
});
