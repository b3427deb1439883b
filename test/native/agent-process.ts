/** The parent's side of agent.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Request {
  id: number;
  target: string;
  method: string;
  values: unknown[];
  /** Keep the result under this name instead of answering with it. */
  keepAs?: string;
}

export interface Answer {
  id: number;
  result?: unknown;
  error?: { code: string; message: string; hint: string };
}

const agentPath = path.join(path.dirname(fileURLToPath(import.meta.url)), 'agent.js');

export class Agent {
  readonly child: ChildProcess;
  private nextId = 1;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  /** Starts the process inside a network namespace of `ip netns`, or (null) where we are. */
  constructor(namespace: string | null, env: Record<string, string> = {}) {
    const place = namespace === null ? [] : ['nsenter', `--net=/run/netns/${namespace}`];
    const [program = '', ...words] = [...place, process.execPath, agentPath];
    this.child = spawn(program, words, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.child.on('message', (answer: Answer) => this.waiting.get(answer.id)?.(answer));
    this.child.once('exit', (code, signal) => {
      const error = { code: 'EXIT', message: `the agent ended: ${code ?? signal}`, hint: '' };
      for (const [id, resolve] of this.waiting) resolve({ id, error });
    });
  }

  async call<T = unknown>(target: string, method: string, values: unknown[], keepAs?: string): Promise<T> {
    const id = this.nextId++;
    const answered = new Promise<Answer>((resolve) => this.waiting.set(id, resolve));
    this.child.send({ id, target, method, values, ...(keepAs === undefined ? {} : { keepAs }) } satisfies Request);
    const answer = await answered;
    this.waiting.delete(id);
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result as T;
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}
