/**
 * `tandem upgrade`: heartbeat and daemon of both nodes are replaced, one node after the other, and nobody outside notices: not the clients,
 * not the other node, not the history. And a version with another layout of the data plane, which cannot go on with what is there.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { openStateDir } from '../../src/control/state-dir.js';
import type { HistoryRow } from '../../src/control/status.js';
import { limit } from '../../src/l4/abi.gen.js';
import { projectRoot } from '../../src/system/paths.js';
import { runOn, tandemCommand } from '../support/lab/command-line.js';
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

  /** The program as of a version whose data plane has the next layout. */
  function nextLayout(t: Test): string {
    // Inside of the project, as its libraries are found there.
    const directory = path.join(projectRoot, 'build', `next-layout-${process.pid}`);
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    cpSync(path.join(projectRoot, 'build/js/src'), directory, { recursive: true });
    const file = path.join(directory, 'l4/abi.gen.js');
    const [now, then] = [limit.abiVersion, limit.abiVersion + 1].map((version) => `abiVersion: ${version},`);
    const text = readFileSync(file, 'utf8');
    if (now === undefined || then === undefined || !text.includes(now)) throw new Error(`there is no ${now} in ${file}`);
    writeFileSync(file, text.replace(now, then));
    return path.join(directory, 'bin/tandem.js');
  }

  t.test('another layout is refused while the heartbeat of the old one works, and says what is lost when it is not', async (t) => {
    const cluster = await startCluster(t);
    const { lab, tandem, active, backup } = cluster;
    const program = nextLayout(t);
    const { pinDir, pinRoot } = openStateDir(tandem.stateDir(active), active);
    const nextDir = path.join(pinRoot, `v${limit.abiVersion + 1}`);
    const killDaemon = async (): Promise<void> => {
      tandem.daemon(active).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(active).isRunning());
    };
    const heartbeat = tandem.heartbeatPid(active) ?? 0;
    await undisturbed(t, cluster, async () => {
      await killDaemon();
      const words = ['run', '--config', tandem.configFile, '--node', active, '--state-dir', tandem.stateDir(active)];
      const refused = await runOn(lab, active, [process.execPath, program, ...words]);
      t.equal(refused.status, 1);
      t.match(refused.stderr, `the heartbeat of another version (layout ${limit.abiVersion}) is running (pid ${heartbeat})`);
      t.match(refused.stderr, `End it (kill ${heartbeat})`, 'and what to do');
      t.same([existsSync(pinDir), existsSync(nextDir)], [true, false], 'nothing was changed');
      await tandem.startNode(active);
      await tandem.waitReady();
      t.equal(tandem.heartbeatPid(active), heartbeat);
    });

    t.ok((await tandem.flows(active)).length > 0, 'there are connections in the table');
    await killDaemon();
    process.kill(heartbeat, 'SIGTERM');
    await waitFor('the peer to take over', () => tandem.isActive(backup));
    await tandem.startNode(active, { program });
    const said = await waitFor('it to run', () => /"event":"dataPlane.otherLayout".*/.exec(tandem.daemon(active).log())?.[0] ?? null);
    t.match(said, /"flows":[1-9].*\d connections in it end/);
    await waitFor('its own data plane', () => existsSync(nextDir));
    t.notOk(existsSync(pinDir), 'the old one is gone');
    t.ok(await tandem.isActive(backup));
  });
}
