/**
 * The checksums of the Internet (RFC 1071) over messages of our protocols. Pure.
 */
import { type Address, writeAddress } from '../../system/ip-address.js';

/** The 16-bit one's-complement sum over `length` bytes, folded, not inverted. */
export function onesSum(bytes: Uint8Array, offset: number, length: number, start = 0): number {
  let sum = start;
  const end = offset + length;
  for (let at = offset; at + 1 < end; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (length % 2 === 1) sum += (bytes[end - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

const scratch = Buffer.alloc(16);

/** Sum of the pseudo-header (IPv4: RFC 793; IPv6: RFC 8200 section 8.1), to start `onesSum` with. */
export function pseudoHeaderSum(source: Address, destination: Address, protocol: number, messageBytes: number): number {
  return addressSum(source, addressSum(destination, protocol + messageBytes));
}

function addressSum(address: Address, start: number): number {
  if (typeof address === 'number') return start + Math.floor(address / 0x10000) + (address & 0xffff);
  writeAddress(scratch, address, 0);
  return onesSum(scratch, 0, 16, start);
}
