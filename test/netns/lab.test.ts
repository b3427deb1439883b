/**
 * The lab itself: if it does not do what it says, the tests of faults prove nothing.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  continueNode,
  crashNode,
  killNode,
  loseFrames,
  nodeProcesses,
  plugCable,
  pullCable,
  stopLosing,
  stopNode,
} from '../support/lab/faults.js';
import { labIsImpossible } from '../support/lab/fixture.js';
import { createLab } from '../support/lab/lab.js';
import { namespaces } from '../support/lab/plan.js';
import { isRunning, processState } from '../support/lab/processes.js';
import { waitFor } from '../support/lab/wait-for.js';
import { natConnections, startLoad, startServers } from '../support/lab/workload.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  const netns = (): string[] => readdirSync('/run/netns');
  const ping = (from: string, to: string): string =>
    `ping -c 1 -W 1 ${to} > /dev/null && echo yes || echo no`.replace('ping', `ping -I ${from}`);

  t.test('everybody reaches whom it should', async (t) => {
    const lab = await createLab();
    t.teardown(() => lab.close());
    t.equal((await lab.run('cl1', ping('eth0', '10.1.0.12'))).trim(), 'yes', 'client to node');
    t.equal((await lab.run('lb1', ping('eth1', '10.2.0.23'))).trim(), 'yes', 'node to server');
    t.equal((await lab.run('cl1', ping('eth0', '10.1.0.21'))).trim(), 'yes', "client to a server's DSR leg");
    t.match(
      await lab.run('be1', 'ip route get 10.1.0.51 from 10.2.0.21'),
      /via 10\.2\.0\.1 dev eth0/,
      'answers of NAT leave through the inner VIP',
    );
    t.match(await lab.run('be1', 'ip route get 10.1.0.51 from 10.1.0.100'), /dev eth1/, 'direct answers leave on the client side');
    t.equal((await lab.run('cl1', ping('eth0', '10.1.0.100'))).trim(), 'no');
    t.match(await lab.run('cl1', 'ip neigh show 10.1.0.100'), /FAILED|INCOMPLETE/, 'nobody answers ARP for the VIP');
  });

  t.test('IPv6 where it is asked for, and silence until somebody speaks', async (t) => {
    const lab = await createLab({ servers: 1, ipv6: true });
    t.teardown(() => lab.close());
    const capture = await lab.capture();
    t.equal((await lab.run('cl1', ping('eth0', 'fd00:1::12'))).trim(), 'yes', 'client to node');
    t.match(await lab.run('lb1', 'ping -c 1 -W 1 fe80::12%eth0'), / 0% packet loss/, 'node to node');
    t.equal(await lab.run('lb1', 'ip -6 addr show dev eth1'), '', 'not on the server side');
    const seen = await capture.stop();
    const asked = seen.find((each) => each.kind === 'neighbourSolicitation' && each.targetAddress === 'fd00:1::12');
    t.match(asked, { port: 'c-cl1', source: 'fd00:1::51', destination: 'ff02::1:ff00:12', targetMac: '02:03:00:00:00:01' });
    const answered = seen.find((each) => each.kind === 'neighbourAdvertisement' && each.targetAddress === 'fd00:1::12');
    t.match(answered, { port: 'c-lb2', destination: 'fd00:1::51', targetMac: '02:01:00:00:00:02', flags: { solicited: true } });
    const unasked = seen.filter((each) => each.kind === 'neighbourSolicitation' && each.source === '::');
    t.same(unasked, [], 'no detection of duplicates');
  });

  t.test('a failing command says what failed', async (t) => {
    const lab = await createLab({ servers: 1 });
    t.teardown(() => lab.close());
    await t.rejects(lab.run('lb1', 'ip link set nonsense up'), /nonsense/);
    t.equal((await lab.run('lb1', 'echo still there')).trim(), 'still there');
  });

  t.test('faults hit the whole tree of a node, detached children too, and nobody else', async (t) => {
    const lab = await createLab({ servers: 1 });
    t.teardown(() => lab.close());
    const tree = ['sh', '-c', 'setsid sleep 300 & sleep 301 & wait'];
    const other = lab.start('lb2', ['sleep', '302']);
    lab.start('lb1', tree);
    await waitFor('the tree', () => nodeProcesses(lab, 'lb1').length === 3);

    stopNode(lab, 'lb1');
    const states = (): (string | null)[] => [...new Set(nodeProcesses(lab, 'lb1').map(processState))];
    // A process that another core runs stops when it next looks at its signals.
    await waitFor('all to be stopped', () => states().join() === 'T');
    continueNode(lab, 'lb1');
    t.notOk(states().includes('T'), 'all running');

    await killNode(lab, 'lb1');
    t.same(nodeProcesses(lab, 'lb1'), [], 'all killed');
    t.ok(isRunning(other.pid), 'the other node lives');
    t.equal((await lab.run('lb1', 'echo alive')).trim(), 'alive', "the lab's own shell in the node lives");
  });

  t.test('cables and losses', async (t) => {
    const lab = await createLab({ servers: 1 });
    t.teardown(() => lab.close());
    const reaches = async (): Promise<string> => (await lab.run('cl1', ping('eth0', '10.1.0.11'))).trim();
    await pullCable(lab, 'lb1', ['server']);
    t.equal(await reaches(), 'yes', 'the other leg works');
    t.match(await lab.run('lb1', 'ip -br link show eth1'), /NO-CARRIER|LOWERLAYERDOWN/, 'the node sees it');
    await crashNode(lab, 'lb1');
    t.equal(await reaches(), 'no');
    await plugCable(lab, 'lb1');
    await waitFor('the node to be reached', async () => (await reaches()) === 'yes');

    await loseFrames(lab, 'lb1', { side: 'client', direction: 'from', what: 'ip protocol icmp' });
    t.equal(await reaches(), 'no', 'answers are lost');
    await lab.run('cl1', 'ip neigh flush all');
    t.equal(await reaches(), 'no');
    t.match(await lab.run('cl1', 'ip neigh show 10.1.0.11'), /lladdr 02:01/, 'ARP is not');
    await stopLosing(lab);
    t.equal(await reaches(), 'yes');
  });

  t.test('lost connections are noticed: by the load, and as resets by the capture', async (t) => {
    const lab = await createLab({ servers: 1 });
    t.teardown(() => lab.close());
    const [[server], load] = await Promise.all([startServers(lab), startLoad(lab)]);
    // Past any load balancer: straight to the server's leg on the client side.
    const target = { ...natConnections(20), target: '10.1.0.21' };
    t.match(await load.call('open', { group: 'direct', ...target }), { established: 20, alive: 20 });
    await waitFor('traffic', async () => (await load.call('counts', { group: 'direct' })).bytesVerified > 20 * 32 * 3);
    const capture = await lab.capture();
    const faultMs = Number(process.hrtime.bigint()) / 1e6;
    process.kill(server?.pid ?? 0, 'SIGKILL');
    await waitFor('the end of all', async () => (await load.call('counts', { group: 'direct' })).alive === 0);
    const report = await load.call('finish', { group: 'direct', limitMs: 1000, faultMs, youngMs: 0 });
    t.match(report, { established: 20, alive: 0 });
    t.equal(report.reset + report.closed, 20);
    const refused = await load.call('open', { group: 'refused', ...target, connections: 3 });
    t.match(refused, { tried: 3, established: 0, failed: 3 });
    const resets = (await capture.stop()).filter((seen) => seen.kind === 'reset' && seen.destination === '10.1.0.51');
    t.ok(resets.length >= 3, 'the refusals at least');
  });

  t.test('connections whose other end falls silent are not alive', async (t) => {
    const lab = await createLab({ servers: 1 });
    t.teardown(() => lab.close());
    const [, load] = await Promise.all([startServers(lab), startLoad(lab)]);
    await load.call('open', { group: 'direct', ...natConnections(20), target: '10.1.0.21' });
    const faultMs = Number(process.hrtime.bigint()) / 1e6;
    await lab.switchShell.run('ip link set c-be1 down');
    t.match(await load.call('finish', { group: 'direct', limitMs: 500, faultMs, youngMs: 0 }), {
      established: 20,
      alive: 0,
      silent: 20,
      reset: 0,
    });
  });

  const child = fileURLToPath(new URL('../support/lab/stay.js', import.meta.url));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    t.test(`${signal} removes the lab`, async (t) => {
      const { prefix, end } = await startChild();
      t.equal(netns().filter((name) => name.startsWith(`${prefix}-`)).length, 7);
      await end(signal);
      t.same(
        netns().filter((name) => name.startsWith(`${prefix}-`)),
        [],
      );
    });
  }

  t.test('what a killed lab leaves behind is removed by the next one', async (t) => {
    const { prefix, end } = await startChild();
    await end('SIGKILL');
    t.equal(netns().filter((name) => name.startsWith(`${prefix}-`)).length, 7);
    const lab = await createLab({ servers: 1 });
    t.teardown(() => lab.close());
    t.same(
      netns().filter((name) => name.startsWith(`${prefix}-`)),
      [],
    );
    t.notOk(existsSync(`/run/tandem-lab/${prefix}.json`));
    t.ok(
      namespaces(lab.plan).every((name) => netns().includes(name)),
      'its own are there',
    );
  });

  async function startChild(): Promise<{ prefix: string; end(signal: NodeJS.Signals): Promise<void> }> {
    const process_ = spawn(process.execPath, [child], { stdio: ['ignore', 'pipe', 'inherit'] });
    const prefix = await new Promise<string>((resolve) =>
      process_.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim())),
    );
    return {
      prefix,
      end: (signal) =>
        new Promise((resolve) => {
          process_.on('exit', () => resolve());
          process_.kill(signal);
        }),
    };
  }
}
