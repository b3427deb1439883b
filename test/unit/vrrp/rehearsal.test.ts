import t from 'tap';
import { REHEARSED, rehearse } from '../../../src/vrrp/rehearsal.js';

t.test('every way to lose an active node is rehearsed up to the take-over, however often', async (t) => {
  t.equal(rehearse(1), REHEARSED);
  t.equal(rehearse(3), 3 * REHEARSED);
  t.equal(rehearse(0), 0);
});
