/** Begin and end of a panic are said once each. */
import t from 'tap';
import { createPanicWatch } from '../../../src/control/panic-watch.js';
import type { PoolGeneration } from '../../../src/l4/api.js';
import { samplePool } from '../../support/sample-config.js';

const other = { ...samplePool, name: 'video', panicThreshold: 0 };
const generation = (pool: string, ...alive: boolean[]): PoolGeneration => ({
  ...{ pool, generation: 1 },
  members: alive.map((each, index) => ({ name: `be${index + 1}`, address: '10.2.0.21', port: 80, weight: 1, alive: each })),
});

t.test('per pool, when it changes', async (t) => {
  const watch = createPanicWatch({ pools: [{ ...samplePool, panicThreshold: 60 }, other] });
  t.same(watch.look([generation('web', true, true), generation('video', false, false)]), []);
  const began = [{ pool: 'web', isPanicking: true, up: 1, wanted: 2, threshold: 60 }];
  t.same(watch.look([generation('web', true, false)]), began);
  t.same(watch.look([generation('web', false, false)]), [], 'it goes on');
  t.same(watch.look([generation('video', false, true)]), [], 'of another pool nothing is said about this one');
  t.match(watch.look([generation('web', true, true)]), [{ isPanicking: false, up: 2 }]);
  t.same(watch.look([generation('gone', false)]), [], 'a pool that is not configured here');
});
