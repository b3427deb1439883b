/**
 * Signals to single processes of a Tandem node: its daemon, its heartbeat, the spare heartbeat that waits to replace it.
 */
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
