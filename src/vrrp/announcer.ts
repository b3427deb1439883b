/**
 * The frames of a take-over: gratuitous ARP and the echo that proves that the address now leads here. Pure builders.
 *
 * Gratuitous ARP goes out in request form (RFC 5944 section 4.6 allows both): a reply form is ignored for a second by hosts that have
 * just learned another answer. The echo asks a neighbour whose answer, addressed to the VIP, must come back through our XDP program.
 */
import { onesSum } from './ipv4.js';

const BROADCAST = Buffer.from([255, 255, 255, 255, 255, 255]);
/** Without padding to 60 bytes some drivers send whatever lay in memory. */
const MIN_FRAME_BYTES = 60;
const ETHERNET_BYTES = 14;
const ECHO_PAYLOAD_BYTES = 8;
const ECHO_TTL = 64;

/** "Who has VIP? Tell VIP", from our MAC. */
export function gratuitousArp(mac: Uint8Array, address: number): Buffer {
  const frame = Buffer.alloc(MIN_FRAME_BYTES);
  BROADCAST.copy(frame, 0);
  frame.set(mac, 6);
  frame.writeUInt16BE(0x0806, 12);
  frame.writeUInt16BE(1, 14);
  frame.writeUInt16BE(0x0800, 16);
  frame[18] = 6;
  frame[19] = 4;
  frame.writeUInt16BE(1, 20);
  frame.set(mac, 22);
  frame.writeUInt32BE(address, 28);
  frame.writeUInt32BE(address, 38);
  return frame;
}

export interface Echo {
  sourceMac: Uint8Array;
  targetMac: Uint8Array;
  /** The virtual address. */
  source: number;
  target: number;
  identifier: number;
  sequence: number;
}

export function echoRequest(echo: Echo): Buffer {
  const icmpBytes = 8 + ECHO_PAYLOAD_BYTES;
  const frame = Buffer.alloc(MIN_FRAME_BYTES);
  frame.set(echo.targetMac, 0);
  frame.set(echo.sourceMac, 6);
  frame.writeUInt16BE(0x0800, 12);
  const ip = ETHERNET_BYTES;
  frame[ip] = 0x45;
  frame.writeUInt16BE(20 + icmpBytes, ip + 2);
  frame[ip + 8] = ECHO_TTL;
  frame[ip + 9] = 1;
  frame.writeUInt32BE(echo.source, ip + 12);
  frame.writeUInt32BE(echo.target, ip + 16);
  frame.writeUInt16BE(0xffff ^ onesSum(frame, ip, 20), ip + 10);
  const icmp = ip + 20;
  frame[icmp] = 8;
  frame.writeUInt16BE(echo.identifier, icmp + 4);
  frame.writeUInt16BE(echo.sequence & 0xffff, icmp + 6);
  frame.write('tandem', icmp + 8, 'ascii');
  frame.writeUInt16BE(0xffff ^ onesSum(frame, icmp, icmpBytes), icmp + 2);
  return frame;
}

/** aa:bb:cc:dd:ee:ff to 6 bytes; null when it is not a MAC address. */
export function parseMac(text: string): Buffer | null {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? Buffer.from(text.replaceAll(':', ''), 'hex') : null;
}
