/**
 * The flow table and event ring of one machine's kernel, with the rules of the apply program: what the daemon's replication works on. A flow
 * is a number; its record holds a generation and a server. Can be copied and put back, as a snapshot of the machine does.
 */
import { flowLayout, recordLayout } from '../../../src/l4/abi.gen.js';
import type { ApplyMode, ApplyResult, Digest, Drained, FlowChunk } from '../../../src/l4/native.js';
import type { FlowStore } from '../../../src/replication/api.js';

const SIZE = recordLayout.size;
const UPSERT = 1;
const DELETE = 2;
const FLOW_NUMBER = recordLayout.key;
const GENERATION = recordLayout.flow + flowLayout.generation;
const SERVER = recordLayout.flow + flowLayout.serverAddr;
const STATE = recordLayout.flow + flowLayout.state;
const EPOCH = recordLayout.flow + flowLayout.syncEpoch;
const OPENING = 1;
const ESTABLISHED = 2;
const BUCKETS = 16;
const ROUTER = 0;

export interface FlowRecord {
  generation: number;
  server: number;
}

interface Entry {
  record: Buffer;
  epoch: number;
}

export interface TableSnapshot {
  entries: [number, Entry][];
  lost: bigint;
}

export interface TableHooks {
  /** A record came, changed or went: `cause` names what did it. */
  onPut(flow: number, record: FlowRecord): void;
  onRemove(flow: number, cause: 'packet' | 'delete' | 'purge'): void;
  /** Something waits in the ring and somebody watches. */
  onEvents(): void;
}

export class FlowTable implements FlowStore {
  private readonly hooks: TableHooks;
  private readonly ringRecords: number;
  private readonly buckets: Map<number, Entry>[] = Array.from({ length: BUCKETS }, () => new Map());
  private readonly watchers = new Set<() => void>();
  private sums = { low: 0, high: 0, flows: 0 };
  private ring: Buffer[] = [];
  private lost = 0n;

  constructor(ringRecords: number, hooks: TableHooks) {
    this.ringRecords = ringRecords;
    this.hooks = hooks;
  }

  open(flow: number, generation: number, server: number): void {
    const record = Buffer.alloc(SIZE);
    record.writeUInt16LE(UPSERT, recordLayout.kind);
    record.writeUInt32LE(flow, FLOW_NUMBER);
    record.writeUInt32LE(generation, GENERATION);
    record.writeUInt32LE(server, SERVER);
    record.writeUInt8(OPENING, STATE);
    this.put(flow, { record, epoch: 0 });
    this.emit(record);
  }

  /** A packet that changes the flow's state. */
  touch(flow: number): void {
    const entry = this.bucket(flow).get(flow);
    if (entry === undefined || entry.record.readUInt8(STATE) === ESTABLISHED) return;
    const record = Buffer.from(entry.record);
    record.writeUInt8(ESTABLISHED, STATE);
    entry.record = record;
    this.emit(record);
  }

  end(flow: number): void {
    const entry = this.bucket(flow).get(flow);
    if (entry === undefined) return;
    this.remove(flow, 'packet');
    const record = Buffer.from(entry.record);
    record.writeUInt16LE(DELETE, recordLayout.kind);
    this.emit(record);
  }

  get(flow: number): FlowRecord | null {
    const entry = this.bucket(flow).get(flow);
    return entry === undefined ? null : recordOf(entry.record);
  }

  get waiting(): number {
    return this.ring.length;
  }

  flows(): number[] {
    return this.buckets.flatMap((bucket) => [...bucket.keys()]);
  }

  /** What all nodes must agree on. */
  content(): Map<number, FlowRecord> {
    return new Map(this.flows().map((flow) => [flow, this.get(flow) as FlowRecord]));
  }

  /** By their digests. */
  isEqualTo(other: FlowTable): boolean {
    const [a, b] = [this.sums, other.sums];
    return a.low === b.low && a.high === b.high && a.flows === b.flows;
  }

  snapshot(): TableSnapshot {
    const entries = this.buckets.flatMap((bucket) =>
      [...bucket].map(([flow, { record, epoch }]): [number, Entry] => [flow, { record, epoch }]),
    );
    return { entries, lost: this.lost };
  }

  restore(snapshot: TableSnapshot): void {
    for (const bucket of this.buckets) bucket.clear();
    this.sums = { low: 0, high: 0, flows: 0 };
    this.ring = [];
    this.lost = snapshot.lost;
    for (const [flow, { record, epoch }] of snapshot.entries) this.put(flow, { record: Buffer.from(record), epoch });
  }

  clear(): void {
    this.restore({ entries: [], lost: 0n });
    this.watchers.clear();
  }

  drain(maxRecords: number, wantDigests: boolean): Drained {
    const records = Buffer.concat(this.ring.splice(0, maxRecords));
    return { records, lost: this.lost, ...(wantDigests && this.ring.length === 0 ? { digests: this.digests() } : {}) };
  }

