/**
 * One process of the replication benchmark, told by its parent what to do: a node (data plane and replication), or the source of packets
 * that creates flows in a node's data plane.
 */
import { readFileSync } from 'node:fs';
import { flowLayout, recordLayout } from '../../../src/l4/abi.gen.js';
import { type DataPlane, loadNative } from '../../../src/l4/native.js';
import type { FlowStore } from '../../../src/replication/api.js';
import { createGrpcTransport } from '../../../src/replication/grpc-transport.js';
import { createReplication, type ReplicationService } from '../../../src/replication/replication.js';
import { systemClock } from '../../../src/system/clock.js';
import { bpfObjectPath } from '../../../src/system/paths.js';
import { createPlane, createSyn, holdLease, loadFlows, PROGRAM } from './replication-plane.js';

export interface NodeSetup {
  name: string;
  nodeId: number;
  pinDir: string;
  address: string;
  port: number;
  peer: { name: string; address: string };
  pki: string;
  maxFlows: number;
}

export type Order =
  | { type: 'node'; setup: NodeSetup }
  | { type: 'source'; pinDir: string }
  | { type: 'load'; flows: number }
  | { type: 'start'; holds: boolean }
  | { type: 'awaitSync' }
  /** Answers with the time when the table has so many flows. */
  | { type: 'awaitFlows'; flows: number }
  /** Shut: events stay in the ring. */
  | { type: 'gate'; isOpen: boolean }
  | { type: 'flood'; from: number; flows: number; perSecond: number | null }
  | { type: 'usage' }
  | { type: 'stop' };

export interface Answer {
  /** CLOCK_MONOTONIC, the same for all processes. */
  atMs: number;
  cpuMs: number;
  /** From the creation of a flow to its record in the peer's table, sampled. */
  lagsMs: number[];
}

const RING_FULL_PAUSE_MS = 1;
/** One flow in so many is timed. */
const LAG_SAMPLE = 8;

let plane: DataPlane | null = null;
let replication: ReplicationService | null = null;
let peerName = '';
let isOpen = true;
let lagsMs: number[] = [];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function thePlane(): DataPlane {
  if (plane === null) throw new Error('no data plane yet');
  return plane;
}

/** The data plane, with a gate before the ring and a stop-watch behind the table. */
function measured(real: DataPlane): FlowStore {
  const shut = Buffer.alloc(0);
  return {
    drain: (maxRecords, wantDigests) => (isOpen ? real.drain(maxRecords, wantDigests) : { records: shut, lost: 0n }),
    watch: (wake) => (isOpen ? real.watch(wake) : { stop: () => undefined }),
    apply(records, mode, epoch) {
      const result = real.apply(records, mode, epoch);
      if (mode === 'live') sampleLags(records);
      return result;
    },
    readFlows: (cursor, maxRecords) => real.readFlows(cursor, maxRecords),
    purge: (cursor, maxRecords, epoch, routers) => real.purge(cursor, maxRecords, epoch, routers),
    digests: () => real.digests(),
  };
}

/** A generation contains the time of its creation in units of 16 ns (the offset to real time is 0 here). */
function sampleLags(records: Buffer): void {
  const now = process.hrtime.bigint();
  const mask = (1n << 56n) - 1n;
  for (let at = 0; at < records.length; at += LAG_SAMPLE * recordLayout.size) {
    const generation = records.readBigUInt64LE(at + recordLayout.flow + flowLayout.generation);
    lagsMs.push(Number(now - ((generation & mask) << 4n)) / 1e6);
  }
}

function createNode(setup: NodeSetup): void {
  plane = createPlane(setup.pinDir, setup.nodeId, setup.maxFlows);
  peerName = setup.peer.name;
  const file = (name: string): Buffer => readFileSync(`${setup.pki}/${name}`);
  const tls = { ca: file('ca.pem'), cert: file(`${setup.name}.pem`), key: file(`${setup.name}.key`) };
  replication = createReplication({
    node: setup.name,
    cluster: 'bench',
    configDigest: '',
    software: 'bench',
    abi: 1,
    peers: [setup.peer],
    routers: [{ slot: 0, name: 'front' }],
    isFormerHolder: false,
    lastHolders: new Map(),
    queueRecords: 1_000_000,
    store: measured(plane),
    events: { onControl: () => undefined, onPeerChange: () => undefined, onHolders: () => undefined },
    clock: systemClock,
    random: Math.random,
    transport: createGrpcTransport({ address: setup.address, port: setup.port, tls }),
  });
}

function createSource(pinDir: string): void {
  holdLease(pinDir);
  plane = loadNative().load({ objectPath: bpfObjectPath, pinDir, maxFlows: 1, adoptOnly: true });
  plane.loadForTest({ interface: PROGRAM, ifindex: 1, mac: Buffer.from('020000000001', 'hex'), repliesFirst: false });
}

async function flood(order: Extract<Order, { type: 'flood' }>): Promise<void> {
  const syn = createSyn();
  const startedAt = systemClock.now();
  for (let done = 0; done < order.flows; ) {
    const due = order.perSecond === null ? order.flows : Math.min(order.flows, ((systemClock.now() - startedAt) * order.perSecond) / 1000);
    for (; done < due; done += 1) {
      syn.aim(order.from + done);
      thePlane().testRun(PROGRAM, syn.packet, 1);
    }
    await sleep(RING_FULL_PAUSE_MS);
  }
}

async function until(isMet: () => boolean): Promise<void> {
  while (!isMet()) await sleep(1);
}

const flowCount = (): number => Number(thePlane().digests()[0]?.flows ?? 0n);

async function obey(order: Order): Promise<void> {
  switch (order.type) {
    case 'node':
      return createNode(order.setup);
    case 'source':
      return createSource(order.pinDir);
    case 'load':
      return loadFlows(thePlane(), order.flows);
    case 'start':
      if (order.holds) replication?.setHolding([{ slot: 0, name: 'front' }]);
      return replication?.start();
    case 'awaitSync':
      return until(() => replication?.peers().every((peer) => peer.node === peerName && peer.inSync && peer.receivedInSync) ?? false);
    case 'awaitFlows':
      return until(() => flowCount() >= order.flows);
    case 'gate':
      isOpen = order.isOpen;
      return;
    case 'flood':
      return flood(order);
    case 'usage':
      return;
    case 'stop':
      await replication?.stop();
      plane?.close();
      process.disconnect();
  }
}

process.on('message', (order: Order) => {
  void obey(order).then(() => {
    const answer: Answer = { atMs: systemClock.now(), cpuMs: cpuMs(), lagsMs };
    lagsMs = [];
    if (process.connected) process.send?.(answer);
  });
});
