/** Beats between two channels of one process on loopback: news, silence, paths, and everything that is rejected. */
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { BeatReject } from '../../src/l4/native.js';
import { Agent } from './agent-process.js';
import {
  addressOf,
  becomes,
  CLUSTER,
  decodeBeat,
  encodeBeat,
  freshPort,
  INTERVAL_US,
  keyOf,
  noRejects,
  openNode,
  sipHash24,
} from './beat-fixture.js';

const SILENT_US = 200_000;

t.test('news of a peer', async (t) => {
  const port = freshPort();
  const left = openNode(t, 1, port);
  const right = openNode(t, 2, port);
  left.channel.say(Buffer.from('hello'));
  right.channel.promise(7000);
  right.channel.say(Buffer.from('hi'));
  const first = await left.log.until('heard', ({ payload }) => payload.length > 0);
  t.match(first, {
    peer: 2,
    instance: 1002n,
    intervalUs: INTERVAL_US,
    promiseUs: 7000,
    payload: Buffer.from('hi'),
    path: 0,
    isFirst: true,
  });
  t.ok(first.atNs > 0n);
  t.match(await left.log.until('path'), { peer: 2, path: 0, isHeard: true });
  t.match(await right.log.until('heard'), { peer: 1, payload: Buffer.from('hello'), promiseUs: 0, isFirst: true });

  right.channel.say(Buffer.alloc(1024, 'x'));
  t.match(await left.log.until('heard'), { payload: Buffer.alloc(1024, 'x'), isFirst: false });
  right.channel.say(Buffer.alloc(0));
  t.equal((await left.log.until('heard')).payload.length, 0);
  right.channel.promise(0);
  t.equal((await left.log.until('heard')).promiseUs, 0);
  right.channel.setIntervalUs(5000);
  t.equal((await left.log.until('heard')).intervalUs, 5000);

  const events = left.log.all.length;
  const { received } = left.channel.stats();
  t.ok(await becomes(() => left.channel.stats().received > received + 20));
  t.equal(left.log.all.length, events, 'a beat without news is no event');
  const stats = left.channel.stats();
  t.match(stats, { sendErrors: 0, rejected: noRejects, renewals: 0, lapses: 0, pathErrors: [null] });
  t.ok(stats.sent > 20);
});

t.test('nothing is sent before there is something to say', async (t) => {
  const port = freshPort();
  const left = openNode(t, 1, port);
  const right = openNode(t, 2, port);
  left.channel.promise(1);
  left.channel.setIntervalUs(1000);
  right.channel.say(Buffer.from('x'));
  t.ok(await becomes(() => right.channel.stats().sent > 20));
  t.equal(left.channel.stats().sent, 0);
  t.equal(right.channel.stats().received, 0);
  left.channel.say(Buffer.from('y'));
  t.match(await right.log.until('heard'), { promiseUs: 1, intervalUs: 1000 });
});

t.test('silence, and a peer that comes back as another instance', async (t) => {
  const port = freshPort();
  const left = openNode(t, 1, port);
  left.channel.watch(2, SILENT_US);
  const never = await left.log.until('silent');
  t.ok(never.peer === 2 && never.silentUs >= SILENT_US, 'never heard, counted from the call');

  const right = openNode(t, 2, port);
  right.channel.say(Buffer.from('a'));
  t.match(await left.log.until('heard'), { isFirst: true });
  right.channel.close();
  t.match(await left.log.until('path', ({ isHeard }) => !isHeard), { peer: 2, path: 0 });
  t.ok((await left.log.until('silent')).silentUs >= SILENT_US);

  const again = openNode(t, 2, port, { instance: 2002n });
  again.channel.say(Buffer.from('a'));
  t.match(await left.log.until('heard'), { isFirst: true, instance: 2002n });
  left.channel.watch(2, 0);
  again.channel.close();
  await left.log.until('path', ({ isHeard }) => !isHeard);
  t.notOk(
    left.log.all.slice(left.log.all.findLastIndex(({ type }) => type === 'heard')).some(({ type }) => type === 'silent'),
    'not watched',
  );
  left.channel.watch(2, 1);
  t.match(await left.log.until('silent'), { peer: 2 }, 'watched again, it is told at once');
});

