/**
 * Replication of one node: one event ring feeds the streams to all peers, and what comes from each peer goes into the flow table. The
 * machines (sender.ts, receiver.ts) decide; this file carries events between them, the flow table and the network.
 */

import type { ApplyResult } from '../l4/native.js';
import type { Clock, Monotonic } from '../system/clock.js';
import type { FlowStore, PeerStatus, Replication, ReplicationEvents } from './api.js';
import { decode, encode } from './codec.js';
import { createDrainLoop } from './drain-loop.js';
import type { DecodeReason, Frame, Hello } from './frames.js';
import { incompatibility } from './hello.js';
import { digestHex } from './inbound.js';
import { createLastHolders } from './last-holders.js';
import {
  CAPABILITIES,
  CHUNK_RECORDS,
  CONNECT_MS,
  EPOCH_COUNT,
  MAX_REASON,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  RECORD_BYTES,
  WINDOW_BYTES,
} from './limits.js';
import type { SessionSizes } from './outbound.js';
import { createPeer, type Peer } from './peer.js';
import type { PeerIdentity } from './peer-status.js';
import type { IncomingStream, StreamHandlers, Transport } from './transport.js';

export interface ReplicationOptions {
  node: string;
  cluster: string;
  configDigest: string;
  /** Version of the software, for people. */
  software: string;
  /** TANDEM_ABI_VERSION. */
  abi: number;
  /** All other nodes of the cluster. */
  peers: readonly { name: string; address: string }[];
  /** All virtual routers, with their slots on this node. */
  routers: readonly { slot: number; name: string }[];
  /** It held one of them until lately, before it was started: its table may have flows that nobody else has. */
  isFormerHolder: boolean;
  /** Node by router: who held it last, as far as was known here before. */
  lastHolders: ReadonlyMap<string, string>;
  queueRecords: number;
  store: FlowStore;
  events: ReplicationEvents;
  clock: Clock;
  /** 0 (inclusive) to 1. */
  random: () => number;
  transport: Transport;
  /** Other than the measured best. */
  sizes?: Partial<SessionSizes>;
}

export interface ReplicationCounters {
  /** Malformed frames by reason. */
  framesRejected: Record<string, number>;
  /** Streams that were not accepted, by reason. */
  streamsRefused: Record<string, number>;
  /** What the kernel did with the records of peers. */
  records: ApplyResult;
}

export interface ReplicationService extends Replication {
  counters(): ReplicationCounters;
}

export function createReplication(options: ReplicationOptions): ReplicationService {
  const { clock, events, transport } = options;
  const own = ownHello(options);
  const counters: ReplicationCounters = {
    framesRejected: {},
    streamsRefused: {},
    records: { applied: 0, stale: 0, full: 0, unknown: 0 },
  };
  const peers = new Map<string, Peer>();
  const all: Peer[] = [];
  const routerNames = options.routers.map(({ name }) => name);
  const lastHolders = createLastHolders(options.lastHolders, routerNames, events.onHolders);
  const epochStart = Math.floor(options.random() * EPOCH_COUNT);
  options.peers.forEach(({ name, address }, index) => {
    const identity: PeerIdentity = { node: name, address };
    const peer = createPeer({
      ...options,
      identity,
      own,
      sizes: { chunkRecords: CHUNK_RECORDS, windowBytes: WINDOW_BYTES, ...options.sizes },
      epochStart: epochStart + index,
      epochStride: options.peers.length,
      onControl: (message) => {
        if (message.type === 'holding') lastHolders.took(identity.node, message.routers);
        events.onControl(identity.node, message);
      },
      onChange: () => events.onPeerChange(identity.node, peer.status()),
      onRejected: (reason) => count(counters.framesRejected, reason),
      onApplied: (result) => add(counters.records, result),
      onHeld: (routers) => {
        for (const other of all) if (other !== peer) other.heldElsewhere(routers);
      },
      isDisputed: (router) => all.some((other) => other !== peer && other.claims(router)),
      // Nobody else has them, and the one they came from may have purged them: the holder's table goes to all.
      onMerged: () => {
        for (const other of all) if (other.holds()) other.lost(`${identity.node} had flows that nobody else had`);
      },
    });
    peer.heldElsewhere(lastHolders.elsewhere(identity.node));
    peers.set(identity.node, peer);
    all.push(peer);
  });

  const drainLoop = createDrainLoop({
    store: options.store,
    clock,
    onRecords: (records, recordCount) => all.forEach((peer) => void peer.records(records, recordCount)),
    onLost: () => all.forEach((peer) => void peer.lost('the kernel lost flow events')),
    wantsDigests: () => all.some((peer) => peer.wantsDigests()),
    onDigests: (digests) => {
      const digestOf = (slot: number) => ({ digest: digestHex(digests[slot]?.digest ?? 0n), flows: Number(digests[slot]?.flows ?? 0n) });
      for (const peer of all) if (peer.wantsDigests()) peer.digests(digestOf);
    },
  });
  const reception = createReception(own, peers, clock, counters);
  let isStopped = false;

  return {
    async start() {
      await transport.listen(reception);
      if (isStopped) return;
      drainLoop.start();
      for (const peer of all) peer.start();
    },
    async stop() {
      isStopped = true;
      drainLoop.stop();
      for (const peer of all) peer.stop();
      await transport.close();
    },
    setHolding(routers) {
      drainLoop.drainAll();
      lastHolders.took(
        options.node,
        routers.map(({ name }) => name),
      );
      for (const peer of all) peer.hold(routers);
    },
    async broadcast(message, timeoutMs) {
      drainLoop.drainAll();
      const sent = all.filter((peer) => peer.isConnected()).map((peer) => peer.send(message, timeoutMs));
      return (await Promise.all(sent)).every(Boolean);
    },
    async send(node, message, timeoutMs) {
      drainLoop.drainAll();
      return (await peers.get(node)?.send(message, timeoutMs)) ?? false;
    },
    async flush(node, timeoutMs) {
      drainLoop.drainAll();
      return (await peers.get(node)?.flush(timeoutMs)) ?? false;
    },
    resync(reason) {
      for (const peer of all) peer.distrust(reason);
    },
    peers: (): PeerStatus[] => all.map((peer) => peer.status()),
    counters: () => counters,
  };
}

