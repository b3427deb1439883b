/**
 * What is tracked really moves the VIP: each kind is broken on the node that is active, the peer takes over, and once it is whole again the
 * node takes its place back. Judged by the roles of real nodes and by the words of their status.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { labIsImpossible, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import type { Lab } from '../support/lab/lab.js';
import { legOn } from '../support/lab/plan.js';
import { waitFor } from '../support/lab/wait-for.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  /** lb1 is first with 150; a failure takes it below lb2 with 100. */
  const WEIGHT = -80;
  const ELECTION = { priorities: [150, 100], preempt: true };

  interface Fault {
    kind: string;
    name: string;
    harm(node: string): Promise<unknown> | undefined;
    mend(node: string): Promise<unknown> | undefined;
    reason: RegExp;
  }

  const isAll = async (cluster: TestCluster, wanted: Record<string, string>): Promise<boolean> =>
    JSON.stringify(await roles(cluster)) === JSON.stringify(wanted);

  function makeFaults(lab: Lab, directory: string, sleepers: Map<string, { kill(signal: NodeJS.Signals): void }>): Fault[] {
    const [client] = lab.plan.clients;
    const gateway = client === undefined ? '' : legOn(client, 'client').address;
    const servers = lab.plan.servers.flatMap((server) => [legOn(server, 'client').address, legOn(server, 'server').address]);
    const file = (name: string, node: string): string => path.join(directory, `${node}-${name}`);
    const startSleeper = (node: string): void => {
      sleepers.set(node, lab.start(node, ['bash', '-c', `exec -a tandem-tracked-${node} sleep 600`], { log: `${node}-sleeper.log` }));
    };
    for (const node of lab.plan.nodes) startSleeper(node.name);
    const touch = (name: string) => async (node: string) => writeFileSync(file(name, node), '1');
    const remove = (name: string) => async (node: string) => rmSync(file(name, node), { force: true });
    const run = (script: string) => (node: string) => lab.run(node, script);
    return [
      {
        kind: 'process',
        name: 'program',
        harm: async (node) => sleepers.get(node)?.kill('SIGKILL'),
        mend: async (node) => startSleeper(node),
        reason: /no process has this name/,
      },
      { kind: 'file', name: 'maintenance', harm: touch('off'), mend: remove('off'), reason: /the file is there/ },
      {
        kind: 'file',
        name: 'number',
        harm: async (node) => writeFileSync(file('number', node), '-70\n'),
        mend: remove('number'),
        reason: /the file says -70/,
      },
      { kind: 'script', name: 'check', harm: touch('bad'), mend: remove('bad'), reason: /exit status 1/ },
      {
        kind: 'route',
        name: 'uplink',
        harm: run('ip route del 203.0.113.0/24'),
        mend: run(`ip route add 203.0.113.0/24 via ${gateway}`),
        reason: /no route/,
      },
      {
        kind: 'gateway',
        name: 'gateway',
        harm: run(`ip route add blackhole ${gateway}`),
        mend: run(`ip route del blackhole ${gateway}`),
        reason: /./,
      },
      {
        kind: 'servers',
        name: 'echo',
        harm: run(servers.map((address) => `ip route add blackhole ${address}`).join('; ')),
        mend: run(servers.map((address) => `ip route del blackhole ${address}`).join('; ')),
        reason: /0 of \d+ servers are up/,
      },
      { kind: 'interface', name: 'tr0', harm: run('ip link set tr1 down'), mend: run('ip link set tr1 up'), reason: /carrier is down/ },
    ];
  }

  t.test('each kind with a weight', async (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'tandem-tracking-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const sleepers = new Map<string, { kill(signal: NodeJS.Signals): void }>();
    let faults: Fault[] = [];
    const own = (name: string): string => path.join(directory, `{node}-${name}`);
    const cluster = await startCluster(t, {
      election: ELECTION,
      track: [
        { kind: 'process', name: 'program', process: 'tandem-tracked-{node}', weight: WEIGHT },
        { kind: 'file', name: 'maintenance', file: own('off'), content: 'absent', weight: WEIGHT },
        { kind: 'file', name: 'number', file: own('number'), content: 'number' },
        {
          kind: 'script',
          name: 'check',
          command: ['/bin/sh', '-c', `test ! -e ${own('bad')}`],
          interval: '100ms',
          weight: WEIGHT,
        },
        { kind: 'route', name: 'uplink', to: '203.0.113.0/24', weight: WEIGHT },
        { kind: 'gateway', name: 'gateway', address: '10.1.0.51', interval: '100ms', timeout: '90ms', fall: 2, weight: WEIGHT },
        { kind: 'servers', pool: 'echo', minPercent: 50, weight: WEIGHT },
        { kind: 'interface', interface: 'tr0', weight: WEIGHT },
        { kind: 'sync', weight: WEIGHT },
        { kind: 'engine', weight: WEIGHT },
      ],
      before: async (lab) => {
        const gateway = legOn(lab.plan.clients[0] ?? lab.machine('cl1'), 'client').address;
        for (const { name } of lab.plan.nodes) {
          await lab.run(name, `ip route add 203.0.113.0/24 via ${gateway}`);
          await lab.run(
            name,
            'ip link add tr0 type veth peer name tr1; ip addr add 192.0.2.1/32 dev tr0; ip link set tr0 up; ip link set tr1 up',
          );
        }
        faults = makeFaults(lab, directory, sleepers);
      },
    });
    const { tandem } = cluster;
    await waitFor('lb1 to be active with its full priority', () => isAll(cluster, { lb1: 'active', lb2: 'backup' }));
    for (const { kind, name, harm, mend, reason } of faults) {
      await harm('lb1');
      await waitFor(`lb2 to take over (${kind} ${name})`, () => isAll(cluster, { lb1: 'backup', lb2: 'active' }));
      const [tracking] = (await tandem.status('lb1')).tracking;
      const found = tracking?.objects.find((object) => object.kind === kind && object.name === name);
      t.match(found?.reason, reason, `${kind}: the status says why`);
      t.ok((tracking?.effectivePriority ?? 255) < 100, `${kind}: priority ${tracking?.effectivePriority}`);
      await mend('lb1');
      await waitFor(`lb1 to take back (${kind} ${name})`, () => isAll(cluster, { lb1: 'active', lb2: 'backup' }));
    }
    const [tracking] = (await tandem.status('lb1')).tracking;
    t.same([...new Set(tracking?.objects.map((object) => object.state))], ['up'], 'all is well again');
    t.equal(tracking?.effectivePriority, 150);
  });

  t.test('without a weight the router is given up, with the reason, until it is back', async (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'tandem-tracking-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const off = (node: string): string => path.join(directory, `${node}-off`);
    const cluster = await startCluster(t, {
      election: ELECTION,
      track: [{ kind: 'file', name: 'maintenance', file: off('{node}'), content: 'absent' }],
    });
    const { tandem } = cluster;
    writeFileSync(off('lb1'), '');
    await waitFor('lb1 to give up and lb2 to take over', () => isAll(cluster, { lb1: 'initialize', lb2: 'active' }));
    const status = await tandem.status('lb1');
    t.equal(status.routers[0]?.reason, 'track:file:maintenance');
    t.match(status.tracking[0], { fault: 'track:file:maintenance', objects: [{ state: 'down', isFault: true }] });
    writeFileSync(off('lb2'), '');
    await waitFor('nobody to be active', () => isAll(cluster, { lb1: 'initialize', lb2: 'initialize' }));
    rmSync(off('lb2'));
    await waitFor('lb2 to be back', () => isAll(cluster, { lb1: 'initialize', lb2: 'active' }));
    rmSync(off('lb1'));
    await waitFor('lb1 to take its place', () => isAll(cluster, { lb1: 'active', lb2: 'backup' }));

    tandem.daemon('lb1').kill('SIGKILL');
    await waitFor('the daemon to be gone', () => !tandem.daemon('lb1').isRunning());
    await tandem.startNode('lb1');
    await waitFor('the next daemon', async () => (await tandem.status('lb1')).tracking[0]?.objects[0]?.state === 'up');
    t.same(await roles(cluster), { lb1: 'active', lb2: 'backup' }, 'a daemon that does not know yet takes nothing away');
  });
}
