/** The flow table in bulk: the event ring, records in and out, ageing, purging, digests; and how fast it is, which is printed only. */
import t from 'tap';
import { flowKeyLayout, flowLayout, limit, recordKind, recordLayout } from '../../src/l4/abi.gen.js';
import type { DataPlane } from '../../src/l4/native.js';
import {
  holdLease,
  lapseLease,
  loadPlane,
  makeRecords,
  OWN_MAC,
  readAll,
  synFrom,
  timed,
  u32,
  unsupported,
  VIRTUAL_ROUTER,
  vipServiceKey,
  writeTimeouts,
  writeWorld,
} from './fixture.js';

const MILLION = 1_000_000;
const CHUNK = 8192;
const sizeOf = (records: Buffer): number => records.length / recordLayout.size;
const portAt = (records: Buffer, index: number): number =>
  records.readUInt16BE(index * recordLayout.size + recordLayout.key + flowKeyLayout.clientPort);
const ours = (plane: DataPlane) => plane.digests()[VIRTUAL_ROUTER];
const rate = (count: number, ms: number): string => `${(count / ms / 1000).toFixed(2)} M/s`;

function sweepAll(plane: DataPlane): number {
  let expired = 0;
  let cursor: Buffer | null = null;
  do {
    const step = plane.sweep(cursor, CHUNK);
    expired += step.expired;
    cursor = step.cursor;
  } while (cursor !== null);
  return expired;
}

