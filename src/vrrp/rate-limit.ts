/**
 * At most one log line a second of each kind, with the number of those left out. Pure apart from its own memory.
 */
import type { Monotonic } from '../system/clock.js';

const LOG_GAP_MS = 1000;

export class RateLimit {
  private readonly last = new Map<string, { at: Monotonic; suppressed: number }>();

  /** How many of this kind were left out since the last one; null: leave this one out too. */
  take(kind: string, now: Monotonic): number | null {
    const entry = this.last.get(kind);
    if (entry === undefined) {
      this.last.set(kind, { at: now, suppressed: 0 });
      return 0;
    }
    if (now - entry.at < LOG_GAP_MS) {
      entry.suppressed++;
      return null;
    }
    const { suppressed } = entry;
    entry.at = now;
    entry.suppressed = 0;
    return suppressed;
  }
}
