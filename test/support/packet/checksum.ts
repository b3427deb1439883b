/**
 * Internet checksum (RFC 1071) by full computation: what the incremental updates of the data plane are measured against. Pure.
 */

/** One's complement sum of 16-bit words, folded, not inverted. */
export function onesSum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

export const internetChecksum = (bytes: Uint8Array, start = 0): number => ~onesSum(bytes, start) & 0xffff;

/** Sum of the pseudo header of TCP and UDP over IPv4; `addresses` are the 8 bytes of source and destination. */
export const pseudoSum = (addresses: Uint8Array, protocol: number, length: number): number => onesSum(addresses, protocol + length);