  watch(wake: () => void): { stop(): void } {
    this.watchers.add(wake);
    if (this.ring.length > 0) this.hooks.onEvents();
    return { stop: () => void this.watchers.delete(wake) };
  }

  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  /** What the event loop does for the real one: wakes who watches a ring that is not empty. */
  poll(): void {
    if (this.ring.length > 0) for (const wake of [...this.watchers]) wake();
    if (this.ring.length > 0 && this.isWatched) this.hooks.onEvents();
  }

  apply(records: Buffer, mode: ApplyMode, syncEpoch: number): ApplyResult {
    const result: ApplyResult = { applied: 0, stale: 0, full: 0, unknown: 0 };
    for (let at = 0; at < records.length; at += SIZE) {
      result[this.applyOne(Buffer.from(records.subarray(at, at + SIZE)), mode, syncEpoch)] += 1;
    }
    return result;
  }

  private applyOne(record: Buffer, mode: ApplyMode, epoch: number): keyof ApplyResult {
    const flow = record.readUInt32LE(FLOW_NUMBER);
    const present = this.bucket(flow).get(flow);
    if (record.readUInt16LE(recordLayout.kind) === DELETE) {
      if (mode === 'merge' || present === undefined) return 'stale';
      if (present.record.readUInt32LE(GENERATION) !== record.readUInt32LE(GENERATION)) return 'stale';
      this.remove(flow, 'delete');
      return 'applied';
    }
    if (mode === 'merge' && present !== undefined) return 'stale';
    record.writeUInt16LE(UPSERT, recordLayout.kind);
    const isKnown = mode === 'live' && present?.record.readUInt32LE(GENERATION) === record.readUInt32LE(GENERATION);
    this.put(flow, { record, epoch: isKnown ? present.epoch : epoch });
    return 'applied';
  }

  readFlows(cursor: Buffer | null, maxRecords: number): FlowChunk {
    let bucket = cursor?.readUInt32LE(0) ?? 0;
    const records: Buffer[] = [];
    for (; bucket < BUCKETS && records.length < maxRecords; bucket += 1) {
      for (const { record, epoch } of this.buckets[bucket]?.values() ?? []) {
        const copy = Buffer.from(record);
        copy.writeUInt8(ROUTER, recordLayout.virtualRouter);
        copy.writeUInt16LE(epoch, EPOCH);
        records.push(copy);
      }
    }
    return { records: Buffer.concat(records), cursor: bucket < BUCKETS ? cursorAt(bucket) : null };
  }

  purge(cursor: Buffer | null, maxRecords: number, syncEpoch: number, virtualRouters: number[]) {
    let bucket = cursor?.readUInt32LE(0) ?? 0;
    let scanned = 0;
    let purged = 0;
    for (; bucket < BUCKETS && scanned < maxRecords; bucket += 1) {
      for (const [flow, entry] of [...(this.buckets[bucket] ?? [])]) {
        scanned += 1;
        if (entry.epoch === syncEpoch || !virtualRouters.includes(ROUTER)) continue;
        this.remove(flow, 'purge');
        purged += 1;
      }
    }
    return { scanned, purged, cursor: bucket < BUCKETS ? cursorAt(bucket) : null };
  }

  digests(): Digest[] {
    const { low, high, flows } = this.sums;
    return [{ digest: (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), flows: BigInt(flows) }];
  }

  private bucket(flow: number): Map<number, Entry> {
    return this.buckets[flow % BUCKETS] as Map<number, Entry>;
  }

  private put(flow: number, entry: Entry): void {
    const bucket = this.bucket(flow);
    const before = bucket.get(flow);
    if (before !== undefined) this.count(flow, before, -1);
    bucket.set(flow, entry);
    this.count(flow, entry, 1);
    this.hooks.onPut(flow, recordOf(entry.record));
  }

  private remove(flow: number, cause: 'packet' | 'delete' | 'purge'): void {
    const entry = this.bucket(flow).get(flow);
    if (entry === undefined) return;
    this.bucket(flow).delete(flow);
    this.count(flow, entry, -1);
    this.hooks.onRemove(flow, cause);
  }

  private count(flow: number, { record }: Entry, change: number): void {
    const { generation, server } = recordOf(record);
    this.sums.low ^= mix(flow, generation);
    this.sums.high ^= mix(generation + server, flow);
    this.sums.flows += change;
  }

  private emit(record: Buffer): void {
    if (this.ring.length >= this.ringRecords) this.lost += 1n;
    else this.ring.push(Buffer.from(record));
    if (this.isWatched) this.hooks.onEvents();
  }
}

const recordOf = (record: Buffer): FlowRecord => ({ generation: record.readUInt32LE(GENERATION), server: record.readUInt32LE(SERVER) });

function cursorAt(bucket: number): Buffer {
  const cursor = Buffer.alloc(4);
  cursor.writeUInt32LE(bucket);
  return cursor;
}

export function mix(a: number, b: number): number {
  let word = Math.imul(a ^ 0x85ebca6b, 0xcc9e2d51) ^ Math.imul(b + 0x165667b1, 0x1b873593);
  word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d);
  return word ^ (word >>> 13);
}
