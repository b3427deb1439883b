/**
 * What a node remembers and whom it tells: over a crash of its daemon, a take-over, a full disk, and hooks that hang.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { adminClient } from '../../src/cli/admin-client.js';
import type { HistoryRow } from '../../src/control/status.js';
import { killNode } from '../support/lab/faults.js';
import { labIsImpossible, roles, startCluster } from '../support/lab/fixture.js';
import { waitFor } from '../support/lab/wait-for.js';

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  const history = (stateDir: string): Promise<HistoryRow[]> => adminClient(stateDir).get<HistoryRow[]>('/v1/history');

  t.test('history and hooks over a take-over and a restart', async (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'tandem-hooks-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const told = (node: string): Record<string, unknown>[] => {
      const file = path.join(directory, node);
      if (!existsSync(file)) return [];
      return readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const cluster = await startCluster(t, {
      notify: [
        { name: 'keep', command: ['/bin/sh', '-c', `cat >> ${path.join(directory, '{node}')}`], on: ['active', 'backup', 'verified'] },
        { name: 'hangs', command: ['/bin/sleep', '600'], on: ['active'], timeout: '200ms' },
      ],
    });
    const { lab, tandem, active, backup } = cluster;
    await killNode(lab, active);
    await waitFor('the peer to take over, verified', async () => (await tandem.status(backup)).routers[0]?.verified === 'yes');
    await waitFor('its hooks to have run', () => {
      if (!told(backup).some((document) => document.event === 'verified')) throw new Error(JSON.stringify(told(backup)));
      return true;
    });
    t.match(
      told(backup).find((document) => document.event === 'active'),
      { version: 1, cluster: 'lab', node: backup, router: 'front', from: 'backup', to: 'active', reason: 'activeSilent', dropped: 0 },
    );
    await waitFor('the hanging hook to be ended', async () =>
      (await tandem.status(backup)).notify.some(({ hook, counts }) => hook === 'hangs' && counts.timeout === 1),
    );
    const before = await history(tandem.stateDir(backup));
    const takeOver = before.findLast((row) => row.to === 'active');
    t.match(takeOver, { router: 'front', from: 'backup', reason: 'activeSilent' });
    for (const key of ['heardMs', 'claimMs', 'announceMs', 'verifiedAfterMs'] as const)
      t.ok((takeOver?.[key] ?? -1) >= 0, `${key}: ${takeOver?.[key]} ms`);

    tandem.daemon(backup).kill('SIGKILL');
    await waitFor('the daemon to be gone', () => !tandem.daemon(backup).isRunning());
    await tandem.startNode(backup);
    const after = await waitFor('the next daemon', () => history(tandem.stateDir(backup)));
    t.same(after.slice(0, before.length), before, 'nothing is forgotten');
    t.match(after.slice(before.length), [{ router: null, reason: /daemon started/ }], 'and only the restart is new');
    t.equal((await roles(cluster))[backup], 'active');
  });

  t.test('a full disk is said, and what waited is written when there is room', async (t) => {
    const cluster = await startCluster(t);
    const { lab, tandem, active, backup } = cluster;
    const stateDir = tandem.stateDir(active);
    const file = path.join(stateDir, 'history.jsonl');
    // A disk of its own for the history alone: the directory holds the sockets, which stay where they are.
    const disk = path.join(lab.workDir, 'disk');
    const run = (script: string) => lab.shell(null).run(script);
    await run(
      `mkdir ${disk} && mount -t tmpfs -o size=16k tmpfs ${disk} && cp ${file} ${disk}/history && mount --bind ${disk}/history ${file}`,
    );
    t.teardown(() => run(`umount ${file}; umount ${disk}`));
    writeFileSync(path.join(disk, 'full'), Buffer.alloc(8192));
    await run(`head -c 1M /dev/zero > ${disk}/rest 2>/dev/null || true`);
    const kept = readFileSync(file, 'utf8');
    await run(`head -c $((4096 - ${Buffer.byteLength(kept)} % 4096)) /dev/zero | tr '\\0' '\\n' >> ${file} || true`);

    await tandem.switchover(active);
    await waitFor('the roles to be changed', async () => (await roles(cluster))[backup] === 'active');
    const status = await waitFor('the node to say that it cannot write', async () => {
      const found = await tandem.status(active);
      return found.history.waiting > 0 ? found : null;
    });
    t.equal(status.history.dropped, 0);
    t.match(tandem.daemon(active).log(), /history\.failed.*ENOSPC/);
    t.match((await history(stateDir)).at(-1), { from: 'active', to: 'backup' }, 'it is remembered all the same');

    rmSync(path.join(disk, 'full'));
    rmSync(path.join(disk, 'rest'));
    await tandem.switchover(backup);
    await waitFor('it to be written', async () => (await tandem.status(active)).history.waiting === 0);
    t.match(readFileSync(file, 'utf8'), /"to":"backup".*\n.*"to":"active"/);
    await waitFor('that to be said', () => tandem.daemon(active).log().includes('history.restored'));
  });
}
