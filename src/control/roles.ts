/**
 * What the daemon knows of the election: the last status of every virtual router and the recent transitions, as the heartbeat told them.
 */
import type { Clock } from '../system/clock.js';
import type { BeatStatus, FromHeartbeat, RouterStatus } from '../vrrp/heartbeat-api.js';
import type { TransitionRow } from './status.js';
import { createWaiting } from './wait-until.js';

/** Transitions kept for `tandem status` and the admin API. */
const HISTORY_LENGTH = 200;

export interface Roles {
  update(message: Extract<FromHeartbeat, { type: 'status' }>): void;
  transition(message: Extract<FromHeartbeat, { type: 'transition' }>): void;
  routers(): RouterStatus[];
  held(): ReadonlySet<string>;
  history(): TransitionRow[];
  /** Of the heartbeat that spoke last. */
  process(): { pid: number | null; realtime: boolean };
  /** How the beats to and from the other nodes go; null: there are none, or nothing is known yet. */
  beats(): BeatStatus | null;
  /** Resolves when the router has this role, false after the limit. */
  waitFor(router: string, role: RouterStatus['role'], limitMs: number): Promise<boolean>;
}

/** What a heartbeat that was started by an older version does not say. */
const sinceOlder: Pick<RouterStatus, 'holdDownMs' | 'peers'> = { holdDownMs: null, peers: [] };
const complete = (router: RouterStatus): RouterStatus => (router.peers === undefined ? { ...sinceOlder, ...router } : router);

export function createRoles(clock: Clock): Roles {
  let routers = new Map<string, RouterStatus>();
  let process: { pid: number | null; realtime: boolean } = { pid: null, realtime: false };
  let beats: BeatStatus | null = null;
  const history: TransitionRow[] = [];
  const waiting = createWaiting(clock);

  return {
    update(message) {
      routers = new Map(message.routers.map((router) => [router.name, complete(router)]));
      process = { pid: message.pid, realtime: message.realtime };
      beats = message.beats;
      waiting.look();
    },
    transition({ router, from, to, reason, atWallMs }) {
      history.push({ router, from, to, reason, atWallMs });
      if (history.length > HISTORY_LENGTH) history.shift();
      const known = routers.get(router);
      if (known !== undefined) routers.set(router, { ...known, role: to, reason, sinceWallMs: atWallMs });
      waiting.look();
    },
    routers: () => [...routers.values()],
    held: () => new Set([...routers.values()].filter((router) => router.role === 'active').map((router) => router.name)),
    history: () => history.slice(),
    process: () => process,
    beats: () => beats,
    waitFor: (router, role, limitMs) => waiting.until(() => routers.get(router)?.role === role, limitMs),
  };
}
