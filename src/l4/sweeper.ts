/**
 * Ageing of the flow table, a few milliseconds at a time: walks the table round and round while this node holds a lease, and rests between
 * rounds. What is idle is decided in the kernel, record by record (and only for routers under a fresh lease).
 */
import { after, type Clock, type Monotonic } from '../system/clock.js';
import type { DataPlane } from './native.js';

/** How long one tick may keep the event loop. */
export const TICK_BUDGET_MS = 2;
const TICK_MS = 50;
/** A round does not begin sooner after the one before: timeouts are seconds at least. */
const ROUND_MS = 1000;
/** Records per call: well below the budget, so that it is overrun by little. */
const STEP_RECORDS = 512;

export interface SweeperOptions {
  dataPlane: Pick<DataPlane, 'sweep'>;
  clock: Clock;
  /** Other bounded work of the same tick. */
  onTick(): void;
  onError(error: unknown): void;
}

export interface Sweeper {
  start(): void;
  setActive(isActive: boolean): void;
  /** Records deleted since the start. */
  expired(): number;
  stop(): void;
}

export function createSweeper({ dataPlane, clock, onTick, onError }: SweeperOptions): Sweeper {
  let isActive = false;
  let cursor: Buffer | null = null;
  let roundBeganAt: Monotonic | null = null;
  let expired = 0;
  let cancel: () => void = () => undefined;

  const sweep = (): void => {
    const began = clock.now();
    if (cursor === null && roundBeganAt !== null && began - roundBeganAt < ROUND_MS) return;
    if (cursor === null) roundBeganAt = began;
    do {
      const step = dataPlane.sweep(cursor, STEP_RECORDS);
      expired += step.expired;
      cursor = step.cursor;
    } while (cursor !== null && clock.now() - began < TICK_BUDGET_MS);
  };
  const tick = (): void => {
    cancel = clock.at(after(clock.now(), TICK_MS), tick);
    try {
      if (isActive) sweep();
      onTick();
    } catch (error) {
      // A cursor from before the trouble is worth nothing.
      cursor = null;
      onError(error);
    }
  };

  return {
    start: tick,
    setActive(active) {
      isActive = active;
      if (!active) cursor = null;
    },
    expired: () => expired,
    stop: () => cancel(),
  };
}
