/** Native objects in the life of a process: watching, worker threads that end at any moment, collected objects, scheduling. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import type { BeatOptions } from '../../src/l4/native.js';
import { addonPath } from '../../src/system/paths.js';
import { becomes, freshPort } from './beat-fixture.js';
import {
  ADDON_VARIABLE,
  freshPinDir,
  holdLease,
  loadPlane,
  native,
  OWN_MAC,
  objectPath,
  synFrom,
  unloadPins,
  unsupported,
  WITHOUT_CAPABILITIES,
  writeWorld,
} from './fixture.js';

const addon = process.env[ADDON_VARIABLE] ?? addonPath;

const LOAD = `
const native = require(require('node:worker_threads').workerData?.addon ?? process.argv[1]);
`;

/** A worker that is full of living handles and says so. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
${LOAD}
const plane = native.load({ ...workerData, maxFlows: 64 });
plane.watch(() => parentPort.postMessage('woken'));
const frames = native.openFrames('lo', 3, () => undefined);
const links = native.openLinkMonitor(() => undefined);
const beats = native.openBeats(workerData.beats, () => parentPort.postMessage('beats'));
beats.setPeerKey(1, Buffer.alloc(16));
beats.watch(1, 1);
beats.say(Buffer.alloc(10));
globalThis.kept = [frames, links, beats];
if (workerData.leave) process.exit();
parentPort.postMessage('ready');
`;

const COLLECT = `
${LOAD}
const [, objectPath, pinDir] = process.argv.slice(1);
const open = () => require('node:fs').readdirSync('/proc/self/fd').length;
const work = () => {
  native.load({ objectPath, pinDir, maxFlows: 64 });
  native.openLeases(pinDir);
  native.openFrames('lo', 0);
  native.openHopLimitFilter();
};
const settle = async () => { for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((resolve) => setImmediate(resolve)); } };
(async () => {
  work();
  await settle();
  const before = open();
  for (let round = 0; round < 3; round++) work();
  await settle();
  console.log(before, open());
})();
`;

const THROWS = `
${LOAD}
const [, objectPath, pinDir] = process.argv.slice(1);
const plane = native.load({ objectPath, pinDir, maxFlows: 64, adoptOnly: true });
process.on('uncaughtException', (error) => { console.log('caught', error.message); process.exit(7); });
plane.watch(() => { throw new Error('from wake'); });
`;

const REALTIME = `
${LOAD}
console.log(JSON.stringify([native.setRealtime(5), native.lockMemory()]));
const fs = require('node:fs');
for (const task of fs.readdirSync('/proc/self/task')) console.log(fs.readFileSync('/proc/self/task/' + task + '/stat', 'utf8').split(') ')[1].split(' ').slice(37, 39).join(' '));
`;

/** A node that listens to one peer. */
const beatOptions = (port: number): BeatOptions => ({
  cluster: 1n,
  nodeId: 2,
  instance: 1n,
  key: Buffer.alloc(16),
  port,
  paths: [{ address: '127.0.0.2' }],
  peers: [{ id: 1, addresses: ['127.0.0.1'] }],
  intervalUs: 1000,
  realtimePriority: 0,
  pinDir: null,
});

/** How many beat threads this process has. */
const beatThreads = (): number =>
  readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8') === 'tandem-beats\n';
    } catch {
      return false;
    }
  }).length;

