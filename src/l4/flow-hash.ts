/**
 * The hash that places a flow: MurmurHash3 (x86, 32 bit) of the 16-byte flow key as four little-endian words, the same as the BPF program
 * computes, so that every node puts a packet without a record on the same server. Pure.
 */

/** ASCII "tand"; the BPF program uses the same. */
export const FLOW_HASH_SEED = 0x74616e64;
const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));
const scramble = (word: number): number => Math.imul(rotate(Math.imul(word, C1), 15), C2);

/** MurmurHash3_x86_32 of any bytes; an unsigned number. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let hash = seed | 0;
  for (let at = 0; at < whole; at += 4) {
    hash = (Math.imul(rotate(hash ^ scramble(view.getUint32(at, true)), 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= whole; at--) tail = (tail << 8) | (bytes[at] ?? 0);
  if (whole < bytes.length) hash ^= scramble(tail);
  return finish(hash ^ bytes.length);
}

function finish(word: number): number {
  let hash = word;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Of an encoded flow key (records.ts). */
export const flowHash = (key: Uint8Array): number => murmur3(key, FLOW_HASH_SEED);

/** Entry of a table of `size`: (hash * size) >> 32, exact for every size a table can have. */
export const tableIndex = (hash: number, size: number): number => Math.floor((hash * size) / 2 ** 32);
