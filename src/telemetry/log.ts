/**
 * Logging: pino JSON lines on standard output, by the table of events. Lines that found no room are counted, and told once there is room
 * again. Secrets are cut out by name, whoever passes them.
 */
import pino from 'pino';
import { type EventFields, type EventName, events, type LogLevel } from './events.js';
import { type LogSink, openLogSink } from './log-sink.js';

const SECRETS = ['password', 'secret', 'token', 'privateKey', 'authorization', 'pem'];
const REDACTED = { paths: [...SECRETS, ...SECRETS.map((name) => `*.${name}`)], censor: '[secret]' };

export interface Log {
  event<N extends EventName>(name: N, fields: EventFields<N>): void;
  /** An event of another process (the heartbeat), whose names are its own. */
  relay(level: LogLevel, event: string, fields: Record<string, unknown>): void;
  /** Lines that found no room so far. */
  dropped(): number;
  /** Waits, not for long, until everything is written; call before the process exits. */
  flush(): Promise<void>;
}

export interface LogOptions {
  level: LogLevel;
  node: string;
  /** Standard output unless given. */
  sink?: LogSink;
}

export function createLog(options: LogOptions): Log {
  const sink = options.sink ?? openLogSink(process.stdout.fd);
  let toldDropped = 0;
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
  const write = <N extends EventName>(name: N, fields: EventFields<N>): void => {
    const { level, message } = events[name];
    logger[level]({ event: name, ...spoken(fields) }, message);
  };
  const tellDropped = (): void => {
    const lines = sink.dropped() - toldDropped;
    if (lines === 0 || sink.isFull()) return;
    toldDropped += lines;
    write('log.dropped', { lines });
  };
  return {
    event(name, fields) {
      tellDropped();
      write(name, fields);
    },
    relay(level, event, fields) {
      tellDropped();
      logger[level]({ ...spoken(fields), event }, event);
    },
    dropped: () => sink.dropped(),
    flush: () => sink.flush(),
  };
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
