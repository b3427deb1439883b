/**
 * Empties the kernel's event ring: at once when it was idle, then about every millisecond while there is something, so that a lone flow
 * travels at once and a flood travels in batches. Says when the kernel lost events, and fetches digests at a moment when nothing was
 * between the ring and the table.
 */
import type { Digest } from '../l4/native.js';
import type { Clock, Monotonic } from '../system/clock.js';
import type { FlowStore } from './api.js';
import { DIGEST_MS, DRAIN_GAP_MS, DRAIN_RECORDS, RECORD_BYTES, WATCH_GAP_MS } from './limits.js';

export interface DrainLoopParts {
  store: Pick<FlowStore, 'drain' | 'watch'>;
  clock: Clock;
  onRecords(records: Buffer, count: number): void;
  onLost(): void;
  wantsDigests(): boolean;
  onDigests(digests: readonly Digest[]): void;
}

export interface DrainLoop {
  start(): void;
  stop(): void;
  /** Empties the ring before it returns. */
  drainAll(): void;
}

/** A bound for `drainAll`: the whole ring twice over. A flood that outruns us must not hold the event loop. */
const DRAINS_AT_MOST = 128;

export function createDrainLoop(parts: DrainLoopParts): DrainLoop {
  const { store, clock } = parts;
  let isRunning = false;
  let watching: { stop(): void } | null = null;
  let cancelTimer: (() => void) | null = null;
  let lost: bigint | null = null;
  let digestAt = clock.now();
  let watchedAt = clock.now();

  const drain = (): number => {
    const now = clock.now();
    const isDigestDue = now >= digestAt && parts.wantsDigests();
    const drained = store.drain(DRAIN_RECORDS, isDigestDue);
    const count = drained.records.length / RECORD_BYTES;
    if (count > 0) parts.onRecords(drained.records, count);
    if (lost !== null && drained.lost > lost) parts.onLost();
    lost = drained.lost;
    if (isDigestDue && drained.digests !== undefined) {
      digestAt = (now + DIGEST_MS) as Monotonic;
      parts.onDigests(drained.digests);
    }
    return count;
  };

  const rest = (): void => {
    watching?.stop();
    watching = null;
    cancelTimer?.();
    cancelTimer = null;
  };

  const at = (when: Monotonic, run: () => void): void => {
    cancelTimer?.();
    cancelTimer = clock.at(when, () => {
      cancelTimer = null;
      run();
    });
  };

  const work = (): void => {
    rest();
    if (!isRunning) return;
    const count = drain();
    const now = clock.now();
    if (count === 0 || now - watchedAt >= WATCH_GAP_MS) {
      idle(now);
      return;
    }
    at((count < DRAIN_RECORDS ? now + DRAIN_GAP_MS : now) as Monotonic, work);
  };

  const idle = (now: Monotonic): void => {
    watchedAt = now;
    watching = store.watch(wake);
    const wanted = Math.max(digestAt, now + DRAIN_GAP_MS);
    at((parts.wantsDigests() ? wanted : now + DIGEST_MS) as Monotonic, work);
  };

  /** The watch fires as long as anything waits, also what is not ours: it rests until the next look. */
  const wake = (): void => {
    watching?.stop();
    watching = null;
    if (!isRunning) return;
    const count = drain();
    at((clock.now() + DRAIN_GAP_MS) as Monotonic, count === 0 ? () => idle(clock.now()) : work);
  };

  return {
    start() {
      isRunning = true;
      work();
    },
    stop() {
      isRunning = false;
      rest();
    },
    drainAll() {
      for (let i = 0; i < DRAINS_AT_MOST && drain() === DRAIN_RECORDS; i += 1);
    },
  };
}
