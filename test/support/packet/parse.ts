/**
 * Parser of the frames that the data plane sends, with every checksum verified by full computation. Throws on what a program of ours must
 * never produce (a truncated header). Pure but for Buffer.
 */
import { etherTypes, ipProtocols, tcpFlagBits } from './build.js';
import { onesSum, pseudoSum } from './checksum.js';
import { type ParsedIpv6, parseIpv6Packet } from './parse6.js';

export interface ParsedSegment {
  sourcePort: number;
  destinationPort: number;
  /** Letters of FSRPA; empty for UDP. */
  flags: string;
  payload: Buffer;
  checksum: number;
  /** The sum over pseudo header and segment is right; for UDP also: there is none. */
  isChecksumValid: boolean;
  /** The checksum field holds the pseudo header's sum, not inverted. */
  isChecksumPartial: boolean;
}

export interface ParsedArp {
  operation: number;
  senderMac: string;
  senderAddress: string;
  targetMac: string;
  targetAddress: string;
}

export interface ParsedIpv4 {
  source: string;
  destination: string;
  ttl: number;
  protocol: number;
  options: Buffer;
  isHeaderValid: boolean;
  body: Buffer;
}

export interface ParsedFrame {
  destinationMac: string;
  sourceMac: string;
  etherType: number;
  arp?: ParsedArp;
  ip?: ParsedIpv4;
  ip6?: ParsedIpv6;
  segment?: ParsedSegment;
  icmp?: { type: number; code: number; id: number; isChecksumValid: boolean };
}

const mac = (bytes: Buffer, at: number): string =>
  Array.from(bytes.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
const address = (bytes: Buffer, at: number): string => [...bytes.subarray(at, at + 4)].join('.');

const parseArp = (bytes: Buffer): ParsedArp => ({
  operation: bytes.readUInt16BE(6),
  senderMac: mac(bytes, 8),
  senderAddress: address(bytes, 14),
  targetMac: mac(bytes, 18),
  targetAddress: address(bytes, 24),
});

function parseIpv4(bytes: Buffer): ParsedIpv4 {
  const headerLength = ((bytes[0] ?? 0) & 15) * 4;
  return {
    source: address(bytes, 12),
    destination: address(bytes, 16),
    ttl: bytes[8] ?? 0,
    protocol: bytes[9] ?? 0,
    options: bytes.subarray(20, headerLength),
    isHeaderValid: onesSum(bytes.subarray(0, headerLength)) === 0xffff,
    body: bytes.subarray(headerLength, bytes.readUInt16BE(2)),
  };
}

function parseSegment(ip: ParsedIpv4, addresses: Buffer): ParsedSegment {
  const isTcp = ip.protocol === ipProtocols.tcp;
  const checksum = ip.body.readUInt16BE(isTcp ? 16 : 6);
  const pseudo = pseudoSum(addresses, ip.protocol, ip.body.length);
  const bits = isTcp ? (ip.body[13] ?? 0) : 0;
  return {
    sourcePort: ip.body.readUInt16BE(0),
    destinationPort: ip.body.readUInt16BE(2),
    flags: Object.keys(tcpFlagBits)
      .filter((letter) => bits & (tcpFlagBits[letter] ?? 0))
      .join(''),
    payload: ip.body.subarray(isTcp ? ((ip.body[12] ?? 0) >> 4) * 4 : 8),
    checksum,
    isChecksumValid: (!isTcp && checksum === 0) || onesSum(ip.body, pseudo) === 0xffff,
    isChecksumPartial: checksum === pseudo,
  };
}

const parseIcmp = (body: Buffer): NonNullable<ParsedFrame['icmp']> => ({
  type: body[0] ?? 0,
  code: body[1] ?? 0,
  id: body.readUInt16BE(4),
  isChecksumValid: onesSum(body) === 0xffff,
});

export function parseFrame(frame: Buffer): ParsedFrame {
  const parsed: ParsedFrame = { destinationMac: mac(frame, 0), sourceMac: mac(frame, 6), etherType: frame.readUInt16BE(12) };
  const rest = frame.subarray(14);
  if (parsed.etherType === etherTypes.arp) return { ...parsed, arp: parseArp(rest) };
  if (parsed.etherType === etherTypes.ipv6) return { ...parsed, ip6: parseIpv6Packet(rest) };
  if (parsed.etherType !== etherTypes.ipv4) return parsed;
  const ip = parseIpv4(rest);
  if (ip.protocol === ipProtocols.icmp) return { ...parsed, ip, icmp: parseIcmp(ip.body) };
  if (ip.protocol !== ipProtocols.tcp && ip.protocol !== ipProtocols.udp) return { ...parsed, ip };
  return { ...parsed, ip, segment: parseSegment(ip, rest.subarray(12, 20)) };
}