t.test('nothing is said for an owner that hangs, until it gives a sign of life', async (t) => {
  const port = freshPort();
  const left = openNode(t, 1, port);
  const right = openNode(t, 2, port, { hangs: true });
  right.channel.say(Buffer.from('alive'));
  await left.log.until('heard');
  left.channel.watch(2, SILENT_US);
  t.ok((await left.log.until('silent')).silentUs >= SILENT_US);
  const { received } = left.channel.stats();
  await new Promise((resolve) => setTimeout(resolve, 20 * (INTERVAL_US / 1000)));
  t.equal(left.channel.stats().received, received);
  t.match(right.channel.stats(), { silenced: 1 }, 'told to the owner that asks, which is the sign');
  t.match(await left.log.until('heard'), { payload: Buffer.from('alive'), isFirst: true });
  await left.log.until('silent');
  right.channel.promise(5000);
  t.match(await left.log.until('heard'), { promiseUs: 5000 }, 'an order is one as well');
  t.equal(right.channel.stats().silenced, 2);
  t.equal(left.channel.stats().silenced, 0, 'one that only looks is not silenced');
});

t.test('two paths', async (t) => {
  const port = freshPort();
  const paths = (id: number) => ({ paths: [{ address: addressOf(id, 0) }, { address: addressOf(id, 1) }] });
  const left = openNode(t, 1, port, { ...paths(1), peers: [{ id: 2, addresses: [addressOf(2, 0), addressOf(2, 1)] }] });
  const right = openNode(t, 2, port, { ...paths(2), peers: [{ id: 1, addresses: [addressOf(1, 0), addressOf(1, 1)] }] });
  left.channel.watch(2, 100_000);
  right.channel.say(Buffer.from('both'));
  await left.log.until('path', ({ path }) => path === 0);
  await left.log.until('path', ({ path }) => path === 1);
  t.equal(left.log.all.filter(({ type }) => type === 'heard').length, 1, 'one beat by two paths is one piece of news');
  t.equal(left.channel.stats().rejected.replay, 0);
  right.channel.close();

  const second = openNode(t, 2, port, { ...paths(2), peers: [{ id: 1, addresses: [null, addressOf(1, 1)] }] });
  second.channel.say(Buffer.from('second only'));
  await left.log.until('heard', ({ payload }) => payload.toString() === 'second only');
  const since = left.log.all.length;
  t.match(await left.log.until('path', ({ isHeard }) => !isHeard), { path: 0 });
  const { received } = left.channel.stats();
  t.ok(await becomes(() => left.channel.stats().received > received + 100));
  t.notOk(
    left.log.all.slice(since).some(({ type }) => type === 'silent'),
    'one path is enough to be alive',
  );
});

/** Shown in hundredths of a second. */
const UPTIME_STEP_NS = 10_000_000n;
const sinceBootNs = (): bigint => BigInt(Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 100)) * UPTIME_STEP_NS;

/** A socket that is node 2, as far as its datagrams go. */
async function openForger(t: Test, port: number): Promise<{ send(bytes: Buffer): void; socket: Socket }> {
  const socket = createSocket('udp4');
  socket.bind(port, addressOf(2));
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { socket, send: (bytes) => socket.send(bytes, port, addressOf(1)) };
}

t.test('the datagram, byte by byte', async (t) => {
  const vector = Buffer.from(Array.from({ length: 15 }, (_, index) => index));
  t.equal(sipHash24(Buffer.from([...vector, 15]), vector), 0xa129ca6149be45e5n, 'the example of the SipHash paper');
  const port = freshPort();
  const forger = await openForger(t, port);
  const before = sinceBootNs();
  const left = openNode(t, 1, port);
  left.channel.promise(9000);
  left.channel.say(Buffer.from('payload'));
  const [message] = (await once(forger.socket, 'message')) as [Buffer];
  const beat = decodeBeat(message, keyOf(1));
  const sequence = beat?.sequence ?? 0n;
  t.match(beat, { version: 1, node: 1, path: 0, cluster: CLUSTER, instance: 1001n, intervalUs: INTERVAL_US, promiseUs: 9000 });
  t.same(beat?.payload, Buffer.from('payload'));
  const sinceBoot = sequence - (1n << 63n);
  t.ok(sinceBoot >= before && sinceBoot <= sinceBootNs() + UPTIME_STEP_NS, 'the sequence begins with the time since the boot');
  const [next] = (await once(forger.socket, 'message')) as [Buffer];
  t.ok((decodeBeat(next, keyOf(1))?.sequence ?? 0n) > sequence);
  t.equal(decodeBeat(message, keyOf(2)), null);

  forger.send(encodeBeat({ instance: 5n, promiseUs: 3, payload: Buffer.from('forged well') }, keyOf(2)));
  t.match(await left.log.until('heard'), { peer: 2, instance: 5n, promiseUs: 3, payload: Buffer.from('forged well') });
});