function purgeAll(plane: DataPlane, syncEpoch: number, routers: number[]): number {
  let purged = 0;
  let cursor: Buffer | null = null;
  do {
    const step = plane.purge(cursor, CHUNK, syncEpoch, routers);
    purged += step.purged;
    cursor = step.cursor;
  } while (cursor !== null);
  return purged;
}

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('events leave the ring in the order of their packets', (t) => {
    const { plane, pinDir } = loadPlane(t);
    writeWorld(plane);
    holdLease(pinDir).close();
    plane.loadForTest({ interface: 'in', ifindex: 1, mac: OWN_MAC, repliesFirst: false });
    t.same(plane.drain(10, true).records.length, 0, 'an empty ring');
    for (let port = 1000; port < 1100; port += 1) plane.testRun('in', synFrom(port), 1);
    const first = plane.drain(30, true);
    t.equal(sizeOf(first.records), 30, 'no more than asked for');
    t.equal(first.digests, undefined, 'no digests while events wait');
    const rest = plane.drain(1000, true);
    const ports = [first, rest].flatMap(({ records }) => Array.from({ length: sizeOf(records) }, (_, n) => portAt(records, n)));
    t.same(
      ports,
      Array.from({ length: 100 }, (_, n) => 1000 + n),
    );
    t.equal(rest.lost, 0n);
    t.equal(rest.digests?.[VIRTUAL_ROUTER]?.flows, 100n, 'digests belong to what was drained');
    t.same(rest.digests, plane.digests());
    t.equal(plane.drain(10, false).digests, undefined);
    t.end();
  });

  t.test('a full ring loses events and says so', (t) => {
    const count = limit.eventRingBytes / 64 + 5000;
    const { plane, pinDir } = loadPlane(t, { maxFlows: 1 << 19 });
    writeWorld(plane);
    holdLease(pinDir).close();
    t.equal(plane.apply(makeRecords(count), 'live', 0).applied, count);
    writeTimeouts(plane, 1n);
    lapseLease(plane);
    t.equal(sweepAll(plane), 0, 'without the lease nothing ages');
    holdLease(pinDir).close();
    const swept = timed(() => sweepAll(plane));
    t.equal(swept.result, count);
    const drained = timed(() => plane.drain(1 << 20, true));
    const { records, lost } = drained.result;
    t.equal(sizeOf(records) + Number(lost), count, 'every event was delivered or counted as lost');
    t.ok(lost > 0n);
    t.equal(records.readUInt16LE(recordLayout.kind), recordKind.delete);
    t.same(ours(plane), { digest: 0n, flows: 0n }, 'the table is empty');
    t.comment(`sweep ${rate(count, swept.ms)}, drain ${rate(sizeOf(records), drained.ms)}`);
    t.end();
  });

  t.test('records of a peer', (t) => {
    const { plane } = loadPlane(t);
    writeWorld(plane);
    const records = makeRecords(2500, { ageMs: 5000 });
    t.same(plane.apply(records, 'live', 3), { applied: 2500, stale: 0, full: 0, unknown: 0 }, 'more than one inbox');
    const digest = ours(plane);
    t.equal(digest?.flows, 2500n);
    t.same(plane.apply(records, 'merge', 4), { applied: 0, stale: 2500, full: 0, unknown: 0 }, 'merge overwrites nothing');
    t.equal(plane.apply(makeRecords(10, { kind: recordKind.delete, generation: 5n }), 'live', 3).stale, 10, 'of another generation');
    t.equal(plane.apply(makeRecords(10, { kind: recordKind.delete }), 'live', 3).applied, 10);
    t.equal(plane.apply(records.subarray(0, 10 * recordLayout.size), 'bulk', 3).applied, 10);
    t.same(ours(plane), digest, 'the same records, the same digest');
    t.same(plane.drain(100, false).records.length, 0, 'what a peer said is not told back');
    plane.mapDelete('services', vipServiceKey);
    t.equal(plane.apply(makeRecords(1), 'live', 3).unknown, 1);
    t.end();
  });

  t.test('a table without room', (t) => {
    const { plane } = loadPlane(t, { maxFlows: 100 });
    writeWorld(plane);
    t.same(plane.apply(makeRecords(150), 'live', 0), { applied: 100, stale: 0, full: 50, unknown: 0 });
    t.end();
  });

  t.test('reading the table', (t) => {
    const { plane } = loadPlane(t, { maxFlows: 20000 });
    writeWorld(plane);
    t.same(plane.readFlows(null, 100), { records: Buffer.alloc(0), cursor: null }, 'an empty table');
    plane.apply(makeRecords(10000, { ageMs: 7000 }), 'live', 9);
    for (const chunk of [1, 100, 4096, 1 << 20]) {
      const records = readAll(plane, chunk);
      const keys = new Set(Array.from({ length: sizeOf(records) }, (_, n) => records.toString('latin1', n * 56 + 8, n * 56 + 24)));
      t.same([sizeOf(records), keys.size], [10000, 10000], `every record once, in chunks of ${chunk}`);
    }
    const { records } = plane.readFlows(null, 100);
    t.equal(records.readUInt16LE(recordLayout.kind), recordKind.upsert);
    t.equal(records[recordLayout.virtualRouter], VIRTUAL_ROUTER);
    const ageMs = records.readUInt32LE(recordLayout.ageMs);
    t.ok(ageMs >= 7000 && ageMs < 60000, 'ages go on');
    t.equal(records.readUInt16LE(recordLayout.flow + flowLayout.syncEpoch), 9);
    t.end();
  });

  t.test('ageing', (t) => {
    const { plane, pinDir } = loadPlane(t);
    writeWorld(plane);
    plane.apply(makeRecords(500), 'live', 0);
    plane.apply(makeRecords(200, { ageMs: 0xffffffff, generation: 8n }), 'live', 0);
    holdLease(pinDir).close();
    t.equal(sweepAll(plane), 0, 'ages count from the start of the lease');
    const lease = plane.mapGet('leases', u32(VIRTUAL_ROUTER)) ?? Buffer.alloc(0);
    lease.writeBigUInt64LE(0n, 16);
    plane.mapSet('leases', u32(VIRTUAL_ROUTER), lease);
    writeTimeouts(plane, 0n);
    t.equal(sweepAll(plane), 0, 'no timeout, no ageing');
    writeTimeouts(plane, plane.kernelNs() / 2n);
    t.equal(sweepAll(plane), 200, 'idle beyond the timeout');
    const { records } = plane.drain(1000, false);
    t.equal(sizeOf(records), 200, 'and the peers will hear of each');
    t.equal(records.readBigUInt64LE(recordLayout.flow + flowLayout.generation), 8n);
    t.equal(ours(plane)?.flows, 300n);
    t.end();
  });

  t.test('purging what a resync did not confirm', (t) => {
    const { plane } = loadPlane(t);
    writeWorld(plane);
    plane.apply(makeRecords(1000), 'bulk', 1);
    plane.apply(makeRecords(400), 'bulk', 2);
    t.equal(purgeAll(plane, 2, []), 0);
    t.equal(purgeAll(plane, 2, [VIRTUAL_ROUTER + 1]), 0, 'another virtual router');
    t.equal(purgeAll(plane, 2, [0, VIRTUAL_ROUTER]), 600);
    t.equal(ours(plane)?.flows, 400n);
    t.equal(plane.drain(10, false).records.length, 0, 'silently');
    t.equal(purgeAll(plane, 3, [VIRTUAL_ROUTER]), 400);
    t.same(ours(plane), { digest: 0n, flows: 0n });
    t.end();
  });

  t.test('a million records', (t) => {
    const { plane } = loadPlane(t, { maxFlows: limit.defaultMaxFlows });
    writeWorld(plane);
    const empty = timed(() => readAll(plane, CHUNK));
    const records = makeRecords(MILLION);
    const inserted = timed(() => plane.apply(records, 'bulk', 1));
    t.equal(inserted.result.applied, MILLION);
    const overwritten = timed(() => plane.apply(records, 'live', 1));
    t.equal(overwritten.result.applied, MILLION);
    const dumped = timed(() => sizeOf(readAll(plane, CHUNK)));
    t.equal(dumped.result, MILLION);
    const purged = timed(() => purgeAll(plane, 2, [VIRTUAL_ROUTER]));
    t.equal(purged.result, MILLION);
    t.comment(`apply ${rate(MILLION, inserted.ms)}, again ${rate(MILLION, overwritten.ms)}, dump ${rate(MILLION, dumped.ms)}`);
    t.comment(`purge ${rate(MILLION, purged.ms)}, walk of an empty table ${empty.ms.toFixed(1)} ms`);
    t.end();
  });
}
