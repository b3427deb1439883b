/**
 * A clock that moves only when a test says so; timers fire in order of their time, then of their making.
 */
import type { Clock, Monotonic } from '../../src/system/clock.js';

export class FakeClock implements Clock {
  private current: number;
  private timers: { at: number; order: number; fire: () => void }[] = [];
  private order = 0;

  constructor(startMs = 1000) {
    this.current = startMs;
  }

  now(): Monotonic {
    return this.current as Monotonic;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.current;
  }

  at(at: Monotonic, fire: () => void): () => void {
    const timer = { at, order: this.order++, fire };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Moves on, firing what becomes due on the way. */
  advance(ms: number): void {
    const end = this.current + ms;
    for (let timer = this.nextUntil(end); timer !== undefined; timer = this.nextUntil(end)) {
      this.current = Math.max(this.current, timer.at);
      timer.fire();
    }
    this.current = end;
  }

  /** Moves on without a chance for timers in between: a process that was paused. */
  pause(ms: number): void {
    this.current += ms;
    this.advance(0);
  }

  get waiting(): number {
    return this.timers.length;
  }

  private nextUntil(end: number): { at: number; fire: () => void } | undefined {
    this.timers.sort((a, b) => a.at - b.at || a.order - b.order);
    const first = this.timers[0];
    if (first === undefined || first.at > end) return undefined;
    this.timers.shift();
    return first;
  }
}
