/**
 * The rehearsal of a planned hand-over: to a peer and back, with the figures of both ways. The node that is asked leads; the other, its
 * host, only does as it is told, but returns what it was lent by itself when it is not asked in time. So the cluster ends as it began,
 * whoever is interrupted.
 */
import type { ControlMessage, Replication } from '../replication/api.js';
import type { DrillLeg, DrillReport, SwitchoverReport } from './status.js';
import { STEER_MS } from './stragglers.js';
import type { SwitchoverParts, SwitchoverRequest } from './switchover.js';
import { chosenRouters, chosenSuccessor, type Question } from './switchover-plan.js';

/** The peer's daemon answers in milliseconds, if it is there. */
const ASK_LIMIT_MS = 1000;
/** The heartbeat tries for less than four seconds to see its take-over on the wire. */
const VERIFY_LIMIT_MS = 4500;
/** How long the way back may take: the wait for this node to be in sync, a flush and the take-over. */
const RETURN_WAIT_MS = 10_000;
const RETURN_LIMIT_MS = 20_000;
/** The host returns by itself when nobody has asked so long after the hold: who leads asks in the instant in which it ends. */
const FORGOTTEN_AFTER_MS = 5000;
/** Before that it is told again as soon as it has the role; until then for longer than a flush, a take-over and its stragglers take. */
const TAKEN_LIMIT_MS = 10_000;
/** The owner may be restarting; after so many tries somebody has to look. */
const RETURN_TRIES = 20;
const RETURN_AGAIN_MS = 5000;
/** The stragglers of a rehearsal are waited for to the end. */
const SETTLE_MS = STEER_MS;
/** What was lent is given back to the better one, which pre-empts nobody; long enough for it to be heard. */
const LENT_HOLD_DOWN_MS = 1000;

export type DrillMessage = Extract<ControlMessage, { type: 'drill' | 'drillOver' | 'verified' | 'handBack' | 'handedBack' }>;

export interface DrillParts {
  roles: Pick<SwitchoverParts['roles'], 'routers' | 'held'>;
  replication: Pick<Replication, 'peers' | 'send'>;
  holderOf(router: string): string | null;
  switchover(request: SwitchoverRequest): Promise<SwitchoverReport>;
  poll(isTrue: () => boolean, limitMs: number): Promise<boolean>;
  /** Cancels with what it returns. */
  later(ms: number, act: () => void): () => void;
  newId(): string;
}

export interface DrillRequest extends Question {
  holdMs: number;
  waitMs: number;
  /** Ends the hold early. */
  isInterrupted(): boolean;
  /** This node stops: there is nobody to return to. */
  isEnding(): boolean;
}

/** Routers that a peer lent to this node. */
interface Guest {
  owner: string;
  routers: readonly string[];
  /** Of each: it was held down before. */
  heldDown: ReadonlySet<string>;
  cancel(): void;
}

export interface Drill {
  run(request: DrillRequest): Promise<DrillReport>;
  heard(node: string, message: DrillMessage): void;
  /** A take-over of this node was seen on the wire. */
  verified(router: string): void;
  /** This node ends. */
  stop(): void;
}

