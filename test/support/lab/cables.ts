/**
 * Pulls and plugs cables at the switch within a fraction of a millisecond, also on a busy machine: an `ip` that waits inside the namespace
 * for the next line. Started with a process of its own, `ip` may be late by more than what is measured.
 */
import { spawn } from 'node:child_process';
import { canBeRealtime, REALTIME_PRIORITY } from './agent.js';

export interface Cables {
  readonly pid: number;
  /** Every port in the same instant, as far as the kernel goes; in force when it resolves. */
  set(ports: readonly string[], state: 'up' | 'down'): Promise<void>;
  close(): void;
}

/** What `ip` prints of the loopback interface: the lines before have been done. */
const DONE = '<LOOPBACK';

export function openCables(namespace: string): Cables {
  const realtime = canBeRealtime() ? ['chrt', '-f', REALTIME_PRIORITY] : [];
  const command = [`--net=/run/netns/${namespace}`, ...realtime, 'stdbuf', '-oL', 'ip', '-batch', '-'];
  const child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let errors = '';
  const end = (): void => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`cables of ${namespace}: ip has ended: ${errors.trim()}`));
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.on('error', end);
  child.on('error', end);
  child.on('close', end);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const _ of text.split(DONE).slice(1)) waiting.shift()?.resolve();
  });
  return {
    pid: child.pid ?? -1,
    set: (ports, state) =>
      new Promise((resolve, reject) => {
        if (child.exitCode !== null || child.signalCode !== null) return reject(new Error(`cables of ${namespace}: ip has ended`));
        waiting.push({ resolve, reject });
        child.stdin.write(`${[...ports.map((port) => `link set ${port} ${state}`), 'link show dev lo'].join('\n')}\n`);
      }),
    close: () => {
      child.stdin.end();
    },
  };
}
