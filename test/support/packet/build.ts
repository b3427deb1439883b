/**
 * Builders of Ethernet frames with ARP, IPv4, TCP, UDP and ICMP, right in every length and checksum unless told otherwise. Pure but for Buffer.
 */
import { internetChecksum, onesSum, pseudoSum } from './checksum.js';

export interface Party {
  mac: string;
  address: string;
  port: number;
}

export interface IpOptions {
  ttl?: number;
  /** IPv4 options, a multiple of 4 bytes. */
  options?: Buffer;
  /** Fragment flags and offset, as in the header. */
  fragment?: number;
}

export interface SegmentOptions extends IpOptions {
  from: Party;
  to: Party;
  payload?: Buffer;
  /** `partial`: only the pseudo header, not inverted, as a packet that never saw a wire carries it. `none`: zero (UDP). */
  checksum?: 'full' | 'partial' | 'none';
}

export interface TcpOptions extends SegmentOptions {
  /** Letters of S, A, F, R, P. */
  flags: string;
}

export const etherTypes = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const ipProtocols = { icmp: 1, tcp: 6, udp: 17 } as const;
export const tcpFlagBits: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';
const NO_MAC = '00:00:00:00:00:00';

export const macToBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');
export const addressToBytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number));

export function ethernet(to: string, from: string, etherType: number, payload: Buffer): Buffer {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(etherType);
  return Buffer.concat([macToBytes(to), macToBytes(from), type, payload]);
}

export function ipv4(
  from: string,
  to: string,
  protocol: number,
  payload: Buffer,
  { ttl = 64, options = Buffer.alloc(0), fragment = 0 }: IpOptions = {},
): Buffer {
  const header = Buffer.concat([Buffer.alloc(20), options]);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(0x1234, 4);
  header.writeUInt16BE(fragment, 6);
  header[8] = ttl;
  header[9] = protocol;
  addressToBytes(from).copy(header, 12);
  addressToBytes(to).copy(header, 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return Buffer.concat([header, payload]);
}

function segmentFrame(segment: Buffer, checksumAt: number, protocol: number, options: SegmentOptions): Buffer {
  const { from, to, checksum = 'full' } = options;
  const pseudo = pseudoSum(Buffer.concat([addressToBytes(from.address), addressToBytes(to.address)]), protocol, segment.length);
  const full = ~onesSum(segment, pseudo) & 0xffff;
  const sent = full === 0 && protocol === ipProtocols.udp ? 0xffff : full;
  segment.writeUInt16BE(checksum === 'full' ? sent : checksum === 'partial' ? pseudo : 0, checksumAt);
  return ethernet(to.mac, from.mac, etherTypes.ipv4, ipv4(from.address, to.address, protocol, segment, options));
}

export function tcpFrame(options: TcpOptions): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(options.from.port, 0);
  header.writeUInt16BE(options.to.port, 2);
  header.writeUInt32BE(0x01020304, 4);
  header[12] = 0x50;
  header[13] = [...options.flags].reduce((bits, letter) => bits | (tcpFlagBits[letter] ?? 0), 0);
  header.writeUInt16BE(0xfaf0, 14);
  return segmentFrame(Buffer.concat([header, options.payload ?? Buffer.alloc(0)]), 16, ipProtocols.tcp, options);
}

export function udpFrame(options: SegmentOptions): Buffer {
  const payload = options.payload ?? Buffer.from('ping');
  const header = Buffer.alloc(8);
  header.writeUInt16BE(options.from.port, 0);
  header.writeUInt16BE(options.to.port, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return segmentFrame(Buffer.concat([header, payload]), 6, ipProtocols.udp, options);
}

export interface IcmpOptions extends IpOptions {
  from: Party;
  to: Party;
  type: number;
  code?: number;
  id?: number;
}

export function icmpFrame(options: IcmpOptions): Buffer {
  const message = Buffer.concat([Buffer.alloc(8), Buffer.from('abcdefgh')]);
  message[0] = options.type;
  message[1] = options.code ?? 0;
  message.writeUInt16BE(options.id ?? 7, 4);
  message.writeUInt16BE(1, 6);
  message.writeUInt16BE(internetChecksum(message), 2);
  return ethernet(
    options.to.mac,
    options.from.mac,
    etherTypes.ipv4,
    ipv4(options.from.address, options.to.address, ipProtocols.icmp, message, options),
  );
}

export interface ArpOptions {
  operation: 'request' | 'reply';
  senderMac: string;
  senderAddress: string;
  targetMac?: string;
  targetAddress: string;
  /** Of the frame; a broadcast unless given. */
  to?: string;
}

export function arpFrame(options: ArpOptions): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, options.operation === 'request' ? 1 : 2]);
  const body = Buffer.concat([
    head,
    macToBytes(options.senderMac),
    addressToBytes(options.senderAddress),
    macToBytes(options.targetMac ?? NO_MAC),
    addressToBytes(options.targetAddress),
  ]);
  return ethernet(options.to ?? BROADCAST_MAC, options.senderMac, etherTypes.arp, body);
}
