/**
 * Runs one compiled test file in its own process group and counts its TAP. A file that exceeds its limit is asked to end, so that it can
 * clean up its namespaces, and then made to.
 */
import { spawn } from 'node:child_process';
import type { TestFile } from './selection.js';
import { createTally, type Tally } from './tap-tally.js';

const GRACE_MS = 10_000;
/** Of a file's output, this much is kept to be shown when it fails. */
const KEPT_OUTPUT_BYTES = 256 * 1024;

export interface FileResult {
  file: TestFile;
  tally: Tally;
  durationMs: number;
  output: string;
}

export function runFile(root: string, file: TestFile): Promise<FileResult> {
  const started = performance.now();
  const child = spawn(process.execPath, ['--enable-source-maps', file.compiled], {
    cwd: root,
    detached: true,
    // Without it tap gives a file 30 seconds.
    env: { ...process.env, TAP_TIMEOUT: String(file.suite.fileLimitMs / 1000) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const counter = createTally();
  let output = '';
  const keep = (chunk: string): void => {
    output = (output + chunk).slice(-KEPT_OUTPUT_BYTES);
  };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    counter.write(chunk);
    keep(chunk);
  });
  child.stderr.setEncoding('utf8').on('data', keep);

  const limit = watchLimit(child.pid, file.suite.fileLimitMs);
  return new Promise((resolve) => {
    const finish = (exit: string | null): void => {
      limit.stop();
      const tally = counter.finish();
      const problem = limit.exceeded() ? `did not end within ${file.suite.fileLimitMs / 1000} s` : tally.failed === 0 ? exit : null;
      if (problem) tally.failures.push(problem);
      if (problem) tally.failed += 1;
      resolve({ file, tally, durationMs: performance.now() - started, output });
    };
    child.once('error', (error) => finish(error.message));
    child.once('close', (code, signal) => finish(signal ? `ended by ${signal}` : code === 0 ? null : `exit status ${code}`));
  });
}

function watchLimit(pid: number | undefined, limitMs: number): { stop(): void; exceeded(): boolean } {
  let isExceeded = false;
  const signal = (name: NodeJS.Signals): void => {
    isExceeded = true;
    try {
      if (pid) process.kill(-pid, name);
    } catch {
      // The group has just ended by itself.
    }
  };
  const soft = setTimeout(signal, limitMs, 'SIGTERM');
  const hard = setTimeout(signal, limitMs + GRACE_MS, 'SIGKILL');
  return {
    stop: () => {
      clearTimeout(soft);
      clearTimeout(hard);
    },
    exceeded: () => isExceeded,
  };
}
