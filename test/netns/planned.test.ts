/**
 * Planned hand-over: a graceful stop and a switchover lose no packet and break no connection.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { adminClient } from '../../src/cli/admin-client.js';
import type { HistoryRow, SwitchoverReport } from '../../src/control/status.js';
import { continueProcess, stopProcess } from '../support/lab/faults-process.js';
import { labIsImpossible, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { legOn, VIP } from '../support/lab/plan.js';
import { analyseProbes, collectProbes } from '../support/lab/probe-analysis.js';
import { tandemProgram } from '../support/lab/tandem.js';
import { probeSelection, runTrial, waitAnswered } from '../support/lab/trial.js';
import { waitFor } from '../support/lab/wait-for.js';
import { dsrConnections, natConnections, PROBE, startLoad, startProbe } from '../support/lab/workload.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  /** TCP segments that any client or server had to send again: a lost one shows here, however busy the machine is. */
  async function retransmissions({ lab }: TestCluster): Promise<number> {
    const machines = [...lab.plan.clients, ...lab.plan.servers].map((machine) => machine.name);
    const tables = await Promise.all(machines.map((name) => lab.run(name, 'cat /proc/net/snmp')));
    return tables.map(retransSegs).reduce((sum, count) => sum + count, 0);
  }

  function retransSegs(snmp: string): number {
    const [names, values] = snmp.split('\n').filter((line) => line.startsWith('Tcp:'));
    return Number(values?.split(' ')[names?.split(' ').indexOf('RetransSegs') ?? -1]);
  }

  for (const event of ['graceful', 'switchover'] as const) {
    t.test(event, async (t) => {
      const cluster = await startCluster(t);
      const { lab, tandem, active, backup } = cluster;
      const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);
      await load.call('open', { group: 'nat', ...natConnections(200) });
      await load.call('open', { group: 'dsr', ...dsrConnections(40) });
      await load.call('mark', null);
      const before = await retransmissions(cluster);
      const { faultMs, figures } = await runTrial(lab, tandem, probe, { event, victim: active });
      t.equal(figures.lost, 0, `none of ${figures.sent} probes lost`);
      t.equal(
        (await retransmissions(cluster)) - before,
        0,
        'no segment of a connection was sent again, so none waited for more than its way',
      );
      t.equal(figures.intervals.at(-1)?.node, backup, 'the peer answers');
      t.equal(figures.lateAnswers, 0, 'the old node does not answer any more');
      for (const group of ['nat', 'dsr']) {
        const report = await load.call('finish', { group, limitMs: 10_000, faultMs, youngMs: 0 });
        t.equal(report.alive, report.tried, `${group}: all alive`);
        t.match(report, { reset: 0, corrupted: 0 });
      }
    });
  }

  /** Makes the client send to this node whatever is announced; the way back to what it was. */
  async function ignoreAnnouncements({ lab }: TestCluster, node: string): Promise<() => Promise<void>> {
    const { interface: link } = legOn(lab.machine('cl1'), 'client');
    const { mac } = legOn(lab.machine(node), 'client');
    await lab.run('cl1', `ip neigh replace ${VIP} lladdr ${mac} nud permanent dev ${link}`);
    return async () => {
      await lab.run('cl1', `ip neigh replace ${VIP} lladdr ${mac} nud stale dev ${link}`);
    };
  }

  t.test('one cluster, there and back again', async (t) => {
    const cluster = await startCluster(t);
    const { lab, tandem, active, backup } = cluster;
    const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);

    await t.test('switchover under a client that ignores announcements: passed on, counted, answered', async (t) => {
      await load.call('open', { group: 'deaf', ...natConnections(50) });
      const listen = await ignoreAnnouncements(cluster, active);
      const capture = await lab.capture();
      await probe.call('start', PROBE);
      await waitAnswered(probe);
      const faultMs = Number(process.hrtime.bigint()) / 1e6;
      const answer = adminClient(tandem.stateDir(active)).post<SwitchoverReport>('/v1/switchover', { to: backup });
      await waitFor('the backup to be active', () => tandem.isActive(backup), { everyMs: 20 });
      await waitAnswered(probe);
      await listen();
      await waitFor('the client to have found the new place', async () => {
        const before = await steered(active);
        await waitAnswered(probe);
        return (await steered(active)) === before;
      });
      await probe.call('stop', null);
      const figures = analyseProbes(collectProbes(await capture.stop(), probeSelection(lab)), faultMs, active);
      t.equal(figures.lost, 0, `none of ${figures.sent} probes lost`);
      const report = await answer;
      t.match(report, { ok: true, result: 'done', successor: backup, lost: 0 });
      const [row] = report.routers;
      t.ok((row?.steered ?? 0) > 50, `${row?.steered} packets were passed on`);
      t.ok((row?.connections ?? 0) >= 50, `${row?.connections} connections went along`);
      const after = await load.call('finish', { group: 'deaf', limitMs: 10_000, faultMs, youngMs: 0 });
      t.equal(after.alive, after.tried);
      t.match(after, { reset: 0, corrupted: 0 });
      const lossOf = (rows: HistoryRow[]) => rows.findLast((each) => each.from === 'active');
      const told = await waitFor('the effect in the history', async () => {
        const found = lossOf(await adminClient(tandem.stateDir(active)).get<HistoryRow[]>('/v1/history'));
        return found?.steered === null ? null : found;
      });
      t.match(told, { successor: backup, lost: 0, reason: 'operator' });
      t.ok((told?.steered ?? 0) >= (row?.steered ?? 0));
      t.match((await tandem.status(active)).switchovers, { counts: { done: 1 }, last: { lost: 0, successor: backup } });
    });

    async function steered(node: string): Promise<number> {
      return (await tandem.status(node)).dataPlane.steered.reduce((sum, { packets }) => sum + packets, 0);
    }

    await t.test('drill under load: to the peer and back, nothing lost', async (t) => {
      await tandem.waitReady();
      await load.call('open', { group: 'drill', ...natConnections(100) });
      const capture = await lab.capture();
      await probe.call('start', PROBE);
      await waitAnswered(probe);
      const faultMs = Number(process.hrtime.bigint()) / 1e6;
      const drill = await runTandem(cluster, backup, ['drill', '--hold', '0.5', '--json']);
      await probe.call('stop', null);
      const figures = analyseProbes(collectProbes(await capture.stop(), probeSelection(lab)), faultMs, backup);
      t.equal(figures.lost, 0, `none of ${figures.sent} probes lost`);
      t.equal(drill.status, 0, drill.err);
      t.match(JSON.parse(drill.out), { ok: true, node: active, there: { lost: 0 }, back: { lost: 0 } });
      t.equal(await tandem.waitReady(), backup, 'as it was');
      const report = await load.call('finish', { group: 'drill', limitMs: 10_000, faultMs, youngMs: 0 });
      t.equal(report.alive, report.tried);
      t.match(report, { reset: 0, corrupted: 0 });
    });

    await t.test('a drill that is interrupted returns at once', async (t) => {
      const drill = runTandem(cluster, backup, ['drill', '--hold', '600'], async (pid) => {
        await waitFor('the peer to be active', () => tandem.isActive(active), { everyMs: 20 });
        process.kill(pid, 'SIGINT');
      });
      t.match(await drill, { status: 1, err: /interrupted/ });
      t.equal(await tandem.waitReady(), backup, 'as it was');
    });

    await t.test('a drill whose node loses its daemon: the peer returns what it was lent by itself', async (t) => {
      const handOvers = async () => (await tandem.status(backup)).switchovers.counts.done;
      const before = await handOvers();
      const drill = runTandem(cluster, backup, ['drill', '--hold', '1'], async () => {
        await waitFor('the hand-over to be done', async () => (await handOvers()) > before, { everyMs: 20 });
        await waitFor('the peer to have seen itself', async () => (await tandem.status(active)).routers[0]?.verified === 'yes');
        tandem.daemon(backup).kill('SIGKILL');
      });
      t.match(await drill, { status: 1 });
      await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
      await tandem.startNode(backup);
      t.equal(await tandem.waitReady(), active, 'it is there still');
      await waitFor('the role to come back', () => tandem.isActive(backup));
      const history = await adminClient(tandem.stateDir(active)).get<HistoryRow[]>('/v1/history');
      t.equal(history.findLast((row) => row.from === 'active')?.reason, 'drillEnds', 'handed over, with every connection');
    });

    await t.test('a successor that cannot take over: the election decides, and the switchover says so', async (t) => {
      await tandem.waitReady();
      stopProcess(lab, active, 'heartbeat');
      const { status, err } = await runTandem(cluster, backup, ['switchover', '--to', active]);
      t.equal(status, 1);
      t.match(err, /has not confirmed within 1000 ms; the election decided: front is active on this node/);
      t.ok(await tandem.isActive(backup), 'back where it was');
      const { last, counts } = (await tandem.status(backup)).switchovers;
      t.match([last?.result, counts.returned], ['returned', 1]);
      t.match(tandem.daemon(backup).log(), /switchover\.returned/);
      continueProcess(lab, active, 'heartbeat');
      t.equal(await tandem.waitReady(), backup, 'the order that waited for it is not obeyed any more');
    });
  });

  /** Runs the command in this namespace: the admin socket is a file. */
  async function runTandem({ tandem }: TestCluster, node: string, argv: string[], during?: (pid: number) => Promise<void>) {
    const child = spawn(process.execPath, [tandemProgram, ...argv, '--state-dir', tandem.stateDir(node)]);
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    const [[status]] = await Promise.all([once(child, 'close'), child.pid === undefined ? undefined : during?.(child.pid)]);
    return { status, ...said };
  }
}
