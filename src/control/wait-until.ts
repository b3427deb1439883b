/**
 * Waits for something that others bring about: each `look` asks again, `limitMs` ends the waiting.
 */
import { after, type Clock } from '../system/clock.js';

export interface Waiting {
  /** Resolves true as soon as `isTrue` holds, false after the limit. */
  until(isTrue: () => boolean, limitMs: number): Promise<boolean>;
  /** Something may have changed. */
  look(): void;
}

export function createWaiting(clock: Clock): Waiting {
  const looks = new Set<() => void>();
  return {
    until: (isTrue, limitMs) =>
      new Promise((resolve) => {
        const finish = (result: boolean): void => {
          cancel();
          looks.delete(look);
          resolve(result);
        };
        const look = (): void => {
          if (isTrue()) finish(true);
        };
        const cancel = clock.at(after(clock.now(), limitMs), () => finish(false));
        looks.add(look);
        look();
      }),
    look() {
      for (const each of [...looks]) each();
    },
  };
}

/** How often something is asked again that nobody tells of. */
const POLL_MS = 10;

/** Asks until it is true; false after the limit. */
export function pollUntil(clock: Clock, isTrue: () => boolean, limitMs: number): Promise<boolean> {
  const until = after(clock.now(), limitMs);
  return new Promise((resolve) => {
    const look = (): void => {
      if (isTrue()) resolve(true);
      else if (clock.now() >= until) resolve(false);
      else clock.at(after(clock.now(), POLL_MS), look);
    };
    look();
  });
}
