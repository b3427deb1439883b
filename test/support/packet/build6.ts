/**
 * Builders of IPv6 frames: Neighbour Discovery, echo, TCP; right in every length and checksum unless told otherwise. Pure but for Buffer.
 */
import { addressOf, solicitedNodeGroup, writeAddress } from '../../../src/system/ip-address.js';
import { ethernet, etherTypes, macToBytes, type Party } from './build.js';
import { internetChecksum, onesSum } from './checksum.js';

export const ICMPV6 = 58;
export const ndTypes = { solicitation: 135, advertisement: 136 } as const;
export const ndOptions = { sourceLinkLayer: 1, targetLinkLayer: 2, nonce: 14 } as const;
export const ALL_NODES = 'ff02::1';
export const UNSPECIFIED = '::';

export function address6ToBytes(text: string): Buffer {
  const bytes = Buffer.alloc(16);
  writeAddress(bytes, addressOf(text), 0);
  return bytes;
}

/** ff02::1:ffXX:XXXX */
export const solicitedNode = (target: string): Buffer => {
  const bytes = Buffer.alloc(16);
  writeAddress(bytes, solicitedNodeGroup(addressOf(target) as bigint), 0);
  return bytes;
};

/** 33:33 and the last four bytes of a group. */
export const groupMac = (group: Buffer): string =>
  `33:33:${[...group.subarray(12)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;

export interface Ipv6Options {
  hopLimit?: number;
  /** What the header says; default: the truth. */
  payloadLength?: number;
}

export function ipv6(
  from: Buffer,
  to: Buffer,
  nextHeader: number,
  payload: Buffer,
  { hopLimit = 64, payloadLength }: Ipv6Options = {},
): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 0x60;
  header.writeUInt16BE(payloadLength ?? payload.length, 4);
  header[6] = nextHeader;
  header[7] = hopLimit;
  return Buffer.concat([header, from, to, payload]);
}

/** Over pseudo header and message (RFC 8200, section 8.1). */
export const sum6 = (from: Buffer, to: Buffer, nextHeader: number, message: Buffer): number =>
  onesSum(message, onesSum(Buffer.concat([from, to]), message.length + nextHeader));

function sealed(from: Buffer, to: Buffer, message: Buffer, checksumError: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(0, 2);
  copy.writeUInt16BE((~sum6(from, to, ICMPV6, copy) & 0xffff) ^ checksumError, 2);
  return copy;
}

export interface NdOptions extends Ipv6Options {
  target: string;
  from?: string;
  /** Of the packet; default: the solicited-node group of the target, or all nodes for an advertisement. */
  to?: string;
  /** Of the frame. */
  mac?: string;
  toMac?: string;
  code?: number;
  /** [type, content without type and length] */
  options?: [number, Buffer][];
  /** In place of `options`, as they are. */
  rawOptions?: Buffer;
  flags?: number;
  /** XORed into the checksum. */
  checksumError?: number;
}

export const ASKER = { mac: '02:00:00:00:09:09', address: 'fd00:1::9' } as const;

const encodeOption = ([type, content]: [number, Buffer]): Buffer => {
  const length = Math.ceil((content.length + 2) / 8);
  return Buffer.concat([Buffer.from([type, length]), content, Buffer.alloc(length * 8 - 2 - content.length)]);
};

export const linkLayer = (type: number, mac: string): [number, Buffer] => [type, macToBytes(mac)];

function ndFrame(type: number, group: Buffer, what: NdOptions): Buffer {
  const { target, from = ASKER.address, to, mac = ASKER.mac, code = 0, options = [], flags = 0, checksumError = 0, hopLimit = 255 } = what;
  const [source, destination] = [address6ToBytes(from), to === undefined ? group : address6ToBytes(to)];
  const head = Buffer.from([type, code, 0, 0, flags, 0, 0, 0]);
  const message = Buffer.concat([head, address6ToBytes(target), what.rawOptions ?? Buffer.concat(options.map(encodeOption))]);
  const packet = ipv6(source, destination, ICMPV6, sealed(source, destination, message, checksumError), { ...what, hopLimit });
  return ethernet(what.toMac ?? groupMac(destination), mac, etherTypes.ipv6, packet);
}

/** "Who has `target`? Tell me at the link-layer address of the option." */
export const solicitation = (what: NdOptions): Buffer =>
  ndFrame(ndTypes.solicitation, solicitedNode(what.target), {
    options: [linkLayer(ndOptions.sourceLinkLayer, what.mac ?? ASKER.mac)],
    ...what,
  });

/** As a host asks before it takes an address: from nobody, without an option (RFC 4862, section 5.4.2). */
export const duplicateProbe = (what: NdOptions): Buffer => solicitation({ from: UNSPECIFIED, options: [], ...what });

export const advertisement = (what: NdOptions): Buffer =>
  ndFrame(ndTypes.advertisement, address6ToBytes(ALL_NODES), {
    from: what.target,
    options: [linkLayer(ndOptions.targetLinkLayer, what.mac ?? ASKER.mac)],
    flags: 0x20,
    ...what,
  });

export interface Icmp6Options extends Ipv6Options {
  from: { mac: string; address: string };
  to: { mac: string; address: string };
  type: number;
  code?: number;
  id?: number;
  size?: number;
}

export function icmp6Frame({ from, to, type, code = 0, id = 7, size = 16, ...rest }: Icmp6Options): Buffer {
  const message = Buffer.alloc(size, 0x61);
  Buffer.from([type, code, 0, 0, id >> 8, id & 255, 0, 1]).copy(message);
  const [source, destination] = [address6ToBytes(from.address), address6ToBytes(to.address)];
  const packet = ipv6(source, destination, ICMPV6, size < 4 ? message : sealed(source, destination, message, 0), rest);
  return ethernet(to.mac, from.mac, etherTypes.ipv6, packet);
}

/** A bare TCP segment; nobody looks into it. */
export function tcp6Frame(from: Party, to: Party, options: Ipv6Options = {}): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(from.port, 0);
  segment.writeUInt16BE(to.port, 2);
  segment[12] = 0x50;
  segment[13] = 2;
  const [source, destination] = [address6ToBytes(from.address), address6ToBytes(to.address)];
  segment.writeUInt16BE(internetChecksum(segment, sum6(source, destination, 6, Buffer.alloc(0)) + segment.length), 16);
  return ethernet(to.mac, from.mac, etherTypes.ipv6, ipv6(source, destination, 6, segment, options));
}
