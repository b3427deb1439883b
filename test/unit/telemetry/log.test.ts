/**
 * Log lines: one JSON object each, by the table of events, without secrets.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import t from 'tap';
import { events } from '../../../src/telemetry/events.js';
import { createLog } from '../../../src/telemetry/log.js';

function capture(level: 'debug' | 'info' | 'warn' = 'info') {
  const lines: string[] = [];
  const log = createLog({ level, node: 'lb1', sink: { write: (line) => lines.push(line) } });
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

t.test('a reader that stands still costs lines, not the node', async (t) => {
  // 40,000 lines of 300 bytes are more than a pipe and the buffer hold.
  const module = new URL('../../../src/telemetry/log.js', import.meta.url).href;
  const script = `import { createLog } from ${JSON.stringify(module)};
    const log = createLog({ level: 'info', node: 'lb1' });
    const pause = () => new Promise(setImmediate);
    for (let i = 0; i < 40000; i++) { log.event('server.up', { pool: 'web', server: 'be1', reason: 'x'.repeat(200) }); if (i % 1000 === 0) await pause(); }
    process.stderr.write('dropped ' + log.dropped() + '\\n');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  child.stdout.pause();
  const [line] = await new Promise<string[]>((resolve) => createInterface(child.stderr).once('line', (text) => resolve([text])));
  t.match(line, /^dropped [1-9]\d+$/, 'it went on, and knows what was lost');
});
