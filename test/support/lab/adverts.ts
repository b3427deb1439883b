/**
 * VRRPv3 advertisements as a stranger on the wire may send them, wrong in whatever way is asked for. Not made by the codec of src/vrrp:
 * that one refuses to be wrong, and its mistakes must show. Pure.
 */
import { addressToBytes, ethernet, etherTypes, ipv4 } from '../packet/build.js';
import { internetChecksum } from '../packet/checksum.js';

interface Place {
  mac: string;
  address: string;
}

/** Where advertisements go. */
export const MULTICAST: Place = { mac: '01:00:5e:00:00:12', address: '224.0.0.18' };
const VRRP = 112;
const VERSION_3_ADVERTISEMENT = 0x31;

export interface AdvertContent {
  from: Place;
  to: Place;
  vrid: number;
  priority: number;
  addresses: readonly string[];
  intervalCs?: number;
  ttl?: number;
  /** What the header says; default: the truth. */
  count?: number;
  /** Default: the right one (RFC 9568). */
  checksum?: number;
}

/** The whole Ethernet frame in hexadecimal digits. */
export function advertFrame({ from, to, vrid, priority, addresses, intervalCs = 10, ttl = 255, ...wrong }: AdvertContent): string {
  const header = Buffer.from([VERSION_3_ADVERTISEMENT, vrid, priority, wrong.count ?? addresses.length, 0, 0, 0, 0]);
  header.writeUInt16BE(intervalCs, 4);
  const message = Buffer.concat([header, ...addresses.map(addressToBytes)]);
  message.writeUInt16BE(wrong.checksum ?? internetChecksum(message), 6);
  return ethernet(to.mac, from.mac, etherTypes.ipv4, ipv4(from.address, to.address, VRRP, message, { ttl })).toString('hex');
}
