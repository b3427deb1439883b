/**
 * Reads what tcpdump wrote: pcap with nanosecond times and "Linux cooked v2" headers, which say the interface and the sender's MAC of
 * each frame. Pure; an incomplete last packet is left out.
 */

export interface CapturedFrame {
  /** CLOCK_REALTIME, set by the kernel. */
  atNs: bigint;
  ifindex: number;
  etherType: number;
  sourceMac: string;
  /** What follows the link-layer header, cut at the snapshot length. */
  payload: Buffer;
}

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const LINKTYPE_LINUX_SLL2 = 276;
const SLL2_BYTES = 20;

export type PcapResult = { ok: true; frames: CapturedFrame[] } | { ok: false; reason: 'truncated' | 'notPcap' | 'wrongLinkType' };

export function parsePcap(file: Buffer): PcapResult {
  if (file.length < FILE_HEADER_BYTES) return { ok: false, reason: 'truncated' };
  const magic = file.readUInt32LE(0);
  if (magic !== MAGIC_NANOSECONDS && magic !== MAGIC_MICROSECONDS) return { ok: false, reason: 'notPcap' };
  if ((file.readUInt32LE(20) & 0xffff) !== LINKTYPE_LINUX_SLL2) return { ok: false, reason: 'wrongLinkType' };
  const perTick = magic === MAGIC_NANOSECONDS ? 1n : 1000n;
  const frames: CapturedFrame[] = [];
  for (let at = FILE_HEADER_BYTES; at + RECORD_HEADER_BYTES <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const start = at + RECORD_HEADER_BYTES;
    if (start + length > file.length) break;
    const atNs = BigInt(file.readUInt32LE(at)) * 1_000_000_000n + BigInt(file.readUInt32LE(at + 4)) * perTick;
    if (length >= SLL2_BYTES) frames.push(parseCooked(atNs, file.subarray(start, start + length)));
    at = start + length;
  }
  return { ok: true, frames };
}

function parseCooked(atNs: bigint, record: Buffer): CapturedFrame {
  return {
    atNs,
    etherType: record.readUInt16BE(0),
    ifindex: record.readUInt32BE(4),
    sourceMac: formatMac(record.subarray(12, 18)),
    payload: record.subarray(SLL2_BYTES),
  };
}

export const formatMac = (bytes: Buffer): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
