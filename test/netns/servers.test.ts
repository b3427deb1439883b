/**
 * A server in maintenance, with real traffic: drained on the backup node, it keeps its connections and gets no new ones, through a crash of
 * the active node, a restart of the daemon and on a node without memory; enabled again, it gets its share.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { ServerStatus } from '../../src/control/status.js';
import { tandemCommand } from '../support/lab/command-line.js';
import { crashNode } from '../support/lab/faults.js';
import { labIsImpossible, startCluster } from '../support/lab/fixture.js';
import type { LabDocument } from '../support/lab/tandem-config.js';
import { waitFor } from '../support/lab/wait-for.js';
import { natConnections, startLoad } from '../support/lab/workload.js';

const CONNECTIONS = 60;
const FINISH_LIMIT_MS = 15_000;
const OTHERS = ['be2', 'be3'];

const AGENT_PORT = 9777;
/** Answers whoever connects with what stands in a file. */
const AGENT = `require('net').createServer((s) => {
  s.on('error', () => {});
  s.end(require('fs').readFileSync(process.argv[1]));
}).listen(${AGENT_PORT});`;

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  t.test('drained on the backup, failed over, restarted, learnt anew, enabled', async (t) => {
    const { lab, tandem, active, backup } = await startCluster(t);
    const load = await startLoad(lab);
    const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;
    const startMs = nowMs();
    const open = async (group: string): Promise<void> => {
      const { established } = await load.call('open', { group, ...natConnections(CONNECTIONS) });
      t.equal(established, CONNECTIONS, `connections of "${group}"`);
    };
    const finish = (group: string) => load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs: startMs, youngMs: 0 });
    const be1On = async (node: string): Promise<ServerStatus | undefined> =>
      (await tandem.status(node)).pools.find(({ name }) => name === 'echo')?.servers.find(({ name }) => name === 'be1');
    const flowsOfBe1 = async (node: string) => (await tandem.flows(node, '?service=echo&server=be1&limit=1000')).length;
    const command = (node: string, ...words: string[]) => tandemCommand(lab, tandem, node, 'servers', ...words);
    const drained = {
      state: 'drain',
      weight: 0,
      configuredWeight: 1,
      alive: true,
      usable: false,
      override: { state: 'drain', node: backup },
    };

    await open('old');
    const before = await flowsOfBe1(active);
    t.ok(before > 0, 'be1 had a share');
    t.match(await command(backup, 'drain', 'echo/be1', '--why', 'new kernel'), {
      status: 0,
      stdout: /^echo\/be1: drain \(configured: ready\), weight 1\nin force; known to lb[12], lb[12]\n$/,
    });
    for (const node of [active, backup]) t.match(await be1On(node), drained, node);
    await open('meanwhile');
    t.equal(await flowsOfBe1(active), before, 'no new connection to be1, and no old one less');
    await waitFor(
      'the flows on the backup',
      async () => (await tandem.flows(backup, '?service=echo&limit=1000')).length === 2 * CONNECTIONS,
    );
    t.match(await command(backup, 'drain', 'echo/be1', '--wait', '--timeout', '0s'), {
      status: 1,
      stderr: `flows left after 0s: echo/be1 ${before}`,
    });

    await crashNode(lab, active);
    await waitFor('the backup to take over', () => tandem.isActive(backup));
    t.match(await be1On(backup), drained, 'still, after the failover');
    tandem.daemon(backup).kill('SIGKILL');
    await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
    await tandem.startNode(backup);
    t.match(await waitFor('the daemon to answer', () => be1On(backup)), drained, 'still, after a restart without any peer');
    await open('failed over');
    t.equal(await flowsOfBe1(backup), before);

    await tandem.recover(active, 'crash');
    await waitFor(
      'the node without memory to learn it',
      async () => (await be1On(active).catch(() => undefined))?.override?.node === backup,
    );
    t.match(await be1On(active), drained);
    await waitFor('both to be in sync', async () => (await tandem.status(backup)).peers.every((peer) => peer.inSync));
    t.match(await command(active, 'enable', 'echo/be1'), { status: 0, stdout: /in force; known to/ });
    await open('enabled');
    t.match(await be1On(backup), { state: 'ready', weight: 1, usable: true, override: { state: 'ready', node: active } });

    for (const group of ['old', 'meanwhile', 'failed over', 'enabled']) {
      const report = await finish(group);
      t.match(report, { established: CONNECTIONS, alive: CONNECTIONS, reset: 0, corrupted: 0 }, `"${group}" are all alive`);
      const expected = group === 'old' || group === 'enabled' ? ['be1', ...OTHERS] : OTHERS;
      t.same(Object.keys(report.servers).sort(), expected, `servers of "${group}"`);
    }
    await load.call('closeAll', null);
    const holder = (await tandem.isActive(backup)) ? backup : active;
    t.match(await command(holder, 'drain', 'echo/be1', '--wait', '--timeout', '30s'), { status: 0, stdout: /no flows are left/ });
    const { stdout } = await tandemCommand(lab, tandem, backup, 'history');
    t.match(stdout, new RegExp(`server echo/be1: state ready, by .* on ${active}`));
  });

  t.test('an agent drains its server and weighs it, below the word of an operator, and a failover goes on from there', async (t) => {
    const check = { type: 'agent', port: AGENT_PORT, interval: '200ms', timeout: '150ms' };
    const change = (document: LabDocument): LabDocument => ({
      ...document,
      pools: (document.pools as { name: string }[]).map((pool) => (pool.name === 'echo' ? { ...pool, healthCheck: check } : pool)),
    });
    const says = (server: string): string => path.join(workDir, `agent-${server}`);
    let workDir = '';
    const cluster = await startCluster(t, {
      change,
      before: async (lab) => {
        workDir = lab.workDir;
        for (const { name } of lab.plan.servers) {
          writeFileSync(says(name), 'up\n');
          lab.start(name, [process.execPath, '-e', AGENT, says(name)]);
        }
      },
    });
    const { lab, tandem, active, backup } = cluster;
    const load = await startLoad(lab);
    const open = (group: string) => load.call('open', { group, ...natConnections(CONNECTIONS) });
    const serverOn = async (node: string, server: string): Promise<ServerStatus | undefined> =>
      (await tandem.status(node)).pools.find(({ name }) => name === 'echo')?.servers.find(({ name }) => name === server);
    const be1On = (node: string) => serverOn(node, 'be1');
    const until = (node: string, text: string, is: (server: ServerStatus | undefined) => boolean, server = 'be1') =>
      waitFor(`${node}: ${server} ${text}`, async () => is(await serverOn(node, server)));
    const flowsOfBe1 = async (node: string) => (await tandem.flows(node, '?service=echo&server=be1&limit=1000')).length;
    const both = [active, backup];

    await Promise.all(both.map((node) => until(node, 'is up', (server) => server?.usable === true)));
    await open('old');
    const before = await flowsOfBe1(active);
    t.ok(before > 0, 'be1 had a share');
    writeFileSync(says('be1'), 'drain 50% # patching\n');
    await Promise.all(both.map((node) => until(node, 'is drained', (server) => server?.usable === false)));
    t.match(await be1On(backup), { state: 'ready', alive: true, weight: 0, advised: { drain: true, weightPercent: 50 }, override: null });
    await open('meanwhile');
    t.equal(await flowsOfBe1(active), before, 'no new connection to it, and no old one less');

    await crashNode(lab, active);
    await waitFor('the backup to take over', () => tandem.isActive(backup));
    t.match(await be1On(backup), { usable: false }, 'still, after the failover');
    const answer = await tandemCommand(lab, tandem, backup, 'servers', 'enable', 'echo/be1');
    t.match(answer.stdout, /^echo\/be1: ready/);
    await until(backup, 'serves', (server) => server?.usable === true);
    t.match(
      await be1On(backup),
      { weight: 0.5, override: { state: 'ready' } },
      'an operator knows better; of the weight he has said nothing',
    );
    t.match((await tandemCommand(lab, tandem, backup, 'servers')).stdout, /be1 .* ready, agent says drain 50% /);
    writeFileSync(says('be1'), 'ready 100%\n');
    await until(backup, 'has its weight', (server) => server?.weight === 1);
    writeFileSync(says('be2'), 'maint\n');
    await until(backup, 'is down', (server) => server?.alive === false, 'be2');
    writeFileSync(says('be2'), 'up\n');
    await until(backup, 'is up', (server) => server?.alive === true, 'be2');
    t.match(await serverOn(backup, 'be2'), { usable: false, advised: { drain: true } }, 'in maintenance until it says ready');
    writeFileSync(says('be2'), 'ready\n');
    await until(backup, 'serves', (server) => server?.usable === true, 'be2');
    for (const group of ['old', 'meanwhile'])
      t.match(await load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs: 0, youngMs: 0 }), {
        established: CONNECTIONS,
        alive: CONNECTIONS,
        reset: 0,
      });
  });
}
