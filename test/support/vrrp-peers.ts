/** What other nodes say of themselves to the election machine of a test: lb2, whose adverts come by its name. */
import type { Monotonic } from '../../src/system/clock.js';
import type { PeerWord } from '../../src/vrrp/state.js';
import { backup, type Driver, tell } from './vrrp-machine.js';

const word = (change: Partial<PeerWord> = {}): PeerWord => ({
  node: 'lb2',
  role: 'backup',
  term: 1,
  priority: 50,
  isGreater: false,
  isEligible: true,
  inSync: true,
  followsActive: false,
  hearsUs: true,
  isPlanned: false,
  reason: 'other',
  isReachable: true,
  heardAt: 0 as Monotonic,
  adverts: 0,
  ...change,
});
export const says = (driver: Driver, change: Partial<PeerWord>): string[] =>
  driver.feed({ type: 'peer', peer: word({ heardAt: driver.now as Monotonic, ...change }) }).map(tell);
export const silent = (driver: Driver, change: { isLeaseOver?: boolean; silentMs?: number; node?: string } = {}): string[] =>
  driver.feed({ type: 'peerSilent', node: 'lb2', isLeaseOver: true, silentMs: 9, ...change }).map(tell);
/** Follows lb2, whose adverts come by its name. */
export const following = (change: Partial<PeerWord> = {}): Driver => {
  const driver = backup();
  driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 } });
  says(driver, { role: 'active', term: 4, priority: 200, ...change });
  return driver;
};
export const TAKEN = ['send:100', 'acquire', 'announce'];
