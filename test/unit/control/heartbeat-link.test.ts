import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { createHeartbeatLink } from '../../../src/control/heartbeat-link.js';
import { systemClock } from '../../../src/system/clock.js';
import { isRunning } from '../../support/lab/processes.js';
import { waitFor } from '../../support/lab/wait-for.js';

const PROGRAM = fileURLToPath(new URL('../../support/fake-heartbeat.js', import.meta.url));

function setup(t: Test, extra: string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-link-'));
  const socketPath = join(directory, 'heartbeat.sock');
  const journalFile = join(directory, 'journal');
  const seen: string[] = [];
  const pids: number[] = [];
  const journal = (): string[] => {
    try {
      return readFileSync(journalFile, 'utf8').trim().split('\n');
    } catch {
      return [];
    }
  };
  const link = () =>
    createHeartbeatLink({
      socketPath,
      command: [process.execPath, PROGRAM, socketPath, journalFile, ...extra],
      crashLog: join(directory, 'crash.log'),
      clock: systemClock,
      onMessage: (message) => message.type === 'status' && pids.push(message.pid),
      onConnected: (adopted) => seen.push(adopted ? 'adopted' : 'connected'),
      onLost: () => seen.push('lost'),
    });
  t.teardown(() => {
    for (const line of journal()) {
      const pid = Number(line.split(' ')[1]);
      if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    }
    rmSync(directory, { recursive: true });
  });
  return { link, seen, pids, journal };
}

t.test('a heartbeat that dies is replaced by the spare, and outlives the daemon', async (t) => {
  const { link, seen, pids, journal } = setup(t);
  const first = link();
  t.equal(first.send({ type: 'status' }), false, 'nobody there yet');
  first.start();
  await waitFor('the first heartbeat and its spare', () => pids.length === 1 && journal().some((line) => line.startsWith('spare')));
  t.equal(first.send({ type: 'status' }), true);

  process.kill(pids[0] ?? 0, 'SIGKILL');
  await waitFor('its successor', () => pids.length === 2);
  t.same(seen, ['connected', 'lost', 'connected']);
  const spare = journal().find((line) => line.startsWith('spare'));
  t.equal(pids[1], Number(spare?.split(' ')[1]), 'the spare took its place');

  await waitFor('the next spare', () => journal().filter((line) => line.startsWith('spare')).length === 2);
  const nextSpare = Number(journal().at(-1)?.split(' ')[1]);
  first.stop();
  await waitFor('the spare to go with its daemon', () => !isRunning(nextSpare));
  t.equal(isRunning(pids[1] ?? 0), true, 'the heartbeat stays');

  const second = link();
  second.start();
  await waitFor('the next daemon to find it', () => pids.length === 3);
  t.equal(pids[2], pids[1]);
  t.equal(seen.at(-1), 'adopted');
  second.stop();
});

t.test('one that cannot live is not started without end', async (t) => {
  const { link, seen, journal } = setup(t, ['--crash']);
  const only = link();
  only.start();
  await waitFor('it to give up for a while', () => journal().length >= 5);
  const attempts = journal().length;
  await waitFor('the next attempt, after a pause', () => journal().length > attempts, { limitMs: 5000 });
  only.stop();
  t.equal(attempts, 5, 'five in a row, then a pause');
  t.same(seen, []);
});

t.test('a heartbeat is replaced by a new process, with a spare of the new program', async (t) => {
  const { link, seen, pids, journal } = setup(t);
  const only = link();
  await t.rejects(only.replace(), { message: 'no heartbeat is connected' });
  only.start();
  await waitFor('the first heartbeat and its spare', () => pids.length === 1 && journal().some((line) => line.startsWith('spare')));
  const spare = Number(
    journal()
      .find((line) => line.startsWith('spare'))
      ?.split(' ')[1],
  );
  const replaced = only.replace();
  await t.rejects(only.replace(), { message: 'the heartbeat is being replaced already' });
  await replaced;
  await waitFor('the word of the new one', () => pids.length === 2);
  t.equal(`replacement ${pids[1]}`, journal().at(-1));
  t.same(seen, ['connected', 'connected'], 'it was not lost');
  await waitFor('the others to have ended', () => !isRunning(pids[0] ?? 0) && !isRunning(spare));
  await waitFor('the next spare', () => journal().filter((line) => line.startsWith('spare')).length === 2);
  only.stop();
});

for (const [flag, reason] of [
  ['--unfit', /ended: another layout; the old one goes on/],
  ['--deaf', /did not take over within 3000 ms; the old one goes on/],
] as const) {
  t.test(`a replacement that is ${flag.slice(2)} changes nothing`, async (t) => {
    const { link, seen, pids, journal } = setup(t, [flag]);
    const only = link();
    only.start();
    await waitFor('the heartbeat', () => pids.length === 1);
    await t.rejects(only.replace(), { message: reason });
    t.same([isRunning(pids[0] ?? 0), only.isConnected(), seen], [true, true, ['connected']]);
    const pid = Number(
      journal()
        .find((line) => line.startsWith('replacement'))
        ?.split(' ')[1],
    );
    await waitFor('the replacement to be gone', () => !isRunning(pid));
    await waitFor('a spare again', () => journal().at(-1)?.startsWith('spare') ?? false);
    only.stop();
  });
}

t.test('one that was told to end is not started again', async (t) => {
  const { link, seen, pids, journal } = setup(t);
  const only = link();
  only.start();
  await waitFor('the heartbeat and its spare', () => pids.length === 1 && journal().some((line) => line.startsWith('spare')));
  const begun = performance.now();
  const ended = only.end(10_000);
  process.kill(pids[0] ?? 0, 'SIGKILL');
  await ended;
  t.ok(performance.now() - begun < 5000, 'its end was noticed');
  const all = journal().map((line) => Number(line.split(' ')[1]));
  await waitFor('all of them to be gone', () => all.every((pid) => !isRunning(pid)));
  t.same(seen, ['connected'], 'nobody was lost');
  t.equal(journal().length, 2, 'and nobody started');

  const silent = link();
  silent.start();
  await waitFor('another heartbeat', () => pids.length === 2);
  await silent.end(50);
  t.equal(isRunning(pids[1] ?? 0), true, 'one that does not end is left after the limit');
});
