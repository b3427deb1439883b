/**
 * What an advertisement says, whatever its version and address family, and every reason why a packet is not one. Types and names only.
 */
import type { Address, Family } from '../../system/ip-address.js';

/** IP protocol number. */
export const VRRP_PROTOCOL = 112;
/** IPv4 TTL and IPv6 hop limit: a packet that came over a router has less (RFC 9568 sections 5.1.1.3 and 5.1.2.3). */
export const VRRP_TTL = 255;
/** 224.0.0.18 */
export const VRRP_GROUP = 0xe0000012;
/** ff02::12 */
export const VRRP_GROUP_IPV6 = 0xff02_0000_0000_0000_0000_0000_0000_0012n;

export const vrrpGroup = (family: Family): Address => (family === 'ipv4' ? VRRP_GROUP : VRRP_GROUP_IPV6);

export type Version = 2 | 3;

export interface Advert {
  version: Version;
  /** Sender's address, as in the IP header. */
  source: Address;
  destination: Address;
  vrid: number;
  /** 0: the sender gives up; 255: it owns the addresses. */
  priority: number;
  /** Version 3: 10 to 40,950 in steps of 10. Version 2: whole seconds, 1,000 to 255,000. */
  intervalMs: number;
  /** At least one, all of the family of `source`. */
  addresses: Address[];
}

/** Of IPv4 in version 3: over the message alone, or with the pseudo-header that RFC 5798 was read to want. Everything else has one form. */
export type ChecksumForm = 'rfc9568' | 'rfc5798';

/** Why a packet is not an advertisement for us; each is a counter. The last group is decided by who receives it. */
export const REJECT_REASONS = [
  'notIpv4',
  'protocol',
  'ttl',
  'truncated',
  'version',
  'type',
  'vrid',
  'noAddresses',
  'interval',
  'checksum',
  'fragment',
  'notLinkLocal',
  'authSimpleText',
  'authHeader',
  'authType',
  'ownSource',
  'unknownRouter',
  'unknownPeer',
  'intervalMismatch',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

export type Decoded = { ok: true; advert: Advert; checksumForm: ChecksumForm } | { ok: false; reason: RejectReason };

export const reject = (reason: RejectReason): { ok: false; reason: RejectReason } => ({ ok: false, reason });
