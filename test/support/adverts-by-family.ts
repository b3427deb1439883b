/** One advertisement of each kind, and packets of them with a mistake whose checksum is right again: only the mistake can be noticed. */
import { addressOf, type Family } from '../../src/system/ip-address.js';
import { type Advert, VRRP_GROUP_IPV6, vrrpGroup } from '../../src/vrrp/codec/advert.js';
import { onesSum, pseudoHeaderSum } from '../../src/vrrp/codec/checksum.js';
import { decodeIpv4Advert, decodeIpv6Advert, encodeAdvert } from '../../src/vrrp/codec/codec.js';

/** fe80::1 */
export const SENDER_IPV6 = 0xfe80_0000_0000_0000_0000_0000_0000_0001n;

export const ADVERTS = {
  ipv4: {
    version: 3,
    source: addressOf('10.0.0.1'),
    destination: vrrpGroup('ipv4'),
    vrid: 7,
    priority: 150,
    intervalMs: 1000,
    addresses: ['10.0.0.100', '10.0.0.101'].map(addressOf),
  },
  ipv6: {
    version: 3,
    source: SENDER_IPV6,
    destination: vrrpGroup('ipv6'),
    vrid: 7,
    priority: 150,
    intervalMs: 1000,
    addresses: ['fe80::7', '2001:db8::100'].map(addressOf),
  },
} as const satisfies Record<Family, Advert>;

/** Where the message begins. */
export const HEADER_BYTES: Record<Family, number> = { ipv4: 20, ipv6: 40 };
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

export const packetOf = (family: Family, change: Partial<Advert> = {}): Buffer => encodeAdvert({ ...ADVERTS[family], ...change });
/** Version 2, once a second. */
export const packetV2 = (change: Partial<Advert> = {}): Buffer => packetOf('ipv4', { version: 2, ...change });

/** With this byte of the message, and a checksum that fits. */
export function forged(packet: Buffer, offset: number, value: number): Buffer {
  const bytes = Buffer.from(packet);
  const isIpv4 = (bytes[0] ?? 0) >> 4 === 4;
  const at = isIpv4 ? 20 : 40;
  bytes[at + offset] = value;
  bytes.writeUInt16BE(0, at + 6);
  const length = bytes.length - at;
  const start = isIpv4 ? 0 : pseudoHeaderSum(ADVERTS.ipv6.source, ADVERTS.ipv6.destination, 112, length);
  bytes.writeUInt16BE(0xffff ^ onesSum(bytes, at, length, start), at + 6);
  return bytes;
}

/** With this byte of the packet, whatever the checksum says then. */
export function spoiled(packet: Buffer, offset: number, value: number): Buffer {
  const bytes = Buffer.from(packet);
  bytes[offset] = value;
  return bytes;
}

/** As a node receives it: `accepted`, or why not. */
export function verdict(packet: Buffer): string {
  const decoded =
    (packet[0] ?? 0) >> 4 === 6 ? decodeIpv6Advert(packet.subarray(40), SENDER_IPV6, [VRRP_GROUP_IPV6]) : decodeIpv4Advert(packet);
  return decoded.ok ? 'accepted' : decoded.reason;
}