export function createDrill(parts: DrillParts): Drill {
  const seen = new Set<string>();
  const answers = new Map<string, Extract<DrillMessage, { type: 'handedBack' }>>();
  let guest: Guest | null = null;

  const giveBack = async (owner: string, routers: readonly string[]): Promise<SwitchoverReport> => {
    const heldDown = guest?.heldDown ?? new Set();
    guest?.cancel();
    guest = null;
    const wasHeld = routers.some((router) => heldDown.has(router));
    const reports: SwitchoverReport[] = [];
    for (const group of groupsOf(parts.roles.routers(), routers)) {
      const hold = wasHeld ? {} : { holdDownMs: LENT_HOLD_DOWN_MS };
      reports.push(
        await parts.switchover({ router: group, to: owner, reason: 'drillEnds', waitMs: RETURN_WAIT_MS, settleMs: SETTLE_MS, ...hold }),
      );
    }
    return joined(reports);
  };

  const heldDownNow = (): Set<string> =>
    new Set(
      parts.roles
        .routers()
        .filter((router) => router.holdDownMs !== null)
        .map(({ name }) => name),
    );

  const lend = (owner: string, routers: readonly string[], returnMs: number): void => {
    guest?.cancel();
    // Told a second time it holds them already: what counts is how it was before.
    const heldDown = guest?.owner === owner ? guest.heldDown : heldDownNow();
    const comeTime = (afterMs: number, triesLeft: number): void => {
      guest = { owner, routers, heldDown, cancel: parts.later(afterMs, () => void forgotten(triesLeft)) };
    };
    const forgotten = async (triesLeft: number): Promise<void> => {
      const held = routers.filter((router) => parts.roles.held().has(router));
      if (held.length === 0) return;
      const { result } = await giveBack(owner, held);
      if (result === 'refused' && triesLeft > 0 && guest === null) comeTime(RETURN_AGAIN_MS, triesLeft - 1);
    };
    comeTime(returnMs, RETURN_TRIES);
  };

  const handBack = async (owner: string, { id, routers }: Extract<DrillMessage, { type: 'handBack' }>): Promise<void> => {
    const report = await giveBack(owner, routers);
    const { durationMs, connections, steered, lost } = legOf(report);
    const { ok, message } = report;
    const durationUs = Math.round(durationMs * 1000);
    await parts.replication.send(owner, { type: 'handedBack', id, ok, message, durationUs, connections, steered, lost }, ASK_LIMIT_MS);
  };

  const askBack = async (node: string, routers: string[]): Promise<{ ok: boolean; message: string; leg: DrillLeg | null }> => {
    const id = parts.newId();
    if (!(await parts.replication.send(node, { type: 'handBack', id, routers }, ASK_LIMIT_MS)))
      return { ok: false, message: `${node} is not reachable; it returns ${routers.join(', ')} by itself as soon as it can`, leg: null };
    await parts.poll(() => answers.has(id), RETURN_LIMIT_MS);
    const answer = answers.get(id);
    answers.delete(id);
    if (answer === undefined) return { ok: false, message: `${node} has not answered within ${RETURN_LIMIT_MS / 1000} s`, leg: null };
    const { ok, message, durationUs, connections, steered, lost } = answer;
    return { ok, message, leg: { durationMs: durationUs / 1000, connections, steered, lost } };
  };

  const isBack = (routers: readonly string[]): boolean => routers.every((router) => parts.roles.held().has(router));

  return {
    async run(request) {
      const plan = await planOf(parts, request);
      if ('refusal' in plan) return refused(plan.refusal);
      const { node, routers, isVerifiable } = plan;
      seen.clear();
      const returnMs = request.holdMs + VERIFY_LIMIT_MS + FORGOTTEN_AFTER_MS;
      const atMostMs = request.waitMs + TAKEN_LIMIT_MS + returnMs;
      if (!(await parts.replication.send(node, { type: 'drill', routers, returnMs: atMostMs }, ASK_LIMIT_MS)))
        return refused(`${node} did not answer within ${ASK_LIMIT_MS} ms; nothing was changed`);
      const { router } = request;
      const named = router === undefined ? {} : { router };
      const there = await parts.switchover({ ...named, to: node, reason: 'drill', waitMs: request.waitMs, settleMs: SETTLE_MS });
      if (!there.ok) {
        await parts.replication.send(node, { type: 'drillOver', routers }, ASK_LIMIT_MS);
        return { ...refused(there.message), routers };
      }
      await parts.replication.send(node, { type: 'drill', routers, returnMs }, ASK_LIMIT_MS);
      const areVerified = () => routers.every((name) => seen.has(name));
      const verified = isVerifiable
        ? (await parts.poll(() => areVerified() || request.isInterrupted(), VERIFY_LIMIT_MS)) && areVerified()
        : null;
      await parts.poll(() => request.isInterrupted() || !routers.every((name) => parts.holderOf(name) === node), request.holdMs);
      if (request.isEnding()) {
        await parts.replication.send(node, { type: 'drillOver', routers }, ASK_LIMIT_MS);
        return { ...refused(`this node is stopping: ${node} keeps ${routers.join(', ')}`), node, routers, verified, there: legOf(there) };
      }
      const back = await askBack(node, routers);
      await parts.poll(() => isBack(routers), RETURN_LIMIT_MS);
      const legs = { there: legOf(there), back: back.leg };
      const findings = findingsOf({ verified, back, legs, isBack: isBack(routers), isInterrupted: request.isInterrupted() });
      const message = findings.length === 0 ? `${routers.join(', ')}: to ${node} and back, nothing lost` : findings.join('; ');
      return { ok: findings.length === 0, message, node, routers, verified, ...legs };
    },
    heard(node, message) {
      switch (message.type) {
        case 'drill':
          return lend(node, message.routers, message.returnMs);
        case 'drillOver':
          guest?.cancel();
          guest = null;
          return;
        case 'verified':
          seen.add(message.router);
          return;
        case 'handBack':
          void handBack(node, message);
          return;
        case 'handedBack':
          answers.set(message.id, message);
          return;
      }
    },
    verified(router) {
      if (guest?.routers.includes(router)) void parts.replication.send(guest.owner, { type: 'verified', router }, 0);
    },
    stop() {
      guest?.cancel();
      guest = null;
    },
  };
}

