/**
 * Logging: pino JSON lines on standard output, by the table of events. Writes without blocking: a reader that stands still costs lines
 * (counted, and said once it reads again), never the node. Secrets are cut out by name, whoever passes them.
 */
import pino from 'pino';
import { type EventFields, type EventName, events, type LogLevel } from './events.js';

/** Lines waiting for a slow reader; beyond that new ones are dropped. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const SECRETS = ['password', 'secret', 'token', 'privateKey', 'authorization', 'pem'];
const REDACTED = { paths: [...SECRETS, ...SECRETS.map((name) => `*.${name}`)], censor: '[secret]' };

export interface Log {
  event<N extends EventName>(name: N, fields: EventFields<N>): void;
  /** An event of another process (the heartbeat), whose names are its own. */
  relay(level: LogLevel, event: string, fields: Record<string, unknown>): void;
  /** Lines that found no room so far. */
  dropped(): number;
  /** Waits until everything is written; call before the process exits. */
  flush(): void;
}

/** Where lines go; pino.destination() is one. */
export interface LogSink {
  write(line: string): unknown;
  flushSync?(): void;
}

export interface LogOptions {
  level: LogLevel;
  node: string;
  /** Standard output unless given. */
  sink?: LogSink;
}

export function createLog(options: LogOptions): Log {
  let dropped = 0;
  let toldDropped = 0;
  const sink = options.sink ?? openStdout(() => dropped++);
  const logger = pino(
    {
      level: options.level,
      base: { node: options.node, pid: process.pid },
      redact: REDACTED,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    sink,
  );
  const log: Log = {
    event(name, fields) {
      const { level, message } = events[name];
      logger[level]({ event: name, ...spoken(fields) }, message);
      if (dropped > toldDropped && name !== 'log.dropped') {
        const lines = dropped - toldDropped;
        toldDropped = dropped;
        log.event('log.dropped', { lines });
      }
    },
    relay(level, event, fields) {
      logger[level]({ ...spoken(fields), event }, event);
    },
    dropped: () => dropped,
    flush: () => sink.flushSync?.(),
  };
  return log;
}

function openStdout(onDrop: () => void): LogSink {
  const stream = pino.destination({ dest: 1, sync: false, maxLength: MAX_WAITING_BYTES });
  stream.on('drop', onDrop);
  return stream;
}

/** Errors and big integers as JSON can say them. */
function spoken(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => {
      if (typeof value === 'bigint') return [key, value.toString()];
      return [key, value instanceof Error ? value.message : value];
    }),
  );
}
