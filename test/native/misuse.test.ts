/** Every function of the addon with wrong types, lengths and values, after close, and on a foreign `this`: always an error, never harm. */
import { join } from 'node:path';
import t from 'tap';
import type { DataPlane, LeaseKeeper } from '../../src/l4/native.js';
import { NativeError } from '../../src/l4/native-error.js';
import { freshPinDir, loadPlane, native, OWN_MAC, objectPath, synFrom, u32, unsupported } from './fixture.js';

type Loose = Record<string, (...values: unknown[]) => unknown>;
const loose = (object: object): Loose => object as unknown as Loose;

/** Calls without regard for types. */
const call =
  (object: object, name: string, ...values: unknown[]) =>
  (): unknown =>
    loose(object)[name]?.call(object, ...values);

const code = (wanted: string): { name: string; code: string } => ({ name: 'NativeError', code: wanted });
const attachOptions = { interface: 'lo', ifindex: 1, mac: OWN_MAC, repliesFirst: false, mode: 'auto' };
const detached = Buffer.alloc(56);
structuredClone(detached.buffer, { transfer: [detached.buffer] });

t.test('what is no argument of load', (t) => {
  const good = { objectPath, pinDir: freshPinDir(), maxFlows: 16 };
  for (const wrong of [undefined, null, 1, 'x', () => 1]) t.throws(call(native, 'load', wrong), TypeError);
  t.throws(call(native, 'load', { ...good, objectPath: 1 }), TypeError);
  t.throws(call(native, 'load', { ...good, pinDir: undefined }), TypeError);
  t.throws(call(native, 'load', { ...good, adoptOnly: 'yes' }), TypeError);
  t.throws(call(native, 'load', { ...good, maxFlows: 1n }), TypeError);
  for (const maxFlows of [0, -1, 1.5, Number.NaN, 2 ** 40]) t.throws(call(native, 'load', { ...good, maxFlows }), RangeError);
  t.throws(call(native, 'load', { ...good, pinDir: 'relative' }), RangeError);
  t.throws(call(native, 'load', { ...good, objectPath: 'a\0b' }), RangeError);
  t.throws(
    call(native, 'load', {
      get objectPath() {
        throw new Error('from a getter');
      },
    }),
    { message: 'from a getter' },
  );
  t.end();
});

t.test('small functions of the module', (t) => {
  for (const priority of [0, 100, -1, 1.5]) t.throws(call(native, 'setRealtime', priority), RangeError);
  t.throws(call(native, 'setRealtime', '1'), TypeError);
  t.throws(call(native, 'setErrorClass', {}), TypeError);
  t.throws(call(native, 'openLeases'), TypeError);
  t.throws(call(native, 'openLeases', '/sys/fs/bpf/no-such-directory'), code('NOT_LOADED'));
  t.throws(call(native, 'openFrames', 'no-such-if', 3), code('NO_INTERFACE'));
  t.throws(call(native, 'openFrames', 1, 3), TypeError);
  t.throws(call(native, 'openFrames', 'lo', 65536), RangeError);
  t.throws(call(native, 'openFrames', 'lo', 3, 'function'), TypeError);
  t.throws(
    call(native, 'openFrames', 'lo', 0, () => undefined),
    RangeError,
  );
  t.end();
});

function wrongInterfaces(t: Tap, plane: DataPlane): void {
  for (const name of ['attach', 'loadForTest']) {
    t.throws(call(plane, name), TypeError);
    t.throws(call(plane, name, { ...attachOptions, mac: '02:00:00:00:00:01' }), TypeError);
    t.throws(call(plane, name, { ...attachOptions, repliesFirst: 1 }), TypeError);
    t.throws(call(plane, name, { ...attachOptions, mac: Buffer.alloc(5) }), RangeError);
    t.throws(call(plane, name, { ...attachOptions, ifindex: 0 }), RangeError);
    t.throws(call(plane, name, { ...attachOptions, interface: 'a-name-beyond-fifteen' }), RangeError);
    t.throws(call(plane, name, { ...attachOptions, interface: '../x' }), RangeError);
    t.throws(call(plane, name, { ...attachOptions, mode: 'fast' }), RangeError);
  }
  t.throws(call(plane, 'attach', { ...attachOptions, ifindex: 4711 }), code('NO_INTERFACE'));
  for (const name of ['detach', 'isAttached']) {
    t.throws(call(plane, name), TypeError);
    t.throws(call(plane, name, ''), RangeError);
  }
}

