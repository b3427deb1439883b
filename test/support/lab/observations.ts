/**
 * What a captured frame means for the lab: a question or answer of the probe, ARP, neighbour discovery, a reset, an advert. Pure.
 */
import type { CapturedFrame } from './pcap.js';
import { PROBE_BYTES } from './workload-api.js';

interface Common {
  /** Milliseconds of CLOCK_MONOTONIC. */
  atMs: number;
  /** Port of the switch where the frame came in. */
  port: string;
  sourceMac: string;
}

export type Observation =
  | (Common & { kind: 'udp'; source: string; sourcePort: number; destination: string; destinationPort: number; sequence: number })
  | (Common & { kind: 'arpRequest' | 'arpReply'; senderAddress: string; senderMac: string; targetAddress: string })
  | (Common & {
      kind: 'neighbourSolicitation' | 'neighbourAdvertisement';
      source: string;
      destination: string;
      targetAddress: string;
      /** What the packet says of the link layer; null: nothing. */
      targetMac: string | null;
      /** Of an advertisement: router, solicited, override; of a solicitation all false. */
      flags: { router: boolean; solicited: boolean; override: boolean };
    })
  | (Common & { kind: 'reset'; source: string; sourcePort: number; destination: string; destinationPort: number })
  | (Common & { kind: 'advert'; source: string; vrid: number; priority: number });

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const VRRP = 112;
const TCP_RST = 0x04;
const ARP_BYTES = 28;
const IPV6_BYTES = 40;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
/** Up to the options. */
const NEIGHBOUR_BYTES = 24;

const address = (bytes: Buffer, at: number): string => `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

const mac = (bytes: Buffer, at: number): string =>
  [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Null: nothing that the lab looks at, or too short to tell. */
export function observe(frame: CapturedFrame, atMs: number, port: string): Observation | null {
  const common: Common = { atMs, port, sourceMac: frame.sourceMac };
  if (frame.etherType === ETHERTYPE_ARP) return observeArp(frame.payload, common);
  if (frame.etherType === ETHERTYPE_IPV4) return observeIpv4(frame.payload, common);
  if (frame.etherType === ETHERTYPE_IPV6) return observeIpv6(frame.payload, common);
  return null;
}

const advert = (source: string, message: Buffer, common: Common): Observation => ({
  ...common,
  kind: 'advert',
  source,
  vrid: message[1] as number,
  priority: message[2] as number,
});

function observeArp(packet: Buffer, common: Common): Observation | null {
  if (packet.length < ARP_BYTES) return null;
  const kind = packet.readUInt16BE(6) === 1 ? 'arpRequest' : 'arpReply';
  return { ...common, kind, senderMac: mac(packet, 8), senderAddress: address(packet, 14), targetAddress: address(packet, 24) };
}

function observeIpv4(packet: Buffer, common: Common): Observation | null {
  if (packet.length < 20) return null;
  const start = ((packet[0] as number) & 0x0f) * 4;
  const inner = packet.subarray(start);
  const source = address(packet, 12);
  const destination = address(packet, 16);
  const protocol = packet[9];
  if (protocol === VRRP) return inner.length < 8 ? null : advert(source, inner, common);
  if (inner.length < 8) return null;
  const ports = { source, sourcePort: inner.readUInt16BE(0), destination, destinationPort: inner.readUInt16BE(2) };
  if (protocol === UDP && inner.length >= 8 + PROBE_BYTES) return { ...common, kind: 'udp', ...ports, sequence: inner.readUInt32BE(8) };
  if (protocol === TCP && inner.length >= 14 && ((inner[13] as number) & TCP_RST) !== 0) return { ...common, kind: 'reset', ...ports };
  return null;
}

function observeIpv6(packet: Buffer, common: Common): Observation | null {
  if (packet.length < IPV6_BYTES + 8) return null;
  const [source, destination] = [address6(packet, 8), address6(packet, 24)];
  const inner = packet.subarray(IPV6_BYTES);
  if (packet[6] === VRRP) return advert(source, inner, common);
  if (packet[6] !== ICMPV6 || inner.length < NEIGHBOUR_BYTES || (inner[0] !== SOLICITATION && inner[0] !== ADVERTISEMENT)) return null;
  const bits = inner[0] === ADVERTISEMENT ? (inner[4] as number) : 0;
  return {
    ...common,
    kind: inner[0] === ADVERTISEMENT ? 'neighbourAdvertisement' : 'neighbourSolicitation',
    source,
    destination,
    targetAddress: address6(inner, 8),
    // One option of eight bytes: the sender's address in a solicitation, the target's in an advertisement.
    targetMac: inner.length >= NEIGHBOUR_BYTES + 8 ? mac(inner, NEIGHBOUR_BYTES + 2) : null,
    flags: { router: (bits & 0x80) !== 0, solicited: (bits & 0x40) !== 0, override: (bits & 0x20) !== 0 },
  };
}

/** As the field writes it: the longest run of zeros is left out (RFC 5952). */
function address6(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 2 * index).toString(16)).join(':');
  const runs = [...groups.matchAll(/\b0(?::0)+\b/g)].sort((a, b) => b[0].length - a[0].length);
  const [longest] = runs;
  if (longest === undefined) return groups;
  const before = groups.slice(0, longest.index).replace(/:$/, '');
  const after = groups.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}
