/**
 * What a lab leaves on the machine, written down before it is made, so that it can be removed after any end: by its own process (normally,
 * on an exception, on a signal) or, when that was killed, by the next lab. Everything here is synchronous: exit handlers allow nothing else.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
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
  /** Directories in the control group file system that were made for it. */
  controlGroups: string[];
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
  for (const group of record.controlGroups) emptyControlGroup(group, path.dirname(group));
  if (record.workDir !== null) unmountBelow(record.workDir);
  for (const directory of [...record.pinDirs, record.workDir]) {
    if (directory !== null) rmSync(directory, { recursive: true, force: true });
  }
  rmSync(fileOf(record.prefix), { force: true });
}

/** Moves what is left in a control group to its parent and removes it. */
export function emptyControlGroup(group: string, parent: string): void {
  // A process that is ending stays a member for a moment.
  for (let round = 0; round < 200 && existsSync(group); round += 1) {
    for (const pid of readLines(path.join(group, 'cgroup.procs'))) attempt(() => writeFileSync(path.join(parent, 'cgroup.procs'), pid));
    attempt(() => rmdirSync(group));
    if (existsSync(group)) spawnSync('sleep', ['0.01']);
  }
}

function unmountBelow(directory: string): void {
  const mounted = readLines('/proc/mounts').map((line) => line.split(' ')[1] ?? '');
  for (const point of mounted.filter((each) => each.startsWith(`${directory}/`))) spawnSync('umount', ['-l', point], { stdio: 'ignore' });
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // Gone by itself, or next time.
  }
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
    removeLab({ prefix, pid: 0, startTicks: null, namespaces: names, workDir: null, pinDirs: [], controlGroups: [] });
  }
  return [...byPrefix.keys()];
}

function readRecord(file: string): LabRecord | null {
  try {
    // A record of an older version of the lab has no control groups.
    return { controlGroups: [], ...(JSON.parse(readFileSync(file, 'utf8')) as Omit<LabRecord, 'controlGroups'>) };
  } catch {
    return null;
  }
}
