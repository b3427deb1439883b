/**
 * Everything of a node that has to do with giving a role away by plan: switchover, rehearsal, and what happens to frames that still arrive
 * afterwards. Wiring only; what is decided is decided in switchover-plan, switchover, drill and stragglers.
 */
import type { Config } from '../config/model.js';
import type { L4Engine } from '../l4/engine.js';
import type { Replication } from '../replication/api.js';
import { after, type Clock } from '../system/clock.js';
import type { NetworkFacts } from '../system/network-facts.js';
import type { Log } from '../telemetry/log.js';
import type { ToHeartbeat, TransitionMessage } from '../vrrp/heartbeat-api.js';
import { createDrill, type DrillMessage } from './drill.js';
import { sharedSegments } from './interfaces.js';
import type { PeersView } from './peers-view.js';
import type { Roles } from './roles.js';
import type { DrillReport, SwitchoverReport, SwitchoverStatus } from './status.js';
import { createStragglers, type HandOverEffect } from './stragglers.js';
import { type SwitchoverRequest, switchover } from './switchover.js';
import { pollUntil } from './wait-until.js';

/** A hand-over that is under way ends first. */
const DRILL_END_LIMIT_MS = 5000;
/** Three advertisements, and a skew of up to one more. */
const ELECTION_INTERVALS = 4;

export interface HandOverOptions {
  config: Config;
  clock: Clock;
  log: Pick<Log, 'event'>;
  newId(): string;
  roles: Roles;
  /** Asks for roles that are up to date. */
  fresh(): Promise<void>;
  replication: Pick<Replication, 'peers' | 'flush' | 'send'>;
  engine: Pick<L4Engine, 'counters' | 'steer' | 'steered' | 'setPeerMacs'>;
  peersView: PeersView;
  network(): NetworkFacts;
  toHeartbeat(message: ToHeartbeat): boolean;
  onEffect(router: string, effect: HandOverEffect): void;
}

export interface HandOver {
  switchover(request: SwitchoverRequest): Promise<SwitchoverReport>;
  drill(request: { router?: string; to?: string; holdMs: number; waitMs: number }, isAbandoned: () => boolean): Promise<DrillReport>;
  /** Ends the hold of the rehearsal that is under way; false: there is none. */
  interruptDrill(): boolean;
  /** This node stops: the rehearsal ends where it stands. */
  endDrill(): Promise<void>;
  heard(node: string, message: DrillMessage): void;
  transition(message: TransitionMessage): void;
  verified(router: string): void;
  /** A peer said what it holds or where it stands, or links changed. */
  peersChanged(): void;
  status(): SwitchoverStatus;
  stop(): void;
}

