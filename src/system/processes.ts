/**
 * Looks for running processes in /proc. A zombie does not run. The number found last is asked first, so that a look at something that
 * lives costs one small file.
 */
import { readdir, readFile } from 'node:fs/promises';

/** The kernel keeps so many characters of a program's name. */
const MAX_COMM = 15;
/** Files read at the same time while searching. */
const BATCH = 32;

const lastFound = new Map<string, number>();

interface Stat {
  comm: string;
  isAlive: boolean;
}

async function statOf(pid: number | string): Promise<Stat | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  // The name may itself hold parentheses and spaces.
  const [open, close] = [text?.indexOf('(') ?? -1, text?.lastIndexOf(')') ?? -1];
  if (text === null || open < 0 || close < open) return null;
  const state = text[close + 2] ?? '';
  return { comm: text.slice(open + 1, close), isAlive: !'ZXx'.includes(state) };
}

async function hasName(pid: number | string, name: string): Promise<boolean> {
  const stat = await statOf(pid);
  if (stat === null || !stat.isAlive) return false;
  if (stat.comm === name) return true;
  // Beyond the kernel's limit, and for programs run by an interpreter under another name, the command line tells.
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const first = line.split('\0')[0] ?? '';
  const program = first.slice(first.lastIndexOf('/') + 1);
  return program === name || (name.length > MAX_COMM && program === '' && stat.comm === name.slice(0, MAX_COMM));
}

/** Number of a running process with this name; null: there is none. */
export async function findProcess(name: string): Promise<number | null> {
  const last = lastFound.get(name);
  if (last !== undefined && (await hasName(last, name))) return last;
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  for (let at = 0; at < pids.length; at += BATCH) {
    const batch = pids.slice(at, at + BATCH);
    const found = await Promise.all(batch.map((pid) => hasName(pid, name)));
    const pid = Number(batch[found.indexOf(true)]);
    if (!Number.isNaN(pid)) {
      lastFound.set(name, pid);
      return pid;
    }
  }
  lastFound.delete(name);
  return null;
}

/** Number of the running process that a pid file names, or why there is none. */
export async function processOfFile(file: string): Promise<number | string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== 'string')
    return text.code === 'ENOENT' ? 'the pid file is not there' : `the pid file cannot be read: ${text.message}`;
  const pid = Number(text.trim().split(/\s/)[0]);
  if (!Number.isSafeInteger(pid) || pid < 1) return 'the pid file holds no process number';
  return (await statOf(pid))?.isAlive === true ? pid : `process ${pid} does not run`;
}