function ownHello(options: ReplicationOptions): Hello {
  const word = (): string =>
    Math.floor(options.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return {
    versionMin: PROTOCOL_MIN,
    versionMax: PROTOCOL_MAX,
    capabilities: CAPABILITIES,
    node: options.node,
    cluster: options.cluster,
    configDigest: options.configDigest,
    instance: word() + word(),
    abi: options.abi,
    recordBytes: RECORD_BYTES,
    byteOrder: new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 'little' : 'big',
    software: options.software,
  };
}

/** Finds out who dialled: the first frame must be the hello of a known peer whose certificate carries that name. */
function createReception(own: Hello, peers: ReadonlyMap<string, Peer>, clock: Clock, counters: ReplicationCounters) {
  return (stream: IncomingStream): StreamHandlers => {
    let accepted: StreamHandlers | null = null;
    const cancelTimeout = clock.at((clock.now() + CONNECT_MS) as Monotonic, () => giveUp('noHello'));

    const giveUp = (kind: string): void => {
      cancelTimeout();
      count(counters.streamsRefused, kind);
      stream.close();
    };

    /** Told why, a peer does not ask again soon: only for what will be so again. One that was too slow may try at once. */
    const refuse = (kind: string, reason: string): void => {
      stream.write(encode({ type: 'refuse', reason: reason.slice(0, MAX_REASON) }));
      giveUp(kind);
    };

    const greet = (frame: Frame): void => {
      if (frame.type !== 'hello') {
        refuse('noHello', `${frame.type} came before the hello`);
        return;
      }
      const { hello } = frame;
      const peer = peers.get(hello.node);
      if (peer === undefined) {
        refuse('unknownNode', `${hello.node} is not a node of this cluster here`);
        return;
      }
      if (!stream.certifiedNames.includes(hello.node)) {
        refuse('certificate', `the certificate does not name ${hello.node}`);
        return;
      }
      const problem = incompatibility(own, hello, null);
      if (problem !== null) {
        refuse('incompatible', problem);
        return;
      }
      cancelTimeout();
      accepted = peer.accept(stream, hello);
    };

    return {
      onOpen: () => undefined,
      onMessage: (message) => {
        if (accepted !== null) return accepted.onMessage(message);
        const decoded = decode(message);
        if (decoded.ok) return greet(decoded.frame);
        count(counters.framesRejected, decoded.reason satisfies DecodeReason);
        refuse('malformed', `malformed frame (${decoded.reason})`);
      },
      onWritable: () => accepted?.onWritable(),
      onClose: (reason) => {
        cancelTimeout();
        accepted?.onClose(reason);
      },
    };
  };
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

function add(total: ApplyResult, result: ApplyResult): void {
  total.applied += result.applied;
  total.stale += result.stale;
  total.full += result.full;
  total.unknown += result.unknown;
}
