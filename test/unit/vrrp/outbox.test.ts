import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import type { FromHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import { Outbox } from '../../../src/vrrp/outbox.js';
import { RateLimit } from '../../../src/vrrp/rate-limit.js';

const line = (n: number): FromHeartbeat => ({ type: 'log', level: 'info', event: `e${n}`, fields: {}, atWallMs: n });

t.test('messages wait for a reader, the oldest are dropped, and that is said', (t) => {
  const outbox = new Outbox();
  for (let n = 0; n < 600; n++) outbox.push(line(n));
  outbox.push({ type: 'verified', router: 'front', afterMs: 1 });
  const read: FromHeartbeat[] = [];
  const reader = (message: FromHeartbeat): void => {
    read.push(message);
  };
  outbox.attach(reader, 1);
  t.equal(read.length, 513);
  t.match(read[0], { event: 'messagesDropped', fields: { count: 88 } });
  t.match(read[1], { event: 'e88' });
  outbox.push({ type: 'verified', router: 'front', afterMs: 1 });
  t.equal(read.at(-1)?.type, 'verified', 'straight through while somebody reads');
  outbox.detach(reader);
  outbox.push(line(1));
  t.equal(read.length, 514);
  t.end();
});

t.test('one line of a kind each second, with the number left out', (t) => {
  const limit = new RateLimit();
  const at = (ms: number): Monotonic => ms as Monotonic;
  t.equal(limit.take('a', at(0)), 0);
  t.equal(limit.take('a', at(1)), null);
  t.equal(limit.take('a', at(999)), null);
  t.equal(limit.take('b', at(999)), 0);
  t.equal(limit.take('a', at(1000)), 2);
  t.equal(limit.take('a', at(2000)), 0);
  t.end();
});
