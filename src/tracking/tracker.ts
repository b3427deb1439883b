/**
 * Looks at everything that virtual routers track and tells what changed. When to look again and how many results it takes to change a
 * verdict is the machine of the health checks: the first result decides, a look that is still under way is never overtaken, and a late
 * wake says nothing about what is tracked. Until each thing was looked at once there is no result, so that a restarted daemon does not
 * take priority from an active node in the moment before it knows.
 */
import type { TrackConfig } from '../config/model.js';
import { type CheckEffect, type CheckEvent, type CheckState, initialCheck, nextDeadline, stepCheck } from '../health/machine.js';
import type { Clock } from '../system/clock.js';
import { isFault, sumOf, type TrackResult, type Verdict } from './sum.js';

export interface LookResult {
  ok: boolean;
  /** For people: `pid 4711`, `no process has this name`. */
  reason: string;
  /** The number in a tracked file. */
  value?: number;
}

/** Looks once; answers at most once, never after it was cancelled. */
export type Look = (router: string, tracked: TrackConfig, onResult: (result: LookResult) => void) => () => void;

export interface TrackChange {
  router: string;
  kind: TrackConfig['kind'];
  name: string;
  to: 'up' | 'down';
  /** Nothing was known before. */
  isFirst: boolean;
  reason: string;
}

export interface TrackedStatus {
  kind: TrackConfig['kind'];
  name: string;
  /** Null: the router is given up without it. */
  weight: number | null;
  state: Verdict['state'];
  /** It makes the node give the router up now. */
  isFault: boolean;
  reason: string;
  /** Null: not known. */
  sinceWallMs: number | null;
}

export interface Tracker {
  start(): void;
  stop(): void;
  /** One entry per virtual router; null until each thing was looked at once. */
  results(): TrackResult[] | null;
  status(router: string): TrackedStatus[];
}

export interface TrackerOptions {
  routers: readonly { name: string; track: readonly TrackConfig[] }[];
  clock: Clock;
  look: Look;
  /** After a verdict or a number changed. */
  onChange(): void;
  /** After a verdict changed. */
  onNews(change: TrackChange): void;
}

interface Watch {
  router: string;
  tracked: TrackConfig;
  state: CheckState;
  value: number;
  sinceWallMs: number;
  cancelTimer(): void;
  cancelLook(): void;
}

const nothing = (): void => undefined;

export function createTracker({ routers, clock, look, onChange, onNews }: TrackerOptions): Tracker {
  const watches: Watch[] = routers.flatMap(({ name, track }) =>
    track.filter(isLookedAtHere).map((tracked) => ({
      router: name,
      tracked,
      state: initialCheck,
      value: 0,
      sinceWallMs: clock.wallMs(),
      cancelTimer: nothing,
      cancelLook: nothing,
    })),
  );

  const feed = (watch: Watch, event: CheckEvent): void => {
    const { state, effects } = stepCheck(watch.state, event, clock.now(), watch.tracked);
    watch.state = state;
    for (const effect of effects) perform(watch, effect);
    watch.cancelTimer();
    const deadline = nextDeadline(watch.state);
    watch.cancelTimer = deadline === null ? nothing : clock.at(deadline, () => feed(watch, { type: 'wake' }));
  };

  const perform = (watch: Watch, effect: CheckEffect): void => {
    switch (effect.type) {
      case 'probe':
        watch.cancelLook = look(watch.router, watch.tracked, (result) => answered(watch, effect.probe, result));
        return;
      case 'cancelProbe':
        return watch.cancelLook();
      case 'changed': {
        watch.sinceWallMs = clock.wallMs();
        const { kind, name } = watch.tracked;
        const { to, from, reason } = effect;
        onNews({ router: watch.router, kind, name, to, isFirst: from === 'unknown', reason });
        onChange();
      }
    }
  };

  const answered = (watch: Watch, probe: number, { ok, reason, value = 0 }: LookResult): void => {
    const before = watch.value;
    watch.value = value;
    feed(watch, { type: 'result', probe, ok, reason });
    if (value !== before) onChange();
  };

  const verdictOf = ({ tracked, state, value }: Watch): Verdict => ({ tracked, state: state.health, value, reason: state.reason });

  return {
    start() {
      for (const watch of watches) feed(watch, { type: 'start', spread: 0 });
    },
    stop() {
      for (const watch of watches) feed(watch, { type: 'stop' });
    },
    results() {
      if (watches.some((watch) => watch.state.health === 'unknown')) return null;
      return routers.map(({ name }) =>
        sumOf(
          name,
          watches.filter((watch) => watch.router === name).map((watch) => verdictOf(watch)),
        ),
      );
    },
    status: (router) =>
      watches
        .filter((watch) => watch.router === router)
        .map((watch) => ({
          kind: watch.tracked.kind,
          name: watch.tracked.name,
          weight: watch.tracked.content === 'number' ? watch.value : watch.tracked.weight,
          state: watch.state.health,
          isFault: isFault(verdictOf(watch)),
          reason: watch.state.reason,
          sinceWallMs: watch.sinceWallMs,
        })),
  };
}

/** Carrier is the heartbeat's own business: it must not wait for the daemon to hear of a pulled cable. */
const isLookedAtHere = (tracked: TrackConfig): boolean => tracked.kind !== 'interface';
