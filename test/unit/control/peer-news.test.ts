import t from 'tap';
import { peerNews } from '../../../src/control/peer-news.js';
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
