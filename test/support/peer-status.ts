/** A peer as a test wants it: connected, live and in sync unless said otherwise. */
import type { PeerStatus } from '../../src/replication/api.js';
import { CAPABILITIES } from '../../src/replication/limits.js';

export const peerStatus = (overrides: Partial<PeerStatus> = {}): PeerStatus => ({
  node: 'lb2',
  address: '10.1.0.12',
  connected: true,
  inSync: true,
  receivedInSync: true,
  state: 'live',
  reason: '',
  sentSequence: 0,
  ackedSequence: 0,
  lagMs: 0,
  queuedRecords: 0,
  gaps: 0,
  resyncs: 0,
  recordsSent: 0,
  recordsReceived: 0,
  digestMatch: true,
  configDigestMatch: true,
  version: '0.1.0',
  capabilities: CAPABILITIES,
  ...overrides,
});
