/**
 * What this node and its peers tell each other beside flow records: pools, next hops, interfaces, keys, who holds what. Carries each word to
 * the part that it is for, and says again to a peer that was just reached what was said before; decides nothing.
 */
import type { Config } from '../config/model.js';
import type { L4Engine } from '../l4/engine.js';
import type { ControlMessage, PeerStatus } from '../replication/api.js';
import type { ReplicationService } from '../replication/replication.js';
import type { Clock } from '../system/clock.js';
import type { Links } from '../system/links.js';
import type { Log } from '../telemetry/log.js';
import type { HandOver } from './hand-over.js';
import type { HeartbeatSession } from './heartbeat-session.js';
import { ownInterfaces } from './interfaces.js';
import { isNewlyReached, peerKeys, peerNews } from './peer-news.js';
import type { PeersView } from './peers-view.js';
import type { PoolKeeper } from './pool-keeper.js';
import type { ServerAdmin } from './server-admin.js';

export interface NodePeersOptions {
  config: Config;
  clock: Clock;
  log: Pick<Log, 'event'>;
  links: Pick<Links, 'facts'>;
  engine: Pick<L4Engine, 'localNextHops' | 'setRemoteNextHops'>;
  pools: Pick<PoolKeeper, 'announced' | 'decided' | 'holdersChanged'>;
  servers: Pick<ServerAdmin, 'heard' | 'greet'>;
  heartbeat: Pick<HeartbeatSession, 'roles' | 'send'>;
  peersView: PeersView;
  /** What this instance signs its beats with. */
  beatKey: string;
  /** As of src/l4/native.ts. */
  latestBeat(): bigint;
  /** For the next start. */
  savePeerKeys(keys: ReadonlyMap<string, string>): void;
  /** These are made later than this. */
  replication(): Pick<ReplicationService, 'send' | 'broadcast'>;
  handOver(): Pick<HandOver, 'heard' | 'peersChanged'>;
  /** The replication with a peer is in another state. */
  onChange(): void;
}

export interface NodePeers {
  heard(node: string, message: ControlMessage): void;
  changed(node: string, status: PeerStatus): void;
  /** Says where this node stands, when that is another place than it said last. */
  tellInterfaces(): void;
}

export function createNodePeers(options: NodePeersOptions): NodePeers {
  const { engine, pools, heartbeat, peersView, replication, handOver } = options;
  const statuses = new Map<string, PeerStatus>();
  let toldInterfaces = '';
  const interfaces = () => ownInterfaces(options.config, options.links.facts());

  /** What a peer must know that was said before it was there. */
  const greet = (node: string): void => {
    // Before the generations, which may follow from them.
    options.servers.greet(node);
    const generations = pools.decided(heartbeat.roles.held());
    if (generations.length > 0) void replication().send(node, { type: 'pools', generations }, 0);
    const addresses = engine.localNextHops();
    if (addresses.length > 0) void replication().send(node, { type: 'nextHops', addresses }, 0);
    void replication().send(node, { type: 'beatKey', key: options.beatKey, latest: options.latestBeat().toString() }, 0);
    void replication().send(node, { type: 'interfaces', interfaces: interfaces() }, 0);
  };

  return {
    heard(node, message) {
      switch (message.type) {
        case 'pools':
          return pools.announced(node, message.generations, heartbeat.roles.held());
        case 'overrides':
          return options.servers.heard(node, message.overrides);
        case 'takeOver':
          heartbeat.send({ ...message, atMs: options.clock.now() });
          return;
        case 'nextHops':
          peersView.heard(node, message);
          return engine.setRemoteNextHops(peersView.nextHops());
        case 'holding':
          peersView.heard(node, message);
          pools.holdersChanged(heartbeat.roles.held());
          return handOver().peersChanged();
        case 'beatKey':
          if (peersView.heard(node, message)) options.savePeerKeys(peersView.beatKeys());
          for (const told of peerKeys(peersView, node)) heartbeat.send({ ...told, latest: message.latest });
          return handOver().peersChanged();
        case 'interfaces':
          if (peersView.heard(node, message)) for (const told of peerKeys(peersView, node)) heartbeat.send(told);
          return handOver().peersChanged();
        default:
          return handOver().heard(node, message);
      }
    },
    changed(node, status) {
      const before = statuses.get(node);
      statuses.set(node, status);
      for (const news of peerNews(before, status)) options.log.event(news.name, news.fields as never);
      if (!status.connected) {
        peersView.lost(node);
        pools.holdersChanged(heartbeat.roles.held());
      }
      if (isNewlyReached(before, status)) greet(node);
      options.onChange();
    },
    tellInterfaces() {
      const present = interfaces();
      if (JSON.stringify(present) === toldInterfaces) return;
      toldInterfaces = JSON.stringify(present);
      void replication().broadcast({ type: 'interfaces', interfaces: present }, 0);
    },
  };
}
