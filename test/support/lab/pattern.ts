/**
 * The bytes of the workloads: for each connection an endless reproducible stream, so that a receiver knows what byte must stand at
 * every offset. A lost, repeated, reordered, damaged or foreign byte shows as a difference.
 */

/** A prime: streams of different connections do not fall into step. */
const PERIOD = 65_521;
const LONGEST_SLICE = 65_536;
const STRIDE = 7919;

const bytes: Buffer = makeBytes();

/** xorshift32 from a fixed seed; every process has the same bytes. */
function makeBytes(): Buffer {
  const buffer = Buffer.alloc(PERIOD + LONGEST_SLICE);
  let x = 0x74616e64;
  for (let i = 0; i < PERIOD; i += 1) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    buffer[i] = x & 0xff;
  }
  buffer.copy(buffer, PERIOD, 0, LONGEST_SLICE);
  return buffer;
}

const startOf = (stream: number, offset: number): number => (stream * STRIDE + offset) % PERIOD;

/** Bytes `offset` .. `offset + length` of a stream; shares memory, do not write into it. At most 64 KiB. */
export function patternSlice(stream: number, offset: number, length: number): Buffer {
  if (length > LONGEST_SLICE) throw new RangeError(`a slice of ${length} bytes is longer than ${LONGEST_SLICE}`);
  const start = startOf(stream, offset);
  return bytes.subarray(start, start + length);
}

/** True when `chunk` is what the stream has at `offset`. */
export function matchesPattern(stream: number, offset: number, chunk: Buffer): boolean {
  for (let done = 0; done < chunk.length; done += LONGEST_SLICE) {
    const part = chunk.subarray(done, done + LONGEST_SLICE);
    if (!part.equals(patternSlice(stream, offset + done, part.length))) return false;
  }
  return true;
}
