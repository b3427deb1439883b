/**
 * HTTP requests of a client at a steady rate, each on a connection of its own, as a new visitor would.
 */
import { request } from 'node:http';
import type { WebApi, WebCounts } from '../workload-api.js';
import { monotonicMs, serveCalls } from './agent-host.js';

type StartOptions = Parameters<WebApi['start']>[0];

const TICK_MS = 5;
let counts: WebCounts = { requests: 0, ok: 0, errors: {}, slowestMs: 0, servers: {} };
let running: { options: StartOptions; sinceMs: number; sent: number } | null = null;

function fail(code: string): void {
  counts.errors[code] = (counts.errors[code] ?? 0) + 1;
}

function ask({ target, port, timeoutMs }: StartOptions): void {
  const startMs = monotonicMs();
  counts.requests += 1;
  const asked = request({ host: target, port, path: '/', agent: false, timeout: timeoutMs }, (response) => {
    response.resume();
    response.on('end', () => {
      if (response.statusCode !== 200) return fail(`status ${response.statusCode}`);
      counts.ok += 1;
      counts.slowestMs = Math.max(counts.slowestMs, monotonicMs() - startMs);
      const server = String(response.headers['x-server']);
      counts.servers[server] = (counts.servers[server] ?? 0) + 1;
    });
    response.on('error', () => fail('broken answer'));
  });
  asked.on('timeout', () => asked.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })));
  asked.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  asked.end();
}

setInterval(() => {
  if (running === null) return;
  const due = Math.floor(((monotonicMs() - running.sinceMs) * running.options.perSecond) / 1000);
  for (; running.sent < due; running.sent += 1) ask(running.options);
}, TICK_MS);

/** Waits for the answers under way: an interrupted request is no error. */
async function stop(): Promise<WebCounts> {
  const timeoutMs = running?.options.timeoutMs ?? 0;
  running = null;
  const limit = monotonicMs() + timeoutMs + 100;
  const answered = (): number => counts.ok + Object.values(counts.errors).reduce((sum, n) => sum + n, 0);
  while (answered() < counts.requests && monotonicMs() < limit) await new Promise((resolve) => setTimeout(resolve, 5));
  return counts;
}

const api: WebApi = {
  hello: () => null,
  start: (options) => {
    counts = { requests: 0, ok: 0, errors: {}, slowestMs: 0, servers: {} };
    running = { options, sinceMs: monotonicMs(), sent: 0 };
    return null;
  },
  counts: () => counts,
  stop,
};
serveCalls(api);
