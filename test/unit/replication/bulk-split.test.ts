import t from 'tap';
import { recordLayout } from '../../../src/l4/abi.gen.js';
import { splitChunk } from '../../../src/replication/bulk-split.js';

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
