/**
 * Records written by the apply program: modes, generations, hints, ages, and digests that depend on the records and on nothing else.
 */
import t from 'tap';
import { flowFlag, flowLayout, flowState, recordKind } from '../../src/l4/abi.gen.js';
import type { ApplyMode } from '../../src/l4/native.js';
import { encodeRecord, encodeServiceKey, type FlowRecord } from '../../src/l4/records.js';
import { type Party, tcpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  client,
  INSTANCE,
  makeInterfaces,
  SECOND_NS,
  serverSlot,
  VIP,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const WEB = 0;
const GENERATION = (9n << 56n) | 1000n;

const record = (world: World, change: Partial<FlowRecord> = {}, from: Party = client, number = 0): FlowRecord => ({
  key: world.key(WEB, from),
  serverAddress: worldServers[number]?.party.address ?? '',
  serverPort: 8080,
  state: flowState.established,
  flags: 0,
  generation: GENERATION,
  ageMs: 0,
  serverSlot: 77,
  nextHop: 88,
  ...change,
});
const upsert = (world: World, mode: ApplyMode, change: Partial<FlowRecord> = {}, epoch = 5, number = 0) =>
  world.plane.apply(encodeRecord(recordKind.upsert, record(world, change, client, number)), mode, epoch);
const remove = (world: World, mode: ApplyMode, change: Partial<FlowRecord> = {}) =>
  world.plane.apply(encodeRecord(recordKind.delete, record(world, change)), mode, 5);

/** Walks the whole table once. */
function sweepAll(world: World): number {
  let expired = 0;
  for (let cursor: Buffer | null = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
    const step = world.plane.sweep(cursor, 256);
    expired += step.expired;
    cursor = step.cursor;
  }
  return expired;
}

function purgeAll(world: World, epoch: number): number {
  let purged = 0;
  for (let cursor: Buffer | null = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
    const step = world.plane.purge(cursor, 256, epoch, [0]);
    purged += step.purged;
    cursor = step.cursor;
  }
  return purged;
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  for (const mode of ['live', 'bulk', 'merge'] as const) {
    t.test(`${mode}: a new record, with its age, without foreign hints, without an event`, (test) =>
      withWorld({}, interfaces, (world) => {
        test.match(upsert(world, mode, { ageMs: 5000 }), { applied: 1, stale: 0, full: 0, unknown: 0 });
        const flow = world.flow(WEB);
        test.match(flow, { state: flowState.established, generation: GENERATION, serverSlot: 0, nextHop: 0, syncEpoch: 5 });
        const age = world.plane.kernelNs() - (flow?.lastSeenNs ?? 0n);
        test.ok(age >= 5n * SECOND_NS && age < 7n * SECOND_NS, 'the age counts from the local clock');
        test.same(world.events(), []);
        test.match(world.plane.digests()[0], { flows: 1n });
        test.equal(world.send(tcpFrame({ from: client, to: vip(80), flags: 'A' })).verdict, 'REDIRECT', 'and it serves');
      }),
    );
  }

  t.test('live and bulk overwrite; hints stay while the server is the same', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const mode of ['live', 'bulk'] as const) {
        upsert(world, mode);
        world.send(tcpFrame({ from: client, to: vip(80), flags: 'A' }));
        const hints = { serverSlot: serverSlot(WEB, 0), nextHop: 4 };
        test.match(world.flow(WEB), hints);
        test.match(upsert(world, mode, { state: flowState.finClient, flags: flowFlag.derived, generation: GENERATION + 1n }, 6), {
          applied: 1,
        });
        test.match(world.flow(WEB), {
          ...hints,
          state: flowState.finClient,
          flags: flowFlag.derived,
          generation: GENERATION + 1n,
          syncEpoch: 6,
        });
        test.match(upsert(world, mode, {}, 7, 1), { applied: 1 });
        test.match(world.flow(WEB), { serverAddress: '10.2.0.22', serverSlot: 0, state: flowState.established });
        test.match(world.plane.digests()[0], { flows: 1n });
        test.match(remove(world, mode), { applied: 1 });
      }
    }),
  );

  t.test('merge adds only where nothing is and never deletes', (test) =>
    withWorld({}, interfaces, (world) => {
      upsert(world, 'live');
      test.match(upsert(world, 'merge', { state: flowState.closed, generation: GENERATION + 1n }), { applied: 0, stale: 1 });
      test.match(remove(world, 'merge'), { applied: 0, stale: 1 });
      test.match(world.flow(WEB), { state: flowState.established, generation: GENERATION });
    }),
  );

  t.test('a delete needs the same generation', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const mode of ['live', 'bulk'] as const) {
        upsert(world, mode);
        for (const generation of [GENERATION - 1n, GENERATION + 1n, 0n])
          test.match(remove(world, mode, { generation }), { applied: 0, stale: 1 });
        test.match(remove(world, mode), { applied: 1, stale: 0 });
        test.equal(world.flow(WEB), null);
        test.match(remove(world, mode), { applied: 0, stale: 1 });
        test.match(world.plane.digests()[0], { digest: 0n, flows: 0n });
      }
    }),
  );

  t.test('records that cannot be: unknown service, unknown kind, impossible state', (test) =>
    withWorld({}, interfaces, (world) => {
      test.match(upsert(world, 'live', { key: { ...world.key(WEB), vipPort: 9999 } }), { applied: 0, unknown: 1 });
      test.match(upsert(world, 'live', { key: { ...world.key(WEB), vipAddress: '192.0.2.1' } }), { applied: 0, unknown: 1 });
      for (const state of [flowState.none, 8, 255]) test.match(upsert(world, 'live', { state }), { applied: 0, stale: 1 });
      for (const kind of [0, 3, 0xffff])
        test.match(world.plane.apply(encodeRecord(kind, record(world)), 'live', 1), { applied: 0, stale: 1 });
      upsert(world, 'live', { flags: 0xff });
      test.equal(world.flow(WEB)?.flags, flowFlag.dsr | flowFlag.derived | flowFlag.refused, 'unknown flags are not stored');
    }),
  );

  t.test('a delete reaches a record whose service is gone', (test) =>
    withWorld({}, interfaces, (world) => {
      upsert(world, 'live');
      world.plane.mapDelete('services', encodeServiceKey({ address: VIP, port: 80, protocol: 'tcp' }));
      test.match(remove(world, 'live'), { applied: 1 });
      test.match(world.plane.digests()[0], { digest: 0n, flows: 0n });
    }),
  );

  t.test('a full table says so', (test) =>
    withWorld({ maxFlows: 64 }, interfaces, (world) => {
      const records = Array.from({ length: 70 }, (_, port) =>
        encodeRecord(recordKind.upsert, record(world, {}, { ...client, port: 1000 + port })),
      );
      test.match(world.plane.apply(Buffer.concat(records), 'bulk', 1), { applied: 64, full: 6 });
      test.match(world.plane.digests()[0], { flows: 64n });
    }),
  );

  t.test('digests are equal for equal records, in any order and by any way, and differ otherwise', (test) =>
    withWorld({}, interfaces, (one) =>
      withWorld({}, interfaces, (two) => {
        for (let port = 0; port < 1500; port += 1)
          one.plane.testRun('front', tcpFrame({ from: { ...client, port: 2000 + port }, to: vip(80), flags: 'S' }), 1);
        const { records } = one.plane.drain(4096, false);
        test.equal(records.length, 1500 * 56);
        const list = Array.from({ length: 1500 }, (_, at) => records.subarray(at * 56, at * 56 + 56));
        test.match(two.plane.apply(Buffer.concat(list.toReversed()), 'bulk', 1), { applied: 1500 });
        test.same(two.plane.digests()[0], one.plane.digests()[0]);
        test.match(one.plane.digests()[0], { flows: 1500n });
        test.not(one.plane.digests()[0]?.digest, 0n);
        test.match(two.plane.apply(Buffer.concat(list), 'live', 2), { applied: 1500 });
        test.same(two.plane.digests()[0], one.plane.digests()[0], 'confirming changes nothing');
        const other = Buffer.from(list[0] ?? Buffer.alloc(0));
        other.writeBigUInt64LE(1n, 24 + flowLayout.generation);
        two.plane.apply(other, 'live', 2);
        test.not(two.plane.digests()[0]?.digest, one.plane.digests()[0]?.digest, 'another generation shows');
        two.plane.apply(list[0] ?? Buffer.alloc(0), 'live', 2);
        test.same(two.plane.digests()[0], one.plane.digests()[0]);
      }),
    ),
  );

  t.test('the sweep expires what is idle beyond the timeout of its state, with an event', (test) =>
    withWorld({}, interfaces, (world) => {
      world.leases.acquire(0, 3600n * SECOND_NS, 0n, INSTANCE);
      upsert(world, 'live');
      const shift = (seconds: bigint) =>
        world.plane.mapSet(
          'leases',
          Buffer.alloc(4),
          patchedLease(world.plane.mapGet('leases', Buffer.alloc(4)) ?? Buffer.alloc(48), seconds),
        );
      shift(1000n);
      const idle = (seconds: bigint) =>
        world.patch(WEB, (bytes) => bytes.writeBigUInt64LE(world.plane.kernelNs() - seconds * SECOND_NS, flowLayout.lastSeenNs));
      idle(58n);
      test.equal(sweepAll(world), 0);
      idle(61n);
      test.equal(sweepAll(world), 1);
      test.equal(world.flow(WEB), null);
      test.match(world.events(), [{ kind: recordKind.delete, generation: GENERATION, key: world.key(WEB) }]);
      test.match(world.plane.digests()[0], { digest: 0n, flows: 0n });
    }),
  );

  t.test('idle time counts from the start of the lease, and only the holder ages', (test) =>
    withWorld({}, interfaces, (world) => {
      upsert(world, 'live', { ageMs: 3_600_000 });
      test.equal(sweepAll(world), 0, 'the lease is younger than the timeout');
      world.leases.release(0, 60n * SECOND_NS, 0n, INSTANCE);
      world.settings({ timeoutNs: 1n });
      test.equal(sweepAll(world), 0, 'not the holder');
      world.leases.acquire(0, 60n * SECOND_NS, 0n, INSTANCE);
      test.equal(sweepAll(world), 1);
    }),
  );

  t.test('a purge leaves what was confirmed or replaced since it was chosen', (test) =>
    withWorld({}, interfaces, (world) => {
      const purge = (epoch: number, generation = GENERATION) =>
        world.plane.apply(encodeRecord(recordKind.upsert, record(world, { generation })), 'purge', epoch);
      upsert(world, 'bulk', {}, 5);
      test.match(purge(5), { applied: 0, stale: 1 });
      test.match(purge(6, GENERATION + 1n), { applied: 0, stale: 1 });
      test.match(world.flow(WEB), { generation: GENERATION });
      test.match(purge(6), { applied: 1, stale: 0 });
      test.equal(world.flow(WEB), null);
    }),
  );

  t.test('what one peer tells meanwhile does not undo what the table of another has confirmed', (test) =>
    withWorld({}, interfaces, (world) => {
      upsert(world, 'bulk', {}, 5);
      upsert(world, 'live', { state: flowState.finClient }, 9);
      test.match(world.flow(WEB), { state: flowState.finClient, syncEpoch: 5 });
      upsert(world, 'live', { generation: GENERATION + 1n }, 9);
      test.match(world.flow(WEB), { syncEpoch: 9 }, 'unless it is another connection');
      upsert(world, 'bulk', { generation: GENERATION + 1n }, 5);
      test.match(world.flow(WEB), { syncEpoch: 5 });
    }),
  );

  t.test('the purge deletes what the resync did not confirm, without an event', (test) =>
    withWorld({}, interfaces, (world) => {
      const put = (port: number, epoch: number) =>
        world.plane.apply(encodeRecord(recordKind.upsert, record(world, {}, { ...client, port })), 'bulk', epoch);
      for (let port = 1; port <= 20; port += 1) put(port, port % 2 === 0 ? 8 : 7);
      test.equal(purgeAll(world, 8), 10);
      for (let port = 1; port <= 20; port += 1) test.equal(world.flow(WEB, { ...client, port }) !== null, port % 2 === 0);
      test.same(world.events(), []);
      test.match(world.plane.digests()[0], { flows: 10n });
    }),
  );
});

/** The lease as if it had started so many seconds earlier. */
function patchedLease(bytes: Buffer, seconds: bigint): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(copy.readBigUInt64LE(16) - seconds * SECOND_NS, 16);
  return copy;
}
