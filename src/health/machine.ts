/**
 * The check of one server: when to probe, and what `rise` good or `fall` bad results in a row mean. Pure. The first result decides at
 * once, because until then nothing is known; after that one lucky or unlucky probe changes nothing. A wake that comes much too late says
 * something about this process (it was paused), not about the server: that probe counts for nothing. How soon the next probe comes depends
 * on what is known: results that contradict it are followed up fast, a server that is down may be left in peace.
 */
import type { HealthCheckConfig } from '../config/model.js';
import type { Monotonic } from '../system/clock.js';

/** `unchecked`: the pool has no health check. */
export type HealthState = 'up' | 'down' | 'unknown' | 'unchecked';

export interface CheckTiming extends Pick<HealthCheckConfig, 'intervalMs' | 'timeoutMs' | 'rise' | 'fall'> {
  /** While results contradict the verdict: on the way up or down. Null: `intervalMs`. */
  fastIntervalMs?: number | null;
  /** While it is down for sure. Null: `intervalMs`. */
  downIntervalMs?: number | null;
  /** No answer in time is a good one (UDP). */
  isSilenceGood?: boolean;
}

/** First probes are spread over this long at most, so that a starting node knows its servers soon. */
export const FIRST_SPREAD_MS = 1000;
/** A timeout that is noticed later than this was not measured by us. */
export const LATE_WAKE_MS = 1000;

interface Verdict {
  health: 'up' | 'down' | 'unknown';
  /** Results in a row that contradict `health`. */
  contrary: number;
  /** Of the last result; for people. */
  reason: string;
}

export type CheckState = Verdict &
  (
    | { phase: 'idle' }
    /** `turn`: when the next probe is due by the rhythm; probes keep it whatever their answers take. */
    | { phase: 'waiting'; probe: number; dueAt: Monotonic; turn: Monotonic }
    | { phase: 'probing'; probe: number; timeoutAt: Monotonic; turn: Monotonic }
  );

export type CheckEvent =
  /** `spread`: 0 <= n < 1, different for each server. */
  | { type: 'start'; spread: number }
  | { type: 'wake' }
  /** Of the probe with this number; others are old. */
  | { type: 'result'; probe: number; ok: boolean; reason: string }
  | { type: 'stop' };

export type CheckEffect =
  | { type: 'probe'; probe: number }
  | { type: 'cancelProbe'; probe: number }
  | { type: 'changed'; from: 'up' | 'down' | 'unknown'; to: 'up' | 'down'; reason: string };

export interface CheckStep {
  state: CheckState;
  effects: CheckEffect[];
}

export const initialCheck: CheckState = { phase: 'idle', health: 'unknown', contrary: 0, reason: 'not checked yet' };

export const nextDeadline = (state: CheckState): Monotonic | null => {
  if (state.phase === 'waiting') return state.dueAt;
  return state.phase === 'probing' ? state.timeoutAt : null;
};

const plus = (at: Monotonic, ms: number): Monotonic => (at + ms) as Monotonic;
const unchanged = (state: CheckState): CheckStep => ({ state, effects: [] });

export function stepCheck(state: CheckState, event: CheckEvent, now: Monotonic, timing: CheckTiming): CheckStep {
  switch (event.type) {
    case 'start':
      return state.phase === 'idle' ? unchanged(begin(state, event.spread, now, timing)) : unchanged(state);
    case 'stop':
      return stop(state);
    case 'result':
      return state.phase === 'probing' && state.probe === event.probe
        ? judge(state, event.ok, event.reason, now, timing, [])
        : unchanged(state);
    case 'wake':
      return wake(state, now, timing);
  }
}

function begin(state: CheckState, spread: number, now: Monotonic, { intervalMs }: CheckTiming): CheckState {
  const { health, contrary, reason } = state;
  const dueAt = plus(now, spread * Math.min(intervalMs, FIRST_SPREAD_MS));
  // The rhythm is spread over the whole interval; only the first probe comes early.
  return { phase: 'waiting', probe: 1, dueAt, turn: plus(now, spread * intervalMs), health, contrary, reason };
}

function stop(state: CheckState): CheckStep {
  const { health, contrary, reason } = state;
  const effects: CheckEffect[] = state.phase === 'probing' ? [{ type: 'cancelProbe', probe: state.probe }] : [];
  return { state: { phase: 'idle', health, contrary, reason }, effects };
}

function wake(state: CheckState, now: Monotonic, timing: CheckTiming): CheckStep {
  if (state.phase === 'waiting' && now >= state.dueAt) {
    const { health, contrary, reason, probe, turn } = state;
    const probing: CheckState = { phase: 'probing', probe, timeoutAt: plus(now, timing.timeoutMs), turn, health, contrary, reason };
    return { state: probing, effects: [{ type: 'probe', probe }] };
  }
  if (state.phase === 'probing' && now >= state.timeoutAt) {
    const cancel: CheckEffect = { type: 'cancelProbe', probe: state.probe };
    if (now - state.timeoutAt >= LATE_WAKE_MS) return { state: wait(state, state, now, timing), effects: [cancel] };
    return judge(state, timing.isSilenceGood ?? false, `no answer within ${timing.timeoutMs} ms`, now, timing, [cancel]);
  }
  return unchanged(state);
}

type Probing = Extract<CheckState, { phase: 'probing' }>;

function intervalAfter({ health, contrary }: Verdict, { intervalMs, fastIntervalMs, downIntervalMs }: CheckTiming): number {
  if (contrary > 0) return fastIntervalMs ?? intervalMs;
  return health === 'down' ? (downIntervalMs ?? intervalMs) : intervalMs;
}

function wait(state: Probing, verdict: Verdict, now: Monotonic, timing: CheckTiming): CheckState {
  const intervalMs = intervalAfter(verdict, timing);
  // Turns that passed meanwhile are skipped; the early first probe still has its own turn before it.
  const passed = Math.floor((now - state.turn) / intervalMs) + 1;
  const turn = plus(state.turn, passed * intervalMs);
  const { health, contrary, reason } = verdict;
  return { phase: 'waiting', probe: state.probe + 1, dueAt: turn, turn, health, contrary, reason };
}

function judge(state: Probing, ok: boolean, reason: string, now: Monotonic, timing: CheckTiming, before: CheckEffect[]): CheckStep {
  const says = ok ? 'up' : 'down';
  const contrary = says === state.health ? 0 : state.contrary + 1;
  const needed = state.health === 'unknown' ? 1 : ok ? timing.rise : timing.fall;
  if (contrary === 0 || contrary < needed)
    return { state: wait(state, { health: state.health, contrary, reason }, now, timing), effects: before };
  const changed: CheckEffect = { type: 'changed', from: state.health, to: says, reason };
  return { state: wait(state, { health: says, contrary: 0, reason }, now, timing), effects: [...before, changed] };
}
