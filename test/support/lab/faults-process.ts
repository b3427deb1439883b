/**
 * Signals to single processes of a Tandem node: its daemon, its heartbeat, the spare heartbeat that waits to replace it; and a heartbeat of
 * which only one thread stands still.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { nodeProcesses } from './faults.js';
import type { Lab } from './lab.js';
import { commandLine, isRunning, signalAll } from './processes.js';
import { waitFor } from './wait-for.js';

export const PROCESS_ROLES = ['daemon', 'heartbeat', 'spare'] as const;
export type ProcessRole = (typeof PROCESS_ROLES)[number];

const IS_ROLE: Record<ProcessRole, (command: string) => boolean> = {
  daemon: (command) => command.startsWith(process.execPath) && command.includes(' run --config '),
  heartbeat: (command) => command === 'tandem-heartbeat',
  spare: (command) => command === 'tandem-heartbeat spare',
};

/** Process ids of the node's processes in this role: one, or none while it does not run. */
export const processesOf = (lab: Lab, node: string, role: ProcessRole): number[] =>
  nodeProcesses(lab, node).filter((pid) => IS_ROLE[role](commandLine(pid)));

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** kill -9 of one; returns the moment. The others are not told. */
export async function killProcess(lab: Lab, node: string, role: ProcessRole): Promise<number> {
  const pids = processesOf(lab, node, role);
  const atMs = now();
  signalAll(pids, 'SIGKILL');
  await waitFor(`${role} of ${node} to be gone`, () => !pids.some(isRunning), { everyMs: 5 });
  return atMs;
}

/** Stops one of them; what was started since is not. */
export function stopProcess(lab: Lab, node: string, role: ProcessRole): number {
  const atMs = now();
  signalAll(processesOf(lab, node, role), 'SIGSTOP');
  return atMs;
}

export function continueProcess(lab: Lab, node: string, role: ProcessRole): number {
  const atMs = now();
  signalAll(processesOf(lab, node, role), 'SIGCONT');
  return atMs;
}

/**
 * The main thread of a heartbeat waits in a call of the kernel, as for a disk that does not answer, while its other threads run: it is asked
 * to read its configuration, and the file is a pipe into which nobody writes. Returns how to let it go on.
 */
export function hangHeartbeat(stateDir: string): () => void {
  const file = path.join(stateDir, 'heartbeat.json');
  const kept = `${file}.kept`;
  renameSync(file, kept);
  execFileSync('mkfifo', [file]);
  const socket = connect(path.join(stateDir, 'heartbeat.sock'), () => socket.end('{"type":"reload"}\n'));
  socket.resume();
  return () => {
    const pipe = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(pipe, readFileSync(kept));
    closeSync(pipe);
    renameSync(kept, file);
  };
}
