/**
 * The message of VRRP version 3, IPv4 and IPv6 (RFC 9568 section 5.2; errata 8299 and 8301).
 *
 *   0: version 3, type 1 | 1: VRID | 2: priority | 3: count | 4: reserved (4 bits), interval in centiseconds (12 bits) | 6: checksum | 8: addresses
 */
import { type Address, addressBytes, familyOf, isLinkLocal, readIpv4, readIpv6, writeAddress } from '../../system/ip-address.js';
import { type Advert, type ChecksumForm, type Decoded, reject, VRRP_PROTOCOL } from './advert.js';
import { onesSum, pseudoHeaderSum } from './checksum.js';
import type { Envelope } from './envelope.js';

const VERSION_AND_TYPE = 0x31;
const HEADER_BYTES = 8;
const CENTISECOND_MS = 10;
/** 12 bits. */
const MAX_INTERVAL_CS = 4095;

/** `at` and `length` say where in `bytes` the message is; version and type were looked at. */
export function decodeV3(bytes: Uint8Array, at: number, length: number, envelope: Envelope): Decoded {
  const vrid = bytes[at + 1] ?? 0;
  if (vrid === 0) return reject('vrid');
  const count = bytes[at + 3] ?? 0;
  if (count === 0) return reject('noAddresses');
  const isIpv4 = familyOf(envelope.source) === 'ipv4';
  const messageBytes = HEADER_BYTES + count * (isIpv4 ? 4 : 16);
  if (messageBytes > length) return reject('truncated');
  const found = checkSum(bytes, at, messageBytes, envelope);
  if (found === null) return reject('checksum');
  const intervalCs = (((bytes[at + 4] ?? 0) & 15) << 8) | (bytes[at + 5] ?? 0);
  if (intervalCs === 0) return reject('interval');
  const addresses: Address[] = [];
  for (let index = 0; index < count; index++)
    addresses.push(isIpv4 ? readIpv4(bytes, at + HEADER_BYTES + 4 * index) : readIpv6(bytes, at + HEADER_BYTES + 16 * index));
  if (!isIpv4 && !isLinkLocal(addresses[0] ?? 0n)) return reject('notLinkLocal');
  const advert: Advert = {
    version: 3,
    source: envelope.source,
    destination: found.destination,
    vrid,
    priority: bytes[at + 2] ?? 0,
    intervalMs: intervalCs * CENTISECOND_MS,
    addresses,
  };
  return { ok: true, advert, checksumForm: found.form };
}

function checkSum(
  bytes: Uint8Array,
  at: number,
  messageBytes: number,
  { source, destinations }: Envelope,
): { form: ChecksumForm; destination: Address } | null {
  const sum = onesSum(bytes, at, messageBytes);
  const isIpv4 = typeof source === 'number';
  if (isIpv4 && sum === 0xffff) return { form: 'rfc9568', destination: destinations[0] ?? 0 };
  for (const destination of destinations) {
    const whole = onesSum(bytes, at, 0, sum + pseudoHeaderSum(source, destination, VRRP_PROTOCOL, messageBytes));
    if (whole === 0xffff) return { form: isIpv4 ? 'rfc5798' : 'rfc9568', destination };
  }
  return null;
}

export const bytesV3 = (addresses: readonly Address[]): number =>
  HEADER_BYTES + addresses.length * addressBytes(familyOf(addresses[0] ?? 0));

/** Writes all but the checksum. Throws RangeError for what version 3 cannot say. */
export function encodeV3(packet: Buffer, at: number, { addresses, intervalMs, priority, vrid }: Advert): void {
  const intervalCs = Math.round(intervalMs / CENTISECOND_MS);
  if (intervalCs < 1 || intervalCs > MAX_INTERVAL_CS)
    throw new RangeError(`an advertisement interval of ${intervalMs} ms is outside of 10..40950`);
  const isIpv4 = typeof addresses[0] === 'number';
  if (!isIpv4 && !isLinkLocal(addresses[0] ?? 0n)) throw new RangeError('the first address of an IPv6 router has to be link-local');
  packet[at] = VERSION_AND_TYPE;
  packet[at + 1] = vrid;
  packet[at + 2] = priority;
  packet[at + 3] = addresses.length;
  packet.writeUInt16BE(intervalCs, at + 4);
  for (const [index, address] of addresses.entries()) writeAddress(packet, address, at + HEADER_BYTES + index * (isIpv4 ? 4 : 16));
}

/** Writes the checksum of a finished message; `pseudoHeader` is the sum of what counts without being sent. */
export function sealV3(packet: Buffer, at: number, pseudoHeader: number): void {
  packet.writeUInt16BE(0, at + 6);
  packet.writeUInt16BE(0xffff ^ onesSum(packet, at, packet.length - at, pseudoHeader), at + 6);
}
