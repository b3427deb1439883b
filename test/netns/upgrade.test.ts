/**
 * `tandem upgrade`: heartbeat and daemon of both nodes are replaced, one node after the other, and nobody outside notices: not the clients,
 * not the other node, not the history.
 */
import t, { type Test } from 'tap';
import type { HistoryRow } from '../../src/control/status.js';
import { tandemCommand } from '../support/lab/command-line.js';
import { labIsImpossible, lastWords, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { VIP } from '../support/lab/plan.js';
import { arpAnswers, collectProbes, ownerChanges } from '../support/lab/probe-analysis.js';
import type { TandemOptions } from '../support/lab/tandem.js';
import { probeSelection, waitAnswered } from '../support/lab/trial.js';
import { sleep, waitFor } from '../support/lab/wait-for.js';
import { askForVip, natConnections, PROBE, startLoad, startProbe } from '../support/lab/workload.js';

const CONNECTIONS = 100;

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  async function upgrade({ lab, tandem }: TestCluster, node: string, t: Test): Promise<void> {
    const before = { heartbeat: tandem.heartbeatPid(node), daemon: tandem.daemon(node).pid };
    const answer = await tandemCommand(lab, tandem, node, 'upgrade');
    t.match(answer, { status: 0, stdout: /heartbeat replaced \(pid \d+\)/ }, `${node}: ${answer.stdout}${answer.stderr}`);
    await waitFor('the daemon to end', () => !tandem.daemon(node).isRunning());
    const between = tandem.heartbeatPid(node);
    t.not(between, before.heartbeat, 'another heartbeat');
    await tandem.startNode(node);
    await tandem.waitReady();
    t.equal(tandem.heartbeatPid(node), between, 'it was adopted');
    t.not(tandem.daemon(node).pid, before.daemon);
  }

  /** Changes of role in the histories of all nodes, in words. */
  const transitions = async ({ lab, tandem }: TestCluster): Promise<string[]> => {
    const histories = await Promise.all(
      tandem.nodes.map(async (node) => {
        const rows = JSON.parse((await tandemCommand(lab, tandem, node, 'history', '--json')).stdout) as HistoryRow[];
        // Rows without a router are about the daemon.
        return rows.flatMap(({ router, from, to, reason }) => (router === null ? [] : [`${node}: ${from} -> ${to} (${reason})`]));
      }),
    );
    return histories.flat();
  };

  const KINDS: Record<string, TandemOptions> = {
    'adverts each 10 ms': { election: { advertMs: 10 } },
    // With a life that a busy machine keeps: what is tested is that the promise is taken back first.
    'adverts each 100 ms, fast liveness': {
      fast: { interval: '5ms', life: '60ms' },
      beatSides: ['client', 'server'],
      election: { advertMs: 100 },
    },
  };
  for (const [name, options] of Object.entries(KINDS)) {
    t.test(name, async (t) => {
      const cluster = await startCluster(t, options);
      const { lab, tandem, active, backup, nodeOfMac } = cluster;
      t.teardown(() => {
        if (!t.passing()) for (const node of tandem.nodes) t.comment(`${node}: ${lastWords(tandem.logFile(node))}`);
      });
      const fastOn = async (): Promise<void> => {
        if (!options.fast) return;
        await waitFor(
          'fast liveness to be on',
          async () => {
            const all = await Promise.all(tandem.nodes.map((node) => tandem.status(node)));
            return all.every(({ heartbeat }) => heartbeat.beats?.fast === 'on');
          },
          { limitMs: 15_000 },
        );
      };
      const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);
      await load.call('open', { group: 'nat', ...natConnections(CONNECTIONS) });
      await fastOn();
      const before = await transitions(cluster);
      const capture = await lab.capture();
      const arp = await askForVip(lab, 'cl1', 10);
      await probe.call('start', PROBE);
      await waitAnswered(probe);
      const faultMs = Number(process.hrtime.bigint()) / 1e6;
      await upgrade(cluster, backup, t);
      await upgrade(cluster, active, t);
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
      t.same(await transitions(cluster), before, 'no transition in the history of either node');
      const report = await load.call('finish', { group: 'nat', limitMs: 10_000, faultMs, youngMs: 0 });
      t.match(report, { established: CONNECTIONS, alive: CONNECTIONS, reset: 0, corrupted: 0 }, 'all connections alive');
    });
  }
}
