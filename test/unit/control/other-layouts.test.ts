/** What a version with another layout left behind: removed aloud when nobody uses it, and left alone when somebody may. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type LayoutDoors, layoutDoors, refuseWhileInUse, removeUnused } from '../../../src/control/other-layouts.js';
import { openStateDir, type StateDir } from '../../../src/control/state-dir.js';
import type { DataPlane, LeaseState, NativeL4 } from '../../../src/l4/native.js';
import { systemClock } from '../../../src/system/clock.js';
import { listenLines } from '../../../src/system/line-socket.js';

/** Pins of layouts 1 and 2 in an ordinary directory; ours is 2. */
function place(t: Test): StateDir {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-layouts-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const pinRoot = join(directory, 'pins');
  for (const version of ['v1', 'v2']) mkdirSync(join(pinRoot, version), { recursive: true });
  return { ...openStateDir(join(directory, 'state'), 'lb1'), pinRoot, pinDir: join(pinRoot, 'v2') };
}

const doors = (change: Partial<LayoutDoors> = {}): LayoutDoors => ({
  heartbeat: async () => null,
  leaseMs: () => 0,
  flows: () => 0,
  ...change,
});

const IN_USE = { code: 'OTHER_LAYOUT_IN_USE' };

t.test('refused while its heartbeat runs or a lease in it is alive', async (t) => {
  const stateDir = place(t);
  const other = join(stateDir.pinRoot, 'v1');
  const heartbeat = (pinDir: string | null, pid: number | null = 12) => doors({ heartbeat: async () => ({ pid, pinDir }) });
  await t.rejects(refuseWhileInUse(stateDir, heartbeat(other)), { ...IN_USE, message: /layout 1\) is running \(pid 12\).*kill 12/ });
  await t.rejects(refuseWhileInUse(stateDir, heartbeat(null, null)), { ...IN_USE, message: /SIGTERM/ }, 'of unknown layout');
  await t.resolves(refuseWhileInUse(stateDir, heartbeat(stateDir.pinDir)), 'of our own');
  await t.rejects(refuseWhileInUse(stateDir, doors({ leaseMs: () => 250 })), { ...IN_USE, message: /alive for 250 ms.*layout 1.*unload/ });
  await t.resolves(refuseWhileInUse(stateDir, doors({ leaseMs: () => null })), 'what cannot be read is not in use');
  await t.resolves(refuseWhileInUse(stateDir, doors()));
  t.ok(existsSync(other), 'nothing is removed by asking');
  rmSync(other, { recursive: true });
  await t.resolves(refuseWhileInUse(stateDir, heartbeat(other)), 'nothing is there to be lost');
});

t.test('what is removed is said, with the connections in it', async (t) => {
  for (const [flows, words] of [
    [7, /7 connections in it end/],
    [null, /could not be read/],
  ] as const) {
    const stateDir = place(t);
    const told: unknown[] = [];
    const log = { event: (name: string, fields: object) => told.push({ name, ...fields }) };
    removeUnused(stateDir, doors({ flows: () => flows }), log);
    const directory = join(stateDir.pinRoot, 'v1');
    t.match(told, [{ name: 'dataPlane.otherLayout', directory, flows, reason: words }]);
    t.same([existsSync(directory), existsSync(stateDir.pinDir)], [false, true]);
    removeUnused(stateDir, doors(), log);
    t.equal(told.length, 1, 'nothing is left to be said');
  }
});

t.test('leases and connections of an unknown layout', async (t) => {
  const stateDir = place(t);
  const lease = (restNs: bigint, result: LeaseState['result'] = 'ok') => ({ result, nowNs: 5n, deadlineNs: 5n + restNs }) as LeaseState;
  const keeper = (read: (slot: number) => LeaseState) => ({ read, close: () => undefined }) as Partial<ReturnType<NativeL4['openLeases']>>;
  const leaseMs = (read: (slot: number) => LeaseState) =>
    layoutDoors({ openLeases: () => keeper(read) } as unknown as NativeL4, stateDir, systemClock).leaseMs('v1');
  t.equal(
    leaseMs(() => lease(-5n)),
    0,
  );
  t.equal(
    leaseMs((slot) => lease(slot === 63 ? 1_000_001n : 0n)),
    2,
    'the longest, rounded up',
  );
  t.equal(
    leaseMs(() => lease(10n ** 15n)),
    null,
    'no lease is that long',
  );
  const broken = () => {
    throw new Error('NOT_LOADED');
  };
  t.equal(leaseMs(broken), null);
  const flows = (digests: DataPlane['digests']) =>
    layoutDoors({ load: () => ({ digests, close: () => undefined }) } as unknown as NativeL4, stateDir, systemClock).flows('v1');
  t.equal(
    flows(() => [3n, 4n].map((count) => ({ digest: 0n, flows: count }))),
    7,
  );
  t.equal(
    flows(() => [{ digest: 0n, flows: -4n }]),
    null,
  );
  t.equal(flows(broken), null);
});

t.test('the heartbeat that answers, and the pins that it works on', async (t) => {
  const stateDir = place(t);
  const { heartbeat } = layoutDoors({} as NativeL4, stateDir, systemClock);
  t.equal(await heartbeat(), null, 'nobody answers');
  const status = { type: 'status', pid: 4711, realtime: true, routers: [], beats: null };
  await new Promise<void>((resolve) => {
    const server = listenLines(stateDir.heartbeatSocket, {
      onConnect: (connection) => connection.send(status),
      onMessage: () => undefined,
      onClose: () => undefined,
      onError: (error) => t.fail(error.message),
      onListening: resolve,
    });
    t.teardown(() => server.close());
  });
  t.same(await heartbeat(), { pid: 4711, pinDir: null }, 'without a configuration that can be read');
  writeFileSync(stateDir.heartbeatConfig, JSON.stringify({ pinDir: '/pins/v1' }));
  t.same(await heartbeat(), { pid: 4711, pinDir: '/pins/v1' });
});
