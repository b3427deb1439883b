/**
 * The promise itself: the active node loses power, and every established connection goes on, byte for byte, without a reset.
 */
import t from 'tap';
import type { Agent } from '../support/lab/agent.js';
import { crashNode } from '../support/lab/faults.js';
import { labIsImpossible, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { legOn } from '../support/lab/plan.js';
import { sleep, waitFor } from '../support/lab/wait-for.js';
import { dsrConnections, natConnections, silentConnections, startLoad } from '../support/lab/workload.js';
import type { LoadApi } from '../support/lab/workload-api.js';

const FINISH_LIMIT_MS = 15_000;
const YOUNG_MS = 20;
const CHURN = { perSecond: 1000, forMs: 150 };

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  const backupActive = ({ tandem, backup }: TestCluster): Promise<boolean> =>
    waitFor('the backup to take over', () => tandem.isActive(backup));

  /** Connections of a group, opened and talking. */
  async function open(load: Agent<LoadApi>, group: string, options: ReturnType<typeof natConnections>): Promise<void> {
    const counts = await load.call('open', { group, ...options });
    if (counts.established !== options.connections)
      throw new Error(`${counts.established} of ${options.connections} connections of ${group} opened`);
  }

  t.test('old connections, connections just opened, and connections where the server speaks first', async (t) => {
    const cluster = await startCluster(t);
    const { lab, active, servers } = cluster;
    const load = await startLoad(lab);
    const capture = await lab.capture();
    await open(load, 'nat', natConnections(1000));
    await open(load, 'dsr', dsrConnections(200));
    await open(load, 'silent', silentConnections(100));
    await load.call('churn', { group: 'young', ...natConnections(0), perSecond: CHURN.perSecond });
    await sleep(CHURN.forMs);

    const faultMs = await crashNode(lab, active);
    await load.call('stopChurn', null);
    await backupActive(cluster);
    const spoken = await Promise.all(servers.map((server) => server.call('speak', { bytes: 1000 })));
    t.equal(
      spoken.reduce((sum, { connections }) => sum + connections, 0),
      100,
      'servers have something to say on every silent connection',
    );

    const finish = (group: string) => load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: YOUNG_MS });
    const nat = await finish('nat');
    t.match(nat, { established: 1000, alive: 1000, reset: 0, corrupted: 0, silent: 0 }, 'NAT');
    t.match(await finish('dsr'), { established: 200, alive: 200, reset: 0, corrupted: 0, silent: 0 }, 'DSR');
    await waitFor('what the servers said', async () => (await load.call('counts', { group: 'silent' })).bytesVerified >= 100_000, {
      limitMs: FINISH_LIMIT_MS,
    });
    t.match(await finish('silent'), { established: 100, alive: 100, bytesVerified: 100_000 }, 'the server speaks first');
    const young = await finish('young');
    t.comment(`opened in the last ${YOUNG_MS} ms: ${young.young.established}; served by ${JSON.stringify(nat.servers)}`);
    t.equal(young.young.alive, young.young.established, 'connections just opened');
    t.match(young, { reset: 0, corrupted: 0 });
    t.equal(Object.keys(nat.servers).length, 3, 'all servers had a share');

    const client = legOn(lab.machine('cl1'), 'client').address;
    const resets = (await capture.stop()).filter((seen) => seen.kind === 'reset' && seen.destination === client);
    t.same(resets, [], 'no reset was sent to the client');
  });

  t.test('round robin: what was replicated survives', async (t) => {
    const cluster = await startCluster(t, { scheduler: 'roundRobin' });
    const load = await startLoad(cluster.lab);
    await open(load, 'nat', natConnections(300));
    // The choice is known to the peer once it has acknowledged.
    await waitFor('replication to catch up', async () =>
      (await cluster.tandem.status(cluster.active)).peers.every((peer) => peer.queuedRecords === 0 && peer.lagMs === 0),
    );
    const faultMs = await crashNode(cluster.lab, cluster.active);
    await backupActive(cluster);
    const nat = await load.call('finish', { group: 'nat', limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
    t.match(nat, { established: 300, alive: 300, reset: 0, corrupted: 0 });
  });

  t.test('the node that crashed comes back, is in sync before it pre-empts, and no connection notices', async (t) => {
    const cluster = await startCluster(t, { election: { preempt: true, priorities: [200, 100] } });
    const { lab, tandem } = cluster;
    // The other may have been there first.
    const [active, backup] = ['lb1', 'lb2'] as const;
    await waitFor('the higher priority to be active', async () => (await tandem.waitReady()) === active, { limitMs: 30_000 });
    const load = await startLoad(lab);
    await open(load, 'nat', natConnections(300));
    await open(load, 'dsr', dsrConnections(60));
    const faultMs = await crashNode(lab, active);
    await backupActive({ ...cluster, backup });
    await load.call('mark', null);
    await tandem.recover(active, 'crash');
    await waitFor(`${active} to take the VIP back`, () => tandem.isActive(active), { limitMs: 30_000 });
    const status = await tandem.status(active);
    t.ok(status.inSync, 'in sync');
    await waitFor('one active node', async () => !(await tandem.isActive(backup)));
    await waitFor('digests to agree', async () => (await tandem.status(active)).peers.every((peer) => peer.digestMatch === true), {
      limitMs: 30_000,
    });
    for (const group of ['nat', 'dsr']) {
      const report = await load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
      t.equal(report.alive, report.established, `${group}: all alive after two moves`);
      t.match(report, { reset: 0, corrupted: 0 });
    }
  });
}
