/**
 * Parser of the IPv6 packets that the data plane sends, every checksum verified by full computation. Pure but for Buffer.
 */
import { formatIpv6, readIpv6 } from '../../../src/system/ip-address.js';
import { ICMPV6, ndTypes, sum6 } from './build6.js';

export interface ParsedNd {
  type: number;
  code: number;
  isRouter: boolean;
  isSolicited: boolean;
  isOverride: boolean;
  target: string;
  options: { type: number; content: string }[];
}

export interface ParsedIpv6 {
  source: string;
  destination: string;
  hopLimit: number;
  nextHeader: number;
  body: Buffer;
  icmp?: { type: number; code: number; id: number; isChecksumValid: boolean };
  nd?: ParsedNd;
}

function parseNd(body: Buffer): ParsedNd {
  const options: ParsedNd['options'] = [];
  for (let at = 24; at < body.length; at += 8 * (body[at + 1] || body.length)) {
    options.push({ type: body[at] ?? 0, content: body.subarray(at + 2, at + 8 * (body[at + 1] ?? 0)).toString('hex') });
  }
  const flags = body[4] ?? 0;
  return {
    type: body[0] ?? 0,
    code: body[1] ?? 0,
    isRouter: (flags & 0x80) !== 0,
    isSolicited: (flags & 0x40) !== 0,
    isOverride: (flags & 0x20) !== 0,
    target: formatIpv6(readIpv6(body, 8)),
    options,
  };
}

/** `bytes` begin with the IPv6 header; what lies behind the packet is ignored. */
export function parseIpv6Packet(bytes: Buffer): ParsedIpv6 {
  const body = bytes.subarray(40, 40 + bytes.readUInt16BE(4));
  const packet: ParsedIpv6 = {
    source: formatIpv6(readIpv6(bytes, 8)),
    destination: formatIpv6(readIpv6(bytes, 24)),
    hopLimit: bytes[7] ?? 0,
    nextHeader: bytes[6] ?? 0,
    body,
  };
  if (packet.nextHeader !== ICMPV6 || body.length < 8) return packet;
  const isChecksumValid = sum6(bytes.subarray(8, 24), bytes.subarray(24, 40), ICMPV6, body) === 0xffff;
  const icmp = { type: body[0] ?? 0, code: body[1] ?? 0, id: body.readUInt16BE(4), isChecksumValid };
  const isNd = (icmp.type === ndTypes.solicitation || icmp.type === ndTypes.advertisement) && body.length >= 24;
  return { ...packet, icmp, ...(isNd ? { nd: parseNd(body) } : {}) };
}
