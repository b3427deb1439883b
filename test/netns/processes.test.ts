/**
 * No single process stops forwarding: the daemon and the heartbeat may each die while packets flow.
 */
import t, { type Test } from 'tap';
import { labIsImpossible, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { VIP } from '../support/lab/plan.js';
import { arpAnswers, collectProbes, ownerChanges } from '../support/lab/probe-analysis.js';
import { probeSelection, waitAnswered } from '../support/lab/trial.js';
import { sleep, waitFor } from '../support/lab/wait-for.js';
import { askForVip, natConnections, PROBE, startLoad, startProbe } from '../support/lab/workload.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  /** Probe, ARP questions and connections while `disturb` happens; nothing may be lost and nobody else may answer. */
  async function undisturbed(t: Test, cluster: TestCluster, disturb: () => Promise<void>): Promise<void> {
    const { lab, active, nodeOfMac } = cluster;
    const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);
    await load.call('open', { group: 'nat', ...natConnections(200) });
    const capture = await lab.capture();
    const arp = await askForVip(lab, 'cl1', 10);
    await probe.call('start', PROBE);
    await waitAnswered(probe);
    const faultMs = Number(process.hrtime.bigint()) / 1e6;
    await disturb();
    await waitAnswered(probe);
    await arp.call('stop', null);
    await probe.call('stop', null);
    await sleep(100);
    const observations = await capture.stop();
    const probes = collectProbes(observations, probeSelection(lab));
    t.equal(probes.filter((each) => each.answeredMs === null).length, 0, `none of ${probes.length} probes lost`);
    t.same([...new Set(probes.map((each) => each.by))], [active], 'all answered through the same node');
    t.same(ownerChanges(arpAnswers(observations, VIP, nodeOfMac)), [], 'the VIP did not move');
    t.same(await roles(cluster), { [active]: 'active', [cluster.backup]: 'backup' });
    const report = await load.call('finish', { group: 'nat', limitMs: 10_000, faultMs, youngMs: 0 });
    t.match(report, { established: 200, alive: 200, reset: 0, corrupted: 0 }, 'all connections alive');
  }

  t.test('the active daemon is killed and restarted', async (t) => {
    const cluster = await startCluster(t);
    const { tandem, active } = cluster;
    await undisturbed(t, cluster, async () => {
      const heartbeat = tandem.heartbeatPid(active);
      tandem.daemon(active).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(active).isRunning());
      await sleep(500);
      await tandem.startNode(active);
      await tandem.waitReady();
      t.equal(tandem.heartbeatPid(active), heartbeat, 'the heartbeat was adopted');
    });
  });

  t.test('the active heartbeat is killed and restarted by its daemon', async (t) => {
    // The new one has to be there before the lease of the old one ends: three adverts, on a machine that may be busy.
    const cluster = await startCluster(t, { election: { advertMs: 100 } });
    const { tandem, active } = cluster;
    await undisturbed(t, cluster, async () => {
      const before = tandem.heartbeatPid(active);
      process.kill(before ?? 0, 'SIGKILL');
      await waitFor('a new heartbeat', () => tandem.heartbeatPid(active) !== null && tandem.heartbeatPid(active) !== before);
      await waitFor('the daemon to know it', async () => (await tandem.status(active)).heartbeat.connected);
    });
  });

  t.test("the backup's daemon and heartbeat are killed", async (t) => {
    const cluster = await startCluster(t);
    const { tandem, backup } = cluster;
    await undisturbed(t, cluster, async () => {
      process.kill(tandem.heartbeatPid(backup) ?? 0, 'SIGKILL');
      tandem.daemon(backup).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
      await tandem.startNode(backup);
      await tandem.waitReady();
    });
  });
}
