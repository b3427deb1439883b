/**
 * XDP on real interfaces in network namespaces: native, generic and automatic attachment, links that outlive a killed process, programs
 * replaced under traffic, detachment behind our back.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { addressKind, addressLayout, drop } from '../../src/l4/abi.gen.js';
import type { AttachResult } from '../../src/l4/native.js';
import { Agent } from './agent-process.js';
import { freshPinDir, ipBytes, native, objectPath, unloadPins, unsupported, VIRTUAL_ROUTER } from './fixture.js';

const NODE_SIDE = '10.99.0.1';
const FAR_SIDE = '10.99.0.2';
/** A VIP nobody holds a lease for: packets to it are dropped by the program, and counted. */
const FENCED = '10.99.0.100';
const PINGS = 400;

const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' });
const inside = (namespace: string, ...words: string[]): string =>
  execFileSync('nsenter', [`--net=/run/netns/${namespace}`, ...words], { encoding: 'utf8' });

interface Wire {
  node: string;
  far: string;
  ifindex: number;
  mac: Buffer;
  pinDir: string;
  start(): Promise<Agent>;
}

let wires = 0;

/** Two namespaces with a cable: `eth0.7` (with a dot, as VLANs have) on the node's side. */
function layWire(t: Test): Wire {
  wires += 1;
  const node = `ta${process.pid}n${wires}`;
  const far = `ta${process.pid}f${wires}`;
  const pinDir = freshPinDir();
  const agents: Agent[] = [];
  t.teardown(async () => {
    for (const agent of agents) await agent.stop();
    unloadPins(pinDir);
    for (const name of [node, far]) if (existsSync(`/run/netns/${name}`)) ip('netns', 'del', name);
  });
  for (const name of [node, far]) ip('netns', 'add', name);
  ip('link', 'add', 'eth0.7', 'netns', node, 'type', 'veth', 'peer', 'name', 'far', 'netns', far);
  for (const [namespace, device, address] of [
    [node, 'eth0.7', NODE_SIDE],
    [far, 'far', FAR_SIDE],
  ] as const) {
    inside(namespace, 'ip', 'addr', 'add', `${address}/24`, 'dev', device);
    inside(namespace, 'ip', 'link', 'set', device, 'up');
  }
  const [link] = JSON.parse(inside(node, 'ip', '-j', 'link', 'show', 'eth0.7')) as [{ ifindex: number; address: string }];
  inside(far, 'ip', 'neigh', 'add', FENCED, 'lladdr', link.address, 'dev', 'far');
  const start = async (): Promise<Agent> => {
    const agent = new Agent(node);
    agents.push(agent);
    await agent.call('native', 'load', [{ objectPath, pinDir, maxFlows: 1024 }], 'plane');
    return agent;
  };
  return { node, far, ifindex: link.ifindex, mac: Buffer.from(link.address.replaceAll(':', ''), 'hex'), pinDir, start };
}

const attach = (agent: Agent, wire: Wire, mode: string, device = 'eth0.7', ifindex = wire.ifindex): Promise<AttachResult> =>
  agent.call('plane', 'attach', [{ interface: device, ifindex, mac: wire.mac, repliesFirst: false, mode }]);

