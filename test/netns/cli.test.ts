/**
 * The command `tandem` and the metrics of a live cluster, asked the way an operator and a monitoring system do.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { openStateDir } from '../../src/control/state-dir.js';
import type { FlowRow, NodeStatus, PoolStatus } from '../../src/control/status.js';
import { type Finished, httpGet, runOn, samples, tandemCommand } from '../support/lab/command-line.js';
import { labIsImpossible, programsMissing, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { legOn, PORTS, VIP } from '../support/lab/plan.js';
import { tandemProgram } from '../support/lab/tandem.js';
import { waitFor } from '../support/lab/wait-for.js';
import { dsrConnections, natConnections, startLoad } from '../support/lab/workload.js';

const NAT = 30;
const DIRECT = 12;
const METRICS = '127.0.0.1:9107';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  const cli = ({ lab, tandem }: TestCluster, node: string, ...words: string[]): Promise<Finished> =>
    tandemCommand(lab, tandem, node, ...words);

  /** The JSON that a command printed; it must have succeeded and said nothing else. */
  async function json<T>(t: Test, cluster: TestCluster, node: string, ...words: string[]): Promise<T> {
    const { status, stdout, stderr } = await cli(cluster, node, ...words, '--json');
    t.same({ status, stderr }, { status: 0, stderr: '' }, `tandem ${words.join(' ')} --json`);
    return JSON.parse(stdout) as T;
  }

  async function startWithTraffic(t: Test): Promise<TestCluster> {
    const cluster = await startCluster(t);
    const load = await startLoad(cluster.lab);
    for (const [group, options] of [
      ['nat', natConnections(NAT)],
      ['dsr', dsrConnections(DIRECT)],
    ] as const) {
      const { established } = await load.call('open', { group, ...options });
      if (established !== options.connections) throw new Error(`${established} of ${options.connections} connections of ${group} opened`);
    }
    // Answers have come on every connection, the handshakes of DSR are complete in the table, and the peer has it all.
    await waitFor('the traffic', async () => {
      const { bytesVerified } = await load.call('counts', { group: 'dsr' });
      const flows = await cluster.tandem.flows(cluster.active, '?state=established&limit=1000');
      const { peers } = await cluster.tandem.status(cluster.active);
      return bytesVerified > 0 && flows.length === NAT + DIRECT && peers.every((peer) => peer.digestMatch && peer.queuedRecords === 0);
    });
    return cluster;
  }

  t.test('what a live cluster says', async (t) => {
    const cluster = await startWithTraffic(t);
    const { lab, tandem, active, backup } = cluster;
    const client = legOn(lab.machine('cl1'), 'client').address;
    const server = (name: string): string => legOn(lab.machine(name), 'server').address;
    const flows = (...words: string[]): Promise<FlowRow[]> => json<FlowRow[]>(t, cluster, active, 'flows', '--limit', '1000', ...words);

    await t.test('status', async (t) => {
      for (const [node, role] of [
        [active, 'active'],
        [backup, 'backup'],
      ] as const) {
        const status = await json<NodeStatus>(t, cluster, node, 'status');
        t.match(status, { node, cluster: 'lab', ready: true, inSync: true, heartbeat: { connected: true } });
        t.match(status.routers, [{ name: 'front', vrid: 51, role }]);
        t.match(status.peers, [{ connected: true, inSync: true, receivedInSync: true, digestMatch: true, configDigestMatch: true }]);
        t.equal(status.dataPlane.flows, NAT + DIRECT);
        const { status: exit, stdout, stderr } = await cli(cluster, node, 'status');
        t.same({ exit, stderr }, { exit: 0, stderr: '' });
        t.match(stdout, new RegExp(`^Node ${node} of cluster lab: ready \\(.*\\), in sync\n`));
        t.match(stdout, new RegExp(`front +51 +${role} `));
        t.match(stdout, new RegExp(`${node === active ? backup : active} +10\\.1\\.0\\.1\\d +live +yes +yes `));
        t.match(stdout, new RegExp(`echo +${VIP}:${PORTS.echo}/tcp +nat +echo +3/3 `));
        t.match(stdout, new RegExp(`flows +${NAT + DIRECT} of `));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
        t.notMatch(stdout, /\x1b/, 'no colours in a pipe');
      }
    });

    await t.test('flows, each filter', async (t) => {
      const all = await flows();
      t.equal(all.length, NAT + DIRECT);
      t.ok(all.every((row) => row.origin === active && row.state === 'established' && row.client.startsWith(`${client}:`)));
      const echo = await flows('--service', 'echo');
      t.equal(echo.length, NAT);
      t.ok(echo.every((row) => row.listen === `${VIP}:${PORTS.echo}` && row.forward === 'nat'));
      t.equal((await flows('--service', 'direct')).length, DIRECT);
      const be1 = await flows('--server', 'be1', '--service', 'echo');
      t.ok(be1.length > 0 && be1.length < NAT, 'be1 has a share');
      t.ok(be1.every((row) => row.server === `${server('be1')}:${PORTS.echo}`));
      t.same((await flows('--server', server('be1'))).map(ignoringIdle), be1.map(ignoringIdle), 'a server by its address');
      t.same((await flows('--server', `${server('be1')}:${PORTS.web}`)).length, 0, 'and with its port');
      t.equal((await flows('--client', client)).length, NAT + DIRECT);
      t.equal((await flows('--client', echo[0]?.client ?? '')).length, 1);
      t.equal((await flows('--client', '10.1.0.99')).length, 0);
      t.equal((await flows('--state', 'established', '--service', 'direct')).length, DIRECT);
      t.equal((await flows('--state', 'closed')).length, 0);
      t.equal((await json<FlowRow[]>(t, cluster, active, 'flows', '--limit', '5')).length, 5);
      t.equal((await json<FlowRow[]>(t, cluster, backup, 'flows')).length, NAT + DIRECT, 'the backup has them all');
      const { stdout } = await cli(cluster, active, 'flows', '--service', 'direct');
      t.match(stdout, /^ *PROTOCOL +CLIENT +LISTEN +SERVER +STATE +FORWARD +IDLE +ORIGIN\n/);
      t.equal(stdout.trim().split('\n').length, DIRECT + 2, 'titles, rows, their count');
      t.equal((await cli(cluster, active, 'flows', '--limit', '0')).status, 2, 'a limit that is none');
    });

    await t.test('servers', async (t) => {
      const [pool] = await json<PoolStatus[]>(t, cluster, active, 'servers', '--pool', 'echo');
      t.match(pool, { name: 'echo', scheduler: 'maglev' });
      t.same(
        pool?.servers.map(({ name, health, alive, nextHop }) => ({ name, health, alive, nextHop })),
        ['be1', 'be2', 'be3'].map((name) => ({ name, health: 'up', alive: true, nextHop: 'resolved' })),
      );
      t.equal(
        pool?.servers.reduce((sum, { traffic }) => sum + traffic.newFlows, 0),
        NAT,
      );
      const { stdout } = await cli(cluster, active, 'servers');
      t.match(stdout, /^Pool echo \(maglev, generation \d+\)\n/);
      t.match(stdout, new RegExp(`be1 +${server('be1')}:${PORTS.echo} +ready +1 +up `));
      t.match(await cli(cluster, active, 'servers', '--pool', 'eco'), { status: 1, stderr: /no pool is named "eco"; there are: echo, / });
    });

    await t.test('metrics and health of a live node', async (t) => {
      const { body } = await httpGet(lab, active, METRICS, '/metrics');
      await t.test('promtool finds nothing to complain about', { skip: programsMissing('promtool') ?? false }, async (t) => {
        t.same(await runOn(lab, active, ['promtool', 'check', 'metrics'], { input: body }), { status: 0, stdout: '', stderr: '' });
      });
      const value = samples(body);
      const peer = `{peer="${backup}"}`;
      t.equal(value.get('tandem_flows'), (await flows()).length, 'as many flows as `tandem flows` lists');
      t.equal(value.get(`tandem_replication_queue_records${peer}`), 0);
      t.equal(value.get(`tandem_digest_match${peer}`), 1);
      t.equal(value.get(`tandem_peer_in_sync${peer}`), 1);
      t.equal(value.get('tandem_in_sync'), 1);
      t.equal(value.get('tandem_role{router="front",role="active"}'), 1);
      t.equal(value.get('tandem_role{router="front",role="backup"}'), 0);
      t.ok((value.get('tandem_adverts_sent_total{router="front"}') ?? 0) > 0);
      let newFlows = 0;
      for (const name of ['be1', 'be2', 'be3']) {
        for (const [service, directions] of [
          ['echo', ['in', 'out']],
          ['direct', ['in']],
        ] as const) {
          newFlows += value.get(`tandem_new_flows_total{service="${service}",server="${name}"}`) ?? 0;
          for (const direction of directions) {
            const labels = `{service="${service}",server="${name}",direction="${direction}"}`;
            const packets = value.get(`tandem_packets_total${labels}`) ?? 0;
            t.ok(packets > 0, `packets ${labels}`);
            // Nothing is shorter than the headers.
            t.ok((value.get(`tandem_bytes_total${labels}`) ?? 0) >= 40 * packets, `bytes ${labels}`);
          }
        }
      }
      t.equal(newFlows, NAT + DIRECT, 'each connection was counted once');
      const passive = samples((await httpGet(lab, backup, METRICS, '/metrics')).body);
      t.equal(passive.get('tandem_role{router="front",role="active"}'), 0);
      t.equal(passive.get('tandem_flows'), NAT + DIRECT);
      t.equal(passive.get('tandem_new_flows_total{service="echo",server="be1"}'), 0, 'the backup created none');
      t.ok((passive.get(`tandem_replication_records_received_total{peer="${active}"}`) ?? 0) >= NAT + DIRECT);

      const health = await httpGet(lab, active, METRICS, '/healthz');
      t.equal(health.status, 200);
      t.match(JSON.parse(health.body), { ok: true });
      t.equal((await httpGet(lab, active, METRICS, '/')).status, 404);
    });

    await t.test('switchover: refused by the backup, done by the active node', async (t) => {
      const refusal = await cli(cluster, backup, 'switchover');
      const elsewhere = `tandem: this node is not active; front is active on ${active}: ask there\n`;
      t.match(refusal, { status: 1, stdout: '', stderr: elsewhere });
      t.ok(await tandem.isActive(active), 'nothing happened');
      const unknown = await cli(cluster, active, 'switchover', '--to', 'lb9');
      t.match(unknown, { status: 1, stderr: /lb9 is not a peer; there are: lb/ });
      t.match(await cli(cluster, active, 'switchover', '--router', 'back'), {
        status: 1,
        stderr: /no virtual router or sync group is named back/,
      });

      const done = await cli(cluster, active, 'switchover', '--to', backup);
      t.match(done, { status: 0, stdout: `front: ${backup} is active now\n`, stderr: '' });
      t.match(done.stdout, /no packet was lost here/);
      t.equal(await tandem.waitReady(), backup, 'the VIP has moved');
      const after = samples((await httpGet(lab, backup, METRICS, '/metrics')).body);
      t.equal(after.get('tandem_role{router="front",role="active"}'), 1);
      t.match((await cli(cluster, backup, 'status')).stdout, /Last transitions\n(.*\n)*.*front +backup +active /);
    });
  });

  t.test('daemons that cannot start, and unloading', async (t) => {
    const cluster = await startCluster(t);
    const { lab, tandem, active, backup } = cluster;
    const run = (node: string, config: string, stateDir: string): Promise<Finished> =>
      runOn(lab, node, [process.execPath, tandemProgram, 'run', '--config', config, '--node', node, '--state-dir', stateDir]);

    await t.test('a broken configuration', async (t) => {
      const good = readFileSync(tandem.configFile, 'utf8').split('\n');
      const line = good.findIndex((text) => text.includes('advertInterval'));
      const broken = path.join(lab.workDir, 'broken.yaml');
      writeFileSync(
        broken,
        good.map((text, index) => (index === line ? text.replace('advertInterval', 'advertIntervall') : text)).join('\n'),
      );
      const stateDir = path.join(lab.workDir, 'never');
      const column = (good[line] ?? '').indexOf('advertInterval') + 1;
      const said = await run(active, broken, stateDir);
      t.equal(said.status, 2);
      t.ok(said.stderr.startsWith(`${broken}:${line + 1}:${column}: error: `), said.stderr);
      t.match(said.stderr, /advertInterval\b/, 'the nearest valid key');
      t.notOk(existsSync(stateDir), 'nothing was made');
      t.match(await run(active, path.join(lab.workDir, 'absent.yaml'), stateDir), { status: 2, stderr: /absent\.yaml: error: / });
      t.equal((await run(active, broken, tandem.stateDir(active))).status, 2, 'also beside a daemon that runs');
      t.ok(await tandem.isActive(active), 'the node that runs is not disturbed');
    });

    await t.test('a second daemon in the same state directory', async (t) => {
      const stateDir = tandem.stateDir(backup);
      const { pid } = await tandem.status(backup);
      const second = await run(backup, tandem.configFile, stateDir);
      t.equal(second.status, 1);
      t.equal(second.stderr, `tandem: a daemon is already running with the state directory ${stateDir}\n`);
      t.equal((await tandem.status(backup)).pid, pid, 'the first one goes on');
      t.equal(await tandem.waitReady(), active);
    });

    await t.test('unload', async (t) => {
      const { pinDir } = openStateDir(tandem.stateDir(backup), backup);
      const unload = (): Promise<Finished> => cli(cluster, backup, 'unload', '--node', backup);
      t.match(await unload(), { status: 1, stderr: /^tandem: the daemon with the state directory .* is running: stop it first/ });
      t.ok(existsSync(pinDir), 'nothing was removed');

      tandem.daemon(backup).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
      t.match(await unload(), { status: 1, stderr: /^tandem: the heartbeat with the state directory .* is running/ });
      t.match(await cli(cluster, backup, 'status'), { status: 1, stderr: /no daemon is running with the state directory/ });

      await tandem.startNode(backup);
      await tandem.waitReady();
      await tandem.stopGracefully(backup);
      t.ok(existsSync(pinDir), 'a stopped node stays in the kernel');
      t.match(await unload(), { status: 0, stdout: `the data plane of node ${backup} is unloaded (${pinDir})\n`, stderr: '' });
      t.notOk(existsSync(pinDir), 'pins are gone');
      t.notMatch(await lab.run(backup, 'ip link show eth0'), /xdp/, 'and the program from the interfaces');
      t.match(await unload(), { status: 0, stdout: /^nothing of node .* is pinned/ });

      await tandem.startNode(backup);
      t.equal(await tandem.waitReady(), active, 'it starts again from nothing');
    });
  });
}

/** Everything but the idle time of a row: that grows from one look to the next. */
function ignoringIdle({ idleMs: _idle, ...row }: FlowRow): Omit<FlowRow, 'idleMs'> {
  return row;
}
