/**
 * The IP header around an advertisement (RFC 9568 section 5.1): written by us for both families, because it fixes source address and
 * TTL whatever the routing table thinks, and looked at on receipt where the kernel shows it (IPv4). Pure.
 */
import { type Address, readIpv4, writeAddress } from '../../system/ip-address.js';
import { type RejectReason, VRRP_PROTOCOL, VRRP_TTL } from './advert.js';
import { onesSum } from './checksum.js';

/** Who sent a message to whom. */
export interface Envelope {
  source: Address;
  /** A raw IPv6 socket does not say which of its addresses a packet came to: the checksum tells. */
  destinations: readonly Address[];
}

export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
/** RFC 2338 section 5.3.6.3: an authentication header in front of the message. */
const AUTHENTICATION_HEADER_PROTOCOL = 51;
/** CS6, internetwork control: switches and queues let it pass first. */
const TRAFFIC_CLASS = 0xc0;

const word16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** Where the message of an IPv4 packet is; the reason when there cannot be one. */
export function openIpv4(packet: Uint8Array): { at: number; length: number; envelope: Envelope } | RejectReason {
  const first = packet[0] ?? 0;
  const headerBytes = (first & 15) * 4;
  if (packet.length < IPV4_HEADER_BYTES || first >> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES) return 'notIpv4';
  if (packet[9] === AUTHENTICATION_HEADER_PROTOCOL) return 'authHeader';
  if (packet[9] !== VRRP_PROTOCOL) return 'protocol';
  if ((word16(packet, 6) & 0x3fff) !== 0) return 'fragment';
  if (packet[8] !== VRRP_TTL) return 'ttl';
  const totalBytes = word16(packet, 2);
  if (totalBytes > packet.length || totalBytes < headerBytes) return 'truncated';
  const envelope = { source: readIpv4(packet, 12), destinations: [readIpv4(packet, 16)] };
  return { at: headerBytes, length: totalBytes - headerBytes, envelope };
}

/** Writes the header of a packet that ends with the buffer; `setDestination` completes it. */
export function writeHeader(packet: Buffer, source: Address): void {
  if (typeof source === 'number') {
    packet[0] = 0x45;
    packet[1] = TRAFFIC_CLASS;
    packet.writeUInt16BE(packet.length, 2);
    packet[8] = VRRP_TTL;
    packet[9] = VRRP_PROTOCOL;
    writeAddress(packet, source, 12);
    return;
  }
  packet.writeUInt16BE(0x6000 | (TRAFFIC_CLASS << 4), 0);
  packet.writeUInt16BE(packet.length - IPV6_HEADER_BYTES, 4);
  packet[6] = VRRP_PROTOCOL;
  packet[7] = VRRP_TTL;
  writeAddress(packet, source, 8);
}

export function setDestination(packet: Buffer, destination: Address): void {
  if (typeof destination === 'bigint') {
    writeAddress(packet, destination, 24);
    return;
  }
  writeAddress(packet, destination, 16);
  packet.writeUInt16BE(0, 10);
  packet.writeUInt16BE(0xffff ^ onesSum(packet, 0, IPV4_HEADER_BYTES), 10);
}
