/**
 * The daemon's side of the heartbeat: what it is told, what it answers, and who holds which lease according to it. Keeps the last word
 * of both sides over reconnects; decides nothing.
 */
import type { Clock } from '../system/clock.js';
import type { Log } from '../telemetry/log.js';
import type { FromHeartbeat, RouterStatus, ToHeartbeat, TransitionMessage } from '../vrrp/heartbeat-api.js';
import { createHeartbeatLink } from './heartbeat-link.js';
import { createRoles, type Roles } from './roles.js';
import { createWaiting } from './wait-until.js';

/** A heartbeat answers within a scheduling delay; older numbers are shown after that. */
const STATUS_LIMIT_MS = 100;
/** A heartbeat that is there is adopted within milliseconds; one that has to be started first holds nothing yet. */
export const FIRST_STATUS_LIMIT_MS = 500;
/** A stopping node waits this long for its heartbeat to say goodbye. */
const GOODBYE_LIMIT_MS = 1000;

type Track = Extract<ToHeartbeat, { type: 'track' }>;

export interface HeartbeatSessionOptions {
  socketPath: string;
  command: string[];
  crashLog: string;
  clock: Clock;
  log: Log;
  /** What the heartbeat must know at this moment; null: not known yet, it goes on with what it has. */
  track(): Track | null;
  /** What a heartbeat that was just reached has to be told first. */
  greeting(): ToHeartbeat[];
  onStatus(routers: readonly RouterStatus[]): void;
  onTransition(message: TransitionMessage): void;
  /** A take-over was seen on the wire. */
  onVerified(router: string, afterMs: number): void;
  /** The set of held leases is another one. */
  onHeldChange(held: ReadonlySet<string>): void;
}

export interface HeartbeatSession {
  readonly roles: Roles;
  start(): void;
  isConnected(): boolean;
  send(message: ToHeartbeat): boolean;
  /** Tells what it must know if that changed, and asks how it is. */
  refresh(): void;
  /** Resolves when the roles are fresh, or are not going to be. */
  fresh(): Promise<void>;
  /** Resolves when it has said for the first time what it holds, or after a limit. */
  firstStatus(): Promise<void>;
  /** The program on disk goes on in its place. Rejects with the reason when it cannot. */
  replace(): Promise<void>;
  /** Lets go without ending it. */
  leave(): void;
  /** Asks it to give everything up and end; resolves when it has, or after a limit. */
  end(reason: string): Promise<void>;
}

export function createHeartbeatSession(options: HeartbeatSessionOptions): HeartbeatSession {
  const { log, clock } = options;
  const roles = createRoles(clock);
  const answers = createWaiting(clock);
  let tracked = '';
  let heldNames = '';
  let statuses = 0;

  const link = createHeartbeatLink({
    socketPath: options.socketPath,
    command: options.command,
    crashLog: options.crashLog,
    clock,
    onMessage: (message) => receive(message),
    onConnected(adopted) {
      if (adopted) link.send({ type: 'reload' });
      for (const message of options.greeting()) link.send(message);
      tracked = '';
      refresh();
      void fresh().then(() => log.event('heartbeat.connected', { ...roles.process(), adopted }));
    },
    onLost: () => log.event('heartbeat.lost', { reason: 'its socket closed' }),
  });

  const refresh = (): void => {
    const message = options.track();
    const text = JSON.stringify(message);
    if (message !== null && text !== tracked && link.send(message)) tracked = text;
    link.send({ type: 'status' });
  };

  const fresh = async (): Promise<void> => {
    const before = statuses;
    if (link.send({ type: 'status' })) await answers.until(() => statuses > before, STATUS_LIMIT_MS);
  };

  const receive = (message: FromHeartbeat): void => {
    switch (message.type) {
      case 'status':
        roles.update(message);
        options.onStatus(message.routers);
        statuses++;
        answers.look();
        break;
      case 'transition':
        roles.transition(message);
        log.event('router.transition', { router: message.router, from: message.from, to: message.to, reason: message.reason });
        options.onTransition(message);
        // A heartbeat whose lease lapsed has forgotten whether this node is in sync: told anew, changed or not.
        tracked = '';
        refresh();
        break;
      case 'verified':
        options.onVerified(message.router, message.afterMs);
        return;
      case 'log':
        log.relay(message.level, message.event, message.fields);
        return;
    }
    const held = roles.held();
    const names = [...held].sort().join(' ');
    if (names === heldNames) return;
    heldNames = names;
    options.onHeldChange(held);
  };

  return {
    roles,
    start: () => link.start(),
    isConnected: () => link.isConnected(),
    send: (message) => link.send(message),
    refresh,
    fresh,
    async firstStatus() {
      await answers.until(() => statuses > 0, FIRST_STATUS_LIMIT_MS);
    },
    async replace() {
      const before = roles.process().pid;
      await link.replace();
      await answers.until(() => roles.process().pid !== before, FIRST_STATUS_LIMIT_MS);
      log.event('heartbeat.replaced', { before, pid: roles.process().pid, reason: 'upgrade' });
    },
    leave: () => link.stop(),
    async end(reason) {
      link.send({ type: 'stop', reason });
      await link.end(GOODBYE_LIMIT_MS);
    },
  };
}
