/**
 * What a captured frame means for the lab: a question or answer of the probe, ARP, a reset, an advert. Pure.
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
  | (Common & { kind: 'reset'; source: string; sourcePort: number; destination: string; destinationPort: number })
  | (Common & { kind: 'advert'; source: string; priority: number });

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const TCP = 6;
const UDP = 17;
const VRRP = 112;
const TCP_RST = 0x04;
const ARP_BYTES = 28;

const address = (bytes: Buffer, at: number): string => `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

const mac = (bytes: Buffer, at: number): string =>
  [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Null: nothing that the lab looks at, or too short to tell. */
export function observe(frame: CapturedFrame, atMs: number, port: string): Observation | null {
  const common: Common = { atMs, port, sourceMac: frame.sourceMac };
  if (frame.etherType === ETHERTYPE_ARP) return observeArp(frame.payload, common);
  if (frame.etherType === ETHERTYPE_IPV4) return observeIpv4(frame.payload, common);
  return null;
}

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
  if (protocol === VRRP) return inner.length < 8 ? null : { ...common, kind: 'advert', source, priority: inner[2] as number };
  if (inner.length < 8) return null;
  const ports = { source, sourcePort: inner.readUInt16BE(0), destination, destinationPort: inner.readUInt16BE(2) };
  if (protocol === UDP && inner.length >= 8 + PROBE_BYTES) return { ...common, kind: 'udp', ...ports, sequence: inner.readUInt32BE(8) };
  if (protocol === TCP && inner.length >= 14 && ((inner[13] as number) & TCP_RST) !== 0) return { ...common, kind: 'reset', ...ports };
  return null;
}
