/** The plain sides of the data plane: entries, sums, nested tables, leases, clocks, test runs. */
import t from 'tap';
import { drop, flowLayout, leaseLayout, limit, trafficLayout } from '../../src/l4/abi.gen.js';
import { freshPinDir, ipBytes, loadPlane, native, OWN_MAC, synFrom, u32, unsupported, VIP, writeWorld } from './fixture.js';

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('entries of a hash', (t) => {
    const { plane } = loadPlane(t, { maxFlows: 2 });
    const key = (n: number): Buffer => Buffer.alloc(16, n);
    t.equal(plane.mapGet('flows', key(1)), null, 'nothing there');
    t.equal(plane.mapDelete('flows', key(1)), false);
    plane.mapSet('flows', key(1), Buffer.alloc(flowLayout.size, 7));
    t.same(plane.mapGet('flows', key(1)), Buffer.alloc(flowLayout.size, 7));
    plane.mapSet('flows', key(2), Buffer.alloc(flowLayout.size, 8));
    t.throws(() => plane.mapSet('flows', key(3), Buffer.alloc(flowLayout.size)), { code: 'MAP_FULL', retryable: true });
    const entries = plane.mapEntries('flows').sort(([a], [b]) => a.compare(b));
    t.same(
      entries.map(([entryKey, value]) => [entryKey[0], value[0]]),
      [
        [1, 7],
        [2, 8],
      ],
    );
    t.equal(plane.mapDelete('flows', key(1)), true);
    t.equal(plane.mapEntries('flows').length, 1);
    t.end();
  });

  t.test('a hash larger than one batch, and arrays', (t) => {
    const { plane } = loadPlane(t);
    for (let n = 0; n < 3000; n += 1) plane.mapSet('addresses', u32(n), Buffer.alloc(8, n & 0xff));
    const seen = new Set(plane.mapEntries('addresses').map(([key]) => key.readUInt32LE()));
    t.equal(seen.size, 3000, 'every entry exactly once');
    t.equal(plane.mapEntries('leases').length, limit.maxVirtualRouters);
    t.equal(plane.mapEntries('servers').length, limit.maxServerSlots);
    t.end();
  });

  t.test('sums over CPUs', (t) => {
    const { plane } = loadPlane(t);
    t.equal(plane.sums('drops').length, drop.reasons);
    t.equal(plane.sums('traffic').length, (limit.maxServerSlots * trafficLayout.size) / 8);
    const perCpu = plane.mapGet('traffic', u32(5));
    t.ok(perCpu !== null && perCpu.length % trafficLayout.size === 0, 'a per-CPU value is one part per CPU');
    const cpus = (perCpu?.length ?? 0) / trafficLayout.size;
    plane.mapSet('traffic', u32(5), Buffer.alloc(trafficLayout.size * cpus).fill(u32(1).toString('latin1').padEnd(8, '\0'), 'latin1'));
    const sums = plane.sums('traffic');
    t.same([...sums.subarray(25, 30)], Array(5).fill(BigInt(cpus)), 'each word is the sum of its CPUs');
    t.equal(sums[24], 0n);
    t.equal(sums[30], 0n);
    t.end();
  });

  t.test('nested tables', (t) => {
    const { plane } = loadPlane(t);
    t.equal(plane.getTable(7), null);
    plane.setTable(7, Uint32Array.of(1, 2, 3));
    t.same([...(plane.getTable(7) ?? [])], [1, 2, 3]);
    const large = Uint32Array.from({ length: 65537 }, (_, n) => n % 1000);
    plane.setTable(7, large);
    t.same(plane.getTable(7), large, 'of another size, in its place');
    plane.setTables([
      [7, new Uint32Array(0)],
      [8, Uint32Array.of(4)],
      [9, Uint32Array.of(5, 6)],
    ]);
    t.same([plane.getTable(7), [...(plane.getTable(8) ?? [])], [...(plane.getTable(9) ?? [])]], [null, [4], [5, 6]], 'many at once');
    t.doesNotThrow(() => plane.setTable(7, new Uint32Array(0)), 'removing what is not there');
    t.end();
  });

  t.test('a lease through its life', (t) => {
    const { plane, pinDir } = loadPlane(t);
    const leases = native.openLeases(pinDir);
    t.teardown(() => leases.close());
    const before = native.monotonicNs();
    const acquired = leases.acquire(3, 50_000_000_000n, 1_000_000_000n, 77n);
    t.equal(acquired.result, 'ok');
    t.equal(acquired.deadlineNs, acquired.nowNs + 50_000_000_000n);
    t.equal(acquired.drainUntilNs, acquired.deadlineNs + 1_000_000_000n);
    t.same([acquired.startedNs, acquired.instance, acquired.verifiedNs], [acquired.nowNs, 77n, 0n]);
    t.ok(acquired.nowNs >= before, 'by the kernel clock');
    t.equal(leases.renew(3, 1n, 1n, 78n).result, 'foreign', 'another instance may not renew');
    t.equal(leases.read(3).deadlineNs, acquired.deadlineNs, 'and has not');
    const renewed = leases.renew(3, 60_000_000_000n, 0n, 77n);
    t.ok(renewed.result === 'ok' && renewed.deadlineNs > acquired.deadlineNs);
    t.equal(renewed.startedNs, acquired.startedNs);
    const released = leases.release(3, 5_000_000_000n, 2_000_000_000n, 77n);
    t.equal(released.deadlineNs, released.nowNs);
    t.equal(released.drainUntilNs, released.nowNs + 5_000_000_000n);
    t.equal(plane.mapGet('leases', u32(3))?.readBigUInt64LE(leaseLayout.admitUntilNs), released.nowNs + 2_000_000_000n);
    t.equal(leases.renew(3, 1n, 1n, 77n).result, 'lapsed');
    t.equal(leases.isAttached('lo'), false);
    t.end();
  });

  t.test('clocks and memory', (t) => {
    const { plane } = loadPlane(t, { maxFlows: 65536 });
    const [before, kernel, after] = [native.monotonicNs(), plane.kernelNs(), native.monotonicNs()];
    t.ok(before <= kernel && kernel <= after, 'one clock');
    t.ok(plane.memoryBytes('flows') >= 65536 * 48, 'at least keys and values');
    t.end();
  });

  t.test('test runs', (t) => {
    const { plane } = loadPlane(t);
    writeWorld(plane);
    plane.loadForTest({ interface: 'eth0.100', ifindex: 7, mac: OWN_MAC, repliesFirst: false });
    plane.loadForTest({ interface: 'eth1', ifindex: 8, mac: OWN_MAC, repliesFirst: true, mode: 'native' });
    const foreign = synFrom(1000);
    ipBytes('192.0.2.9').copy(foreign, 30);
    for (const name of ['eth0.100', 'eth1']) {
      const passed = plane.testRun(name, foreign, 3);
      t.equal(passed.verdict, 'PASS');
      t.same(passed.packet, foreign, 'untouched');
      t.ok(passed.durationNs > 0);
      t.equal(plane.testRun(name, synFrom(1000), 1).verdict, 'DROP', 'no lease');
    }
    t.equal(plane.sums('drops')[drop.notActive], 2n, 'both instances count in the same map');
    t.ok(plane.mapGet('addresses', ipBytes(VIP)));
    t.end();
  });

  t.test('a pin directory outside of bpffs', (t) => {
    t.throws(() => native.load({ objectPath: '/dev/null', pinDir: freshPinDir(), maxFlows: 1 }), { code: 'OBJECT_INVALID' });
    t.end();
  });
}
