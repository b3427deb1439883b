/**
 * What is worth a line in the log when the status of a peer changes: connections, losses, resyncs, differences. Pure.
 */
import type { PeerStatus } from '../replication/api.js';
import type { EventFields, EventName } from '../telemetry/events.js';
import type { PeerKey } from '../vrrp/heartbeat-api.js';
import type { PeersView } from './peers-view.js';

export type News = { [N in EventName]: { name: N; fields: EventFields<N> } }[EventName];

const canBeTold = (status: PeerStatus | undefined): boolean => status?.state === 'bulk' || status?.state === 'live';

/**
 * Our stream to the peer is new, so it must be told what was said before. Not `connected`: that is true as soon as the peer's own stream
 * has arrived, when nothing can be sent to it yet.
 */
export const isNewlyReached = (before: PeerStatus | undefined, now: PeerStatus): boolean => canBeTold(now) && !canBeTold(before);

export function peerNews(before: PeerStatus | undefined, now: PeerStatus): News[] {
  const news: News[] = [];
  const peer = now.node;
  const { state, connected, inSync, reason } = now;
  if (before?.state !== state || before.connected !== connected || before.inSync !== inSync) {
    if (state === 'incompatible') news.push({ name: 'peer.incompatible', fields: { peer, reason } });
    else news.push({ name: 'peer.changed', fields: { peer, state, connected, inSync, reason } });
  }
  if (now.gaps > (before?.gaps ?? 0)) news.push({ name: 'replication.gap', fields: { peer, reason, gaps: now.gaps } });
  if (now.digestMatch === false && before?.digestMatch !== false) {
    news.push({ name: 'replication.digestMismatch', fields: { peer, reason: 'digests of the flow tables are different' } });
  }
  if (now.configDigestMatch === false && before?.configDigestMatch !== false) {
    news.push({ name: 'config.differs', fields: { peer, reason: 'digest of the configuration is different' } });
  }
  return news;
}

/** What the heartbeat has to know to believe the beats of these peers (all unless one is named). */
export function peerKeys(view: Pick<PeersView, 'beatKeys' | 'interfaces'>, only?: string): PeerKey[] {
  return [...view.beatKeys()]
    .filter(([node]) => only === undefined || node === only)
    .map(([node, key]) => ({
      type: 'peerKey',
      node,
      key,
      addresses: (view.interfaces().get(node) ?? []).flatMap((each) => each.addresses),
    }));
}
