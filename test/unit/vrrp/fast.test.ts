/** When fast liveness may be promised, and when the promise is taken back. */
import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import { type FastReview, type FastState, initialFast, isShort, reviewFast } from '../../../src/vrrp/fast.js';

const settings = { intervalMs: 2, lifeMs: 8 };
const at = (ms: number): Monotonic => ms as Monotonic;
const well: FastReview = { hasPeers: true, lateMs: 0.1, isRealtime: true };
const review = (state: FastState, ms: number, change: Partial<FastReview> = {}): FastState =>
  reviewFast(state, settings, { ...well, ...change }, at(ms));

t.test('on after five punctual seconds with somebody there', async (t) => {
  const off = initialFast(at(0));
  t.equal(review(off, 4999).phase, 'off');
  t.equal(review(off, 5000).phase, 'on');
  t.equal(review(off, 5000, { hasPeers: false }).phase, 'off', 'not for nobody');
  t.equal(review(off, 5000, { isRealtime: false }).phase, 'off', 'not without a real-time thread');
});

t.test('lateness begins the wait anew', async (t) => {
  const late = review(initialFast(at(0)), 4000, { lateMs: 4.1 });
  t.equal(review(late, 8999).phase, 'off');
  t.equal(review(late, 9000).phase, 'on');
  t.equal(review(initialFast(at(0)), 5000, { lateMs: 4 }).phase, 'on', 'half of the life is bearable');
});

t.test('lateness ends it: first the promise, then, when nobody can believe in it any more, the short leases', async (t) => {
  const on = review(initialFast(at(0)), 5000);
  const leaving = review(on, 6000, { lateMs: 5 });
  t.match(leaving, { phase: 'leaving', reason: 'late', until: 6029 });
  t.ok(isShort(leaving), 'leases are still short');
  t.equal(review(leaving, 6028).phase, 'leaving');
  const off = review(leaving, 6029);
  t.same([off.phase, isShort(off)], ['off', false]);
  t.equal(review(off, 11_028).phase, 'off', 'and it has to be earned again');
  t.equal(review(off, 11_029).phase, 'on');
});

t.test('it ends when nobody has been there for a second', async (t) => {
  const on = review(initialFast(at(0)), 5000);
  t.equal(review(on, 6000, { hasPeers: false }).phase, 'on');
  t.match(review(on, 6001, { hasPeers: false }), { phase: 'leaving', reason: 'alone' });
  t.equal(review(review(on, 5900), 6500, { hasPeers: false }).phase, 'on', 'counted from when they were last seen');
});
