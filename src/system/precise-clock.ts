/**
 * The clock of the heartbeat: as the system clock, but a wake-up never comes before its time and rarely more than a fraction of a
 * millisecond after it. Timers of the event loop count whole milliseconds of a cached time; the last one is covered by turning the
 * loop, which goes on serving sockets meanwhile. That costs up to a millisecond of CPU per wake-up, so it is for few timers.
 */
import { type Clock, systemClock } from './clock.js';

/** Below this the loop is turned instead of sleeping. */
const TURN_BELOW_MS = 1;
/** setTimeout overflows at 2^31 ms. */
const LONGEST_SLEEP_MS = 3_600_000;

export const preciseClock: Clock = {
  now: systemClock.now,
  wallMs: systemClock.wallMs,
  at(at, fire) {
    let isCancelled = false;
    let timer: NodeJS.Timeout | null = null;
    const wait = (): void => {
      timer = null;
      if (isCancelled) return;
      const restMs = at - systemClock.now();
      if (restMs <= 0) fire();
      else sleep(restMs);
    };
    const sleep = (restMs: number): void => {
      if (restMs < TURN_BELOW_MS) setImmediate(wait);
      else timer = setTimeout(wait, Math.min(Math.floor(restMs), LONGEST_SLEEP_MS));
    };
    sleep(at - systemClock.now());
    return () => {
      isCancelled = true;
      if (timer !== null) clearTimeout(timer);
    };
  },
};

/** Age of this process. */
export const sinceProcessStartMs = (): number => process.uptime() * 1000;
