/**
 * Which processes run inside a network namespace, and signals to all of them. Synchronous, so that it also works in an exit handler.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** The kernel's name of a namespace as /proc shows it, for example `net:[4026532281]`; null when there is no such namespace. */
function namespaceLink(namespace: string): string | null {
  try {
    return `net:[${statSync(`/run/netns/${namespace}`).ino}]`;
  } catch {
    return null;
  }
}

function netLink(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/** Process ids inside any of the namespaces, without `except`. */
export function processesIn(namespaces: readonly string[], except: ReadonlySet<number> = new Set()): number[] {
  const links = new Set(namespaces.map(namespaceLink).filter((link) => link !== null));
  if (links.size === 0) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => links.has(netLink(pid) ?? ''))
    .map(Number)
    .filter((pid) => pid !== process.pid && !except.has(pid));
}

/** Signals each; one that has ended meanwhile is no error. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // Ended by itself.
    }
  }
}

/** True until the process is gone or a zombie. */
export function isRunning(pid: number): boolean {
  const state = statField(pid, 0);
  return state !== null && state !== 'Z' && state !== 'X';
}

/** One letter as ps(1) shows it: R, S, T (stopped) ...; null when there is no such process. */
export const processState = (pid: number): string | null => statField(pid, 0);

/** Start time in clock ticks since boot: with the pid it names a process for ever. */
export const startTicks = (pid: number): string | null => statField(pid, 19);

/** Field of /proc/PID/stat, counted from the state, which stands after the command's name in parentheses. */
function statField(pid: number, index: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index] ?? null;
  } catch {
    return null;
  }
}

/** The command line, words separated by blanks. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
