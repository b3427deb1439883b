/**
 * No single process stops forwarding: the daemon and the heartbeat may each die while packets flow.
 */
import t from 'tap';
import { killNode, nodeProcesses } from '../support/lab/faults.js';
import { processesOf } from '../support/lab/faults-process.js';
import { labIsImpossible, startCluster } from '../support/lab/fixture.js';
import { commandLine, isRunning } from '../support/lab/processes.js';
import { undisturbed } from '../support/lab/undisturbed.js';
import { sleep, waitFor } from '../support/lab/wait-for.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  t.test('the active daemon is killed and restarted', async (t) => {
    const cluster = await startCluster(t);
    const { tandem, active } = cluster;
    await undisturbed(t, cluster, async () => {
      const heartbeat = tandem.heartbeatPid(active);
      tandem.daemon(active).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(active).isRunning());
      await sleep(500);
      await tandem.startNode(active);
      await tandem.waitReady();
      t.equal(tandem.heartbeatPid(active), heartbeat, 'the heartbeat was adopted');
    });
  });

  t.test('the active heartbeat is killed and restarted by its daemon', async (t) => {
    // The new one has to be there before the lease of the old one ends: three adverts, on a machine that may be busy.
    const cluster = await startCluster(t, { election: { advertMs: 100 } });
    const { tandem, active } = cluster;
    await undisturbed(t, cluster, async () => {
      const before = tandem.heartbeatPid(active);
      process.kill(before ?? 0, 'SIGKILL');
      await waitFor('a new heartbeat', () => tandem.heartbeatPid(active) !== null && tandem.heartbeatPid(active) !== before);
      await waitFor('the daemon to know it', async () => (await tandem.status(active)).heartbeat.connected);
    });
  });

  t.test('a daemon dies while its heartbeat starts, and the next one starts another: one of them is left', async (t) => {
    const { lab, tandem, backup } = await startCluster(t);
    await killNode(lab, backup);
    /** Waits for one that the daemon has started, and stops it before it is a heartbeat. */
    const stopped = async (known: readonly number[]): Promise<number> => {
      const isNew = (pid: number): boolean => !known.includes(pid) && /heartbeat\.js --state-dir \S+$/.test(commandLine(pid));
      const pid = await waitFor('a heartbeat to start', () => nodeProcesses(lab, backup).find(isNew), { everyMs: 2 });
      process.kill(pid, 'SIGSTOP');
      return pid;
    };
    await tandem.startNode(backup);
    const first = await stopped([]);
    tandem.daemon(backup).kill('SIGKILL');
    await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
    await tandem.startNode(backup);
    const second = await stopped([first]);
    for (const pid of [first, second]) process.kill(pid, 'SIGCONT');
    await tandem.waitReady();
    await waitFor('one to be left', () => [first, second].filter(isRunning).length === 1);
    t.equal(processesOf(lab, backup, 'heartbeat').length, 1);
  });

  t.test("the backup's daemon and heartbeat are killed", async (t) => {
    const cluster = await startCluster(t);
    const { tandem, backup } = cluster;
    await undisturbed(t, cluster, async () => {
      process.kill(tandem.heartbeatPid(backup) ?? 0, 'SIGKILL');
      tandem.daemon(backup).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
      await tandem.startNode(backup);
      await tandem.waitReady();
    });
  });
}
