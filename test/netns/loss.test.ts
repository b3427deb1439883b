/**
 * Frames are lost in one direction only, while the replication link stays. Whatever is lost, one node is active, and no connection suffers:
 * where beats still arrive the node that is not heard proves by an echo that the fault is not its own; where none do, the other takes over
 * and the term of its lease, told by its own beats, ends the role of the first.
 */
import t from 'tap';
import { loseFrames, stopLosing } from '../support/lab/faults.js';
import { labIsImpossible, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { waitFor, waitForSteady } from '../support/lab/wait-for.js';
import { natConnections, startLoad } from '../support/lab/workload.js';

/** Protocols by number: names need a file that a small machine lacks. */
const ADVERTS = 'ip protocol 112';
const ADVERTS_AND_BEATS = 'ip protocol { 17, 112 }';
const STEADY_MS = 1000;

const cases = [
  { what: ADVERTS, direction: 'from', says: 'adverts of the active node are lost', staysActive: true },
  { what: ADVERTS, direction: 'to', says: 'adverts to the active node are lost', staysActive: true },
  { what: ADVERTS_AND_BEATS, direction: 'from', says: 'adverts and beats of the active node are lost', staysActive: false },
  { what: ADVERTS_AND_BEATS, direction: 'to', says: 'adverts and beats to the active node are lost', staysActive: true },
] as const;

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  const oneWays = async ({ tandem }: TestCluster, node: string): Promise<number> =>
    (await tandem.status(node)).routers.reduce((sum, { counters }) => sum + counters.oneWay, 0);

  for (const { what, direction, says, staysActive } of cases) {
    t.test(says, async (t) => {
      const cluster = await startCluster(t);
      const { lab, active, backup } = cluster;
      const load = await startLoad(lab);
      await load.call('open', { group: 'nat', ...natConnections(200) });
      const faultMs = Number(process.hrtime.bigint()) / 1e6;
      await loseFrames(lab, active, { side: 'client', direction, what });
      const expected = staysActive ? active : backup;
      await waitForSteady(`${expected} alone to be active`, STEADY_MS, async () => {
        const now = await roles(cluster);
        return now[expected] === 'active' && Object.values(now).filter((role) => role === 'active').length === 1;
      });
      if (staysActive && direction === 'from') {
        t.ok((await oneWays(cluster, backup)) > 0, 'the backup knows that it hears one path only');
        t.ok((await oneWays(cluster, active)) > 0, 'and has told the active node');
      }
      await stopLosing(lab);
      await waitFor('one active node', async () => {
        const all = Object.values(await roles(cluster));
        return all.filter((role) => role === 'active').length === 1 && all.filter((role) => role === 'backup').length === 1;
      });
      const report = await load.call('finish', { group: 'nat', limitMs: 10_000, faultMs, youngMs: 0 });
      t.match(report, { established: 200, alive: 200, reset: 0, corrupted: 0 });
    });
  }
}
