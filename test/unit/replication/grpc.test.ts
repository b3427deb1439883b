/** Two nodes over real gRPC with mutual TLS on loopback: what the simulation cannot show. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { initPki } from '../../../src/control/pki.js';
import type { ApplyMode, ApplyResult } from '../../../src/l4/native.js';
import type { ControlMessage, PeerStatus } from '../../../src/replication/api.js';
import { decode, encode } from '../../../src/replication/codec.js';
import type { Hello } from '../../../src/replication/frames.js';
import { createGrpcTransport } from '../../../src/replication/grpc-transport.js';
import { PROTOCOL_MAX, RECORD_BYTES } from '../../../src/replication/limits.js';
import { createReplication, type ReplicationOptions, type ReplicationService } from '../../../src/replication/replication.js';
import type { Transport } from '../../../src/replication/transport.js';
import { systemClock } from '../../../src/system/clock.js';
import { FakeFlowStore } from '../../support/fake-flow-store.js';

const LIMIT_MS = 15_000;
const ROUTERS = [{ slot: 0, name: 'front' }];

async function eventually(what: string, isMet: () => boolean): Promise<void> {
  const until = systemClock.now() + LIMIT_MS;
  while (!isMet()) {
    if (systemClock.now() > until) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Each node has its own loopback address; they share a port nobody uses. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const ADDRESSES: Record<string, string> = { lb1: '127.0.0.1', lb2: '127.0.0.2', lb3: '127.0.0.3' };

interface Cluster {
  directory: string;
  port: number;
  running: Set<ReplicationService>;
}

async function createCluster(t: Test): Promise<Cluster> {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-replication-'));
  const nodes = Object.entries(ADDRESSES).map(([name, address]) => ({ name, address }));
  await initPki({ directory, cluster: 'shop', nodes, force: false, nowMs: systemClock.wallMs() });
  const cluster: Cluster = { directory, port: await freePort(), running: new Set() };
  t.teardown(async () => {
    for (const replication of cluster.running) await replication.stop();
    rmSync(directory, { recursive: true });
  });
  return cluster;
}

interface Node {
  replication: ReplicationService;
  store: FakeFlowStore;
  heard: ControlMessage[];
  peer(name: string): PeerStatus;
  stop(): Promise<void>;
}

interface NodeOptions extends Partial<ReplicationOptions> {
  certificate?: string;
  store?: FakeFlowStore;
  pki?: string;
  peerName?: string;
}

function transportOf(cluster: Cluster, name: string, options: NodeOptions): Transport {
  const file = (suffix: string) => readFileSync(join(options.pki ?? cluster.directory, suffix));
  const certificate = options.certificate ?? name;
  const tls = { ca: file('ca.pem'), cert: file(`${certificate}.pem`), key: file(`${certificate}.key`) };
  return createGrpcTransport({ address: ADDRESSES[name] ?? '', port: cluster.port, tls });
}

async function startNode(cluster: Cluster, name: string, options: NodeOptions = {}): Promise<Node> {
  const store = options.store ?? new FakeFlowStore({ nodeId: name === 'lb1' ? 1 : 2, routers: 1 });
  const poll = setInterval(() => store.poll(), 1);
  const heard: ControlMessage[] = [];
  const other = options.peerName ?? (name === 'lb1' ? 'lb2' : 'lb1');
  const replication = createReplication({
    node: name,
    cluster: 'shop',
    configDigest: 'c0ffee',
    software: '0.1.0',
    abi: 1,
    peers: [{ name: other, address: ADDRESSES[other] ?? '' }],
    routers: ROUTERS,
    isFormerHolder: false,
    lastHolders: new Map(),
    queueRecords: 100_000,
    events: { onControl: (_node, message) => void heard.push(message), onPeerChange: () => undefined, onHolders: () => undefined },
    clock: systemClock,
    random: Math.random,
    transport: transportOf(cluster, name, options),
    ...options,
    store,
  });
  cluster.running.add(replication);
  await replication.start();
  return {
    replication,
    store,
    heard,
    peer(wanted) {
      const status = replication.peers().find((peer) => peer.node === wanted);
      if (status === undefined) throw new Error(`no status of ${wanted}`);
      return status;
    },
    async stop() {
      clearInterval(poll);
      cluster.running.delete(replication);
      await replication.stop();
    },
  };
}

const fill = (store: FakeFlowStore, from: number, count: number): void => {
  for (let flow = from; flow < from + count; flow += 1) store.open(flow);
};

const areEqual = (a: FakeFlowStore, b: FakeFlowStore): boolean => {
  const [one, other] = [a.digests()[0], b.digests()[0]];
  return one?.flows === other?.flows && one?.digest === other?.digest;
};

async function stopAll(...nodes: Node[]): Promise<void> {
  for (const node of nodes) await node.stop();
}

t.test('two nodes get in sync, live and after a restart', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1');
  const lb2 = await startNode(cluster, 'lb2');
  lb1.replication.setHolding(ROUTERS);
  fill(lb1.store, 0, 5000);
  await eventually('in sync both ways', () => [lb1.peer('lb2'), lb2.peer('lb1')].every((peer) => peer.inSync && peer.receivedInSync));
  t.ok(await lb1.replication.flush('lb2', LIMIT_MS), 'flushed');
  t.same(lb2.store.content(), lb1.store.content());
  t.match(lb1.peer('lb2'), { connected: true, state: 'live', version: '0.1.0', configDigestMatch: true, queuedRecords: 0, lagMs: 0 });
  t.same(lb2.heard.at(-1), { type: 'holding', routers: ['front'] });
  await eventually('digests compared', () => lb1.peer('lb2').digestMatch === true && lb2.peer('lb1').digestMatch === true);

  await lb2.stop();
  await eventually('the loss is noticed', () => !lb1.peer('lb2').connected);
  t.equal(await lb1.replication.send('lb2', { type: 'nextHops', addresses: [] }, 100), false, 'nobody there');
  for (let flow = 0; flow < 2000; flow += 1) lb1.store.expire(flow);
  fill(lb1.store, 5000, 1000);

  const again = await startNode(cluster, 'lb2', { store: lb2.store });
  await eventually('in sync again', () => again.peer('lb1').receivedInSync && lb1.peer('lb2').inSync);
  await lb1.replication.flush('lb2', LIMIT_MS);
  t.same(again.store.content(), lb1.store.content(), 'flows that ended meanwhile are gone');
  await stopAll(lb1, again);
});

t.test('control messages arrive behind the records, and are confirmed', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1');
  const lb2 = await startNode(cluster, 'lb2');
  lb1.replication.setHolding(ROUTERS);
  await eventually('in sync', () => lb1.peer('lb2').inSync);
  fill(lb1.store, 0, 3000);
  const order: ControlMessage = { type: 'takeOver', routers: ['front'], reason: 'drill' };
  t.ok(await lb1.replication.send('lb2', order, LIMIT_MS));
  t.equal(lb2.store.size, 3000, 'every flow was there before');
  t.same(lb2.heard.at(-1), order);
  t.ok(await lb2.replication.broadcast({ type: 'nextHops', addresses: ['10.0.0.1'] }, LIMIT_MS));
  t.same(lb1.heard.at(-1), { type: 'nextHops', addresses: ['10.0.0.1'] });
  t.equal(await lb1.replication.send('lb9', order, 100), false, 'unknown node');
  await stopAll(lb1, lb2);
});

t.test('a full queue becomes a gap, a resync, and equal tables', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1', { queueRecords: 500 });
  const lb2 = await startNode(cluster, 'lb2');
  lb1.replication.setHolding(ROUTERS);
  await eventually('in sync', () => lb1.peer('lb2').inSync);
  fill(lb1.store, 0, 20_000);
  await eventually('a gap', () => lb1.peer('lb2').gaps > 0);
  await eventually('in sync', () => lb1.peer('lb2').inSync && lb1.store.waiting === 0);
  await lb1.replication.flush('lb2', LIMIT_MS);
  await eventually('digests compared', () => lb1.peer('lb2').digestMatch === true);
  t.ok(areEqual(lb1.store, lb2.store));
  t.equal(lb2.store.size, 20_000);
  await stopAll(lb1, lb2);
});

t.test('a ring that overflowed in the kernel leads to a resync', async (t) => {
  const cluster = await createCluster(t);
  const store = new FakeFlowStore({ nodeId: 1, routers: 1, ringRecords: 50 });
  const lb1 = await startNode(cluster, 'lb1', { store });
  const lb2 = await startNode(cluster, 'lb2');
  lb1.replication.setHolding(ROUTERS);
  await eventually('in sync', () => lb1.peer('lb2').inSync);
  fill(store, 0, 500);
  await eventually('equal', () => lb1.peer('lb2').gaps === 1 && lb1.peer('lb2').inSync && areEqual(store, lb2.store));
  t.equal(lb2.store.size, 500);
  await stopAll(lb1, lb2);
});

t.test('a table that differs is noticed by its digest and mended', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1');
  const lb2 = await startNode(cluster, 'lb2');
  lb1.replication.setHolding(ROUTERS);
  fill(lb1.store, 0, 100);
  await eventually('in sync', () => lb2.peer('lb1').digestMatch === true);
  lb2.store.purge(null, 10, 1, [0]);
  t.not(lb2.store.size, 100);
  await eventually('the difference is said', () => lb1.peer('lb2').digestMatch === false);
  t.notOk(lb1.peer('lb2').inSync);
  await eventually('mended', () => lb1.peer('lb2').inSync && lb2.peer('lb1').receivedInSync && areEqual(lb1.store, lb2.store));
  t.match(lb1.peer('lb2'), { gaps: 1, resyncs: 2 });
  await stopAll(lb1, lb2);
});

t.test('a certificate of another authority is refused', async (t) => {
  const cluster = await createCluster(t);
  const foreign = join(cluster.directory, 'foreign');
  await initPki({
    directory: foreign,
    cluster: 'shop',
    nodes: [{ name: 'lb2', address: '127.0.0.2' }],
    force: false,
    nowMs: systemClock.wallMs(),
  });
  const lb1 = await startNode(cluster, 'lb1');
  const lb2 = await startNode(cluster, 'lb2', { pki: foreign });
  await eventually('lb1 tried', () => /certificate/i.test(lb1.peer('lb2').reason));
  t.match(lb1.peer('lb2'), { connected: false, inSync: false, state: 'connecting' });
  t.match(lb2.peer('lb1'), { connected: false, inSync: false });
  await stopAll(lb1, lb2);
});

t.test('a certificate of another node is refused by both sides', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1');
  const lb2 = await startNode(cluster, 'lb2', { certificate: 'lb3' });
  await eventually('lb2 is told', () => lb2.peer('lb1').state === 'incompatible');
  t.match(lb2.peer('lb1').reason, /certificate does not name lb2/);
  await eventually('lb1 tried', () => /altnames|certificate/i.test(lb1.peer('lb2').reason));
  t.notOk(lb1.peer('lb2').connected);
  t.equal(lb1.replication.counters().streamsRefused.certificate, 1);
  await stopAll(lb1, lb2);
});

for (const { what, options, reason } of [
  { what: 'another cluster', options: { cluster: 'market' }, reason: /belongs to cluster/ },
  { what: 'another record layout', options: { abi: 2 }, reason: /layout/ },
]) {
  t.test(`${what} is incompatible, and both sides say why`, async (t) => {
    const cluster = await createCluster(t);
    const lb1 = await startNode(cluster, 'lb1');
    const lb2 = await startNode(cluster, 'lb2', options);
    await eventually('both know', () => lb1.peer('lb2').state === 'incompatible' && lb2.peer('lb1').state === 'incompatible');
    t.match(lb1.peer('lb2').reason, reason);
    t.match(lb2.peer('lb1').reason, reason);
    t.notOk(lb1.peer('lb2').connected);
    await stopAll(lb1, lb2);
  });
}

t.test('a peer that speaks a later protocol only is told so', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1');
  const later = transportOf(cluster, 'lb2', {});
  const hello: Hello = {
    versionMin: PROTOCOL_MAX + 1,
    versionMax: PROTOCOL_MAX + 1,
    capabilities: 0,
    node: 'lb2',
    cluster: 'shop',
    configDigest: 'c0ffee',
    instance: 'x',
    abi: 1,
    recordBytes: RECORD_BYTES,
    byteOrder: 'little',
    software: '9.0.0',
  };
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const stream = later.dial(
      { node: 'lb1', address: ADDRESSES.lb1 ?? '' },
      {
        onOpen: () => void stream.write(encode({ type: 'hello', hello })),
        onMessage: resolve,
        onWritable: () => undefined,
        onClose: reject,
      },
    );
    t.teardown(() => stream.close());
  });
  t.match(decode(answer), { ok: true, frame: { type: 'refuse', reason: /speaks protocol version 2, this node version 1/ } });
  t.same(lb1.replication.counters().streamsRefused, { incompatible: 1 });
  await lb1.stop();
});

/** Its table takes its time for every batch. */
class SlowStore extends FakeFlowStore {
  override apply(records: Buffer, mode: ApplyMode, syncEpoch: number): ApplyResult {
    const until = systemClock.now() + 15;
    while (systemClock.now() < until);
    return super.apply(records, mode, syncEpoch);
  }
}

