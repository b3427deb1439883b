/**
 * The frames of a take-over: gratuitous ARP, unsolicited Neighbour Advertisement, the echo that proves that the address now leads here,
 * and advertisements from the virtual MAC. Pure builders.
 *
 * Gratuitous ARP goes out in request form (RFC 5944 section 4.6 allows both): a reply form is ignored for a second by hosts that have
 * just learned another answer. The echo asks a neighbour whose answer, addressed to the VIP, must come back through our XDP program.
 */
import { type Address, type Family, familyOf, writeAddress } from '../system/ip-address.js';
import { onesSum, pseudoHeaderSum } from './codec/checksum.js';

const BROADCAST = Buffer.from('ffffffffffff', 'hex');
/** Without padding to 60 bytes some drivers send whatever lay in memory. */
const MIN_FRAME_BYTES = 60;
const ETHERNET_BYTES = 14;
const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd, arp: 0x0806 } as const;

const ICMP = 1;
const ICMPV6 = 58;
const ECHO_REQUEST = { ipv4: 8, ipv6: 128 } as const;
const ECHO_BYTES = 16;
const ECHO_TTL = 64;

const NEIGHBOUR_ADVERTISEMENT = 136;
/** Router and Override, not Solicited (RFC 9568 section 6.4.2). */
const NA_FLAGS = 0xa0;
const NA_BYTES = 32;
const TARGET_LINK_LAYER_ADDRESS = 2;
/** RFC 4861 section 7.1.2: anything else is not believed. */
const NA_HOP_LIMIT = 255;
/** ff02::1 */
const ALL_NODES = 0xff02_0000_0000_0000_0000_0000_0000_0001n;

/** Says on the wire that the address is at this MAC: gratuitous ARP, or an unsolicited Neighbour Advertisement. */
export const announcement = (mac: Uint8Array, address: Address): Buffer =>
  typeof address === 'number' ? gratuitousArp(mac, address) : unsolicitedAdvertisement(mac, address);

/** "Who has VIP? Tell VIP", from our MAC. */
export function gratuitousArp(mac: Uint8Array, address: number): Buffer {
  const frame = Buffer.alloc(MIN_FRAME_BYTES);
  writeEthernet(frame, BROADCAST, mac, ETHERTYPE.arp);
  frame.writeUInt16BE(1, 14);
  frame.writeUInt16BE(ETHERTYPE.ipv4, 16);
  frame[18] = 6;
  frame[19] = 4;
  frame.writeUInt16BE(1, 20);
  frame.set(mac, 22);
  frame.writeUInt32BE(address, 28);
  frame.writeUInt32BE(address, 38);
  return frame;
}

/** RFC 4861 section 4.4, to all nodes, from the address itself. */
function unsolicitedAdvertisement(mac: Uint8Array, address: bigint): Buffer {
  const frame = Buffer.alloc(ETHERNET_BYTES + 40 + NA_BYTES);
  writeEthernet(frame, multicastMac(ALL_NODES), mac, ETHERTYPE.ipv6);
  writeIpv6(frame, { source: address, destination: ALL_NODES, protocol: ICMPV6, hopLimit: NA_HOP_LIMIT, payloadBytes: NA_BYTES });
  const at = ETHERNET_BYTES + 40;
  frame[at] = NEIGHBOUR_ADVERTISEMENT;
  frame[at + 4] = NA_FLAGS;
  writeAddress(frame, address, at + 8);
  frame[at + 24] = TARGET_LINK_LAYER_ADDRESS;
  frame[at + 25] = 1;
  frame.set(mac, at + 26);
  sealIcmpv6(frame, at, NA_BYTES, address, ALL_NODES);
  return frame;
}

export interface Echo {
  sourceMac: Uint8Array;
  targetMac: Uint8Array;
  /** The virtual address. */
  source: Address;
  /** Of the same family. */
  target: Address;
  identifier: number;
  sequence: number;
}

