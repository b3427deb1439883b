/**
 * Smooth weighted round robin (nginx): the sequence in which servers take their turns, spread so that a heavy server's turns do not come in
 * a row. The BPF program walks it with a counter. Pure, and independent of the order of members.
 */
import type { MaglevMember } from './maglev.js';

/** Weights of any size are scaled so that one round fits; beyond it shares are rounded to 1/4096. */
export const MAX_ROUND_LENGTH = 4096;

/** One round: server slots, or an empty array when nobody is usable. */
export function roundRobinTable(members: readonly MaglevMember[]): Uint32Array {
  const usable = members.filter((member) => member.isUsable && member.weight > 0).sort((a, b) => (a.name < b.name ? -1 : 1));
  const turns = turnsPerRound(usable.map((member) => member.weight));
  const total = turns.reduce((sum, count) => sum + count, 0);
  const credit = new Array<number>(usable.length).fill(0);
  return Uint32Array.from({ length: total }, () => {
    let best = 0;
    for (let index = 0; index < credit.length; index++) {
      credit[index] = (credit[index] ?? 0) + (turns[index] ?? 0);
      if ((credit[index] ?? 0) > (credit[best] ?? 0)) best = index;
    }
    credit[best] = (credit[best] ?? 0) - total;
    return usable[best]?.slot ?? 0;
  });
}

function turnsPerRound(weights: readonly number[]): number[] {
  const divisor = weights.reduce(greatestCommonDivisor, 0) || 1;
  const turns = weights.map((weight) => weight / divisor);
  const total = turns.reduce((sum, count) => sum + count, 0);
  if (total <= MAX_ROUND_LENGTH) return turns;
  // Room is left for rounding up: nobody with weight may end with no turn at all.
  const scale = Math.max(0, MAX_ROUND_LENGTH - turns.length) / total;
  return turns.map((count) => Math.max(1, Math.floor(count * scale)));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