export function createHandOver(options: HandOverOptions): HandOver {
  const { clock, log, roles, engine, peersView, config } = options;
  const counts: SwitchoverStatus['counts'] = { done: 0, refused: 0, returned: 0 };
  let last: SwitchoverStatus['last'] = null;
  let isUnderWay = false;
  let drillUnderWay: { sinceWallMs: number; isInterrupted: boolean; isEnding: boolean } | null = null;

  const poll = (isTrue: () => boolean, limitMs: number): Promise<boolean> => pollUntil(clock, isTrue, limitMs);
  const holderOf = (router: string): string | null => peersView.holderOf(router);
  const placesOf = (node: string) => sharedSegments(config.dataPlane.interfaces, options.network(), peersView.interfaces().get(node) ?? []);

  const stragglers = createStragglers({
    engine,
    clock,
    holderOf,
    placesOf,
    onSteering: (router, successor, interfaces) =>
      log.event('router.steering', { router, successor, interfaces, reason: 'frames that still arrive here go on to it for a while' }),
    onEnd(router, effect) {
      log.event('router.handedOver', { router, ...effect, reason: 'the grace period is over' });
      options.onEffect(router, effect);
    },
  });

  const once = async (request: SwitchoverRequest): Promise<SwitchoverReport> => {
    const nothing = { ok: false, result: 'refused', successor: null, routers: [], lost: 0 } as const;
    if (isUnderWay) return { ...nothing, routers: [], message: 'another switchover is under way' };
    isUnderWay = true;
    try {
      await options.fresh();
      return await switchover(
        {
          roles,
          replication: options.replication,
          stragglers,
          toHeartbeat: options.toHeartbeat,
          holderOf,
          waitForPeerToHold: (node, routers, limitMs) => peersView.waitToHold(node, routers, limitMs),
          now: () => clock.now(),
          poll,
          connectionsOf: (router) => engine.counters().flows.find((each) => each.router === router)?.flows ?? 0,
          electionMs: (routers) => electionMs(config, routers),
        },
        request,
      );
    } finally {
      isUnderWay = false;
    }
  };

  const runSwitchover = async (request: SwitchoverRequest): Promise<SwitchoverReport> => {
    const report = await once(request);
    counts[report.result]++;
    last = { ...report, atWallMs: clock.wallMs(), reason: request.reason };
    const { routers, successor, lost, message } = report;
    if (report.ok)
      log.event('switchover.done', { routers: routers.map(({ router }) => router), to: successor, lost, reason: request.reason });
    else
      log.event(`switchover.${report.result === 'returned' ? 'returned' : 'refused'}`, {
        routers: request.router ?? 'all',
        reason: message,
      });
    return report;
  };

  const rehearsal = createDrill({
    roles,
    replication: options.replication,
    holderOf,
    switchover: runSwitchover,
    poll,
    later: (ms, act) => clock.at(after(clock.now(), ms), act),
    newId: options.newId,
  });

  return {
    switchover: async (request) =>
      drillUnderWay === null
        ? runSwitchover(request)
        : { ok: false, result: 'refused', message: 'a drill is under way', successor: null, routers: [], lost: 0 },
    async drill(request, isAbandoned) {
      if (drillUnderWay !== null)
        return { ok: false, message: 'another drill is under way', node: null, routers: [], verified: null, there: null, back: null };
      const own = { sinceWallMs: clock.wallMs(), isInterrupted: false, isEnding: false };
      drillUnderWay = own;
      try {
        await options.fresh();
        const report = await rehearsal.run({
          ...request,
          isInterrupted: () => own.isInterrupted || isAbandoned(),
          isEnding: () => own.isEnding,
        });
        const { ok, node, routers, message } = report;
        log.event(ok ? 'drill.done' : 'drill.failed', { routers, node, there: report.there, back: report.back, reason: message });
        return report;
      } finally {
        drillUnderWay = null;
      }
    },
    interruptDrill() {
      if (drillUnderWay === null) return false;
      drillUnderWay.isInterrupted = true;
      return true;
    },
    async endDrill() {
      if (drillUnderWay === null) return;
      Object.assign(drillUnderWay, { isInterrupted: true, isEnding: true });
      await poll(() => drillUnderWay === null, DRILL_END_LIMIT_MS);
    },
    heard: (node, message) => rehearsal.heard(node, message),
    transition({ router, from, to }) {
      if (from === 'active') stragglers.begin(router);
      if (to === 'active') stragglers.end(router, true);
      else stragglers.review();
    },
    verified: (router) => rehearsal.verified(router),
    peersChanged() {
      engine.setPeerMacs([...peersView.interfaces().keys()].flatMap(placesOf));
      stragglers.review();
    },
    status: () => ({ counts: { ...counts }, last, drillSinceWallMs: drillUnderWay?.sinceWallMs ?? null }),
    stop() {
      rehearsal.stop();
      stragglers.stop();
    },
  };
}

function electionMs({ virtualRouters }: Config, routers: readonly string[]): number {
  const intervals = virtualRouters.filter(({ name }) => routers.includes(name)).map(({ advertIntervalMs }) => advertIntervalMs);
  return ELECTION_INTERVALS * Math.max(0, ...intervals);
}
