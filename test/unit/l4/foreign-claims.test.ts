import t from 'tap';
import { ClaimCounter } from '../../../src/l4/foreign-claims.js';
import type { Monotonic } from '../../../src/system/clock.js';

const at = (ms: number): Monotonic => ms as Monotonic;

t.test('every claim counts, and a claimant who insists is not news until ten seconds later', async (t) => {
  const claims = new ClaimCounter();
  t.equal(claims.note('10.1.0.100', 'eth0', 'a', at(0)), true);
  t.equal(claims.note('10.1.0.100', 'eth0', 'a', at(9_999)), false);
  t.equal(claims.note('10.1.0.100', 'eth0', 'b', at(9_999)), true, 'somebody else');
  t.equal(claims.note('fe80::33', 'eth0', 'a', at(9_999)), true, 'another address');
  t.equal(claims.note('10.1.0.100', 'eth0', 'a', at(10_000)), true);
  t.same(claims.all(), [
    { address: '10.1.0.100', interface: 'eth0', mac: 'a', claims: 4 },
    { address: 'fe80::33', interface: 'eth0', mac: 'a', claims: 1 },
  ]);
});

t.test('claimants without end take no memory without end: the oldest is forgotten', async (t) => {
  const claims = new ClaimCounter();
  for (let number = 0; number <= 256; number += 1) t.equal(claims.note('10.1.0.100', 'eth0', `mac ${number}`, at(0)), true);
  t.equal(claims.note('10.1.0.100', 'eth0', 'mac 256', at(1)), false);
  t.equal(claims.note('10.1.0.100', 'eth0', 'mac 0', at(1)), true);
});
