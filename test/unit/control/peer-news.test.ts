import t from 'tap';
import { isNewlyReached, peerKeys, peerNews } from '../../../src/control/peer-news.js';
import { peerStatus } from '../../support/peer-status.js';

const names = (...args: Parameters<typeof peerNews>): string[] => peerNews(...args).map((news) => news.name);

t.test('a first word, then silence while nothing changes', async (t) => {
  t.same(names(undefined, peerStatus()), ['peer.changed']);
  t.same(names(peerStatus(), peerStatus({ sentSequence: 9, lagMs: 3 })), []);
});

t.test('each kind of trouble is said once', async (t) => {
  t.same(names(peerStatus(), peerStatus({ connected: false })), ['peer.changed']);
  t.same(names(peerStatus(), peerStatus({ inSync: false })), ['peer.changed']);
  t.same(names(peerStatus(), peerStatus({ state: 'incompatible' })), ['peer.incompatible']);
  t.same(names(peerStatus(), peerStatus({ gaps: 1 })), ['replication.gap']);
  t.same(names(peerStatus({ gaps: 1 }), peerStatus({ gaps: 1 })), []);
  t.same(names(peerStatus(), peerStatus({ digestMatch: false })), ['replication.digestMismatch']);
  t.same(names(peerStatus({ digestMatch: false }), peerStatus({ digestMatch: false })), []);
  t.same(names(peerStatus(), peerStatus({ configDigestMatch: false })), ['config.differs']);
});

t.test('a peer is newly reached when our own stream to it is up', async (t) => {
  const away = peerStatus({ connected: false, state: 'connecting' });
  const dialledByIt = peerStatus({ connected: true, state: 'connecting' });
  t.equal(isNewlyReached(away, dialledByIt), false, 'nothing can be sent yet');
  t.equal(isNewlyReached(dialledByIt, peerStatus({ state: 'hello' })), false);
  t.equal(isNewlyReached(dialledByIt, peerStatus({ state: 'bulk' })), true);
  t.equal(isNewlyReached(undefined, peerStatus({ state: 'live' })), true);
  t.equal(isNewlyReached(peerStatus({ state: 'bulk' }), peerStatus({ state: 'live' })), false, 'once for each stream');
  t.equal(isNewlyReached(peerStatus({ state: 'live' }), away), false);
});

t.test('the heartbeat hears of keys, with the addresses they may come from', async (t) => {
  const view = {
    beatKeys: () =>
      new Map([
        ['lb2', 'a'],
        ['lb3', 'b'],
      ]),
    interfaces: () => new Map([['lb2', [{ name: 'eth0', mac: '02:00:00:00:01:12', addresses: ['10.1.0.12'] }]]]),
  };
  t.same(peerKeys(view), [
    { type: 'peerKey', node: 'lb2', key: 'a', addresses: ['10.1.0.12'] },
    { type: 'peerKey', node: 'lb3', key: 'b', addresses: [] },
  ]);
  t.match(peerKeys(view, 'lb3'), [{ node: 'lb3' }]);
});
