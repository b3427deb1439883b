import t from 'tap';
import {
  ALONE_AFTER_MS,
  compiled,
  hasPeerInSync,
  initialReadiness,
  isInSync,
  isTableOld,
  reviewReadiness,
} from '../../../src/control/readiness.js';
import type { Monotonic } from '../../../src/system/clock.js';
import { peerStatus } from '../../support/peer-status.js';

const at = (ms: number): Monotonic => ms as Monotonic;
const start = compiled(initialReadiness, at(1000));

t.test('nothing is ready before the data plane is compiled', async (t) => {
  const state = reviewReadiness(initialReadiness, [], at(99_999));
  t.equal(state.ready, false);
});

t.test('a node without peers is ready at once', async (t) => {
  t.match(reviewReadiness(start, [], at(1000)), { ready: true, reason: 'no peers are configured' });
});

t.test('an unreachable peer is waited for, then the node serves alone', async (t) => {
  const peers = [peerStatus({ node: 'lb2', connected: false })];
  const waiting = reviewReadiness(start, peers, at(1000 + ALONE_AFTER_MS - 1));
  t.match(waiting, { ready: false, reason: /waiting for lb2/ });
  t.match(reviewReadiness(waiting, peers, at(1000 + ALONE_AFTER_MS)), { ready: true, reason: /no peer was reachable/ });
});

t.test('a reachable peer is synced from first, however long it takes', async (t) => {
  const syncing = [peerStatus({ node: 'lb2', connected: true, receivedInSync: false })];
  t.match(reviewReadiness(start, syncing, at(60_000)), { ready: false, reason: /syncing from lb2/ });
  const synced = [peerStatus({ node: 'lb2', connected: true, receivedInSync: true })];
  t.match(reviewReadiness(start, synced, at(1001)), { ready: true, reason: /synced from lb2/ });
});

t.test('of three nodes, one that is away delays only for the grace period', async (t) => {
  const peers = [peerStatus({ node: 'lb2', connected: true, receivedInSync: true }), peerStatus({ node: 'lb3', connected: false })];
  t.match(reviewReadiness(start, peers, at(1001)), { ready: false, reason: /waiting for lb3/ });
  t.match(reviewReadiness(start, peers, at(1000 + ALONE_AFTER_MS)), { ready: true });
});

t.test('ready stays', async (t) => {
  const ready = reviewReadiness(start, [], at(1000));
  t.equal(reviewReadiness(ready, [peerStatus({ connected: true, receivedInSync: false })], at(2000)), ready);
});

t.test('pre-emption needs every reachable peer, and at least one', async (t) => {
  const inSync = (...peers: Parameters<typeof peerStatus>[0][]) =>
    isInSync(
      peers.map((peer) => peerStatus(peer)),
      [],
    );
  t.equal(inSync(), true);
  t.equal(inSync({ connected: false, receivedInSync: true }), false, 'hearsay of none is not sync');
  t.equal(inSync({ connected: true, receivedInSync: true }), true);
  t.equal(inSync({ connected: true, receivedInSync: true }, { connected: true, receivedInSync: false }), false);
  t.equal(hasPeerInSync([peerStatus({ connected: false, inSync: true })]), false);
  t.equal(hasPeerInSync([peerStatus({ connected: true, inSync: true })]), true);
});

t.test('pre-emption needs to know where each router is while a peer is out of reach', async (t) => {
  const away = peerStatus({ node: 'lb2', connected: false });
  const here = peerStatus({ node: 'lb3', connected: true, receivedInSync: true });
  t.equal(isInSync([away, here], ['front']), false, 'lb2 may be active for it');
  t.equal(isInSync([away, here], []), true, 'lb3 or this node says that it holds it');
  t.equal(isInSync([here], ['front']), true, 'nobody is missing: nobody has it');
  t.equal(isInSync([], ['front']), true, 'a cluster of one has nothing to lose');
});

t.test('only who was active in the past has an old table', async (t) => {
  t.ok(isTableOld({ from: 'active', reason: 'staleTerm' }));
  t.notOk(isTableOld({ from: 'active', reason: 'betterActive' }));
  t.notOk(isTableOld({ from: 'backup', reason: 'staleTerm' }));
});
