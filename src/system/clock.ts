/**
 * The only source of time. Machines receive `now` from their shells; `Date.now`, `hrtime` and timers appear nowhere else.
 */
declare const monotonic: unique symbol;

/** Milliseconds (fractional) of CLOCK_MONOTONIC since an arbitrary start. Never compared between nodes. */
export type Monotonic = number & { readonly [monotonic]: true };

export interface Clock {
  now(): Monotonic;
  /** Wall-clock milliseconds since the epoch; only for people to read. */
  wallMs(): number;
  /** Calls `fire` at or after `at`; returns a cancel function. */
  at(at: Monotonic, fire: () => void): () => void;
}

export const after = (now: Monotonic, ms: number): Monotonic => (now + ms) as Monotonic;

export const systemClock: Clock = {
  now: () => (Number(process.hrtime.bigint()) / 1e6) as Monotonic,
  wallMs: () => Date.now(),
  at(at, fire) {
    const delayMs = Math.max(0, at - systemClock.now());
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
};