const run = (
  script: string,
  words: string[],
  prefix: readonly string[] = [],
): { stdout: string; stderr: string; status: number | null } => {
  const [program = '', ...rest] = [...prefix, process.execPath, '--expose-gc', '-e', script, addon, ...words];
  return spawnSync(program, rest, { encoding: 'utf8' });
};

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('waking up for events', async (t) => {
    const { plane, pinDir } = loadPlane(t);
    writeWorld(plane);
    holdLease(pinDir).close();
    plane.loadForTest({ interface: 'in', ifindex: 1, mac: OWN_MAC, repliesFirst: false });
    let wakes = 0;
    let records = 0;
    let wokenOnce: () => void = () => undefined;
    const watch = plane.watch(() => {
      wakes += 1;
      records += plane.drain(1000, false).records.length / 56;
      plane.drainNotices();
      wokenOnce();
    });
    for (let round = 1; round <= 3; round += 1) {
      const woken = new Promise<void>((resolve) => {
        wokenOnce = resolve;
      });
      plane.testRun('in', synFrom(2000 + round), 1);
      await woken;
      t.equal(records, round);
    }
    const idle = wakes;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    t.equal(wakes, idle, 'a drained ring wakes nobody');
    watch.stop();
    plane.testRun('in', synFrom(3000), 1);
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    t.equal(wakes, idle, 'nor does a stopped watch');
    let closedInside = false;
    await new Promise<void>((resolve) => {
      plane.watch(() => {
        plane.close();
        closedInside = true;
        resolve();
      });
    });
    t.ok(closedInside, 'closing from inside the callback');
  });

  t.test('an exception in the callback is not swallowed', (t) => {
    const { plane, pinDir } = loadPlane(t);
    writeWorld(plane);
    holdLease(pinDir).close();
    plane.loadForTest({ interface: 'in', ifindex: 1, mac: OWN_MAC, repliesFirst: false });
    plane.testRun('in', synFrom(2000), 1);
    const result = run(THROWS, [objectPath, pinDir]);
    t.match(result.stdout, /caught from wake/, result.stderr);
    t.equal(result.status, 7);
    t.end();
  });

  t.test('worker threads that end with living handles', async (t) => {
    const pinDir = freshPinDir();
    t.teardown(() => unloadPins(pinDir));
    for (const leave of [false, false, true]) {
      const worker = new Worker(WORKER, { eval: true, workerData: { addon, objectPath, pinDir, leave, beats: beatOptions(freshPort()) } });
      const ended = once(worker, 'exit');
      if (!leave) {
        const messages: string[] = [];
        worker.on('message', (message: string) => messages.push(message));
        while (!messages.includes('ready') || !messages.includes('beats')) await once(worker, 'message');
        await worker.terminate();
      }
      await ended;
      t.pass('ended without taking the process with it');
    }
    t.ok(await becomes(() => beatThreads() === 0), 'and its threads have ended with it');
  });

  t.test('a beat channel ends its thread, whoever closes it', async (t) => {
    const port = freshPort();
    const channel = native.openBeats(beatOptions(port), () => undefined);
    t.ok(await becomes(() => beatThreads() === 1));
    channel.close();
    t.ok(await becomes(() => beatThreads() === 0));
    channel.close();
    await new Promise<void>((resolve) => {
      const closing = native.openBeats(beatOptions(port), () => {
        closing.close();
        resolve();
      });
      closing.watch(1, 1);
    });
    t.ok(await becomes(() => beatThreads() === 0), 'closed from inside its callback');
    for (let round = 0; round < 20; round += 1) {
      const short = native.openBeats(beatOptions(port), () => undefined);
      short.say(Buffer.alloc(round));
      short.close();
    }
    t.ok(await becomes(() => beatThreads() === 0));
  });

  t.test('an exception in the callback of a beat channel is not swallowed', (t) => {
    const script = `${LOAD}
      process.on('uncaughtException', (error) => { console.log('caught', error.message); process.exit(7); });
      const options = JSON.parse(process.argv[2]);
      const big = { cluster: 1n, instance: 1n, key: Buffer.alloc(16) };
      native.openBeats({ ...options, ...big }, () => { throw new Error('from events'); }).watch(1, 1);`;
    const { cluster: _cluster, instance: _instance, key: _key, ...plain } = beatOptions(freshPort());
    const result = run(script, [JSON.stringify(plain)]);
    t.match(result.stdout, /caught from events/, result.stderr);
    t.equal(result.status, 7);
    t.end();
  });

  t.test('real-time scheduling of the beat thread alone', (t) => {
    const script = `${LOAD}
      const plain = JSON.parse(process.argv[2]);
      const options = { ...plain, cluster: 1n, instance: 1n, key: Buffer.alloc(16), realtimePriority: 5 };
      const channel = native.openBeats(options, () => {
        const fs = require('node:fs');
        const policies = {};
        for (const task of fs.readdirSync('/proc/self/task')) {
          const [, name, rest] = /\\((.*)\\) (.*)/.exec(fs.readFileSync('/proc/self/task/' + task + '/stat', 'utf8'));
          if (name === 'tandem-beats' || task === String(process.pid)) policies[name] = rest.split(' ').slice(37, 39).join(' ');
        }
        const isRealtime = channel.stats().realtime;
        channel.close();
        console.log(JSON.stringify([policies['tandem-beats'], policies.node, isRealtime, native.setRealtime(5).ok]));
      });
      channel.watch(1, 1);`;
    const { cluster: _cluster, instance: _instance, key: _key, ...plain } = beatOptions(freshPort());
    const permitted = run(script, [JSON.stringify(plain)]);
    const [policy, mainPolicy, isRealtime, isPermitted] = JSON.parse(permitted.stdout) as [string, string, boolean, boolean];
    t.same([policy === '5 1', isRealtime], [isPermitted, isPermitted], permitted.stderr);
    t.equal(mainPolicy, '0 0');
    const refused = run(script, [JSON.stringify(plain)], ['setpriv', ...WITHOUT_CAPABILITIES]);
    t.same(JSON.parse(refused.stdout), ['0 0', '0 0', false, false], refused.stderr);
    t.end();
  });

  t.test('collected objects give back their descriptors', (t) => {
    const pinDir = freshPinDir();
    t.teardown(() => unloadPins(pinDir));
    const result = run(COLLECT, [objectPath, pinDir]);
    const [before, after] = result.stdout.split(' ').map(Number);
    t.ok(before !== undefined && before > 0 && after !== undefined && after <= before, `${result.stdout}${result.stderr}`);
    t.end();
  });

  t.test('real-time scheduling of every thread, locked memory', (t) => {
    const result = run(REALTIME, []);
    const [outcomes, ...threads] = result.stdout.trim().split('\n');
    const [realtime, memory] = JSON.parse(outcomes ?? '[]') as { ok: boolean; reason?: string }[];
    t.ok(realtime?.ok || realtime?.reason, 'done, or the reason why not');
    if (realtime?.ok) t.ok(threads.length > 3 && threads.every((line) => line === '5 1'), 'priority 5, SCHED_FIFO');
    t.same(memory, { ok: true });
    const unprivileged = run(REALTIME, [], ['setpriv', ...WITHOUT_CAPABILITIES]).stdout.split('\n')[0] ?? '';
    const reasons = (JSON.parse(unprivileged) as { ok: boolean; reason: string }[]).map(({ reason }) => reason);
    t.match(reasons, [/EPERM.*CAP_SYS_NICE/, /CAP_IPC_LOCK/]);
    t.end();
  });

  t.test('no descriptor is left behind', (t) => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const mapped = (): number => readFileSync('/proc/self/maps', 'utf8').match(/bpf-map/g)?.length ?? 0;
    const before = [open(), mapped()];
    for (let round = 0; round < 3; round += 1) {
      const pinDir = freshPinDir();
      const plane = native.load({ objectPath, pinDir, maxFlows: 64 });
      plane.loadForTest({ interface: 'in', ifindex: 1, mac: OWN_MAC, repliesFirst: false });
      plane.setTable(0, Uint32Array.of(1));
      plane.getTable(0);
      plane.watch(() => undefined);
      native.openLeases(pinDir).close();
      native.openFrames('lo', 3, () => undefined).close();
      native.openLinkMonitor(() => undefined).close();
      native.openHopLimitFilter().close();
      native.openBeats(beatOptions(freshPort()), () => undefined).close();
      t.throws(() => native.load({ objectPath: fileURLToPath(import.meta.url), pinDir, maxFlows: 64 }));
      plane.unload();
    }
    t.same([open(), mapped()], before, 'nor a mapping');
    t.end();
  });
}
