/** How long the election waits for the lease of a node whose adverts were being lost when it fell silent. */
import t from 'tap';
import { type Driver, tell } from '../../support/vrrp-machine.js';
import { following, says, silent, TAKEN } from '../../support/vrrp-peers.js';

t.test('adverts that are lost renew its lease all the same: beats tell of each', async (t) => {
  const LEASE_MS = 295;
  const beating = (adverts: number): Driver => {
    const driver = following();
    driver.pass(90);
    says(driver, { role: 'active', term: 4, priority: 200, adverts });
    driver.pass(70);
    silent(driver, { isLeaseOver: false, silentMs: 70 });
    return driver;
  };
  const lost = beating(1);
  t.same(lost.pass(90 + LEASE_MS - 161).map(tell), [], 'the time of the adverts is over before its lease');
  t.same(lost.pass(61).map(tell), [], 'nor at its end: others that were told of it wait for the same moment, so priorities decide');
  t.same(lost.pass(2).map(tell), [...TAKEN, 'backup>active:activeSilent']);

  const none = beating(0);
  t.same(none.pass(200).map(tell), []);
  t.same(none.pass(1).map(tell), [...TAKEN, 'backup>active:activeSilent'], 'without one that is missed the time of the adverts counts');

  const gone = beating(1);
  gone.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority: 0, intervalMs: 100 } });
  t.same(gone.pass(61).map(tell), [...TAKEN, 'backup>active:priorityZero'], 'nor does a lease that was given up');

  const there = following();
  for (let adverts = 1; adverts < 4; adverts++) {
    there.pass(100);
    says(there, { role: 'active', term: 4, priority: 200, adverts });
  }
  t.match(there.pass(61).map(tell).join(), /unheardActive/, 'while it beats it is told that it is not heard');
});
