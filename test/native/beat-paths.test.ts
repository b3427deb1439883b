/** Beats between two network namespaces, by IPv4 and IPv6, while addresses and devices come and go. */
import { execFileSync } from 'node:child_process';
import t, { type Test } from 'tap';
import type { BeatEvent, BeatOptions, BeatStats } from '../../src/l4/native.js';
import { Agent } from './agent-process.js';
import { CLUSTER, EventLog, freshPort, INTERVAL_US, keyOf, LOOK_EVERY_MS } from './beat-fixture.js';
import { unsupported } from './fixture.js';

const SILENT_US = 300_000;

interface Side {
  ip(words: string): void;
  log: EventLog;
  agent: Agent;
  stats(): Promise<BeatStats>;
}

/** By node: its own addresses, path by path. */
const addresses = (id: number): string[] => [`10.9.0.${id}`, `fd00:9::${id}`, `fe80::${id}`];

async function openSide(t: Test, namespace: string, id: number, port: number): Promise<Side> {
  const agent = new Agent(namespace);
  t.teardown(() => agent.stop());
  const log = new EventLog();
  agent.child.on('message', (message: { type?: string; events: BeatEvent[] }) => {
    if (message.type === 'beats') log.push(message.events);
  });
  const [ipv4 = '', ipv6 = '', linkLocal = ''] = addresses(id);
  const options: BeatOptions = {
    cluster: CLUSTER,
    nodeId: id,
    instance: 1n,
    key: keyOf(id),
    port,
    paths: [{ address: ipv4, interface: 'cable0' }, { address: ipv6 }, { address: linkLocal, interface: 'cable1' }],
    peers: [{ id: 3 - id, addresses: addresses(3 - id) }],
    intervalUs: INTERVAL_US,
    realtimePriority: 0,
    pinDir: null,
  };
  await agent.call('agent', 'openBeats', [options], 'beats');
  const look = setInterval(() => void agent.call('beats', 'stats', []).catch(() => clearInterval(look)), LOOK_EVERY_MS);
  t.teardown(() => clearInterval(look));
  await agent.call('beats', 'setPeerKey', [3 - id, keyOf(3 - id)]);
  await agent.call('beats', 'watch', [3 - id, SILENT_US]);
  await agent.call('beats', 'say', [Buffer.from(`node ${id}`)]);
  const ip = (words: string): void => void execFileSync('ip', ['-n', namespace, ...words.split(' ')]);
  return { ip, log, agent, stats: () => agent.call<BeatStats>('beats', 'stats', []) };
}

const spaces = [`tb${process.pid}a`, `tb${process.pid}b`];

/** Two cables between the namespaces; addresses come later. */
function layCable(name: string): void {
  const [a = '', b = ''] = spaces;
  execFileSync('ip', ['-n', a, 'link', 'add', name, 'type', 'veth', 'peer', 'name', name, 'netns', b]);
  for (const space of spaces) execFileSync('ip', ['-n', space, 'link', 'set', name, 'addrgenmode', 'none', 'up']);
}

const addressWords = (id: number): string[] => [
  `addr add 10.9.0.${id}/24 dev cable0`,
  `addr add fd00:9::${id}/64 dev cable0 nodad`,
  `addr add fe80::${id}/64 dev cable1 nodad`,
];

async function heardAgain(side: Side, path: number): Promise<void> {
  await side.log.until('path', (event) => event.path === path && event.isHeard);
}

async function lost(side: Side, path: number): Promise<void> {
  await side.log.until('path', (event) => event.path === path && !event.isHeard);
}

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('paths that come and go', async (t) => {
    for (const space of spaces) {
      execFileSync('ip', ['netns', 'add', space]);
      t.teardown(() => execFileSync('ip', ['netns', 'del', space]));
    }
    const port = freshPort();
    // Before there is any address or device.
    const left = await openSide(t, spaces[0] ?? '', 1, port);
    const right = await openSide(t, spaces[1] ?? '', 2, port);
    await left.log.until('silent');
    const { sent, pathErrors, sendErrors } = await left.stats();
    t.equal(sent, 0);
    t.ok(sendErrors > 0);
    t.match(pathErrors, [/ENODEV/, /EADDRNOTAVAIL/, /ENODEV|EINVAL|EADDRNOTAVAIL/]);

    for (const cable of ['cable0', 'cable1']) layCable(cable);
    for (const [index, side] of [left, right].entries()) for (const words of addressWords(index + 1)) side.ip(words);
    for (const side of [left, right]) {
      await side.log.until('heard', ({ isFirst }) => isFirst);
      for (const path of [0, 1, 2]) while (!isHeardBy(side, path)) await side.log.until('path');
    }
    t.same((await left.stats()).pathErrors, [null, null, null], 'all paths work');

    left.ip('addr del 10.9.0.1/24 dev cable0');
    await lost(right, 0);
    left.ip('addr add 10.9.0.1/24 dev cable0');
    await heardAgain(right, 0);
    t.pass('an address that came back');

    left.ip('addr del fd00:9::1/64 dev cable0');
    await lost(left, 1);
    left.ip('addr add fd00:9::1/64 dev cable0 nodad');
    await heardAgain(left, 1);
    t.pass('an IPv6 address that came back');

    left.ip('link del cable1');
    await lost(right, 2);
    layCable('cable1');
    for (const [index, side] of [left, right].entries()) side.ip(addressWords(index + 1)[2] ?? '');
    await heardAgain(right, 2);
    await heardAgain(left, 2);
    t.pass('a device made anew under its name');

    const silences = right.log.all.filter(({ type }) => type === 'silent').length;
    left.ip('link set cable0 down');
    await lost(right, 0);
    left.ip('link set cable0 up');
    await heardAgain(right, 0);
    t.equal(right.log.all.filter(({ type }) => type === 'silent').length, silences, 'never silent: another path was there');

    process.kill(left.agent.child.pid ?? 0, 'SIGSTOP');
    t.ok((await right.log.until('silent')).silentUs >= SILENT_US, 'a node that is stopped is silent');
    const heardBefore = left.log.all.length;
    process.kill(left.agent.child.pid ?? 0, 'SIGCONT');
    await right.log.until('heard', ({ isFirst }) => isFirst);
    const { received } = await left.stats();
    while ((await left.stats()).received < received + 100) await left.stats();
    t.notOk(
      left.log.all.slice(heardBefore).some(({ type }) => type === 'silent'),
      'and does not take its own stop for the silence of others',
    );
  });
}

/** By the last event of that path. */
function isHeardBy(side: Side, path: number): boolean {
  const last = side.log.all.findLast((event) => event.type === 'path' && event.path === path);
  return last?.type === 'path' && last.isHeard;
}