/** Loss in percent of a fast ping over the wire. */
async function pingLoss(wire: Wire, during: () => Promise<void>): Promise<string> {
  const command = ['ping', '-q', '-c', String(PINGS), '-i', '0.003', '-W', '1', NODE_SIDE];
  const ping = spawn('nsenter', [`--net=/run/netns/${wire.far}`, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  ping.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await Promise.all([once(ping, 'close'), during()]);
  return /([\d.]+)% packet loss/.exec(Buffer.concat(chunks).toString())?.[1] ?? 'no answer';
}

/** How many of three pings to the fenced VIP the program dropped. */
function fencedPings(wire: Wire): number {
  const plane = native.load({ objectPath, pinDir: wire.pinDir, maxFlows: 1, adoptOnly: true });
  try {
    const address = Buffer.alloc(addressLayout.size);
    address.writeUInt32LE(wire.ifindex, addressLayout.ifindex);
    address[addressLayout.virtualRouter] = VIRTUAL_ROUTER;
    address[addressLayout.kind] = addressKind.virtual;
    plane.mapSet('addresses', ipBytes(FENCED), address);
    const before = Number(plane.sums('drops')[drop.notActive]);
    inside(wire.far, 'sh', '-c', `ping -q -c 3 -i 0.01 -W 0.1 ${FENCED} >/dev/null || true`);
    return Number(plane.sums('drops')[drop.notActive]) - before;
  } finally {
    plane.close();
  }
}

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  for (const mode of ['native', 'generic'] as const) {
    t.test(`${mode} mode on a veth`, async (t) => {
      const wire = layWire(t);
      const agent = await wire.start();
      t.same(await attach(agent, wire, mode), { mode, adopted: false });
      t.match(inside(wire.node, 'ip', 'link', 'show', 'eth0.7'), mode === 'native' ? /xdp\b(?!generic)/ : /xdpgeneric/);
      t.same(await agent.call('plane', 'attached', []), ['eth0.7']);
      t.equal(await agent.call('plane', 'isAttached', ['eth0.7']), true);
      t.equal(fencedPings(wire), 3, 'the program sees the packets');
      await agent.call('plane', 'detach', ['eth0.7']);
      t.same(await agent.call('plane', 'attached', []), []);
      t.equal(await agent.call('plane', 'isAttached', ['eth0.7']), false);
      t.equal(fencedPings(wire), 0, 'and no longer');
      t.notMatch(inside(wire.node, 'ip', 'link', 'show', 'eth0.7'), /xdp/);
    });
  }

  t.test('automatic mode', async (t) => {
    const wire = layWire(t);
    const agent = await wire.start();
    t.same(await attach(agent, wire, 'auto'), { mode: 'native', adopted: false });
    inside(wire.node, 'ip', 'link', 'add', 'bridge0', 'type', 'bridge');
    const [bridge] = JSON.parse(inside(wire.node, 'ip', '-j', 'link', 'show', 'bridge0')) as [{ ifindex: number }];
    const fallback = await attach(agent, wire, 'auto', 'bridge0', bridge.ifindex);
    t.equal(fallback.mode, 'generic');
    t.match(fallback.fallbackReason, /refused by the driver of bridge0: .*EOPNOTSUPP/);
    await t.rejects(attach(agent, wire, 'native', 'bridge0', bridge.ifindex), { code: 'ATTACH_FAILED' });
    t.equal(await agent.call('plane', 'isAttached', ['bridge0']), true, 'a mode that is refused does not end what worked');
    await t.rejects(
      agent.call('plane', 'detach', ['bridge0']).then(() => attach(agent, wire, 'native', 'bridge0', bridge.ifindex)),
      {
        code: 'ATTACH_FAILED',
        hint: /auto or generic/,
      },
    );
  });

  t.test('a killed process leaves the program at work, the next adopts it', async (t) => {
    const wire = layWire(t);
    const first = await wire.start();
    await attach(first, wire, 'native');
    const lost = await pingLoss(wire, async () => {
      await first.stop('SIGKILL');
      t.equal(fencedPings(wire), 3, 'nobody runs, the program does');
      const second = await wire.start();
      t.equal(await second.call('plane', 'isAttached', ['eth0.7']), true);
      t.same(await attach(second, wire, 'auto'), { mode: 'native', adopted: true });
    });
    t.equal(lost, '0', 'no packet was lost');
    t.equal(fencedPings(wire), 3);
  });

  for (const mode of ['native', 'generic'] as const) {
    t.test(`the program is replaced under traffic without loss, ${mode}`, async (t) => {
      const wire = layWire(t);
      const agent = await wire.start();
      await attach(agent, wire, mode);
      const times: number[] = [];
      const lost = await pingLoss(wire, async () => {
        for (let round = 0; round < 8; round += 1) {
          const start = native.monotonicNs();
          t.match(await attach(agent, wire, 'auto'), { mode, adopted: true });
          times.push(Number(native.monotonicNs() - start) / 1e6);
        }
      });
      t.equal(lost, '0');
      t.comment(`adopting a link: ${Math.min(...times).toFixed(1)} ms at best, verification of the program included`);
    });
  }

  t.test('another mode than the one that is there', async (t) => {
    const wire = layWire(t);
    const agent = await wire.start();
    await attach(agent, wire, 'generic');
    t.match(await attach(agent, wire, 'auto'), { mode: 'generic', adopted: true, fallbackReason: /generic/ });
    t.same(await attach(agent, wire, 'native'), { mode: 'native', adopted: false }, 'asked for, so attached anew');
    t.equal(fencedPings(wire), 3);
  });

  t.test('detached behind our back', async (t) => {
    const wire = layWire(t);
    const agent = await wire.start();
    await attach(agent, wire, 'native');
    await agent.call('native', 'openLeases', [wire.pinDir], 'leases');
    t.equal(await agent.call('leases', 'isAttached', ['eth0.7']), true, 'the heartbeat sees it too');
    inside(wire.node, 'bpftool', 'link', 'detach', 'pinned', `${wire.pinDir}/link_eth0%2e7`);
    t.equal(await agent.call('plane', 'isAttached', ['eth0.7']), false);
    t.equal(await agent.call('leases', 'isAttached', ['eth0.7']), false);
    t.same(await attach(agent, wire, 'auto'), { mode: 'native', adopted: false }, 'attached anew');
    t.equal(fencedPings(wire), 3);
    inside(wire.node, 'ip', 'link', 'del', 'eth0.7');
    t.equal(await agent.call('plane', 'isAttached', ['eth0.7']), false, 'the interface is gone');
    await t.rejects(attach(agent, wire, 'auto'), { code: 'NO_INTERFACE' });
    t.equal(await agent.call('plane', 'detach', ['eth0.7']), undefined, 'what is left of it can be removed');
  });

  t.test('somebody else is there', async (t) => {
    const wire = layWire(t);
    const agent = await wire.start();
    await attach(agent, wire, 'native');
    const other = await wire.start();
    await other.call('native', 'load', [{ objectPath, pinDir: freshPinDir(), maxFlows: 16 }], 'plane');
    for (const mode of ['native', 'generic', 'auto'])
      await t.rejects(attach(other, wire, mode), { code: 'BUSY', hint: /xdp off/ }, `${mode}: the other program stays`);
    t.equal(fencedPings(wire), 3);
    await other.call('plane', 'unload', []);
  });

  t.test('unload takes everything off', async (t) => {
    const wire = layWire(t);
    const agent = await wire.start();
    await attach(agent, wire, 'native');
    await agent.call('plane', 'unload', []);
    t.notMatch(inside(wire.node, 'ip', 'link', 'show', 'eth0.7'), /xdp/);
    t.notOk(existsSync(wire.pinDir));
    await t.rejects(agent.call('plane', 'attached', []), { code: 'CLOSED' });
  });
}