function wrongMaps(t: Tap, plane: DataPlane): void {
  for (const name of ['mapGet', 'mapSet', 'mapDelete', 'mapEntries', 'sums', 'memoryBytes']) {
    t.throws(call(plane, name), TypeError, `${name} without arguments`);
    t.throws(call(plane, name, 'nowhere', u32(0), u32(0)), code('NO_SUCH_MAP'), `${name} of a map that is not there`);
  }
  for (const name of ['mapGet', 'mapSet', 'mapDelete']) {
    t.throws(call(plane, name, 'flows', 'key', Buffer.alloc(32)), TypeError);
    t.throws(call(plane, name, 'flows', new Uint32Array(4), Buffer.alloc(32)), TypeError);
    for (const length of [0, 15, 17]) t.throws(call(plane, name, 'flows', Buffer.alloc(length), Buffer.alloc(32)), RangeError);
    t.throws(call(plane, name, 'flows', detached, Buffer.alloc(32)), RangeError);
  }
  t.throws(call(plane, 'mapSet', 'flows', Buffer.alloc(16)), TypeError);
  for (const length of [0, 31, 33]) t.throws(call(plane, 'mapSet', 'flows', Buffer.alloc(16), Buffer.alloc(length)), RangeError);
  t.throws(call(plane, 'mapSet', 'tables', u32(0), u32(0)), TypeError);
  t.throws(call(plane, 'mapSet', 'servers', u32(1 << 30), Buffer.alloc(24)), code('SYSCALL'));
  for (const map of ['traffic', 'tables', 'events']) t.throws(call(plane, 'mapEntries', map), TypeError);
  t.throws(call(plane, 'sums', 'flows'), TypeError);
}

function wrongTables(t: Tap, plane: DataPlane): void {
  for (const index of [-1, 1.5, 2 ** 31]) {
    t.throws(call(plane, 'setTable', index, new Uint32Array(1)), RangeError);
    t.throws(call(plane, 'getTable', index), RangeError);
  }
  t.throws(call(plane, 'setTable', 0, [1, 2]), TypeError);
  t.throws(call(plane, 'setTable', 0, new Uint16Array(2)), TypeError);
  t.throws(call(plane, 'setTable', 0, Uint32Array.of(1 << 20)), RangeError);
  t.throws(call(plane, 'setTables', {}), TypeError);
  t.throws(call(plane, 'setTables', [[0]]), TypeError);
  t.throws(call(plane, 'setTables', [[0, [1]]]), TypeError);
  t.throws(call(plane, 'setTables', [[-1, new Uint32Array(1)]]), RangeError);
}

function wrongFlows(t: Tap, plane: DataPlane): void {
  t.throws(call(plane, 'drain', '1', true), TypeError);
  t.throws(call(plane, 'drain', 1, 1), TypeError);
  for (const count of [0, -1, 0.5, 2 ** 31]) {
    t.throws(call(plane, 'drain', count, true), RangeError);
    for (const name of ['readFlows', 'sweep']) t.throws(call(plane, name, null, count), RangeError);
    t.throws(call(plane, 'purge', null, count, 1, []), RangeError);
  }
  for (const name of ['readFlows', 'sweep', 'purge']) {
    t.throws(call(plane, name, 'cursor', 1, 1, []), TypeError);
    for (const length of [0, 3, 5]) t.throws(call(plane, name, Buffer.alloc(length), 1, 1, []), RangeError);
    t.match(call(plane, name, Buffer.alloc(4, 0xff), 1, 1, [])(), { cursor: null }, `${name} beyond the end of the table ends it`);
  }
  t.throws(call(plane, 'purge', null, 1, 65536, []), RangeError);
  t.throws(call(plane, 'purge', null, 1, 1, 0), TypeError);
  t.throws(call(plane, 'purge', null, 1, 1, ['0']), TypeError);
  t.throws(call(plane, 'purge', null, 1, 1, [64]), RangeError);
  t.throws(call(plane, 'apply', 'records', 'live', 0), TypeError);
  t.throws(call(plane, 'apply', Buffer.alloc(55), 'live', 0), RangeError);
  t.throws(call(plane, 'apply', Buffer.alloc(56), 'expire', 0), RangeError);
  t.throws(call(plane, 'apply', Buffer.alloc(56), 0, 0), TypeError);
  t.throws(call(plane, 'apply', Buffer.alloc(56), 'live', -1), RangeError);
  t.same(call(plane, 'apply', detached, 'live', 0)(), { applied: 0, stale: 0, full: 0, unknown: 0 });
  t.same(plane.apply(Buffer.alloc(56 * 3, 0xff), 'live', 0).applied, 0, 'records of nonsense are refused');
  t.throws(call(plane, 'watch'), TypeError);
  t.throws(call(plane, 'watch', {}), TypeError);
}

