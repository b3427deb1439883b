/**
 * Runs one command line in this process and keeps what it wrote; and a stand-in for the daemon on its admin socket.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import type { CliActions } from '../../src/cli/context.js';
import { runCli } from '../../src/cli/program.js';
import type { Monotonic } from '../../src/system/clock.js';
import type { Terminal, TerminalEvents } from '../../src/system/terminal.js';
import { SNAPSHOT_MS } from './node-status.js';

export interface CliResult {
  status: number;
  out: string;
  err: string;
}

const fail = (message: string): never => {
  throw new Error(message);
};

const noActions: CliActions = {
  run: () => Promise.reject(new Error('run was not expected')),
  initPki: () => Promise.reject(new Error('initPki was not expected')),
  unload: () => Promise.reject(new Error('unload was not expected')),
};

export interface TandemRun {
  actions?: Partial<CliActions>;
  colors?: boolean;
  /** Gets what Ctrl-C would call. */
  onInterrupt?(listener: () => void): void;
  /** The terminal it runs in; without, it runs in none. */
  openTerminal?(events: TerminalEvents): Terminal;
  /** Called whenever time passes, with the milliseconds since the start. Time passes only for whoever waits for it. */
  onTime?(ms: number): void;
}

export async function tandem(argv: string[], options: TandemRun = {}): Promise<CliResult> {
  const result = { out: '', err: '' };
  let now = 0 as Monotonic;
  const status = await runCli(argv, {
    version: '0.1.0',
    hostname: 'lb1',
    user: 'ops',
    wallMs: () => SNAPSHOT_MS + now,
    clock: {
      now: () => now,
      at: (at, fire) => {
        const timer = setImmediate(() => {
          now = at;
          options.onTime?.(now);
          fire();
        });
        return () => clearImmediate(timer);
      },
    },
    isInteractive: () => options.openTerminal !== undefined,
    openTerminal: (events) => options.openTerminal?.(events) ?? fail('a terminal was not expected'),
    out: (text) => {
      result.out += `${text}\n`;
    },
    err: (text) => {
      result.err += `${text}\n`;
    },
    colors: pc.createColors(options.colors === true),
    actions: { ...noActions, ...options.actions },
    onInterrupt: (listener) => {
      options.onInterrupt?.(listener);
      return () => undefined;
    },
  });
  return { status, ...result };
}

export interface AdminRequest {
  method: string;
  url: string;
  body: string;
}

export interface FakeAdmin {
  stateDir: string;
  requests: AdminRequest[];
  close(): Promise<void>;
}

/** Answers by path (without the query); a function sees the request. What is not in the table is a 404 like the daemon's. */
export async function fakeAdmin(answers: Record<string, unknown>): Promise<FakeAdmin> {
  const stateDir = mkdtempSync(join(tmpdir(), 'tandem-cli-'));
  const requests: AdminRequest[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('utf8');
    });
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', body });
      const route = `${request.method} ${request.url?.split('?')[0]}`;
      const answer = answers[route];
      response.statusCode = answer === undefined ? 404 : 200;
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? { ok: false, message: `no such request: ${route}` }));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(join(stateDir, 'admin.sock'), resolve);
  });
  return {
    stateDir,
    requests,
    close: async () => {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      rmSync(stateDir, { recursive: true });
    },
  };
}
