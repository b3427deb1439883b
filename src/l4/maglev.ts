/**
 * Weighted Maglev tables (Eisenbud et al., NSDI 2016, section 3.4; weights as in Envoy: a member takes a turn whenever its share is due).
 * A table depends only on names, weights and who is usable, never on the order of members, so every node computes the same one. The size
 * counts members that are down too: a server that fails or returns moves few entries beside its own, because the size stays.
 */
import { murmur3 } from './flow-hash.js';

export interface MaglevMember {
  /** Stable identity; decides which entries it prefers. */
  name: string;
  /** 0: takes no entries. */
  weight: number;
  /** What the size follows: the weight it has when nothing is the matter with it. */
  sizeWeight?: number;
  /** What its entries contain. */
  slot: number;
  isUsable: boolean;
}

/** Entries per member of the least weight: keeps every share within about one percent of what its weight says. */
export const ENTRIES_PER_MEMBER = 100;
/** Each about twice the one before, so that the size (and with it every entry) changes rarely when members come and go. */
export const TABLE_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65537] as const;
export const MAX_TABLE_SIZE = 65537;

const OFFSET_SEED = 0x6f666673;
const SKIP_SEED = 0x736b6970;
const encoder = new TextEncoder();

interface Turn {
  slot: number;
  weight: number;
  /** Position in its permutation of the entries. */
  at: number;
  skip: number;
  /** Share of turns due so far; it takes one when iteration * weight has reached this. */
  due: number;
}

/** Size for these members, usable or not; 0 when none has weight. */
export function maglevSize(members: readonly Pick<MaglevMember, 'weight' | 'sizeWeight'>[]): number {
  const weights = members.map((member) => member.sizeWeight ?? member.weight).filter((weight) => weight > 0);
  if (weights.length === 0) return 0;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const wanted = (ENTRIES_PER_MEMBER * total) / Math.min(...weights);
  return TABLE_SIZES.find((size) => size >= wanted) ?? MAX_TABLE_SIZE;
}

/** The table: server slots, or an empty array when nobody is usable. */
export function maglevTable(members: readonly MaglevMember[]): Uint32Array {
  const size = maglevSize(members);
  const turns = members
    .filter((member) => member.isUsable && member.weight > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((member) => firstTurn(member, size));
  return turns.length === 0 ? new Uint32Array(0) : populate(turns, size);
}

function firstTurn(member: MaglevMember, size: number): Turn {
  const name = encoder.encode(member.name);
  return {
    slot: member.slot,
    weight: member.weight,
    at: murmur3(name, OFFSET_SEED) % size,
    skip: (murmur3(name, SKIP_SEED) % (size - 1)) + 1,
    due: 0,
  };
}

function populate(turns: Turn[], size: number): Uint32Array {
  const table = new Uint32Array(size);
  const isTaken = new Uint8Array(size);
  const heaviest = Math.max(...turns.map((turn) => turn.weight));
  let filled = 0;
  for (let iteration = 1; ; iteration++) {
    for (const turn of turns) {
      if (iteration * turn.weight < turn.due) continue;
      turn.due += heaviest;
      while (isTaken[turn.at] === 1) turn.at = (turn.at + turn.skip) % size;
      table[turn.at] = turn.slot;
      isTaken[turn.at] = 1;
      if (++filled === size) return table;
    }
  }
}
