/**
 * The real program in its own process: exit statuses, terminals, pipes, and the certificates that `pki init` leaves.
 */
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { projectRoot } from '../../../src/system/paths.js';
import { fakeAdmin } from '../../support/cli-run.js';
import { nodeStatus } from '../../support/node-status.js';

const program = fileURLToPath(new URL('../../../src/bin/tandem.js', import.meta.url));
const example = join(projectRoot, 'config/nat-pair.yaml');
const environment = { PATH: process.env.PATH, TERM: 'xterm' };

const run = (args: string[], cwd?: string): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env: environment, cwd });

/** In a terminal of its own, as util-linux's script(1) makes it. */
const onTerminal = (args: string[], extra: Record<string, string> = {}): string =>
  spawnSync('script', ['-qec', [process.execPath, program, ...args].join(' '), '/dev/null'], {
    encoding: 'utf8',
    env: { ...environment, ...extra },
  }).stdout;

t.test('exit statuses', async (t) => {
  t.match(run(['--version']), { status: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
  t.match(run(['nonsense']), { status: 2, stderr: "error: unknown command 'nonsense'" });
  t.match(run(['status', '--state-dir', '/no/such/dir']), { status: 1, stdout: '', stderr: 'tandem: no daemon is running' });
  t.match(run(['run', '--config', '/no/such.yaml', '--node', 'lb1', '--state-dir', '/no/such/dir']), {
    status: 2,
    stderr: 'there is no such file',
  });
  t.match(run(['unload', '--state-dir', '/no/such/dir']), { status: 0, stdout: 'nothing of it is pinned' });
});

t.test('colours only on a terminal, and not with NO_COLOR', async (t) => {
  t.notMatch(run(['check', example]).stderr, '\u001b');
  t.match(onTerminal(['check', example]), '\u001b[33mwarning\u001b[39m');
  t.notMatch(onTerminal(['check', example], { NO_COLOR: '1' }), '\u001b');
  t.notMatch(onTerminal(['check', example], { TERM: 'dumb' }), '\u001b');
});

t.test('a reader that has seen enough is no failure', async (t) => {
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['-o', 'pipefail', '-c', `"${process.execPath}" "${program}" completion bash | head -n 1`],
    {
      encoding: 'utf8',
      // Bash takes a socket for a remote shell and reads the user's start-up files.
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    },
  );
  t.same([status, stdout, stderr], [0, '# bash completion for tandem\n', '']);
});

t.test('two commands from nothing to a configuration without warnings', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-pki-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  cpSync(example, join(directory, 'tandem.yaml'));
  const made = run(['pki', 'init', '--config', 'tandem.yaml'], directory);
  t.match(made, { status: 0, stderr: '' });
  const files = ['ca.key', 'ca.pem', 'lb1.key', 'lb1.pem', 'lb2.key', 'lb2.pem'];
  t.same(readdirSync(join(directory, 'pki')).sort(), files);
  for (const file of files) t.equal(statSync(join(directory, 'pki', file)).mode & 0o077, 0, `${file} is private`);
  t.match(run(['check', 'tandem.yaml', '--strict'], directory), { status: 0, stderr: '' });
  const again = run(['pki', 'init', '--config', 'tandem.yaml'], directory);
  t.equal(again.status, 1, 'what exists is not replaced');
  t.match(again.stderr, /^tandem: .*pki/);
  const asNode = run(['check', 'tandem.yaml', '--node', 'lb1'], directory);
  t.equal(asNode.status, 2);
  t.match(asNode.stderr, 'this machine does not have the address 10.1.0.11 of node "lb1"');
  t.notMatch(asNode.stderr, 'file');
});

const ENTER_ALTERNATE = '\u001b[?1049h';
const LEAVE_ALTERNATE = '\u001b[?1049l';

/** `tandem top` in a terminal of its own, until `end` has ended it; what the terminal got, and the exit status as a shell tells it. */
async function topUntil(
  t: { teardown(close: () => unknown): void },
  end: (terminal: ChildProcess, pid: number) => void,
): Promise<{ output: string; status: string }> {
  const admin = await fakeAdmin({ 'GET /v1/status': nodeStatus() });
  t.teardown(() => admin.close());
  const top = `"${process.execPath}" "${program}" top --state-dir "${admin.stateDir}"`;
  // The shell outlives the terminal, and tells past it.
  const command = `{ trap : HUP; stty cols 80 rows 24; sh -c 'echo pid $$; exec ${top}'; echo $? >&3; } 2>/dev/null`;
  const terminal = spawn('script', ['-qc', command, '/dev/null'], { env: environment, stdio: ['pipe', 'pipe', 'inherit', 'pipe'] });
  const result = { output: '', status: '' };
  terminal.stdio[3]?.on('data', (chunk: Buffer) => {
    result.status += chunk.toString();
  });
  terminal.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const wasDrawn = result.output.includes('q quit');
    result.output += text;
    if (!wasDrawn && result.output.includes('q quit')) end(terminal, Number(/pid (\d+)/.exec(result.output)?.[1]));
  });
  await once(terminal, 'close');
  return result;
}

t.test('top takes the terminal and gives it back, by its key and by a signal', async (t) => {
  const byKey = await topUntil(t, ({ stdin }) => stdin?.write('q'));
  const bySignal = await topUntil(t, (_terminal, pid) => process.kill(pid, 'SIGTERM'));
  t.equal(byKey.status, '0\n');
  t.equal(bySignal.status, `${128 + 15}\n`, 'whoever waits for it sees the signal');
  for (const { output } of [byKey, bySignal]) {
    const [before, taken, ...again] = output.split(ENTER_ALTERNATE);
    const [during, after, ...twice] = taken?.split(LEAVE_ALTERNATE) ?? [];
    t.same([...again, ...twice], [], 'taken once, given back once');
    t.match(before, /^pid \d+\r\n$/);
    t.match(during, 'SERVICE', 'drawn on the alternate screen');
    t.ok(during?.startsWith('\u001b[?25l') && during.endsWith('\u001b[?25h'), 'the cursor is hidden, and shown again');
    t.equal(after, '');
  }
});

t.test('top ends when its terminal is gone, without a crash', async (t) => {
  const { status } = await topUntil(t, (terminal) => terminal.kill('SIGKILL'));
  t.equal(status, `${128 + 1}\n`);
});
