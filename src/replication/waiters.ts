/** Promises that wait for a condition on something that calls `look` whenever it may have changed, with a limit. */
import type { Clock, Monotonic } from '../system/clock.js';

export interface Waiters {
  /** True when the condition holds, now or within the time; false otherwise. */
  wait(isMet: () => boolean, timeoutMs: number): Promise<boolean>;
  look(): void;
  /** Everybody is told false. */
  giveUp(): void;
}

export function createWaiters(clock: Clock): Waiters {
  const waiting = new Set<{ isMet: () => boolean; finish: (result: boolean) => void }>();
  return {
    wait(isMet, timeoutMs) {
      if (isMet()) return Promise.resolve(true);
      if (timeoutMs <= 0) return Promise.resolve(false);
      return new Promise((resolve) => {
        const entry = {
          isMet,
          finish(result: boolean) {
            waiting.delete(entry);
            cancel();
            resolve(result);
          },
        };
        const cancel = clock.at((clock.now() + timeoutMs) as Monotonic, () => entry.finish(false));
        waiting.add(entry);
      });
    },
    look() {
      for (const entry of [...waiting]) if (entry.isMet()) entry.finish(true);
    },
    giveUp() {
      for (const entry of [...waiting]) entry.finish(false);
    },
  };
}