function wrongTestRuns(t: Tap, plane: DataPlane): void {
  t.throws(call(plane, 'testRun', 'eth9', synFrom(1), 1), code('NOT_LOADED'));
  plane.loadForTest({ interface: 'eth9', ifindex: 1, mac: OWN_MAC, repliesFirst: false });
  t.throws(call(plane, 'testRun', 'eth9', 'packet', 1), TypeError);
  t.throws(call(plane, 'testRun', 'eth9', Buffer.alloc(13), 1), RangeError);
  t.throws(call(plane, 'testRun', 'eth9', Buffer.alloc(65536), 1), RangeError);
  for (const repeat of [0, -1, 2 ** 31]) t.throws(call(plane, 'testRun', 'eth9', synFrom(1), repeat), RangeError);
  t.ok(plane.testRun('eth9', synFrom(1), 1).verdict);
}

type Tap = typeof t;

t.test('a data plane used wrongly', { skip: unsupported }, (t) => {
  const { plane } = loadPlane(t);
  wrongInterfaces(t as Tap, plane);
  wrongMaps(t as Tap, plane);
  wrongTables(t as Tap, plane);
  wrongFlows(t as Tap, plane);
  wrongTestRuns(t as Tap, plane);
  t.end();
});

t.test('a method on a foreign this', { skip: unsupported }, (t) => {
  const { plane, pinDir } = loadPlane(t);
  const leases = native.openLeases(pinDir);
  for (const foreign of [{}, leases, native, [], Object.create(plane)])
    t.throws(() => Reflect.apply(plane.digests, foreign, []), { name: 'TypeError', message: 'this is not a data plane' });
  for (const foreign of [undefined, 1, plane]) t.throws(() => Reflect.apply(leases.read, foreign, [0]), TypeError);
  leases.close();
  t.end();
});

const everyCall: Record<keyof DataPlane, unknown[]> = {
  attach: [attachOptions],
  detach: ['lo'],
  isAttached: ['lo'],
  attached: [],
  mapGet: ['leases', u32(0)],
  mapSet: ['rounds', u32(0), Buffer.alloc(8)],
  mapDelete: ['flows', Buffer.alloc(16)],
  mapEntries: ['flows'],
  sums: ['drops'],
  setTable: [0, new Uint32Array(1)],
  setTables: [[]],
  getTable: [0],
  drain: [1, false],
  drainNotices: [],
  watch: [() => undefined],
  apply: [Buffer.alloc(0), 'live', 0],
  readFlows: [null, 1],
  sweep: [null, 1],
  purge: [null, 1, 1, []],
  digests: [],
  kernelNs: [],
  testRun: ['lo', synFrom(1), 1],
  loadForTest: [attachOptions],
  memoryBytes: ['flows'],
  unload: [],
  close: [],
};

t.test('everything after close', { skip: unsupported }, (t) => {
  const { plane, pinDir } = loadPlane(t);
  const watch = plane.watch(() => undefined);
  const leases: LeaseKeeper = native.openLeases(pinDir);
  plane.close();
  leases.close();
  for (const [name, values] of Object.entries(everyCall)) {
    if (name === 'close') continue;
    t.throws(call(plane, name, ...values), code('CLOSED'), `${name} after close`);
  }
  t.throws(() => leases.read(0), code('CLOSED'));
  t.throws(() => leases.acquire(0, 1n, 1n, 1n), code('CLOSED'));
  t.throws(() => leases.renew(0, 1n, 1n, 1n), code('CLOSED'));
  t.throws(() => leases.release(0, 1n, 0n, 1n), code('CLOSED'));
  t.throws(() => leases.isAttached('lo'), code('CLOSED'));
  for (const closed of [plane, leases]) t.doesNotThrow(call(closed, 'close'), 'closing twice is harmless');
  t.doesNotThrow(() => watch.stop(), 'so is stopping a watch after close');
  t.doesNotThrow(() => watch.stop());
  t.end();
});

