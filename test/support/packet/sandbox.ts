/**
 * Runs a packet test in a network namespace of its own, which disappears with the test: routes, neighbours and the index of every interface
 * are then the same on every machine. Needs root; without it the test is skipped after the probe failed.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const INSIDE = 'TANDEM_PACKET_SANDBOX';

/** Why the sandbox cannot be made here; empty when it can. */
function missing(): string {
  const probe = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' });
  if (probe.error !== undefined) return `unshare cannot be run: ${probe.error.message}`;
  return probe.status === 0 ? '' : `no network namespace: ${probe.stderr.trim()}`;
}

/** Calls `body` once inside the namespace; outside it only spawns the same file in there. */
export async function inSandbox(file: string, body: () => Promise<void> | void): Promise<void> {
  if (process.env[INSIDE] === '1') {
    await body();
    return;
  }
  const reason = missing();
  if (reason !== '') {
    t.comment(reason);
    await t.test('in its own network namespace', { skip: reason }, () => undefined);
    return;
  }
  await t.spawn(
    'unshare',
    ['--net', process.execPath, fileURLToPath(file)],
    { env: { ...process.env, [INSIDE]: '1' } },
    'in its own network namespace',
  );
}

/** Runs a command that must succeed. */
export function run(command: string, ...args: string[]): void {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? result.stderr}`);
}
