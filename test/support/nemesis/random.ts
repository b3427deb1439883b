/**
 * Chance that can be repeated: everything a schedule is drawn from follows from one number. Pure.
 */

export interface Random {
  /** 0 <= x < 1. */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  pick<T>(items: readonly T[]): T;
}

/** splitmix32: short, and neighbouring seeds have nothing in common. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 0x1_0000_0000;
  };
  return {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    pick: (items) => {
      if (items.length === 0) throw new RangeError('nothing to pick from');
      return items[Math.floor(next() * items.length)] as (typeof items)[number];
    },
  };
}

/** The seed of one round: a round can be repeated without those before it. */
export const roundSeed = (seed: number, round: number): number =>
  Math.floor(randomFrom(seed ^ Math.imul(round, 0x85ebca6b)).next() * 0x1_0000_0000);
