/** Probes, ARP questions and connections while something happens of which nobody outside may notice anything. */
import type { Test } from 'tap';
import { roles, type TestCluster } from './fixture.js';
import { VIP } from './plan.js';
import { arpAnswers, collectProbes, ownerChanges } from './probe-analysis.js';
import { probeSelection, waitAnswered } from './trial.js';
import { sleep } from './wait-for.js';
import { askForVip, natConnections, PROBE, startLoad, startProbe } from './workload.js';

const CONNECTIONS = 200;
const ASK_EVERY_MS = 10;

/** Nothing may be lost, and nobody else may answer. */
export async function undisturbed(t: Test, cluster: TestCluster, disturb: () => Promise<void>): Promise<void> {
  const { lab, active, backup, nodeOfMac } = cluster;
  const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);
  await load.call('open', { group: 'nat', ...natConnections(CONNECTIONS) });
  const capture = await lab.capture();
  const arp = await askForVip(lab, 'cl1', ASK_EVERY_MS);
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
  t.same(await roles(cluster), { [active]: 'active', [backup]: 'backup' });
  const report = await load.call('finish', { group: 'nat', limitMs: 10_000, faultMs, youngMs: 0 });
  t.match(report, { established: CONNECTIONS, alive: CONNECTIONS, reset: 0, corrupted: 0 }, 'all connections alive');
}