t.test('leases used wrongly', { skip: unsupported }, (t) => {
  const { pinDir } = loadPlane(t);
  const leases = native.openLeases(pinDir);
  t.teardown(() => leases.close());
  t.throws(call(leases, 'acquire', 0, 1, 1n, 1n), TypeError, 'a number is no duration');
  t.throws(call(leases, 'acquire', 0, -1n, 1n, 1n), RangeError);
  t.throws(call(leases, 'acquire', 0, 1n << 64n, 1n, 1n), RangeError);
  t.throws(call(leases, 'acquire', 0n, 1n, 1n, 1n), TypeError);
  t.throws(call(leases, 'acquire', -1, 1n, 1n, 1n), RangeError);
  t.throws(call(leases, 'release', 0, 1n, 1n), TypeError, 'a release without instance');
  t.equal(leases.acquire(64, 1n, 1n, 1n).result, 'badSlot');
  t.equal(leases.read(2 ** 32 - 1).result, 'badSlot');
  t.end();
});

t.test('frames used wrongly', { skip: unsupported }, (t) => {
  const socket = native.openFrames('lo', 0);
  t.throws(call(socket, 'send', 'frame'), TypeError);
  for (const length of [0, 13, 70000]) t.throws(call(socket, 'send', Buffer.alloc(length)), RangeError);
  socket.close();
  t.throws(call(socket, 'send', Buffer.alloc(60)), code('CLOSED'));
  t.doesNotThrow(() => socket.close());
  t.end();
});

const beatOptions = {
  cluster: 1n,
  nodeId: 1,
  instance: 1n,
  key: Buffer.alloc(16),
  port: 7950,
  paths: [{ address: '127.0.0.1' }, { address: '::1', interface: 'lo' }],
  peers: [{ id: 2, addresses: ['127.0.0.2', null] }],
  intervalUs: 1000,
  realtimePriority: 0,
  pinDir: null,
};

t.test('what is no argument of openBeats', (t) => {
  const open = (change: object) => call(native, 'openBeats', { ...beatOptions, ...change }, () => undefined);
  for (const wrong of [undefined, null, 1, 'x'])
    t.throws(
      call(native, 'openBeats', wrong, () => undefined),
      TypeError,
    );
  for (const wrong of [undefined, {}, 1]) t.throws(call(native, 'openBeats', beatOptions, wrong), TypeError);
  for (const name of Object.keys(beatOptions)) {
    if (name !== 'pinDir') t.throws(open({ [name]: undefined }), TypeError, `without ${name}`);
    t.throws(open({ [name]: true }), TypeError, `${name} true`);
  }
  for (const nodeId of [0, 256, 1.5, -1]) t.throws(open({ nodeId }), RangeError);
  for (const intervalUs of [0, 999, 1_000_001]) t.throws(open({ intervalUs }), RangeError);
  for (const port of [0, 65_536]) t.throws(open({ port }), RangeError);
  for (const realtimePriority of [-1, 100]) t.throws(open({ realtimePriority }), RangeError);
  for (const length of [0, 15, 17]) t.throws(open({ key: Buffer.alloc(length) }), RangeError);
  t.throws(open({ cluster: 1n << 64n }), RangeError);
  const path = { address: '127.0.0.1' };
  for (const paths of [[], [path, path, path, path, path]]) t.throws(open({ paths, peers: [] }), RangeError);
  for (const paths of [{}, [1], [{}], [{ address: 1 }], [{ address: '127.0.0.1', interface: 1 }]]) t.throws(open({ paths }), TypeError);
  for (const address of ['', 'localhost', '127.0.0.1.1', 'fe80::1%lo', '1'])
    t.throws(open({ paths: [{ address }], peers: [] }), RangeError);
  for (const name of ['', 'a-name-beyond-fifteen']) t.throws(open({ paths: [{ ...path, interface: name }], peers: [] }), RangeError);
  for (const peers of [{}, [1], [{ id: 2 }], [{ id: 2, addresses: [1] }]]) t.throws(open({ peers }), TypeError);
  for (const id of [0, 256, 1]) t.throws(open({ peers: [{ id, addresses: [] }] }), RangeError, `peer ${id}`);
  const twice = { id: 2, addresses: [] };
  t.throws(open({ peers: [twice, twice] }), RangeError);
  t.throws(open({ peers: Array.from({ length: 16 }, (_, index) => ({ id: index + 2, addresses: [] })) }), RangeError);
  for (const addresses of [['::1'], ['127.0.0.2', '127.0.0.2'], [null, null, null], ['nowhere']]) {
    t.throws(open({ peers: [{ id: 2, addresses }] }), RangeError);
  }
  t.end();
});

