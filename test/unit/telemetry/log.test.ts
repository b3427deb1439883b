/**
 * Log lines: one JSON object each, by the table of events, without secrets.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import t from 'tap';
import { events } from '../../../src/telemetry/events.js';
import { createLog } from '../../../src/telemetry/log.js';
import type { LogSink } from '../../../src/telemetry/log-sink.js';

const memorySink = (lines: string[]): LogSink => ({
  write: (line) => {
    lines.push(line);
  },
  isFull: () => false,
  dropped: () => 0,
  flush: () => Promise.resolve(),
});

function capture(level: 'debug' | 'info' | 'warn' = 'info') {
  const lines: string[] = [];
  const log = createLog({ level, node: 'lb1', sink: memorySink(lines) });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

t.test('a transition carries its reason', async (t) => {
  const { log, lines, parsed } = capture();
  log.event('router.transition', { router: 'front', from: 'backup', to: 'active', reason: 'peerSilent', heardMs: 312 });
  t.equal(lines.length, 1);
  t.ok(lines[0]?.endsWith('}\n') && !lines[0].slice(0, -1).includes('\n'), 'one line');
  t.match(parsed()[0], {
    level: 'info',
    time: /^\d{4}-\d\d-\d\dT/,
    node: 'lb1',
    pid: process.pid,
    event: 'router.transition',
    router: 'front',
    from: 'backup',
    to: 'active',
    reason: 'peerSilent',
    heardMs: 312,
    msg: 'virtual router changed its role',
  });
});

t.test('every event that tells of a change names its reason', async (t) => {
  const exempt = new Set([
    'daemon.starting',
    'notify.output',
    'dataPlane.attached',
    'router.verified',
    'heartbeat.connected',
    'replication.synced',
    'log.dropped',
  ]);
  for (const [name, { fields, message }] of Object.entries(events)) {
    t.ok(message.length > 5, `${name} has words`);
    t.equal((fields as readonly string[]).includes('reason'), !exempt.has(name), `${name}: reason`);
  }
});

t.test('levels', async (t) => {
  const { log, parsed } = capture('warn');
  log.event('server.up', { pool: 'web', server: 'be1', reason: 'status 200' });
  log.event('server.down', { pool: 'web', server: 'be1', reason: 'timeout' });
  t.match(parsed(), [{ level: 'warn', event: 'server.down' }]);
});

t.test('secrets are cut out, errors and big integers are readable', async (t) => {
  const { log, lines, parsed } = capture();
  const secret = 'BEGIN PRIVATE KEY';
  log.event('internal.error', {
    reason: new Error('it broke'),
    password: secret,
    tls: { privateKey: secret, pem: secret },
    token: secret,
    digest: 2n ** 63n,
  });
  t.notMatch(lines.join(''), secret);
  t.match(parsed()[0], { reason: 'it broke', password: '[secret]', tls: { privateKey: '[secret]' }, digest: '9223372036854775808' });
});

t.test('events of the heartbeat are passed on under their own name', async (t) => {
  const { log, parsed } = capture('debug');
  log.relay('debug', 'lateWake', { lateMs: 3, event: 'forged' });
  t.match(parsed(), [{ level: 'debug', event: 'lateWake', lateMs: 3 }]);
});

/** A process that logs `lines` lines of 300 bytes to a pipe, waits for a word on its standard input, logs one more, and exits. */
function logger(t: { teardown(end: () => unknown): void }, lines: number) {
  const module = new URL('../../../src/telemetry/log.js', import.meta.url).href;
  const script = `import { createLog } from ${JSON.stringify(module)};
    import { once } from 'node:events';
    const log = createLog({ level: 'info', node: 'lb1' });
    const pause = () => new Promise(setImmediate);
    for (let i = 0; i < ${lines}; i++) {
      log.event('server.up', { pool: 'web', server: 'be1', reason: 'x'.repeat(200) });
      if (i % 1000 === 0) await pause();
    }
    process.stderr.write('dropped ' + log.dropped() + '\\n');
    await once(process.stdin, 'data');
    log.event('daemon.stopped', { reason: 'the end' });
    await log.flush();
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  child.stdout.pause();
  const said = new Promise<string>((resolve) => createInterface(child.stderr).once('line', resolve));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, said, ended };
}

/** More than a pipe and the buffer hold. */
const MANY = 40_000;

t.test('a reader that stands still costs lines, not the node, which can also exit', async (t) => {
  const { child, said, ended } = logger(t, MANY);
  const dropped = Number((await said).split(' ')[1]);
  t.ok(dropped > 0 && dropped < MANY, `${dropped} lines found no room`);
  child.stdin.write('go');
  t.equal(await ended, 0);
});

t.test('lost lines are told once the reader reads again', async (t) => {
  const { child, said, ended } = logger(t, MANY);
  const dropped = Number((await said).split(' ')[1]);
  const events: { event: string; lines?: number }[] = [];
  let lines = 0;
  const allRead = new Promise<void>((resolve) => {
    createInterface(child.stdout)
      .on('line', (line) => {
        const parsed = JSON.parse(line) as { event: string; lines?: number };
        lines++;
        if (parsed.event !== 'server.up') events.push(parsed);
        // Everything that was kept has come through: there is room again.
        else if (lines === MANY - dropped) child.stdin.write('go');
      })
      .once('close', resolve);
  });
  t.equal(await ended, 0);
  await allRead;
  t.match(events, [{ event: 'log.dropped', lines: dropped }, { event: 'daemon.stopped' }]);
});

t.test('a reader that goes away does not take the node along', async (t) => {
  const { child, said, ended } = logger(t, 10);
  child.stdout.destroy();
  t.match(await said, /^dropped \d+$/);
  child.stdin.write('go');
  t.equal(await ended, 0);
});
