/**
 * Standard output as the place where log lines go. A pipe whose reader stands still must not stop the node, neither while it runs nor when
 * it wants to exit: lines wait in a bounded buffer, beyond it they are dropped and counted. A reader that went away costs lines too.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { after, systemClock } from '../system/clock.js';

/** Lines waiting for a slow reader; beyond that new ones are dropped. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** How long an exit waits for the reader. */
const FLUSH_LIMIT_MS = 1000;

export interface LogSink {
  write(line: string): void;
  /** A line written now would be dropped. */
  isFull(): boolean;
  /** Lines that found no room so far. */
  dropped(): number;
  /** Resolves when everything is written, or the reader was given up. */
  flush(): Promise<void>;
}

export function openLogSink(fd: number): LogSink {
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket() ? pipeSink(fd) : fileSink(fd);
}

/** A file or a terminal takes what it is given. */
function fileSink(fd: number): LogSink {
  let dropped = 0;
  return {
    write: (line) => {
      try {
        writeSync(fd, line);
      } catch {
        // A full disk or a closed terminal: there is no other place to say it than the metric.
        dropped++;
      }
    },
    isFull: () => false,
    dropped: () => dropped,
    flush: () => Promise.resolve(),
  };
}

function pipeSink(fd: number): LogSink {
  const socket = new Socket({ fd, readable: false, writable: true });
  let dropped = 0;
  // Without a listener the death of the reader would be ours.
  socket.on('error', () => socket.destroy());
  // Waiting for a reader is no reason to stay alive.
  socket.unref();
  const isFull = (): boolean => !socket.writable || socket.writableLength > MAX_WAITING_BYTES;
  return {
    write: (line) => {
      if (isFull()) dropped++;
      else socket.write(line);
    },
    isFull,
    dropped: () => dropped,
    flush: () => drained(socket),
  };
}

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (!socket.writable || socket.writableLength === 0) return resolve();
    const cancel = systemClock.at(after(systemClock.now(), FLUSH_LIMIT_MS), resolve);
    socket.write('', () => {
      cancel();
      resolve();
    });
  });
