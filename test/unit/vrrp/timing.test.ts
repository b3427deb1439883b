import fc from 'fast-check';
import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import { activeDownMs, leaseLifeMs, nextBeat, skewMs } from '../../../src/vrrp/timing.js';

t.test('skew and Active_Down_Interval at an interval of one second', (t) => {
  const rows: [number, number, number][] = [
    [1, 996.09375, 3996.09375],
    [100, 609.375, 3609.375],
    [128, 500, 3500],
    [200, 218.75, 3218.75],
    [254, 7.8125, 3007.8125],
  ];
  for (const [priority, skew, down] of rows) {
    t.equal(skewMs(priority, 1000), skew, `skew of priority ${priority}`);
    t.equal(activeDownMs(priority, 1000), down, `down interval of priority ${priority}`);
  }
  t.end();
});

t.test('a lease always ends before anybody takes over who heard the same last advertisement', (t) => {
  const interval = fc.integer({ min: 1, max: 4095 }).map((cs) => cs * 10);
  fc.assert(
    fc.property(interval, interval, fc.integer({ min: 1, max: 255 }), (lease, own, priority) => {
      const shortest = Math.min(lease, own);
      return leaseLifeMs(shortest) + 1 <= activeDownMs(priority, own) && leaseLifeMs(shortest) > 2 * shortest;
    }),
  );
  t.end();
});

t.test('the rhythm of advertisements', (t) => {
  const at = (ms: number): Monotonic => ms as Monotonic;
  t.equal(nextBeat(at(100), 10, at(100.8)), 110, 'a little late: the beat is kept');
  t.equal(nextBeat(at(100), 10, at(104)), 110, 'also by less than half an interval');
  t.equal(nextBeat(at(100), 10, at(140)), 150, 'a stall: no burst to catch up');
  t.end();
});
