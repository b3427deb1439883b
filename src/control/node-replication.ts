/**
 * Replication of this node: what the configuration says of its peers, and the flow table of its data plane.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/model.js';
import { limit } from '../l4/abi.gen.js';
import type { L4Engine } from '../l4/engine.js';
import { type DataPlane, type LeaseState, loadNative } from '../l4/native.js';
import type { FlowStore } from '../replication/api.js';
import { createGrpcTransport } from '../replication/grpc-transport.js';
import { createReplication, type ReplicationOptions, type ReplicationService } from '../replication/replication.js';
import { systemClock } from '../system/clock.js';
import { random } from '../system/random.js';

/** Whoever held longer ago than this has been told of everything since, or is no loss: most of what it had then has ended. */
const FORMER_HOLDER_NS = 60_000_000_000n;

export interface NodeReplicationOptions {
  config: Config;
  node: string;
  version: string;
  pinDir: string;
  dataPlane: DataPlane;
  engine: Pick<L4Engine, 'handleNotices' | 'routerSlots'>;
  events: ReplicationOptions['events'];
  lastHolders: ReplicationOptions['lastHolders'];
}

/** Throws when the node is not in the configuration, or its key and certificates cannot be read. */
export function createNodeReplication({
  config,
  node,
  version,
  pinDir,
  dataPlane,
  engine,
  events,
  lastHolders,
}: NodeReplicationOptions): ReplicationService {
  const { cluster, digest } = config;
  const { port, tls, queueRecords } = cluster.replication;
  const own = cluster.nodes.find(({ name }) => name === node);
  if (own === undefined) throw new Error(`${node} is not a node of the configuration`);
  return createReplication({
    node,
    cluster: cluster.name,
    configDigest: digest,
    software: version,
    abi: limit.abiVersion,
    peers: cluster.nodes.filter(({ name }) => name !== node),
    routers: engine.routerSlots(),
    isFormerHolder: wasHolder(pinDir, engine.routerSlots()),
    lastHolders,
    queueRecords,
    store: flowStoreOf(dataPlane, engine),
    events,
    clock: systemClock,
    random,
    transport: createGrpcTransport({
      address: own.address,
      port,
      tls: { ca: readFileSync(tls.ca), cert: readFileSync(tls.cert), key: readFileSync(tls.key) },
    }),
  });
}

/** Does the data plane know of a lease of ours that has not ended long ago? */
function wasHolder(pinDir: string, routers: readonly { slot: number }[]): boolean {
  const leases = loadNative().openLeases(pinDir);
  const isKnown = routers.some(({ slot }) => isOrWasHeld(leases.read(slot)));
  leases.close();
  return isKnown;
}

export const isOrWasHeld = ({ nowNs, deadlineNs }: Pick<LeaseState, 'nowNs' | 'deadlineNs'>): boolean =>
  deadlineNs > 0n && nowNs - deadlineNs < FORMER_HOLDER_NS;

/** Both read what the kernel says of flows: replication is woken for its events, and shares the wake with the engine, which reads the notices. */
const flowStoreOf = (dataPlane: DataPlane, engine: Pick<L4Engine, 'handleNotices'>): FlowStore => ({
  drain: (maxRecords, wantDigests) => dataPlane.drain(maxRecords, wantDigests),
  watch: (wake) =>
    dataPlane.watch(() => {
      engine.handleNotices(dataPlane.drainNotices());
      wake();
    }),
  apply: (records, mode, syncEpoch) => dataPlane.apply(records, mode, syncEpoch),
  readFlows: (cursor, maxRecords) => dataPlane.readFlows(cursor, maxRecords),
  purge: (cursor, maxRecords, syncEpoch, routers) => dataPlane.purge(cursor, maxRecords, syncEpoch, routers),
  digests: () => dataPlane.digests(),
});
