/**
 * Three nodes: two crashes one after the other, replication that is cut while adverts go on, and a stream that lost records.
 */
import t, { type Test } from 'tap';
import type { NodeStatus } from '../../src/control/status.js';
import type { Agent } from '../support/lab/agent.js';
import { httpGet, samples } from '../support/lab/command-line.js';
import { crashNode, cutBetween, endCut } from '../support/lab/faults.js';
import { labIsImpossible, programsMissing, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { signalAll } from '../support/lab/processes.js';
import type { TandemOptions } from '../support/lab/tandem.js';
import { Hopeless, waitFor, waitForSteady } from '../support/lab/wait-for.js';
import { dsrConnections, natConnections, startLoad } from '../support/lab/workload.js';
import type { LoadApi } from '../support/lab/workload-api.js';

const REPLICATION_PORT = 7946;
const FINISH_LIMIT_MS = 15_000;
/** About three times what a node with the higher priority needs to pre-empt. */
const NO_PREEMPTION_MS = 1000;

const impossible = labIsImpossible() ?? programsMissing('nft');
if (impossible !== null) t.plan(0, impossible);
else {
  /** lb1 may start later than another and takes the VIP from it then. */
  async function start(t: Test, options: TandemOptions = {}): Promise<TestCluster> {
    const cluster = await startCluster(t, { size: { nodes: 3 }, election: { priorities: [200, 150, 100], preempt: true }, ...options });
    await active(cluster, 'lb1');
    await waitFor('one active node', async () => (await cluster.tandem.waitReady()) === 'lb1');
    return cluster;
  }

  async function open(load: Agent<LoadApi>, group: string, options: ReturnType<typeof natConnections>): Promise<void> {
    const { established } = await load.call('open', { group, ...options });
    if (established !== options.connections) throw new Error(`${established} of ${options.connections} connections of ${group} opened`);
  }

  const peerOf = (status: NodeStatus, node: string) => {
    const peer = status.peers.find((candidate) => candidate.node === node);
    if (peer === undefined) throw new Error(`${status.node} has no peer ${node}`);
    return peer;
  };

  /** Until each of the nodes has the holder's table: in sync, nothing queued, digests compared and equal, the same number of flows. */
  const waitEqual = ({ tandem }: TestCluster, holder: string, others: readonly string[]): Promise<boolean> =>
    waitFor(
      `${others.join(', ')} to have the table of ${holder}`,
      async () => {
        const own = await tandem.status(holder);
        for (const node of others) {
          const theirs = await tandem.status(node);
          const { inSync, digestMatch, queuedRecords } = peerOf(own, node);
          const { receivedInSync } = peerOf(theirs, holder);
          const facts = { inSync, digestMatch, queuedRecords, receivedInSync, own: own.dataPlane.flows, theirs: theirs.dataPlane.flows };
          if (!inSync || digestMatch !== true || queuedRecords > 0 || !receivedInSync || facts.own !== facts.theirs)
            throw new Error(`${node}: ${JSON.stringify(facts)}`);
        }
        return true;
      },
      { limitMs: 20_000 },
    );

  const active = ({ tandem }: TestCluster, node: string): Promise<boolean> =>
    waitFor(`${node} to take over`, () => tandem.isActive(node), { limitMs: 20_000 });

  t.test('two crashes, and the first node comes back', async (t) => {
    const cluster = await start(t);
    const { lab, tandem } = cluster;
    t.same(await roles(cluster), { lb1: 'active', lb2: 'backup', lb3: 'backup' }, 'one active node, the one with the highest priority');
    const load = await startLoad(lab);
    await open(load, 'nat', natConnections(300));
    await open(load, 'dsr', dsrConnections(60));
    await waitEqual(cluster, 'lb1', ['lb2', 'lb3']);

    await crashNode(lab, 'lb1');
    await active(cluster, 'lb2');
    t.same(await roles(cluster), { lb1: null, lb2: 'active', lb3: 'backup' });
    await open(load, 'later', natConnections(50));
    await waitEqual(cluster, 'lb2', ['lb3']);

    const faultMs = await crashNode(lab, 'lb2');
    await active(cluster, 'lb3');
    // The way back is cut: whatever lb1 believes, it must not take the VIP without the flows.
    await cutBetween(lab, [['lb1', 'lb3']], REPLICATION_PORT);
    await tandem.recover('lb1', 'crash');
    await waitFor('lb1 to listen', async () => {
      const { ready, routers } = await tandem.status('lb1');
      return ready && routers[0]?.activePeer?.priority === 100;
    });
    await waitForSteady('lb1 to stay backup', NO_PREEMPTION_MS, async () => {
      const { lb1 } = await roles(cluster);
      if (lb1 !== 'backup') throw new Hopeless(`lb1 is ${lb1}`);
      return true;
    });
    t.match(await tandem.status('lb1'), { inSync: false, dataPlane: { flows: 0 } });
    await endCut(lab);
    await active(cluster, 'lb1');
    await waitFor('lb3 to yield', async () => (await roles(cluster)).lb3 === 'backup');
    await waitEqual(cluster, 'lb1', ['lb3']);
    for (const group of ['nat', 'dsr', 'later']) {
      const report = await load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
      t.equal(report.alive, report.tried, `${group}: all alive after two crashes and a return`);
      t.match(report, { reset: 0, corrupted: 0 });
    }
    const flows = await tandem.flows('lb1', '?service=echo&limit=1000');
    t.same([...new Set(flows.map((flow) => flow.origin))].sort(), ['lb1', 'lb2'], 'records name the node that made them');
  });

  t.test('replication with the active node is cut while adverts go on', async (t) => {
    const cluster = await start(t);
    const { lab, tandem } = cluster;
    const load = await startLoad(lab);
    await open(load, 'old', natConnections(100));
    await crashNode(lab, 'lb1');
    await active(cluster, 'lb2');

    // lb1 comes back with the higher priority and is in sync with lb3, but cannot hear what the active lb2 knows.
    await cutBetween(lab, [['lb1', 'lb2']], REPLICATION_PORT);
    await tandem.recover('lb1', 'crash');
    await waitFor('lb1 to be ready', async () => {
      const status = await tandem.status('lb1');
      return status.ready && status.routers[0]?.activePeer?.priority === 150 && peerOf(status, 'lb3').receivedInSync;
    });
    await open(load, 'meanwhile', natConnections(100));
    await waitForSteady('lb1 to stay backup', NO_PREEMPTION_MS, async () => {
      const { inSync, routers } = await tandem.status('lb1');
      if (routers[0]?.role !== 'backup') throw new Hopeless(`lb1 is ${routers[0]?.role} (${routers[0]?.reason}), in sync: ${inSync}`);
      return !inSync;
    });
    const metrics = samples((await httpGet(lab, 'lb1', '127.0.0.1:9107', '/metrics')).body);
    t.equal(metrics.get('tandem_in_sync'), 0, 'it says so');
    t.equal(metrics.get('tandem_peer_connected{peer="lb2"}'), 0);
    t.equal(metrics.get('tandem_peer_connected{peer="lb3"}'), 1);
    t.same(await roles(cluster), { lb1: 'backup', lb2: 'active', lb3: 'backup' });

    await endCut(lab);
    await active(cluster, 'lb1');
    const faultMs = Number(process.hrtime.bigint()) / 1e6;
    t.equal(await tandem.waitReady(), 'lb1', 'healed: in sync, and so the VIP is its own again');
    await waitEqual(cluster, 'lb1', ['lb2', 'lb3']);
    for (const group of ['old', 'meanwhile']) {
      const report = await load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
      t.match(report, { established: 100, alive: 100, reset: 0, corrupted: 0 }, group);
    }
  });

  t.test('records that did not fit into the queue are a gap, and a resync mends it', async (t) => {
    const cluster = await start(t, { queueRecords: 1024 });
    const { lab, tandem } = cluster;
    const load = await startLoad(lab);
    const gapsTo = async (peer: string) => {
      const value = samples((await httpGet(lab, 'lb1', '127.0.0.1:9107', '/metrics')).body);
      return {
        gaps: value.get(`tandem_replication_gaps_total{peer="${peer}"}`) ?? -1,
        resyncs: value.get(`tandem_replication_resyncs_total{peer="${peer}"}`) ?? -1,
      };
    };
    await waitEqual(cluster, 'lb1', ['lb2', 'lb3']);
    const [before2, before3] = [await gapsTo('lb2'), await gapsTo('lb3')];
    t.equal(before2.gaps, 0);

    signalAll([tandem.daemon('lb2').pid], 'SIGSTOP');
    await open(load, 'many', natConnections(1000));
    await waitFor('the gap', async () => peerOf(await tandem.status('lb1'), 'lb2').gaps > 0);
    t.equal(peerOf(await tandem.status('lb1'), 'lb2').inSync, false, 'a peer that lost something is not in sync');
    signalAll([tandem.daemon('lb2').pid], 'SIGCONT');
    await waitEqual(cluster, 'lb1', ['lb2', 'lb3']);
    const [after2, after3] = [await gapsTo('lb2'), await gapsTo('lb3')];
    t.ok(after2.gaps > before2.gaps, 'the gap is a metric');
    t.ok(after2.resyncs > before2.resyncs, 'and so is the resync');
    t.same(after3, before3, 'the other peer has not noticed');
    t.match(tandem.daemon('lb1').log(), /"peer":"lb2".*records were lost on the way to a peer, resyncing/, 'it was logged');

    const faultMs = await crashNode(lab, 'lb1');
    await active(cluster, 'lb2');
    const report = await load.call('finish', { group: 'many', limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
    t.match(report, { established: 1000, alive: 1000, reset: 0, corrupted: 0 }, 'the node that was mended carries them all');
  });
}
