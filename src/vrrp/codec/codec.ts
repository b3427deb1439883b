/**
 * Advertisements on the wire: VRRP version 3 for IPv4 and IPv6 (RFC 9568) and version 2 (RFC 3768), with the IP header around them.
 *
 * Decides which received packets are advertisements at all and why others are not; whether one is for a router of ours is the
 * receiver's question. Never throws on bytes from the network. Reserved bits and what stands behind the message (padding of short
 * Ethernet frames) are ignored.
 */
import { type Address, familyOf } from '../../system/ip-address.js';
import { type Advert, type ChecksumForm, type Decoded, reject, VRRP_PROTOCOL } from './advert.js';
import { onesSum } from './checksum.js';
import { type Envelope, IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, openIpv4, setDestination, writeHeader } from './envelope.js';
import { bytesV2, decodeV2, encodeV2, sealV2 } from './message-v2.js';
import { bytesV3, decodeV3, encodeV3, sealV3 } from './message-v3.js';

/** Both versions agree on the first eight bytes' length. */
const MIN_MESSAGE_BYTES = 8;
const ADVERTISEMENT = 1;
/** What is left of an IPv6 packet whose hop limit was not 255: a raw IPv6 socket does not show it, so a filter in the kernel cuts. */
export const CUT_BYTES = 1;

/** A packet as a raw IPv4 socket delivers it: IP header first. */
export function decodeIpv4Advert(packet: Uint8Array): Decoded {
  const opened = openIpv4(packet);
  if (typeof opened === 'string') return reject(opened);
  return decodeMessage(packet, opened.at, opened.length, opened.envelope);
}

/** A packet as a raw IPv6 socket delivers it: the message alone. `destinations`: the group, and the address it is bound to. */
export function decodeIpv6Advert(message: Uint8Array, source: bigint, destinations: readonly bigint[]): Decoded {
  if (message.length === CUT_BYTES) return reject('ttl');
  return decodeMessage(message, 0, message.length, { source, destinations });
}

function decodeMessage(bytes: Uint8Array, at: number, length: number, envelope: Envelope): Decoded {
  if (length < MIN_MESSAGE_BYTES) return reject('truncated');
  const version = (bytes[at] ?? 0) >> 4;
  if (version !== 3 && !(version === 2 && familyOf(envelope.source) === 'ipv4')) return reject('version');
  if (((bytes[at] ?? 0) & 15) !== ADVERTISEMENT) return reject('type');
  return version === 3 ? decodeV3(bytes, at, length, envelope) : decodeV2(bytes, at, length, envelope);
}

/** Allocates the packet of an advertisement; `refreshAdvert` changes what varies from one to the next. Throws RangeError. */
export function encodeAdvert(advert: Advert, form: ChecksumForm = 'rfc9568'): Buffer {
  const { addresses, source, version, vrid } = advert;
  if (vrid < 1 || vrid > 255) throw new RangeError(`VRID ${vrid} is outside 1..255`);
  if (addresses.length < 1 || addresses.length > 255) throw new RangeError(`${addresses.length} addresses do not fit an advertisement`);
  if ([advert.destination, ...addresses].some((address) => familyOf(address) !== familyOf(source)))
    throw new RangeError('an advertisement has addresses of one family');
  const at = typeof source === 'number' ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  const packet = Buffer.alloc(at + (version === 3 ? bytesV3(addresses) : bytesV2(addresses)));
  writeHeader(packet, source);
  if (version === 3) encodeV3(packet, at, advert);
  else encodeV2(packet, at, advert);
  refreshAdvert(packet, advert.priority, advert.destination, form);
  return packet;
}

/** Writes priority and destination into a packet made by `encodeAdvert` and mends its checksums, in place and without allocating. */
export function refreshAdvert(packet: Buffer, priority: number, destination: Address, form: ChecksumForm = 'rfc9568'): void {
  const isIpv4 = (packet[0] ?? 0) >> 4 === 4;
  const at = isIpv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  setDestination(packet, destination);
  packet[at + 2] = priority;
  if ((packet[at] ?? 0) >> 4 === 2) return sealV2(packet, at);
  sealV3(packet, at, isIpv4 && form === 'rfc9568' ? 0 : pseudoHeaderOf(packet, at));
}

/** Both headers end with source and destination. */
function pseudoHeaderOf(packet: Buffer, headerBytes: number): number {
  const bytes = headerBytes === IPV4_HEADER_BYTES ? 8 : 32;
  return onesSum(packet, headerBytes - bytes, bytes, VRRP_PROTOCOL + packet.length - headerBytes);
}
