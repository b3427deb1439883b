/**
 * What the beats of a node say about each of its elections: 20 bytes a group, opaque to the thread that sends them. Pure.
 *
 *    0 name hash (4)   4 rank (8)   12 term (3)   15 role (2 bits), reason (4 bits)   16 priority   17 flags   18 unheard node   19 adverts sent
 *
 * The rank is the low half of the source address of the group's first router, for ties (section 6.4.3 of RFC 9568 compares addresses;
 * those of one wire differ in that half). Never throws on bytes from the network; what a later version appends is skipped.
 */
import type { PeerView } from './state.js';

const VERSION = 1;
const HEADER_BYTES = 4;
const GROUP_BYTES = 20;
/** 24 bits: a change a second for half a year. */
const MAX_TERM = 0xffffff;
/** What fits into the 1,024 bytes of a beat; elections beyond are held by adverts alone (config/check-heartbeat.ts warns). */
export const MAX_GROUPS = 51;

const ROLES = ['initialize', 'backup', 'claiming', 'active'] as const;
/** Reasons that peers show; any other is `other`. A reason may have an object behind a colon, which stays at home. At most 16. */
const REASONS = [
  'other',
  'linkDown',
  'detached',
  'leaseLapsed',
  'unheard',
  'staleTerm',
  'sendFailed',
  'betterActive',
  'interfaceDown',
  'signal',
  'switchover',
  'leaseRefused',
  'dataPlaneMissing',
  'fault',
] as const;

const ELIGIBLE = 1;
const IN_SYNC = 2;
const FOLLOWS_ACTIVE = 4;
const PLANNED = 8;

export interface GroupBeat {
  nameHash: number;
  /** Low 64 bits of the source address. */
  rank: bigint;
  term: number;
  role: PeerView['role'];
  reason: string;
  priority: number;
  isEligible: boolean;
  inSync: boolean;
  followsActive: boolean;
  isPlanned: boolean;
  /** Id of the node whose advertisements do not arrive although it says that it is active; 0: none. */
  unheardId: number;
  /** How many advertisements were sent, modulo 256: each of them may have made the lease longer, whether it arrived or not. */
  adverts: number;
}

const reasonCode = (reason: string): number => {
  const word = reason.split(':')[0] ?? '';
  return Math.max(0, (REASONS as readonly string[]).indexOf(word));
};

export const isSameBeat = (a: GroupBeat, b: GroupBeat | undefined): boolean =>
  b !== undefined &&
  a.nameHash === b.nameHash &&
  a.rank === b.rank &&
  a.term === b.term &&
  a.role === b.role &&
  a.reason === b.reason &&
  a.priority === b.priority &&
  a.isEligible === b.isEligible &&
  a.inSync === b.inSync &&
  a.followsActive === b.followsActive &&
  a.isPlanned === b.isPlanned &&
  a.unheardId === b.unheardId &&
  a.adverts === b.adverts;

export function encodeBeat(all: readonly GroupBeat[]): Buffer {
  const groups = all.slice(0, MAX_GROUPS);
  const bytes = Buffer.alloc(HEADER_BYTES + GROUP_BYTES * groups.length);
  bytes[0] = VERSION;
  bytes[1] = groups.length;
  for (const [index, group] of groups.entries()) {
    const at = HEADER_BYTES + GROUP_BYTES * index;
    bytes.writeUInt32BE(group.nameHash, at);
    bytes.writeBigUInt64BE(group.rank, at + 4);
    bytes.writeUIntBE(Math.min(MAX_TERM, group.term), at + 12, 3);
    bytes[at + 15] = ROLES.indexOf(group.role) | (reasonCode(group.reason) << 2);
    bytes[at + 16] = group.priority;
    bytes[at + 17] =
      (group.isEligible ? ELIGIBLE : 0) |
      (group.inSync ? IN_SYNC : 0) |
      (group.followsActive ? FOLLOWS_ACTIVE : 0) |
      (group.isPlanned ? PLANNED : 0);
    bytes[at + 18] = group.unheardId;
    bytes[at + 19] = group.adverts;
  }
  return bytes;
}

/** Null when it is not a payload of this kind. */
export function decodeBeat(bytes: Buffer): GroupBeat[] | null {
  const count = bytes[1] ?? 0;
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || bytes.length < HEADER_BYTES + GROUP_BYTES * count) return null;
  return Array.from({ length: count }, (_, index) => decodeGroup(bytes.subarray(HEADER_BYTES + GROUP_BYTES * index)));
}

function decodeGroup(bytes: Buffer): GroupBeat {
  const roleAndReason = bytes[15] ?? 0;
  const flags = bytes[17] ?? 0;
  return {
    nameHash: bytes.readUInt32BE(0),
    rank: bytes.readBigUInt64BE(4),
    term: bytes.readUIntBE(12, 3),
    role: ROLES[roleAndReason & 3] ?? 'initialize',
    reason: REASONS[(roleAndReason >> 2) & 15] ?? 'other',
    priority: bytes[16] ?? 0,
    isEligible: (flags & ELIGIBLE) !== 0,
    inSync: (flags & IN_SYNC) !== 0,
    followsActive: (flags & FOLLOWS_ACTIVE) !== 0,
    isPlanned: (flags & PLANNED) !== 0,
    unheardId: bytes[18] ?? 0,
    adverts: bytes[19] ?? 0,
  };
}