t.test('what is rejected, and why', async (t) => {
  const port = freshPort();
  const forger = await openForger(t, port);
  const peers = [
    { id: 2, addresses: [addressOf(2)] },
    { id: 3, addresses: [null] },
  ];
  const left = openNode(t, 1, port, { peers });
  left.channel.setPeerKey(3, null);
  const good = encodeBeat({ sequence: 10n, payload: Buffer.from('good') }, keyOf(2));
  forger.send(good);
  await left.log.until('path');
  const bad: [BeatReject, Buffer][] = [
    ['truncated', good.subarray(0, 49)],
    ['truncated', Buffer.concat([good, Buffer.alloc(1)])],
    ['truncated', Buffer.alloc(0)],
    ['truncated', Buffer.concat([good.subarray(0, 40), Buffer.alloc(2000, 0xff)])],
    ['magic', Buffer.concat([Buffer.from('TDB2'), good.subarray(4)])],
    ['version', encodeBeat({ sequence: 11n, version: 2 }, keyOf(2))],
    ['cluster', encodeBeat({ sequence: 11n, cluster: CLUSTER + 1n }, keyOf(2))],
    ['ownSource', encodeBeat({ sequence: 11n, node: 1 }, keyOf(1))],
    ['unknownPeer', encodeBeat({ sequence: 11n, node: 4 }, keyOf(4))],
    ['path', encodeBeat({ sequence: 11n, path: 1 }, keyOf(2))],
    ['path', encodeBeat({ sequence: 11n, path: 255 }, keyOf(2))],
    ['unknownKey', encodeBeat({ sequence: 11n, node: 3 }, keyOf(3))],
    ['tag', encodeBeat({ sequence: 11n }, keyOf(3))],
    ['replay', good],
    ['replay', encodeBeat({ sequence: 9n, payload: Buffer.from('older') }, keyOf(2))],
  ];
  const expected = { ...noRejects };
  for (const [reason, bytes] of bad) {
    forger.send(bytes);
    expected[reason] += 1;
    t.ok(await becomes(() => left.channel.stats().rejected[reason] === expected[reason]), reason);
    t.same(left.channel.stats().rejected, expected);
  }
  for (let at = 0; at < good.length; at += 1) {
    const changed = encodeBeat({ sequence: 20n }, keyOf(2));
    changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ 0x10;
    forger.send(changed);
  }
  const total = () => Object.values(left.channel.stats().rejected).reduce((sum, count) => sum + count);
  t.ok(await becomes(() => total() === bad.length + good.length), 'no byte may be another');
  t.equal(left.channel.stats().received, 1);
  t.equal(left.log.all.length, 2, 'nothing of it is heard');

  forger.send(encodeBeat({ sequence: 12n, payload: Buffer.from('newer') }, keyOf(2)));
  t.match(await left.log.until('heard', ({ payload }) => payload.toString() === 'newer'), { isFirst: false });
  left.channel.setPeerKey(2, null);
  forger.send(encodeBeat({ sequence: 13n }, keyOf(2)));
  t.ok(await becomes(() => left.channel.stats().rejected.unknownKey === 2), 'without a key nothing is believed');
  left.channel.setPeerKey(2, keyOf(2));
  forger.send(encodeBeat({ sequence: 12n }, keyOf(2)));
  t.ok(await becomes(() => left.channel.stats().rejected.replay === 3), 'the same key goes on where it was');
  left.channel.setPeerKey(2, keyOf(2), 13n);
  forger.send(encodeBeat({ sequence: 12n }, keyOf(2)));
  t.ok(await becomes(() => left.channel.stats().rejected.replay === 4), 'also when nothing later was signed');
  left.channel.setPeerKey(2, keyOf(2), 11n);
  forger.send(encodeBeat({ sequence: 12n, payload: Buffer.from('undone') }, keyOf(2)));
  t.ok(await left.log.until('heard', ({ payload }) => payload.toString() === 'undone'), 'unless what was heard has been undone');
  left.channel.setPeerKey(2, keyOf(7));
  forger.send(encodeBeat({ sequence: 1n, payload: Buffer.from('after') }, keyOf(7)));
  t.ok(await left.log.until('heard', ({ payload }) => payload.toString() === 'after'), 'another key begins anew');
});

