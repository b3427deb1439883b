/**
 * One timer for a machine whose deadline moves with every frame: it is not set anew when the deadline moves back, the machine is asked
 * again when it fires.
 */
import type { Clock, Monotonic } from '../system/clock.js';

export interface Alarm {
  /** Looks at the deadline again. */
  review(): void;
  cancel(): void;
}

export function createAlarm(clock: Clock, deadline: () => Monotonic | null, fire: () => void): Alarm {
  let armedFor: Monotonic | null = null;
  let cancelTimer: (() => void) | null = null;

  const cancel = (): void => {
    cancelTimer?.();
    cancelTimer = null;
    armedFor = null;
  };

  const review = (): void => {
    const due = deadline();
    if (due === null || (armedFor !== null && armedFor <= due)) return;
    cancel();
    armedFor = due;
    cancelTimer = clock.at(due, () => {
      cancelTimer = null;
      armedFor = null;
      const current = deadline();
      if (current !== null && clock.now() >= current) fire();
      review();
    });
  };

  return { review, cancel };
}
