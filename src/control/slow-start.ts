/**
 * How the weight of a server grows that has just come up or was enabled: in few steps, because each makes new tables on every node. Ages
 * count from its coming up and travel with the generation, so that a node that takes over goes on from there. Pure.
 */

/** A slow start is so many equal parts long; at the end of each the weight grows. */
export const SLOW_START_STEPS = 10;
/** Of the weight, at the beginning: with nothing a server would never warm up. */
const FIRST_PERCENT = 10;

const stepOf = (ageMs: number, durationMs: number): number => Math.floor((Math.max(0, ageMs) * SLOW_START_STEPS) / durationMs);

export const isSlowStartOver = (ageMs: number, durationMs: number): boolean => ageMs >= durationMs;

/** How much of a weight counts after so long; of any weight something. */
export function slowStartWeight(weight: number, ageMs: number, durationMs: number): number {
  if (weight === 0 || isSlowStartOver(ageMs, durationMs)) return weight;
  const percent = FIRST_PERCENT + ((100 - FIRST_PERCENT) * stepOf(ageMs, durationMs)) / SLOW_START_STEPS;
  return Math.max(1, Math.floor((weight * percent) / 100));
}

/** Until the weight grows again. */
export function untilNextStep(ageMs: number, durationMs: number): number {
  const nextAgeMs = ((stepOf(ageMs, durationMs) + 1) * durationMs) / SLOW_START_STEPS;
  // Ages are whole: a step must not be looked for a moment before it is due.
  return Math.max(1, Math.ceil(nextAgeMs - ageMs));
}
