/**
 * Parts of a chunk of the table by what the sender may say about it: records of routers it holds (the receiver believes them), of
 * routers it gave up since (they fill holes), and of others (somebody else's to send). Pure.
 */
import { flowLayout, recordLayout } from '../l4/abi.gen.js';
import { RECORD_BYTES } from './limits.js';
import type { ChunkPart } from './sender-state.js';

export interface ChunkSlots {
  bulk: ReadonlySet<number>;
  merge: ReadonlySet<number>;
}

/** `allSlots`: those of the configuration. Only a chunk of a table with several holders is looked into. */
export function splitChunk(records: Buffer, slots: ChunkSlots, allSlots: readonly number[]): ChunkPart[] {
  if (records.length === 0) return [];
  if (allSlots.every((slot) => slots.bulk.has(slot))) return [{ mode: 'bulk', records }];
  if (allSlots.every((slot) => slots.merge.has(slot))) return [{ mode: 'merge', records }];
  const parts: ChunkPart[] = [
    { mode: 'bulk', records: pick(records, slots.bulk) },
    { mode: 'merge', records: pick(records, slots.merge) },
  ];
  return parts.filter((part) => part.records.length > 0);
}

/** Is one of these, of these routers, not of the bulk with this epoch? */
export function hasUnnamed(records: Buffer, epoch: number, slots: readonly number[]): boolean {
  for (let at = 0; at < records.length; at += RECORD_BYTES) {
    const isNamed = records.readUInt16LE(at + recordLayout.flow + flowLayout.syncEpoch) === epoch;
    if (!isNamed && slots.includes(records.readUInt8(at + recordLayout.virtualRouter))) return true;
  }
  return false;
}

function pick(records: Buffer, slots: ReadonlySet<number>): Buffer {
  if (slots.size === 0) return Buffer.alloc(0);
  const picked = Buffer.allocUnsafe(records.length);
  let used = 0;
  for (let at = 0; at < records.length; at += RECORD_BYTES) {
    if (!slots.has(records.readUInt8(at + recordLayout.virtualRouter))) continue;
    records.copy(picked, used, at, at + RECORD_BYTES);
    used += RECORD_BYTES;
  }
  return picked.subarray(0, used);
}
