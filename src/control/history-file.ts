/**
 * JSON lines that outlive the process and the machine: appended to one file, which is turned over into a second one when it has grown, so
 * that both together are bounded. Writing never holds anybody up. What cannot be written (a full disk) waits in memory, is written as soon
 * as that is possible again, and what finds no room there either is counted.
 */
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';

/** Two files of this size hold several thousand transitions: months of an ordinary life. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** Lines that wait for a disk. */
export const MAX_WAITING_LINES = 512;

export interface HistoryFileOptions {
  path: string;
  maxBytes?: number;
  /** The first write that fails, and the first that works again (reason null). */
  onTrouble(reason: string | null): void;
}

export interface HistoryFile {
  append(value: object): void;
  /** Every line that is there, oldest first, what still waits included. */
  read(): Promise<unknown[]>;
  /** Lines that wait, and lines that were lost for want of room. */
  counts(): { waiting: number; dropped: number };
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>;
}

const olderOf = (path: string): string => path.replace(/(\.jsonl)?$/, '.1$1');

export function openHistoryFile({ path, maxBytes = MAX_FILE_BYTES, onTrouble }: HistoryFileOptions): HistoryFile {
  const waiting: string[] = [];
  let dropped = 0;
  let isInTrouble = false;
  let work: Promise<void> = Promise.resolve();

  const flush = async (): Promise<void> => {
    const lines = waiting.splice(0);
    if (lines.length === 0) return;
    try {
      await appendLines(path, lines, maxBytes);
      if (isInTrouble) onTrouble(null);
      isInTrouble = false;
    } catch (error) {
      waiting.unshift(...lines);
      if (!isInTrouble) onTrouble(error instanceof Error ? error.message : String(error));
      isInTrouble = true;
    }
    const excess = waiting.length - MAX_WAITING_LINES;
    if (excess > 0) dropped += waiting.splice(0, excess).length;
  };

  return {
    append(value) {
      waiting.push(JSON.stringify(value));
      work = work.then(flush);
    },
    async read() {
      work = work.then(flush);
      await work;
      const texts = await Promise.all([olderOf(path), path].map((file) => readFile(file, 'utf8').catch(() => '')));
      return [...texts.flatMap((text) => text.split('\n')), ...waiting].flatMap(parsed);
    },
    counts: () => ({ waiting: waiting.length, dropped }),
    settled: () => work,
  };
}

/** All or nothing: a line that was cut off by a full disk is taken back. */
async function appendLines(path: string, lines: readonly string[], maxBytes: number): Promise<void> {
  let file = await open(path, 'a+', 0o600);
  try {
    let { size } = await file.stat();
    if (size >= maxBytes) {
      await file.close();
      await rename(path, olderOf(path));
      file = await open(path, 'a+', 0o600);
      size = 0;
    }
    const start = size > 0 && !(await endsWithNewline(file, size)) ? '\n' : '';
    try {
      await file.appendFile(`${start}${lines.join('\n')}\n`);
      await file.datasync();
    } catch (error) {
      await file.truncate(size);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/** A machine that lost power may have left half a line behind. */
async function endsWithNewline(file: FileHandle, size: number): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return bytesRead === 1 && buffer[0] === 0x0a;
}

function parsed(line: string): unknown[] {
  if (line.trim() === '') return [];
  try {
    return [JSON.parse(line)];
  } catch {
    // Half a line of a machine that lost power.
    return [];
  }
}
