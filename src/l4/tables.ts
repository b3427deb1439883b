/**
 * Tables of one service: computes the wanted one, keeps the one before as second chance, and plans the writes so that the BPF program never
 * reads beyond a table: the service element says a size only while the table behind it has at least that many entries. Pure.
 */
import type { SchedulerName } from '../config/model.js';
import { emptyTables, type ServiceTables } from './contents.js';
import { type MaglevMember, maglevTable } from './maglev.js';
import { roundRobinTable } from './round-robin.js';

export const wantedTable = (scheduler: SchedulerName, members: readonly MaglevMember[]): Uint32Array =>
  scheduler === 'maglev' ? maglevTable(members) : roundRobinTable(members);

/**
 * The tables after `wanted` took effect; the same object when nothing changes. Entries of the old table that are not servers of this
 * service any more become 0 (no server). Round robin keeps no previous table: its choices cannot be derived again anyway.
 */
export function rotateTables(
  tables: ServiceTables,
  wanted: Uint32Array,
  scheduler: SchedulerName,
  nowNs: bigint,
  ownSlots: ReadonlySet<number>,
): ServiceTables {
  if (sameTable(tables.current, wanted)) return tables;
  const previous = scheduler === 'maglev' ? tables.current.map((slot) => (ownSlots.has(slot) ? slot : 0)) : emptyTables.previous;
  return { current: wanted, previous, sinceNs: nowNs };
}

export const sameTable = (a: Uint32Array, b: Uint32Array): boolean => a.length === b.length && a.every((slot, index) => slot === b[index]);

export type TableStep =
  | { type: 'service'; currentSize: number; previousSize: number; sinceNs: bigint }
  | { type: 'table'; which: 'current' | 'previous'; slots: Uint32Array };

/** Writes that lead from one state to the other, each of them safe to be seen by packets. Empty when the tables are equal. */
export function tableSteps(from: ServiceTables, to: ServiceTables): TableStep[] {
  const isCurrentEqual = sameTable(from.current, to.current);
  const isPreviousEqual = sameTable(from.previous, to.previous);
  if (isCurrentEqual && isPreviousEqual && from.sinceNs === to.sinceNs) return [];
  const steps: TableStep[] = [];
  const currentSize = Math.min(from.current.length, to.current.length);
  const previousSize = Math.min(from.previous.length, to.previous.length);
  if (currentSize < from.current.length || previousSize < from.previous.length) {
    steps.push({ type: 'service', currentSize, previousSize, sinceNs: from.sinceNs });
  }
  if (!isPreviousEqual) steps.push({ type: 'table', which: 'previous', slots: to.previous });
  const last = { type: 'service', currentSize: to.current.length, previousSize: to.previous.length, sinceNs: to.sinceNs } as const;
  if (isCurrentEqual) return [...steps, last];
  // The second chance begins before its table stops being the current one: in between both say the same.
  const begins = from.current.length > 0 && to.previous.length > 0;
  if (begins) steps.push({ ...last, currentSize });
  steps.push({ type: 'table', which: 'current', slots: to.current });
  return begins && currentSize === last.currentSize ? steps : [...steps, last];
}
