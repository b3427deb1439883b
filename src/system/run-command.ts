/**
 * Runs a program once: its input, a bounded part of its output, and a time limit after which it and everything it started is killed.
 */
import { spawn } from 'node:child_process';

/** Output that is kept; the rest is read and thrown away, so that the program never waits for us. */
const MAX_OUTPUT_BYTES = 8192;
/** After its end, what it printed last needs a moment to arrive. */
const PIPES_LIMIT_MS = 100;
/** Characters of the output that are worth showing as a reason. */
const MAX_REASON = 120;

export interface CommandOptions {
  /** Program and arguments; no shell. */
  command: readonly string[];
  input: string;
  /** Null: no limit, whoever calls cancels. */
  timeoutMs: number | null;
  /** Beside the environment of this process. */
  environment?: Readonly<Record<string, string>>;
}

export interface CommandEnd {
  /** Null: ended by a signal, or never started. */
  status: number | null;
  /** Beginning of what it printed, both streams. */
  output: string;
  /** Why it never ran or had to be ended; null: neither. */
  error: string | null;
}

/** Why it counts as good or bad, for people: how it ended, and the first line that it printed. */
export function endReason({ status, output, error }: CommandEnd): string {
  if (error !== null) return error;
  const said = output.trim().split('\n')[0]?.slice(0, MAX_REASON) ?? '';
  return `exit status ${status ?? 'none, it was killed'}${said === '' ? '' : `: ${said}`}`;
}

/** Returns how to kill it; nothing is told afterwards. */
export function runCommand({ command, input, timeoutMs, environment }: CommandOptions, onEnd: (end: CommandEnd) => void): () => void {
  const [program = '', ...args] = command;
  // A group of its own: what it started dies with it.
  const env = { ...process.env, ...environment };
  const child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env });
  let output = '';
  let isOver = false;
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  const finish = (end: CommandEnd): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    // Something it left in the background may hold the pipes open.
    child.stdout.destroy();
    child.stderr.destroy();
    onEnd(end);
  };
  const timer = setTimeout(
    () => {
      kill();
      finish({ status: null, output, error: `killed after ${timeoutMs} ms` });
    },
    timeoutMs ?? 2 ** 31 - 1,
  );
  const read = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(0, MAX_OUTPUT_BYTES);
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', read);
    stream.on('error', () => undefined);
  }
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  child.on('error', (error) => finish({ status: null, output, error: `cannot be started: ${error.message}` }));
  child.on('exit', (status, signal) => {
    const told = (): void => finish({ status, output, error: signal === null ? null : `ended by ${signal}` });
    child.on('close', told);
    // Something it left running may keep the pipes open for ever.
    setTimeout(told, PIPES_LIMIT_MS).unref();
  });
  return () => {
    isOver = true;
    clearTimeout(timer);
    kill();
    child.stdout.destroy();
    child.stderr.destroy();
  };
}
