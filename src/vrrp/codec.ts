/**
 * VRRPv3 advertisements for IPv4 on the wire, with the IPv4 header around them (RFC 9568 sections 5.1, 5.2 and 7.1).
 *
 * Decides which received packets are advertisements at all and why others are not; whether an advertisement is for one of our routers
 * is the shell's question. Never throws on bytes from the network. Transmits the checksum of RFC 9568 (over the VRRP message only) and
 * accepts the form of RFC 5798 (with an IPv4 pseudo-header) too, because keepalived and others still send it; the caller counts which.
 */
import { onesSum } from './ipv4.js';

export const VRRP_PROTOCOL = 112;
/** 224.0.0.18 */
export const VRRP_GROUP = 0xe0000012;
export const VRRP_TTL = 255;
/** 12 bits of centiseconds. */
export const MAX_INTERVAL_CS = 4095;
const VERSION_AND_TYPE = 0x31;
const VRRP_HEADER_BYTES = 8;
const IPV4_HEADER_BYTES = 20;
/** CS6, internetwork control: switches and queues let it pass first. */
const TOS_NETWORK_CONTROL = 0xc0;

export interface Advert {
  /** Sender's address, as in the IP header. */
  source: number;
  destination: number;
  vrid: number;
  priority: number;
  /** Max Advertise Interval, centiseconds, 1..4095. */
  intervalCs: number;
  addresses: number[];
}

export type ChecksumForm = 'rfc9568' | 'rfc5798';

/** Why a packet is not an advertisement; each is a counter. The last group is decided by the shell. */
export const REJECT_REASONS = [
  'notIpv4',
  'protocol',
  'ttl',
  'truncated',
  'version',
  'type',
  'vrid',
  'noAddresses',
  'interval',
  'checksum',
  'fragment',
  'ownSource',
  'unknownRouter',
  'unknownPeer',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

export type Decoded = { ok: true; advert: Advert; checksumForm: ChecksumForm } | { ok: false; reason: RejectReason };

const reject = (reason: RejectReason): Decoded => ({ ok: false, reason });
const word16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const word32 = (bytes: Uint8Array, at: number): number => word16(bytes, at) * 0x10000 + word16(bytes, at + 2);

/** A packet as a raw socket delivers it: IPv4 header first, perhaps padding behind (short frames on Ethernet). */
export function decodeAdvert(packet: Uint8Array): Decoded {
  const first = packet[0] ?? 0;
  const headerBytes = (first & 15) * 4;
  if (packet.length < IPV4_HEADER_BYTES || first >> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES) return reject('notIpv4');
  if (packet[9] !== VRRP_PROTOCOL) return reject('protocol');
  if ((word16(packet, 6) & 0x3fff) !== 0) return reject('fragment');
  if (packet[8] !== VRRP_TTL) return reject('ttl');
  const totalBytes = word16(packet, 2);
  if (totalBytes > packet.length || totalBytes < headerBytes + VRRP_HEADER_BYTES) return reject('truncated');
  return decodeMessage(packet, headerBytes, totalBytes - headerBytes);
}

function decodeMessage(packet: Uint8Array, at: number, length: number): Decoded {
  const versionAndType = packet[at] ?? 0;
  if (versionAndType >> 4 !== 3) return reject('version');
  if ((versionAndType & 15) !== 1) return reject('type');
  const vrid = packet[at + 1] ?? 0;
  if (vrid === 0) return reject('vrid');
  const count = packet[at + 3] ?? 0;
  if (count === 0) return reject('noAddresses');
  const messageBytes = VRRP_HEADER_BYTES + 4 * count;
  if (messageBytes > length) return reject('truncated');
  const checksumForm = checkSum(packet, at, messageBytes);
  if (checksumForm === null) return reject('checksum');
  const intervalCs = word16(packet, at + 4) & 0x0fff;
  if (intervalCs === 0) return reject('interval');
  const addresses: number[] = [];
  for (let index = 0; index < count; index++) addresses.push(word32(packet, at + VRRP_HEADER_BYTES + 4 * index));
  const advert = {
    source: word32(packet, 12),
    destination: word32(packet, 16),
    vrid,
    priority: packet[at + 2] ?? 0,
    intervalCs,
    addresses,
  };
  return { ok: true, advert, checksumForm };
}

function checkSum(packet: Uint8Array, at: number, messageBytes: number): ChecksumForm | null {
  const sum = onesSum(packet, at, messageBytes);
  if (sum === 0xffff) return 'rfc9568';
  return onesSum(packet, 12, 8, sum + VRRP_PROTOCOL + messageBytes) === 0xffff ? 'rfc5798' : null;
}

/** Allocates the packet of an advertisement; `refreshAdvert` changes what varies from one to the next. */
export function encodeAdvert(advert: Advert, checksumForm: ChecksumForm = 'rfc9568'): Buffer {
  const { addresses, intervalCs, vrid } = advert;
  if (vrid < 1 || vrid > 255) throw new RangeError(`VRID ${vrid} is outside 1..255`);
  if (addresses.length < 1 || addresses.length > 255) throw new RangeError(`${addresses.length} addresses do not fit an advertisement`);
  if (intervalCs < 1 || intervalCs > MAX_INTERVAL_CS) throw new RangeError(`advertisement interval of ${intervalCs} cs is outside 1..4095`);
  const messageBytes = VRRP_HEADER_BYTES + 4 * addresses.length;
  const packet = Buffer.alloc(IPV4_HEADER_BYTES + messageBytes);
  packet[0] = 0x45;
  packet[1] = TOS_NETWORK_CONTROL;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = VRRP_TTL;
  packet[9] = VRRP_PROTOCOL;
  packet.writeUInt32BE(advert.source, 12);
  packet[20] = VERSION_AND_TYPE;
  packet[21] = vrid;
  packet[23] = addresses.length;
  packet.writeUInt16BE(intervalCs, 24);
  for (const [index, address] of addresses.entries()) packet.writeUInt32BE(address, 28 + 4 * index);
  refreshAdvert(packet, advert.priority, advert.destination, checksumForm);
  return packet;
}

/** Writes priority and destination into a packet made by `encodeAdvert` and mends both checksums, in place. */
export function refreshAdvert(packet: Buffer, priority: number, destination: number, checksumForm: ChecksumForm = 'rfc9568'): void {
  const messageBytes = packet.length - IPV4_HEADER_BYTES;
  packet.writeUInt32BE(destination, 16);
  packet[22] = priority;
  packet.writeUInt16BE(0, 10);
  packet.writeUInt16BE(0xffff ^ onesSum(packet, 0, IPV4_HEADER_BYTES), 10);
  packet.writeUInt16BE(0, 26);
  const start = checksumForm === 'rfc9568' ? 0 : onesSum(packet, 12, 8, VRRP_PROTOCOL + messageBytes);
  packet.writeUInt16BE(0xffff ^ onesSum(packet, IPV4_HEADER_BYTES, messageBytes, start), 26);
}