t.test('a slow reader bounds the queue, loses nothing for good, and stays connected', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1', { queueRecords: 20_000, sizes: { windowBytes: 300_000 } });
  const lb2 = await startNode(cluster, 'lb2', { store: new SlowStore({ nodeId: 2, routers: 1 }) });
  lb1.replication.setHolding(ROUTERS);
  await eventually('in sync', () => lb1.peer('lb2').inSync);
  let longest = 0;
  for (let round = 0; round < 20; round += 1) {
    fill(lb1.store, round * 4000, 4000);
    await eventually('the ring is drained', () => lb1.store.waiting === 0);
    longest = Math.max(longest, lb1.peer('lb2').queuedRecords);
    t.ok(lb1.peer('lb2').connected);
  }
  t.ok(longest <= 20_000, `${longest} records were queued`);
  await eventually('in sync', () => lb1.peer('lb2').inSync && lb1.peer('lb2').queuedRecords === 0);
  t.ok(areEqual(lb1.store, lb2.store));
  t.equal(lb2.store.size, 80_000);
  await stopAll(lb1, lb2);
});

t.test('another configuration is said, and is no obstacle', async (t) => {
  const cluster = await createCluster(t);
  const lb1 = await startNode(cluster, 'lb1');
  const lb2 = await startNode(cluster, 'lb2', { configDigest: 'decaf' });
  await eventually('in sync', () => lb1.peer('lb2').inSync && lb2.peer('lb1').inSync);
  t.equal(lb1.peer('lb2').configDigestMatch, false);
  t.equal(lb2.peer('lb1').configDigestMatch, false);
  await stopAll(lb1, lb2);
});

t.test('an address that is not ours cannot be listened on', async (t) => {
  const cluster = await createCluster(t);
  const real = transportOf(cluster, 'lb1', {});
  await real.listen(() => ({ onOpen: () => undefined, onMessage: () => undefined, onWritable: () => undefined, onClose: () => undefined }));
  const second = transportOf(cluster, 'lb1', {});
  await t.rejects(
    second.listen(() => {
      throw new Error('nobody comes');
    }),
    { code: 'REPLICATION_LISTEN', message: /127\.0\.0\.1/ },
  );
  await real.close();
  await second.close();
});