t.test('a beat channel used wrongly', (t) => {
  const channel = native.openBeats(beatOptions, () => undefined);
  t.throws(call(channel, 'say'), TypeError);
  t.throws(call(channel, 'say', 'text'), TypeError);
  t.throws(call(channel, 'say', Buffer.alloc(1025)), RangeError);
  t.doesNotThrow(call(channel, 'say', Buffer.alloc(1024)));
  t.doesNotThrow(call(channel, 'say', detached));
  t.throws(call(channel, 'setPeerKey', '2', null), TypeError);
  t.throws(call(channel, 'setPeerKey', 2, 'key'), TypeError);
  t.throws(call(channel, 'setPeerKey', 2, Buffer.alloc(15)), RangeError);
  t.throws(call(channel, 'setPeerKey', 2, Buffer.alloc(16), 1), TypeError);
  t.throws(call(channel, 'setPeerKey', 2, Buffer.alloc(16), 2n ** 64n), RangeError);
  for (const peer of [0, 1, 3, 256]) {
    t.throws(call(channel, 'setPeerKey', peer, null), RangeError);
    t.throws(call(channel, 'watch', peer, 0), RangeError);
  }
  for (const us of [-1, 2 ** 32, 0.5, Number.NaN]) {
    t.throws(call(channel, 'watch', 2, us), RangeError);
    t.throws(call(channel, 'promise', us), RangeError);
    t.throws(call(channel, 'hold', [], us, 0n, 0n, 0n), RangeError);
  }
  for (const us of [0, 999, 1_000_001]) t.throws(call(channel, 'setIntervalUs', us), RangeError);
  t.throws(call(channel, 'hold', 0, 1, 0n, 0n, 0n), TypeError);
  t.throws(call(channel, 'hold', ['0'], 1, 0n, 0n, 0n), TypeError);
  t.throws(call(channel, 'hold', [], 1, 0, 0n, 0n), TypeError);
  t.throws(call(channel, 'hold', [], 1, 0n, 0n), TypeError);
  for (const slot of [-1, 64]) t.throws(call(channel, 'hold', [slot], 1, 0n, 0n, 0n), RangeError);
  t.throws(call(channel, 'hold', new Array(65).fill(0), 1, 0n, 0n, 0n), RangeError);
  t.throws(call(channel, 'hold', [0], 1, 0n, 0n, 0n), code('NOT_LOADED'));
  for (const foreign of [{}, native, undefined]) t.throws(() => Reflect.apply(channel.stats, foreign, []), TypeError);
  channel.close();
  t.doesNotThrow(() => channel.close());
  t.throws(() => channel.say(Buffer.alloc(0)), code('CLOSED'));
  t.throws(() => channel.setPeerKey(2, null), code('CLOSED'));
  t.throws(() => channel.setIntervalUs(1000), code('CLOSED'));
  t.throws(() => channel.watch(2, 0), code('CLOSED'));
  t.throws(() => channel.hold([], 0, 0n, 0n, 0n), code('CLOSED'));
  t.throws(() => channel.promise(0), code('CLOSED'));
  t.throws(() => channel.stats(), code('CLOSED'));
  t.end();
});

t.test('link monitor and hop limit filter used wrongly', { skip: unsupported }, (t) => {
  for (const wrong of [undefined, null, {}, 1]) t.throws(call(native, 'openLinkMonitor', wrong), TypeError);
  const monitor = native.openLinkMonitor(() => undefined);
  const filter = native.openHopLimitFilter();
  t.ok(filter.fd > 2);
  t.throws(() => Reflect.apply(monitor.close, filter, []), TypeError);
  t.throws(() => Reflect.apply(filter.close, monitor, []), TypeError);
  for (const each of [monitor, filter, monitor, filter]) t.doesNotThrow(() => each.close());
  t.end();
});

t.test('file locks used wrongly', (t) => {
  for (const wrong of [undefined, null, 1]) t.throws(call(native, 'lockFile', wrong), TypeError);
  t.throws(call(native, 'lockFile', '/no/such/place/lock'), code('SYSCALL'));
  const path = join(t.testdir(), 'lock');
  const lock = native.lockFile(path);
  t.equal(native.lockFile(path), null, 'one at a time');
  lock?.release();
  t.doesNotThrow(() => lock?.release());
  t.ok(native.lockFile(path), 'free again');
  t.end();
});

t.test('the error itself', (t) => {
  let error: unknown;
  try {
    native.openLeases('/tmp');
  } catch (thrown) {
    error = thrown;
  }
  t.type(error, NativeError);
  t.match(error, { code: 'BPFFS_NOT_MOUNTED', source: 'kernel', retryable: false, hint: 'run: mount -t bpf bpf /sys/fs/bpf' });
  t.match((error as NativeError).message, /mount -t bpf/, 'the message says what mends it');
  t.end();
});
