/**
 * Advertisements of VRRP version 3 for IPv4 alone, as numbers: what the shell speaks. The whole codec is codec/codec.ts.
 */
import { type ChecksumForm, type Decoded as DecodedAny, REJECT_REASONS, type RejectReason, VRRP_GROUP } from './codec/advert.js';
import { decodeIpv4Advert, encodeAdvert as encodeAny, refreshAdvert } from './codec/codec.js';

export { type ChecksumForm, REJECT_REASONS, type RejectReason, refreshAdvert, VRRP_GROUP };

const CENTISECOND_MS = 10;

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

export type Decoded = { ok: true; advert: Advert; checksumForm: ChecksumForm } | { ok: false; reason: RejectReason };

export function decodeAdvert(packet: Uint8Array): Decoded {
  const decoded: DecodedAny = decodeIpv4Advert(packet);
  if (!decoded.ok) return decoded;
  const { version, source, destination, vrid, priority, intervalMs, addresses } = decoded.advert;
  if (version !== 3) return { ok: false, reason: 'version' };
  const advert = {
    source: Number(source),
    destination: Number(destination),
    vrid,
    priority,
    intervalCs: intervalMs / CENTISECOND_MS,
    addresses: addresses.map(Number),
  };
  return { ok: true, advert, checksumForm: decoded.checksumForm };
}

export function encodeAdvert({ intervalCs, ...rest }: Advert, checksumForm: ChecksumForm = 'rfc9568'): Buffer {
  return encodeAny({ version: 3, intervalMs: intervalCs * CENTISECOND_MS, ...rest }, checksumForm);
}
