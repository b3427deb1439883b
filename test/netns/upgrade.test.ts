/**
 * `tandem upgrade`: heartbeat and daemon of both nodes are replaced, one node after the other, and nobody outside notices: not the clients,
 * not the other node, not the history.
 */
import t, { type Test } from 'tap';
import type { HistoryRow } from '../../src/control/status.js';
import { tandemCommand } from '../support/lab/command-line.js';
import { labIsImpossible, lastWords, startCluster, type TestCluster } from '../support/lab/fixture.js';
import type { TandemOptions } from '../support/lab/tandem.js';
import { undisturbed } from '../support/lab/undisturbed.js';
import { waitFor } from '../support/lab/wait-for.js';

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
      const { tandem, active, backup } = cluster;
      t.teardown(() => {
        if (!t.passing()) for (const node of tandem.nodes) t.comment(`${node}: ${lastWords(tandem.logFile(node))}`);
      });
      if (options.fast) await tandem.waitFast();
      const before = await transitions(cluster);
      await undisturbed(t, cluster, async () => {
        await upgrade(cluster, backup, t);
        await upgrade(cluster, active, t);
      });
      t.same(await transitions(cluster), before, 'no transition in the history of either node');
    });
  }
}
