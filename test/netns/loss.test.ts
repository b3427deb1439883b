/**
 * Adverts are lost in one direction only. Both nodes may be active while that lasts (there is no witness); when it ends, one is left, and
 * no connection is lost on the way.
 */
import t from 'tap';
import { loseFrames, stopLosing } from '../support/lab/faults.js';
import { labIsImpossible, roles, startCluster } from '../support/lab/fixture.js';
import { waitFor, waitForSteady } from '../support/lab/wait-for.js';
import { natConnections, startLoad } from '../support/lab/workload.js';

/** VRRP, by number: names need a file that a small machine lacks. */
const ADVERTS = 'ip protocol 112';
const STEADY_MS = 500;

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  for (const direction of ['from', 'to'] as const) {
    t.test(`adverts ${direction} the active node are lost`, async (t) => {
      const cluster = await startCluster(t);
      const { lab, tandem, active, backup } = cluster;
      const load = await startLoad(lab);
      await load.call('open', { group: 'nat', ...natConnections(200) });
      const faultMs = Number(process.hrtime.bigint()) / 1e6;
      await loseFrames(lab, active, { side: 'client', direction, what: ADVERTS });
      if (direction === 'from') await waitFor('the backup to hear nobody and take over', () => tandem.isActive(backup));
      else await waitForSteady('the active node to stay', STEADY_MS, () => tandem.isActive(active));
      await stopLosing(lab);
      await waitForSteady('one active node', STEADY_MS, async () => {
        const all = Object.values(await roles(cluster));
        return all.filter((role) => role === 'active').length === 1 && all.filter((role) => role === 'backup').length === 1;
      });
      const report = await load.call('finish', { group: 'nat', limitMs: 10_000, faultMs, youngMs: 0 });
      t.match(report, { established: 200, alive: 200, reset: 0, corrupted: 0 });
    });
  }
}