export function echoRequest(echo: Echo): Buffer {
  const { source, target } = echo;
  const isIpv4 = typeof source === 'number';
  const at = ETHERNET_BYTES + (isIpv4 ? 20 : 40);
  const frame = Buffer.alloc(Math.max(MIN_FRAME_BYTES, at + ECHO_BYTES));
  writeEthernet(frame, echo.targetMac, echo.sourceMac, isIpv4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6);
  if (isIpv4) writeIpv4(frame, source, target);
  else writeIpv6(frame, { source, destination: target, protocol: ICMPV6, hopLimit: ECHO_TTL, payloadBytes: ECHO_BYTES });
  frame[at] = isIpv4 ? ECHO_REQUEST.ipv4 : ECHO_REQUEST.ipv6;
  frame.writeUInt16BE(echo.identifier, at + 4);
  frame.writeUInt16BE(echo.sequence & 0xffff, at + 6);
  frame.write('tandem', at + 8, 'ascii');
  if (isIpv4) frame.writeUInt16BE(0xffff ^ onesSum(frame, at, ECHO_BYTES), at + 2);
  else sealIcmpv6(frame, at, ECHO_BYTES, source, target);
  return frame;
}

function writeEthernet(frame: Buffer, destination: Uint8Array, source: Uint8Array, etherType: number): void {
  frame.set(destination, 0);
  frame.set(source, 6);
  frame.writeUInt16BE(etherType, 12);
}

function writeIpv4(frame: Buffer, source: Address, destination: Address): void {
  const at = ETHERNET_BYTES;
  frame[at] = 0x45;
  frame.writeUInt16BE(20 + ECHO_BYTES, at + 2);
  frame[at + 8] = ECHO_TTL;
  frame[at + 9] = ICMP;
  writeAddress(frame, source, at + 12);
  writeAddress(frame, destination, at + 16);
  frame.writeUInt16BE(0xffff ^ onesSum(frame, at, 20), at + 10);
}

interface Ipv6Header {
  source: Address;
  destination: Address;
  protocol: number;
  hopLimit: number;
  payloadBytes: number;
}

function writeIpv6(frame: Buffer, { source, destination, protocol, hopLimit, payloadBytes }: Ipv6Header): void {
  const at = ETHERNET_BYTES;
  frame[at] = 0x60;
  frame.writeUInt16BE(payloadBytes, at + 4);
  frame[at + 6] = protocol;
  frame[at + 7] = hopLimit;
  writeAddress(frame, source, at + 8);
  writeAddress(frame, destination, at + 24);
}

function sealIcmpv6(frame: Buffer, at: number, bytes: number, source: Address, destination: Address): void {
  frame.writeUInt16BE(0xffff ^ onesSum(frame, at, bytes, pseudoHeaderSum(source, destination, ICMPV6, bytes)), at + 2);
}

/** 00-00-5E-00-01-VRID for IPv4, 00-00-5E-00-02-VRID for IPv6 (RFC 9568 section 7.3). */
export const virtualMac = (family: Family, vrid: number): Buffer => Buffer.from([0x00, 0x00, 0x5e, 0x00, family === 'ipv4' ? 1 : 2, vrid]);

/** The MAC address that a multicast group is sent to (RFC 1112 section 6.4, RFC 2464 section 7). */
export function multicastMac(group: Address): Buffer {
  const bytes = Buffer.alloc(16);
  writeAddress(bytes, group, 0);
  if (typeof group === 'number') return Buffer.from([0x01, 0x00, 0x5e, (bytes[1] ?? 0) & 0x7f, bytes[2] ?? 0, bytes[3] ?? 0]);
  return Buffer.concat([Buffer.from([0x33, 0x33]), bytes.subarray(12)]);
}

export interface FramedPacket {
  /** What goes out. */
  frame: Buffer;
  /** The IP packet inside of it, the same memory. */
  packet: Buffer;
}

/** A whole Ethernet frame around an IP packet to a multicast group, from a MAC address that may not be the interface's own. */
export function framed(packet: Buffer, sourceMac: Uint8Array, group: Address): FramedPacket {
  const frame = Buffer.alloc(Math.max(MIN_FRAME_BYTES, ETHERNET_BYTES + packet.length));
  writeEthernet(frame, multicastMac(group), sourceMac, ETHERTYPE[familyOf(group)]);
  packet.copy(frame, ETHERNET_BYTES);
  return { frame, packet: frame.subarray(ETHERNET_BYTES, ETHERNET_BYTES + packet.length) };
}

/** aa:bb:cc:dd:ee:ff to 6 bytes; null when it is not a MAC address. */
export function parseMac(text: string): Buffer | null {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? Buffer.from(text.replaceAll(':', ''), 'hex') : null;
}