async function planOf(parts: DrillParts, { router, to }: DrillRequest) {
  const chosen = chosenRouters(parts.roles.routers(), router, parts.holderOf);
  if ('refusal' in chosen) return chosen;
  const successor = chosenSuccessor(parts.replication.peers(), chosen.routers, to);
  if ('refusal' in successor) return successor;
  const isVerifiable = chosen.routers.every(({ verified }) => verified === 'yes');
  return { node: successor.node, routers: chosen.routers.map(({ name }) => name), isVerifiable };
}

const groupsOf = (all: readonly { name: string; group: string }[], routers: readonly string[]): string[] => [
  ...new Set(all.filter(({ name }) => routers.includes(name)).map(({ group }) => group)),
];

/** Several groups went one after the other. */
function joined(reports: readonly SwitchoverReport[]): SwitchoverReport {
  const [first] = reports;
  const nothing = { ok: false, result: 'refused', successor: null, routers: [], lost: 0 } as const;
  if (first === undefined) return { ...nothing, message: 'there is no such virtual router here', routers: [] };
  return {
    ...first,
    ok: reports.every(({ ok }) => ok),
    message: reports.map(({ message }) => message).join('; '),
    routers: reports.flatMap(({ routers }) => routers),
    lost: reports.reduce((sum, { lost }) => sum + lost, 0),
  };
}

const legOf = ({ routers, lost }: SwitchoverReport): DrillLeg => ({
  durationMs: Math.max(0, ...routers.map(({ durationMs }) => durationMs)),
  connections: routers.reduce((sum, { connections }) => sum + connections, 0),
  steered: routers.reduce((sum, { steered }) => sum + steered, 0),
  lost,
});

interface Outcome {
  verified: boolean | null;
  back: { ok: boolean; message: string };
  legs: { there: DrillLeg; back: DrillLeg | null };
  isBack: boolean;
  isInterrupted: boolean;
}

/** What was not as it should be; empty: all was. */
export function findingsOf({ verified, back, legs, isBack, isInterrupted }: Outcome): string[] {
  const lost = legs.there.lost + (legs.back?.lost ?? 0);
  return [
    ...(isInterrupted ? ['interrupted'] : []),
    ...(verified === false && !isInterrupted ? ['the take-over was not seen on the wire there'] : []),
    ...(back.ok ? [] : [back.message]),
    ...(isBack ? [] : ['it did not come back here']),
    ...(lost > 0 ? [`${lost} packets were lost`] : []),
  ];
}

const refused = (message: string): DrillReport => ({
  ok: false,
  message,
  node: null,
  routers: [],
  verified: null,
  there: null,
  back: null,
});