/** A library that shows the processes which load it a time of day of an hour ago. */
function clockSetBack(t: Test): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'tandem-clock-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const library = path.join(directory, 'clock.so');
  const source = `#include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    int clock_gettime(clockid_t clock, struct timespec *now) {
      int result = syscall(SYS_clock_gettime, clock, now);
      if (!result && clock == CLOCK_REALTIME) now->tv_sec -= 3600;
      return result;
    }`;
  execFileSync('g++', ['-x', 'c++', '-shared', '-fPIC', '-o', library, '-'], { input: source });
  return [...(process.env.LD_PRELOAD ?? '').split(' '), library].join(' ').trim();
}

t.test('the wall clock is set back and the process restarted: it is believed, what was recorded before is not', async (t) => {
  const port = freshPort();
  const recorder = createSocket('udp4');
  recorder.bind(port, addressOf(3));
  await once(recorder, 'listening');
  t.teardown(() => recorder.close());
  const left = openNode(t, 1, port);
  const peers = [1, 3].map((id) => ({ id, addresses: [addressOf(id)] }));
  const common = { cluster: CLUSTER, nodeId: 2, instance: 7n, key: keyOf(2), port, realtimePriority: 0, pinDir: null };
  const options = { ...common, paths: [{ address: addressOf(2) }], peers, intervalUs: INTERVAL_US };
  const start = async (env: Record<string, string>, says: string): Promise<Agent> => {
    const agent = new Agent(null, env);
    t.teardown(() => agent.stop());
    await agent.call('agent', 'openBeats', [options], 'beats');
    await agent.call('beats', 'say', [Buffer.from(says)]);
    return agent;
  };
  const before = await start({}, 'before');
  await left.log.until('heard', ({ payload }) => payload.toString() === 'before');
  const [recorded] = (await once(recorder, 'message')) as [Buffer];
  await before.stop();
  const after = await start({ LD_PRELOAD: clockSetBack(t) }, 'after');
  await left.log.until('heard', ({ payload }) => payload.toString() === 'after');
  t.equal(left.channel.stats().rejected.replay, 0);

  recorder.send(recorded, port, addressOf(1));
  t.ok(await becomes(() => left.channel.stats().rejected.replay === 1), 'a recording is rejected');
  await after.stop();
  left.channel.setPeerKey(2, keyOf(9));
  const { received, rejected } = left.channel.stats();
  recorder.send(recorded, port, addressOf(1));
  t.ok(await becomes(() => left.channel.stats().rejected.tag > rejected.tag), 'under the next key as well, though its window is new');
  t.equal(left.channel.stats().received, received);
});

t.test('a flood does not keep it from its beats', async (t) => {
  const port = freshPort();
  const forger = await openForger(t, port);
  const left = openNode(t, 1, port);
  left.channel.say(Buffer.from('x'));
  const garbage = Buffer.alloc(1000);
  for (let burst = 0; burst < 20; burst += 1) {
    for (let index = 0; index < 200; index += 1) forger.send(garbage);
    await new Promise((resolve) => setImmediate(resolve));
  }
  let sequence = 0n;
  const isHeard = (): boolean => {
    sequence += 1n;
    forger.send(encodeBeat({ sequence }, keyOf(2)));
    return left.channel.stats().received > 0;
  };
  t.ok(await becomes(isHeard));
  const { sent, rejected } = left.channel.stats();
  t.ok(rejected.magic > 0);
  t.ok(await becomes(() => left.channel.stats().sent > sent + 20));
});
