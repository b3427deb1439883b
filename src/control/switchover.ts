/**
 * Planned hand-over of virtual routers to a peer that has every flow. The lease is given up first and taken second, so there are never
 * two owners; the order to take over travels behind the last flow record in the same stream. What the successor does not take in time the
 * election gives to whoever is there, this node included: nobody active is never the end.
 */
import type { Replication } from '../replication/api.js';
import type { Monotonic } from '../system/clock.js';
import type { RouterStatus, ToHeartbeat } from '../vrrp/heartbeat-api.js';
import type { Roles } from './roles.js';
import type { SwitchoverReport, SwitchoverRow } from './status.js';
import type { Stragglers } from './stragglers.js';
import { chosenRouters, chosenSuccessor, type Question } from './switchover-plan.js';

/** Everything that is queued reaches a healthy peer in milliseconds; a peer that needs longer is not one to hand over to. */
const FLUSH_LIMIT_MS = 2000;
/** The heartbeat answers at once; this long means it is gone. */
const YIELD_LIMIT_MS = 1000;
const TAKE_OVER_LIMIT_MS = 1000;
/** Beyond the slowest election, for the news to arrive here. */
const RETURN_MARGIN_MS = 1000;
/** No straggler for so long: the hosts know where the addresses are. */
const QUIET_MS = 200;
/** After a planned hand-over this node does not pre-empt by itself: it waits to be asked, or for the active node to fall silent. */
export const HELD_UNTIL_ASKED_MS = Number.MAX_SAFE_INTEGER;

export interface SwitchoverParts {
  roles: Pick<Roles, 'routers' | 'held' | 'waitFor'>;
  replication: Pick<Replication, 'peers' | 'flush' | 'send'>;
  stragglers: Pick<Stragglers, 'begin' | 'end' | 'effect'>;
  toHeartbeat(message: ToHeartbeat): boolean;
  holderOf(router: string): string | null;
  waitForPeerToHold(node: string, routers: readonly string[], limitMs: number): Promise<boolean>;
  now(): Monotonic;
  /** Asks again and again; false after the limit. */
  poll(isTrue: () => boolean, limitMs: number): Promise<boolean>;
  connectionsOf(router: string): number;
  /** How long the slowest election of these takes when nobody is told anything. */
  electionMs(routers: readonly string[]): number;
}

export interface SwitchoverRequest extends Question {
  reason: string;
  /** How long a successor in sync is waited for. */
  waitMs: number;
  /** How long the end of the stragglers is waited for, so that the figures are whole. */
  settleMs: number;
  holdDownMs?: number;
}

export async function switchover(parts: SwitchoverParts, request: SwitchoverRequest): Promise<SwitchoverReport> {
  const chosen = chosenRouters(parts.roles.routers(), request.router, parts.holderOf);
  if ('refusal' in chosen) return refuse(chosen.refusal);
  const successor = await waitForSuccessor(parts, chosen.routers, request);
  if ('refusal' in successor) return refuse(successor.refusal);
  const { node } = successor;
  if (!(await parts.replication.flush(node, FLUSH_LIMIT_MS)))
    return refuse(`${node} did not confirm the flows within ${FLUSH_LIMIT_MS} ms; nothing was changed`);
  return handOver(parts, chosen.routers, node, request);
}

async function waitForSuccessor(parts: SwitchoverParts, routers: readonly RouterStatus[], { to, waitMs }: SwitchoverRequest) {
  const names = new Set(routers.map(({ name }) => name));
  const look = () =>
    chosenSuccessor(
      parts.replication.peers(),
      parts.roles.routers().filter(({ name }) => names.has(name)),
      to,
    );
  let found = look();
  if (!('canChange' in found) || !found.canChange || waitMs <= 0) return found;
  await parts.poll(() => {
    found = look();
    return 'node' in found;
  }, waitMs);
  if ('refusal' in found) return { refusal: `${found.refusal}, after waiting for ${waitMs / 1000} s; nothing was changed` };
  return found;
}

