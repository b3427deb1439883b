/**
 * IP addresses as unsigned integers: an IPv4 address is a `number`, an IPv6 address a `bigint`, so that the type of a value tells its
 * family, addresses of one family compare with `<` as RFC 9568 section 6.4.3 wants ("unsigned integers in network byte order"), and both
 * work as keys. Text is read strictly and written in the one form of RFC 5952. Pure.
 */
import { ipv4Number, ipv4Text, isInPrefix } from './ipv4.js';

export type Address = number | bigint;
export type Family = 'ipv4' | 'ipv6';

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;
const GROUPS = 8;
/** fe80::/10 */
const LINK_LOCAL_PREFIX = 0x3fan;
/** ff02::1:ff00:0 and the last 24 bits of an address (RFC 4291 section 2.7.1). */
const SOLICITED_NODE = 0xff02_0000_0000_0000_0000_0001_ff00_0000n;

export const familyOf = (address: Address): Family => (typeof address === 'number' ? 'ipv4' : 'ipv6');
export const familyOfText = (text: string): Family => (text.includes(':') ? 'ipv6' : 'ipv4');

/** Null when it is not an address. No zone (`%eth0`), no prefix length. */
export const parseAddress = (text: string): Address | null => (text.includes(':') ? parseIpv6(text) : ipv4Number(text));

/** As `parseAddress`, for addresses that were validated before: anything else is a bug. */
export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new Error(`not an IP address: ${text}`);
  return address;
}

export const formatAddress = (address: Address): string => (typeof address === 'number' ? ipv4Text(address) : formatIpv6(address));

/** RFC 4291 section 2.2, all three forms. */
export function parseIpv6(text: string): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  const tail = groupsOf(halves[1] ?? '', true);
  if (head === null || tail === null) return null;
  const missing = GROUPS - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  let value = 0n;
  for (const group of [...head, ...Array<number>(missing).fill(0), ...tail]) value = (value << 16n) | BigInt(group);
  return value;
}

/** Groups between colons; the last one may be a dotted IPv4 address. */
function groupsOf(text: string, isEnd: boolean): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const dotted = isEnd && index === parts.length - 1 ? ipv4Number(part) : null;
    if (dotted === null) return null;
    groups.push(Math.floor(dotted / 0x10000), dotted % 0x10000);
  }
  return groups;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
export function formatIpv6(address: bigint): string {
  const groups = Array.from({ length: GROUPS }, (_, index) => Number((address >> BigInt(16 * (GROUPS - 1 - index))) & 0xffffn));
  const { start, length } = longestZeros(groups);
  const texts = groups.map((group) => group.toString(16));
  if (length < 2) return texts.join(':');
  return `${texts.slice(0, start).join(':')}::${texts.slice(start + length).join(':')}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}

/** The same address in its one spelling; null when it is none. */
export function canonicalAddress(text: string): string | null {
  const address = parseAddress(text);
  return address === null ? null : formatAddress(address);
}

/** fe80::/10; an IPv4 address never is. */
export const isLinkLocal = (address: Address): boolean => typeof address === 'bigint' && address >> 118n === LINK_LOCAL_PREFIX;

/** Is `address` inside `network`/`prefixLength`? False for addresses of two families. */
export function isInNetwork(address: Address, network: Address, prefixLength: number): boolean {
  if (typeof address === 'number' || typeof network === 'number')
    return typeof address === typeof network && isInPrefix(Number(address), Number(network), prefixLength);
  const rest = BigInt(8 * IPV6_BYTES - prefixLength);
  return address >> rest === network >> rest;
}

/** Where questions for this address go by multicast. */
export const solicitedNodeGroup = (address: bigint): bigint => SOLICITED_NODE | (address & 0xff_ffffn);

export const addressBytes = (family: Family): number => (family === 'ipv4' ? IPV4_BYTES : IPV6_BYTES);

/** The four bytes at `at`; bytes behind the end count as zero. */
export const readIpv4 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 0x1000000 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));

export function readIpv6(bytes: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let word = 0; word < IPV6_BYTES; word += 4) value = (value << 32n) | BigInt(readIpv4(bytes, at + word));
  return value;
}

/** Writes the 4 or 16 bytes of an address. */
export function writeAddress(buffer: Buffer, address: Address, at: number): void {
  if (typeof address === 'number') {
    buffer.writeUInt32BE(address, at);
    return;
  }
  buffer.writeBigUInt64BE(address >> 64n, at);
  buffer.writeBigUInt64BE(address & 0xffff_ffff_ffff_ffffn, at + 8);
}
