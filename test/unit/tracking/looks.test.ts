/**
 * Looks at real processes, files and scripts, and at facts handed in.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TrackDocument } from '../../../src/config/track-schema.js';
import { createLook, type TrackFacts } from '../../../src/tracking/looks.js';
import type { LookResult } from '../../../src/tracking/tracker.js';
import { twoNetworks } from '../../support/fake-network.js';
import { isRunning } from '../../support/lab/processes.js';
import { waitFor } from '../../support/lab/wait-for.js';
import { tracked } from '../../support/tracked.js';

const facts: TrackFacts = {
  network: () => twoNetworks,
  sync: (router) => ({ ok: router === 'front', reason: router }),
  engine: () => ({ ok: true, reason: 'serving' }),
  servers: (pool) => (pool === 'web' ? { up: 1, all: 4 } : { up: 0, all: 0 }),
};
const look = createLook(facts);

const ask = (change: Partial<TrackDocument> & Pick<TrackDocument, 'kind'>, router = 'front'): Promise<LookResult> =>
  new Promise((resolve) => {
    look(router, tracked(change), resolve);
  });

const directory = (t: Test): string => {
  const made = mkdtempSync(join(tmpdir(), 'tandem-track-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
};

t.test('processes by name and by pid file', async (t) => {
  const child = spawn('bash', ['-c', 'exec -a tandem-track-me sleep 60'], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  await waitFor('the process to have its name', async () => (await ask({ kind: 'process', process: 'tandem-track-me' })).ok);
  t.same(await ask({ kind: 'process', process: 'tandem-track-me' }), { ok: true, reason: `pid ${child.pid}` });
  const pidFile = join(directory(t), 'x.pid');
  t.match(await ask({ kind: 'process', pidFile }), { ok: false, reason: 'the pid file is not there' });
  writeFileSync(pidFile, 'none\n');
  t.match(await ask({ kind: 'process', pidFile }), { ok: false, reason: 'the pid file holds no process number' });
  writeFileSync(pidFile, `${child.pid}\n`);
  t.match(await ask({ kind: 'process', pidFile }), { ok: true, reason: `pid ${child.pid}` });
  child.kill('SIGKILL');
  await waitFor('its end', () => !isRunning(child.pid ?? 0));
  t.match(await ask({ kind: 'process', process: 'tandem-track-me' }), { ok: false, reason: 'no process has this name' });
  t.match(await ask({ kind: 'process', pidFile }), { ok: false, reason: `process ${child.pid} does not run` });
});

t.test('a zombie does not run', async (t) => {
  const pidFile = join(directory(t), 'pid');
  const parent = spawn('bash', ['-c', `(echo $BASHPID > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 60) & exec sleep 60`], {
    stdio: 'ignore',
  });
  t.teardown(() => parent.kill('SIGKILL'));
  await waitFor('the child to run', async () => (await ask({ kind: 'process', pidFile })).ok);
  const pid = readFileSync(pidFile, 'utf8').trim();
  process.kill(Number(pid), 'SIGKILL');
  await waitFor('the child to have ended', async () => !(await ask({ kind: 'process', pidFile })).ok);
  t.match(readFileSync(`/proc/${pid}/stat`, 'utf8'), /\) Z /, 'it is still there, waiting for its parent');
});

t.test('files: there, not there, a number', async (t) => {
  const made = directory(t);
  const file = join(made, 'maintenance');
  t.match(await ask({ kind: 'file', file }), { ok: false, reason: 'the file is not there' });
  t.match(await ask({ kind: 'file', file, content: 'absent' }), { ok: true });
  t.same(await ask({ kind: 'file', file, content: 'number' }), { ok: true, reason: 'no file, counts as 0', value: 0 });
  writeFileSync(file, ' -30\n');
  t.match(await ask({ kind: 'file', file }), { ok: true, reason: 'the file is there' });
  t.match(await ask({ kind: 'file', file, content: 'absent' }), { ok: false });
  t.same(await ask({ kind: 'file', file, content: 'number' }), { ok: true, reason: 'the file says -30', value: -30 });
  for (const [text, value] of [
    ['-9999', -254],
    ['+300', 254],
  ] as const) {
    writeFileSync(file, text);
    t.match(await ask({ kind: 'file', file, content: 'number' }), { ok: true, value });
  }
  for (const text of ['', 'ten', '3.5', '1 2', '99999999999999']) {
    writeFileSync(file, text);
    t.match(await ask({ kind: 'file', file, content: 'number' }), { ok: false, value: 0 }, JSON.stringify(text));
  }
  mkdirSync(join(made, 'directory'));
  t.match(await ask({ kind: 'file', file: join(made, 'directory') }), { ok: true });
  t.match(await ask({ kind: 'file', file: join(made, 'directory'), content: 'number' }), { ok: false });
});

t.test('scripts by their exit status, killed with everything they started', async (t) => {
  t.match(await ask({ kind: 'script', command: ['/bin/true'] }), { ok: true, reason: 'exit status 0' });
  t.match(await ask({ kind: 'script', command: ['/bin/sh', '-c', 'echo no uplink >&2; exit 3'] }), {
    ok: false,
    reason: 'exit status 3: no uplink',
  });
  t.match(await ask({ kind: 'script', command: ['/no/such/program'] }), { ok: false, reason: /cannot be started/ });
  t.match(await ask({ kind: 'script', command: ['/bin/sh', '-c', 'kill -9 $$'] }), { ok: false, reason: 'ended by SIGKILL' });

  const pidFile = join(directory(t), 'pid');
  const command = ['/bin/sh', '-c', `sleep 60 & echo $! > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; wait`];
  let answers = 0;
  const cancel = look('front', tracked({ kind: 'script', command }), () => answers++);
  await waitFor('the script to have started its own', async () => (await ask({ kind: 'process', pidFile })).ok);
  cancel();
  await waitFor('both to be gone', async () => !(await ask({ kind: 'process', pidFile })).ok);
  t.equal(answers, 0, 'nothing is said after it was cancelled');
});

t.test('routes, longest prefix first', async (t) => {
  t.match(await ask({ kind: 'route', to: '0.0.0.0/0' }), { ok: true, reason: 'via 10.1.0.1 by eth0' });
  t.match(await ask({ kind: 'route', to: '10.2.0.9' }), { ok: true, reason: 'directly connected by eth1' });
  t.match(await ask({ kind: 'route', to: '10.2.0.9', interface: 'eth0' }), { ok: true, reason: 'via 10.1.0.1 by eth0' });
  t.match(await ask({ kind: 'route', to: '0.0.0.0/0', interface: 'eth1' }), { ok: false, reason: 'no route by eth1' });
  const down = { ...twoNetworks, links: twoNetworks.links.map((link) => ({ ...link, isUp: link.name !== 'eth0' })) };
  const without = createLook({ ...facts, network: () => down });
  t.match(await new Promise((resolve) => without('front', tracked({ kind: 'route', to: '0.0.0.0/0' }), resolve)), {
    ok: false,
  });
});

t.test('what the daemon knows', async (t) => {
  t.match(await ask({ kind: 'sync' }), { ok: true });
  t.match(await ask({ kind: 'sync' }, 'back'), { ok: false, reason: 'back' });
  t.match(await ask({ kind: 'engine' }), { ok: true, reason: 'serving' });
  t.match(await ask({ kind: 'servers', pool: 'web' }), { ok: true, reason: '1 of 4 servers are up, 1 % are asked for' });
  t.match(await ask({ kind: 'servers', pool: 'web', minPercent: 25 }), { ok: true });
  t.match(await ask({ kind: 'servers', pool: 'web', minPercent: 26 }), { ok: false });
  t.match(await ask({ kind: 'servers', pool: 'empty' }), { ok: false });
});

t.test('a gateway that answers ping', { skip: process.getuid?.() === 0 ? false : 'raw sockets need root' }, async (t) => {
  t.match(await ask({ kind: 'gateway', address: '127.0.0.1' }), { ok: true, reason: 'answers ping' });
});
