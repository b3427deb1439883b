/**
 * What a lab leaves on the machine, written down before it is made, so that it can be removed after any end: by its own process (normally,
 * on an exception, on a signal) or, when that was killed, by the next lab. Everything here is synchronous: exit handlers allow nothing else.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { processesIn, signalAll, startTicks } from './processes.js';

const REGISTRY = '/run/tandem-lab';
const NETNS = '/run/netns';
/** Every lab's namespaces start like this, followed by the id of the process that made them and a letter. */
export const PREFIX = 'tdm';

export interface LabRecord {
  prefix: string;
  pid: number;
  startTicks: string | null;
  namespaces: string[];
  workDir: string | null;
  /** Pins of nodes on bpffs; removing them detaches their programs. */
  pinDirs: string[];
}

const fileOf = (prefix: string): string => path.join(REGISTRY, `${prefix}.json`);

export function writeRecord(record: LabRecord): void {
  mkdirSync(REGISTRY, { recursive: true });
  writeFileSync(fileOf(record.prefix), JSON.stringify(record));
}

/** Kills what runs in the lab and removes all it made. Safe to repeat. */
export function removeLab(record: LabRecord): void {
  const existing = record.namespaces.filter((name) => readNames(NETNS).includes(name));
  // A process that is just being forked escapes one look, so look until nobody is left.
  for (let round = 0; round < 20; round += 1) {
    const pids = processesIn(existing);
    if (pids.length === 0) break;
    signalAll(pids, 'SIGKILL');
  }
  if (existing.length > 0) {
    spawnSync('ip', ['-force', '-batch', '-'], {
      input: existing.map((name) => `netns del ${name}`).join('\n'),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  }
  for (const directory of [...record.pinDirs, record.workDir]) {
    if (directory !== null) rmSync(directory, { recursive: true, force: true });
  }
  rmSync(fileOf(record.prefix), { force: true });
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

const isAlive = (pid: number, ticks: string | null): boolean => {
  const now = startTicks(pid);
  return now !== null && (ticks === null || now === ticks);
};

/** Removes labs whose process is gone; returns their prefixes. */
export function removeStaleLabs(): string[] {
  const stale: LabRecord[] = [];
  for (const name of readNames(REGISTRY).filter((file) => file.endsWith('.json'))) {
    const record = readRecord(path.join(REGISTRY, name));
    if (record !== null && !isAlive(record.pid, record.startTicks)) stale.push(record);
  }
  for (const record of stale) removeLab(record);
  return [...stale.map((record) => record.prefix), ...removeUnrecorded()];
}

/** Namespaces named like a lab's whose process is gone and whose record is gone too (/run/tandem-lab was cleared). */
function removeUnrecorded(): string[] {
  const byPrefix = new Map<string, string[]>();
  for (const name of readNames(NETNS)) {
    const match = new RegExp(`^(${PREFIX}(\\d+)[a-z]+)-`).exec(name);
    if (match === null || isAlive(Number(match[2]), null)) continue;
    const prefix = match[1] as string;
    byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), name]);
  }
  for (const [prefix, names] of byPrefix) {
    removeLab({ prefix, pid: 0, startTicks: null, namespaces: names, workDir: null, pinDirs: [] });
  }
  return [...byPrefix.keys()];
}

function readRecord(file: string): LabRecord | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LabRecord;
  } catch {
    return null;
  }
}
