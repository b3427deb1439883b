/**
 * The message of VRRP version 2 (RFC 3768 section 5.3): IPv4 only, whole seconds, eight bytes of authentication data behind the addresses.
 *
 * We send authentication type 0 with zeros and believe nothing else: RFC 3768 took the others out because they protect nobody.
 *
 *   0: version 2, type 1 | 1: VRID | 2: priority | 3: count | 4: authentication type | 5: interval in seconds | 6: checksum | 8: addresses, data
 */
import { type Address, readIpv4, writeAddress } from '../../system/ip-address.js';
import { type Advert, type Decoded, type RejectReason, reject } from './advert.js';
import { onesSum } from './checksum.js';
import type { Envelope } from './envelope.js';

const VERSION_AND_TYPE = 0x21;
const HEADER_BYTES = 8;
const AUTHENTICATION_BYTES = 8;
const SECOND_MS = 1000;
const MAX_INTERVAL_S = 255;
/** RFC 2338 section 5.3.6. */
const AUTHENTICATION_REJECTS: Record<number, RejectReason> = { 1: 'authSimpleText', 2: 'authHeader' };

/** `at` and `length` say where in `bytes` the message is; version and type were looked at. */
export function decodeV2(bytes: Uint8Array, at: number, length: number, envelope: Envelope): Decoded {
  const vrid = bytes[at + 1] ?? 0;
  if (vrid === 0) return reject('vrid');
  const count = bytes[at + 3] ?? 0;
  if (count === 0) return reject('noAddresses');
  const messageBytes = HEADER_BYTES + 4 * count + AUTHENTICATION_BYTES;
  if (messageBytes > length) return reject('truncated');
  // The checksum spans the authentication data (RFC 3768 section 5.3.8), and what is broken says nothing about authentication.
  if (onesSum(bytes, at, messageBytes) !== 0xffff) return reject('checksum');
  const authentication = bytes[at + 4] ?? 0;
  if (authentication !== 0) return reject(AUTHENTICATION_REJECTS[authentication] ?? 'authType');
  const intervalS = bytes[at + 5] ?? 0;
  if (intervalS === 0) return reject('interval');
  const addresses: Address[] = [];
  for (let index = 0; index < count; index++) addresses.push(readIpv4(bytes, at + HEADER_BYTES + 4 * index));
  const advert: Advert = {
    version: 2,
    source: envelope.source,
    destination: envelope.destinations[0] ?? 0,
    vrid,
    priority: bytes[at + 2] ?? 0,
    intervalMs: intervalS * SECOND_MS,
    addresses,
  };
  return { ok: true, advert, checksumForm: 'rfc9568' };
}

export const bytesV2 = (addresses: readonly Address[]): number => HEADER_BYTES + 4 * addresses.length + AUTHENTICATION_BYTES;

/** Writes all but the checksum. Throws RangeError for what version 2 cannot say. */
export function encodeV2(packet: Buffer, at: number, { addresses, intervalMs, priority, vrid }: Advert): void {
  const intervalS = intervalMs / SECOND_MS;
  if (!Number.isInteger(intervalS) || intervalS < 1 || intervalS > MAX_INTERVAL_S)
    throw new RangeError(`version 2 has whole seconds from 1 to 255, not ${intervalMs} ms`);
  if (addresses.some((address) => typeof address !== 'number')) throw new RangeError('version 2 is for IPv4 only');
  packet[at] = VERSION_AND_TYPE;
  packet[at + 1] = vrid;
  packet[at + 2] = priority;
  packet[at + 3] = addresses.length;
  packet[at + 4] = 0;
  packet[at + 5] = intervalS;
  for (const [index, address] of addresses.entries()) writeAddress(packet, address, at + HEADER_BYTES + 4 * index);
}

/** Writes the checksum of a finished message. */
export function sealV2(packet: Buffer, at: number): void {
  packet.writeUInt16BE(0, at + 6);
  packet.writeUInt16BE(0xffff ^ onesSum(packet, at, packet.length - at), at + 6);
}
