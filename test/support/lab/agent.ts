/**
 * The lab's side of an agent: a small Node process inside a namespace that is told what to do, one JSON object per line, over its
 * standard input, and ends when that closes. The other side is agents/agent-host.ts.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An agent's methods: each takes one argument and answers, as JSON. */
export type AgentApi = Record<string, (argument: never) => unknown>;

type Argument<F> = F extends (argument: infer A) => unknown ? A : never;
type Answer<F> = F extends (argument: never) => infer R ? Awaited<R> : never;

export interface Agent<Api> {
  readonly pid: number;
  readonly name: string;
  call<M extends keyof Api & string>(method: M, argument: Argument<Api[M]>): Promise<Answer<Api[M]>>;
  close(): void;
}

export interface AgentOptions {
  name: string;
  namespace: string;
  /** File name in agents/, without extension. */
  script: string;
  args?: string[];
  /** SCHED_FIFO: for agents whose timing is the measurement. Ignored where it is not permitted. */
  realtime?: boolean;
}

interface Pending {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

type FromAgent = { id: number; value: unknown } | { id: number; error: string };

/** Below every priority a node under test would take. */
export const REALTIME_PRIORITY = '1';

/** Starts an agent; its first answer proves that it is ready. */
export function startAgent<Api>(options: AgentOptions): Agent<Api> {
  const script = fileURLToPath(new URL(`./agents/${options.script}.js`, import.meta.url));
  const command = [process.execPath, '--max-semi-space-size=16', script, ...(options.args ?? [])];
  const prefix = options.realtime === true && canBeRealtime() ? ['chrt', '-f', REALTIME_PRIORITY] : [];
  const child = spawn('nsenter', [`--net=/run/netns/${options.namespace}`, ...prefix, ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  return conversation(options.name, child);
}

// Root may, but a container can forbid it all the same: then the agent is started without.
let realtimeAllowed: boolean | undefined;
export function canBeRealtime(): boolean {
  realtimeAllowed ??= spawnSync('chrt', ['-f', REALTIME_PRIORITY, 'true'], { stdio: 'ignore' }).status === 0;
  return realtimeAllowed;
}

function conversation<Api>(name: string, child: ChildProcess): Agent<Api> {
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let errors = '';
  let ended: Error | null = null;
  const end = (why: string): void => {
    ended ??= new Error(`agent ${name} has ended (${why}) ${errors}`.trim());
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  child.stdin?.on('error', () => end('input closed'));
  child.on('error', (error) => end(error.message));
  child.on('close', (code, signal) => end(signal ?? `exit status ${code}`));
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    const message = JSON.parse(line) as FromAgent;
    const waiting = pending.get(message.id);
    pending.delete(message.id);
    if ('error' in message) waiting?.reject(new Error(`agent ${name}: ${message.error}`));
    else waiting?.resolve(message.value as never);
  });
  return {
    pid: child.pid ?? -1,
    name,
    call: (method, argument) =>
      new Promise((resolve, reject) => {
        if (ended !== null) return reject(ended);
        const id = nextId++;
        pending.set(id, { resolve, reject } as Pending);
        child.stdin?.write(`${JSON.stringify({ id, method, argument })}\n`);
      }),
    close: () => {
      child.stdin?.end();
    },
  };
}
