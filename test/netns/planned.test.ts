/**
 * Planned hand-over: a graceful stop and a switchover lose no packet and break no connection.
 */
import t from 'tap';
import { labIsImpossible, startCluster } from '../support/lab/fixture.js';
import { runTrial } from '../support/lab/trial.js';
import { dsrConnections, natConnections, startLoad, startProbe } from '../support/lab/workload.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  for (const event of ['graceful', 'switchover'] as const) {
    t.test(event, async (t) => {
      const cluster = await startCluster(t);
      const { lab, tandem, active, backup } = cluster;
      const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);
      await load.call('open', { group: 'nat', ...natConnections(200) });
      await load.call('open', { group: 'dsr', ...dsrConnections(40) });
      await load.call('mark', null);
      const { faultMs, figures } = await runTrial(lab, tandem, probe, { event, victim: active });
      t.equal(figures.lost, 0, `none of ${figures.sent} probes lost`);
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
