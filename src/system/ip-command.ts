/**
 * Runs iproute2's `ip`: one-shot JSON queries, batches of changes, and monitors that live as long as this process wants them. A monitor that
 * ends is started again; its reader is told, because news were missed meanwhile.
 */
import { type ExecFileException, execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, type Clock } from './clock.js';

/** A query that takes longer hangs; none of them waits for the network. */
const QUERY_LIMIT_MS = 5000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** Pause before a monitor that ended is started again. */
const RESTART_PAUSE_MS = 500;

export class IpCommandError extends Error {
  readonly code = 'IP_COMMAND_FAILED';
  readonly source = 'kernel';
  readonly retryable = true;

  constructor(args: readonly string[], reason: string, cause: unknown) {
    super(`ip ${args.join(' ')}: ${reason}`, { cause });
    this.name = 'IpCommandError';
  }
}

/** Standard output as JSON; `ip` prints nothing at all for an empty list. */
export function ipJson(args: readonly string[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    execFile('ip', ['-json', ...args], { timeout: QUERY_LIMIT_MS, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
      if (error !== null) return reject(failure(args, stderr, error));
      try {
        resolve(stdout.trim() === '' ? [] : JSON.parse(stdout));
      } catch (cause) {
        reject(new IpCommandError(args, 'its output is not JSON', cause));
      }
    });
  });
}

function failure(args: readonly string[], stderr: string, error: ExecFileException): IpCommandError {
  const isMissing = error.code === 'ENOENT';
  return new IpCommandError(args, isMissing ? 'not found; run: apt-get install iproute2' : stderr.trim() || error.message, error);
}

/** Runs all lines with one `ip -batch`; lines that fail do not stop the others. Resolves with what `ip` complained about, empty when nothing. */
export function ipBatch(lines: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile('ip', ['-force', '-batch', '-'], { timeout: QUERY_LIMIT_MS }, (error, _stdout, stderr) => {
      resolve(error === null ? '' : stderr.trim() || error.message);
    });
    // A child that could not be started or ends early must not take this process with it.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${lines.join('\n')}\n`);
  });
}

export interface IpMonitor {
  stop(): void;
}

/** `onLine` for every line; `onRestart` after each start but the first: read everything again. */
export function ipMonitor(
  objects: readonly string[],
  clock: Clock,
  onLine: (line: string) => void,
  onRestart: (reason: string) => void,
): IpMonitor {
  let stopped = false;
  let end: () => void = () => undefined;
  const run = (isFirst: boolean): void => {
    const child = spawn('ip', ['monitor', ...objects], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.unref();
    createInterface({ input: child.stdout }).on('line', onLine);
    let hasEnded = false;
    const again = (reason: string): void => {
      if (hasEnded) return;
      hasEnded = true;
      if (stopped) return;
      end = clock.at(after(clock.now(), RESTART_PAUSE_MS), () => run(false));
      onRestart(reason);
    };
    child.on('error', (error) => again(error.message));
    child.on('exit', (code, signal) => again(`ip monitor ended (${signal ?? code})`));
    end = () => child.kill();
    if (!isFirst) onRestart('ip monitor runs again');
  };
  run(true);
  return {
    stop() {
      stopped = true;
      end();
    },
  };
}
