/**
 * Planned hand-over: a graceful stop and a switchover lose no packet and break no connection.
 */
import t from 'tap';
import { labIsImpossible, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { runTrial } from '../support/lab/trial.js';
import { dsrConnections, natConnections, startLoad, startProbe } from '../support/lab/workload.js';

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

  t.test('there and back again', async (t) => {
    const cluster = await startCluster(t);
    const { lab, tandem } = cluster;
    const probe = await startProbe(lab);
    for (const round of [1, 2, 3, 4]) {
      const victim = await tandem.waitReady();
      const { figures } = await runTrial(lab, tandem, probe, { event: 'switchover', victim });
      t.equal(figures.lost, 0, `round ${round}: none of ${figures.sent} probes lost`);
    }
  });
}
