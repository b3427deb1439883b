/**
 * Keeps one heartbeat process alive and talks to it. The heartbeat outlives the daemon: a restarted daemon adopts the one it finds on
 * the socket. It is started anew only when nobody answers there, and then from a spare process that has everything loaded already,
 * because starting one from nothing takes longer than a short lease. Decides nothing about roles.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { after, type Clock, type Monotonic } from '../system/clock.js';
import { connectLines, type LineConnection } from '../system/line-socket.js';
import type { FromHeartbeat, ToHeartbeat } from '../vrrp/heartbeat-api.js';

/** Gap between attempts to reach a heartbeat that is starting: well under its start time, so that no lease lapses waiting for us. */
const CONNECT_RETRY_MS = 5;
/** After this long without an answer a started heartbeat is taken for dead and started again. */
const START_LIMIT_MS = 5000;
/** A heartbeat that dies this often within the window is started again only after a pause. */
const CRASH_LIMIT = 5;
const CRASH_WINDOW_MS = 10_000;
const CRASH_PAUSE_MS = 1000;

/** The spare is prepared when the start of the first is over. */
const SPARE_AFTER_MS = 500;
/** Tells a heartbeat to load everything and wait for a line on standard input; its end without one means: not needed. */
const SPARE_ARGUMENT = '--spare';
/** Tells a heartbeat to load everything and then to go on in the place of the one that runs. */
const REPLACE_ARGUMENT = '--replace';

/** Loading everything takes 0.2 s, taking back a promise to the peers 0.1 s. */
const REPLACE_LIMIT_MS = 3000;

interface Replacement {
  succeed(): void;
}

export interface HeartbeatLinkOptions {
  socketPath: string;
  /** Command line of the heartbeat. */
  command: string[];
  /** Its stderr: crashes leave their trace here. */
  crashLog: string;
  clock: Clock;
  onMessage(message: FromHeartbeat): void;
  onConnected(adopted: boolean): void;
  onLost(): void;
}

export interface HeartbeatLink {
  start(): void;
  /** False when nobody is connected: the message is dropped, state is sent again on connect. */
  send(message: ToHeartbeat): boolean;
  isConnected(): boolean;
  /**
   * Starts the program as it is on disk now, in the place of the heartbeat that runs; resolves when it is connected. Rejects with the
   * reason when it could not take its place: then the other goes on.
   */
  replace(): Promise<void>;
  /** Lets go without ending the heartbeat. */
  stop(): void;
  /** It has been told to end: nobody is started in its place. Resolves when it has closed its end, or after the limit. */
  end(limitMs: number): Promise<void>;
}

export function createHeartbeatLink(options: HeartbeatLinkOptions): HeartbeatLink {
  const { clock } = options;
  let connection: LineConnection | null = null;
  let child: ChildProcess | null = null;
  let spare: ChildProcess | null = null;
  let cancelSpare: () => void = () => undefined;
  let startedAt = 0 as Monotonic;
  let crashes: number[] = [];
  let cancelTimer: () => void = () => undefined;
  let isStopped = false;
  let replacement: Replacement | null = null;
  let onEnd: () => void = () => undefined;

  const later = (ms: number): void => {
    cancelTimer();
    cancelTimer = clock.at(after(clock.now(), ms), attempt);
  };

  const spawnHeartbeat = (extra: string[], input: 'ignore' | 'pipe'): ChildProcess => {
    const [program, ...args] = options.command;
    if (program === undefined) throw new Error('the heartbeat has no command line');
    const log = openSync(options.crashLog, 'a', 0o600);
    const started = spawn(program, [...args, ...extra], { detached: true, stdio: [input, log, log] });
    closeSync(log);
    started.unref();
    started.on('error', () => undefined);
    started.stdin?.on('error', () => undefined);
    started.on('exit', () => {
      if (child === started) child = null;
      if (spare === started) spare = null;
    });
    return started;
  };

  const launch = (): void => {
    child = spare ?? spawnHeartbeat([], 'ignore');
    spare = null;
    child.stdin?.end('go\n');
    startedAt = clock.now();
  };

  const prepareSpare = (): void => {
    cancelSpare();
    cancelSpare = clock.at(after(clock.now(), SPARE_AFTER_MS), () => {
      if (!isStopped) spare ??= spawnHeartbeat([SPARE_ARGUMENT], 'pipe');
    });
  };

  /** Nobody answers on the socket: start one, unless one is on its way or it keeps dying. */
  const absent = (): void => {
    const now = clock.now();
    const isComing = child !== null && now - startedAt < START_LIMIT_MS;
    crashes = crashes.filter((at) => now - at < CRASH_WINDOW_MS);
    if (!isComing && crashes.length >= CRASH_LIMIT) {
      crashes = [];
      later(CRASH_PAUSE_MS);
      return;
    }
    if (!isComing) {
      crashes.push(now);
      launch();
    }
    later(CONNECT_RETRY_MS);
  };

  const attempt = (): void => {
    if (isStopped || connection !== null) return;
    connectLines(options.socketPath, {
      onConnect(opened) {
        if (isStopped) return opened.close();
        connection = opened;
        prepareSpare();
        replacement?.succeed();
        options.onConnected(child === null);
      },
      onMessage: (message) => options.onMessage(message as FromHeartbeat),
      onClose() {
        const wasConnected = connection !== null;
        connection = null;
        if (isStopped) return onEnd();
        if (wasConnected && replacement === null) options.onLost();
        absent();
      },
    });
  };

  const replace = (): Promise<void> => {
    if (connection === null) return Promise.reject(new Error('no heartbeat is connected'));
    if (replacement !== null) return Promise.reject(new Error('the heartbeat is being replaced already'));
    // Its program is the old one.
    spare?.stdin?.end();
    spare = null;
    const next = spawnHeartbeat([REPLACE_ARGUMENT], 'ignore');
    child = next;
    startedAt = clock.now();
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        cancelLimit();
        next.off('exit', failed);
        replacement = null;
        act();
      };
      const fail = (reason: string): void =>
        finish(() => {
          prepareSpare();
          reject(new Error(`the new heartbeat ${reason}; the old one goes on`));
        });
      const failed = (): void => fail(`ended: ${lastLine(options.crashLog)}`);
      next.once('exit', failed);
      next.once('error', (error) => fail(`cannot be started: ${error.message}`));
      const cancelLimit = clock.at(after(startedAt, REPLACE_LIMIT_MS), () => {
        next.kill('SIGKILL');
        fail(`did not take over within ${REPLACE_LIMIT_MS} ms`);
      });
      replacement = { succeed: () => finish(resolve) };
    });
  };

  const startNobody = (): void => {
    isStopped = true;
    cancelTimer();
    cancelSpare();
    spare?.stdin?.end();
  };

  return {
    start: attempt,
    replace,
    send: (message) => {
      if (connection === null) return false;
      connection.send(message);
      return true;
    },
    isConnected: () => connection !== null,
    stop() {
      startNobody();
      connection?.close();
    },
    end(limitMs) {
      startNobody();
      return new Promise((resolve) => {
        const cancelLimit = clock.at(after(clock.now(), limitMs), () => onEnd());
        onEnd = () => {
          cancelLimit();
          connection?.close();
          resolve();
        };
        if (connection === null) onEnd();
      });
    },
  };
}

/** What the process said last. */
function lastLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '';
  } catch {
    return '';
  }
}