async function handOver(
  parts: SwitchoverParts,
  chosen: readonly RouterStatus[],
  node: string,
  request: SwitchoverRequest,
): Promise<SwitchoverReport> {
  const routers = chosen.map(({ name }) => name);
  const connections = new Map(routers.map((name) => [name, parts.connectionsOf(name)]));
  for (const name of routers) parts.stragglers.begin(name);
  const from = parts.now();
  const holdDownMs = request.holdDownMs ?? HELD_UNTIL_ASKED_MS;
  if (!parts.toHeartbeat({ type: 'yield', routers, reason: request.reason, holdDownMs })) {
    for (const name of routers) parts.stragglers.end(name, false);
    return refuse('the heartbeat is not reachable; nothing was changed');
  }
  const yielded = await Promise.all(routers.map((name) => parts.roles.waitFor(name, 'backup', YIELD_LIMIT_MS)));
  if (yielded.includes(false)) return refuse('the heartbeat did not give up the lease in time');
  const order = { type: 'takeOver', routers, reason: request.reason, terms: chosen.map(({ term }) => term) } as const;
  const told = parts.replication.send(node, order, TAKE_OVER_LIMIT_MS);
  const rows = await Promise.all(
    routers.map(async (router): Promise<SwitchoverRow | null> => {
      if (!(await parts.waitForPeerToHold(node, [router], TAKE_OVER_LIMIT_MS))) return null;
      return { router, successor: node, durationMs: parts.now() - from, connections: connections.get(router) ?? 0, steered: 0 };
    }),
  );
  const taken = rows.filter((row) => row !== null);
  if (taken.length < routers.length) return notTaken(parts, routers, node, await told);
  return done(parts, node, taken, request.settleMs);
}

async function done(parts: SwitchoverParts, node: string, taken: readonly SwitchoverRow[], settleMs: number): Promise<SwitchoverReport> {
  await settled(
    parts,
    taken.map(({ router }) => router),
    settleMs,
  );
  const rows = taken.map((row) => ({ ...row, steered: parts.stragglers.effect(row.router).steered }));
  const lost = Math.max(...taken.map(({ router }) => parts.stragglers.effect(router).lost));
  const message = `${taken.map(({ router }) => router).join(', ')}: ${node} is active now`;
  return { ok: true, result: 'done', message, successor: node, routers: rows, lost };
}

/** Until nothing was steered for a while. */
async function settled(parts: SwitchoverParts, routers: readonly string[], limitMs: number): Promise<void> {
  let last = -1;
  let since = parts.now();
  await parts.poll(() => {
    const steered = routers.reduce((sum, router) => sum + parts.stragglers.effect(router).steered, 0);
    if (steered !== last) since = parts.now();
    last = steered;
    return parts.now() - since >= QUIET_MS;
  }, limitMs);
}

async function notTaken(parts: SwitchoverParts, routers: readonly string[], node: string, told: boolean): Promise<SwitchoverReport> {
  const placeOf = (router: string): string | null => (parts.roles.held().has(router) ? 'this node' : parts.holderOf(router));
  await parts.poll(() => routers.every((router) => placeOf(router) !== null), parts.electionMs(routers) + RETURN_MARGIN_MS);
  const places = routers.map((router) => `${router} is active on ${placeOf(router) ?? 'none that says so'}`);
  const why = `${node} was ${told ? 'told' : 'not reached'} and has not confirmed within ${TAKE_OVER_LIMIT_MS} ms`;
  return {
    ok: false,
    result: 'returned',
    message: `${why}; the election decided: ${places.join(', ')}`,
    successor: null,
    routers: [],
    lost: 0,
  };
}

const refuse = (message: string): SwitchoverReport => ({ ok: false, result: 'refused', message, successor: null, routers: [], lost: 0 });
