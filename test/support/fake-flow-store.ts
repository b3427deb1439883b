/**
 * A flow table and its event ring in memory, with the rules of the kernel's apply program: what replication tests see instead of BPF maps.
 * A flow is a number; its router is `flow % routers`.
 */
import { flowLayout, recordLayout } from '../../src/l4/abi.gen.js';
import type { ApplyMode, ApplyResult, Digest, Drained, FlowChunk } from '../../src/l4/native.js';
import type { FlowStore } from '../../src/replication/api.js';

const SIZE = recordLayout.size;
const UPSERT = 1;
const DELETE = 2;
const FLOW_NUMBER = recordLayout.key;
const GENERATION = recordLayout.flow + 8;
const STATE = recordLayout.flow + 22;
const EPOCH = recordLayout.flow + flowLayout.syncEpoch;
const BUCKETS = 256;

interface Entry {
  record: Buffer;
  epoch: number;
}

export interface FakeFlowStoreOptions {
  /** Marks generations. */
  nodeId: number;
  routers: number;
  /** Events the ring holds. */
  ringRecords?: number;
  maxFlows?: number;
}

export class FakeFlowStore implements FlowStore {
  readonly #options: Required<FakeFlowStoreOptions>;
  readonly #buckets: Map<number, Entry>[] = Array.from({ length: BUCKETS }, () => new Map());
  readonly #sums: { low: number; high: number; flows: number }[];
  readonly #watchers = new Set<() => void>();
  #ring: Buffer[] = [];
  #lost = 0n;
  #generation = 0;

  constructor(options: FakeFlowStoreOptions) {
    this.#options = { ringRecords: Number.POSITIVE_INFINITY, maxFlows: Number.POSITIVE_INFINITY, ...options };
    this.#sums = Array.from({ length: options.routers }, () => ({ low: 0, high: 0, flows: 0 }));
  }

  /** A packet of a new flow. */
  open(flow: number): void {
    this.#generation += 1;
    const record = Buffer.alloc(SIZE);
    record.writeUInt16LE(UPSERT, recordLayout.kind);
    record.writeUInt32LE(flow, FLOW_NUMBER);
    record.writeUInt32LE(this.#generation, GENERATION);
    record.writeUInt32LE(this.#options.nodeId, GENERATION + 4);
    record.writeUInt8(1, STATE);
    this.#put(flow, { record, epoch: 0 });
    this.#emit(record);
  }

  /** A packet that changes the flow's state. */
  touch(flow: number): void {
    const entry = this.#bucket(flow).get(flow);
    if (entry === undefined) return;
    const record = Buffer.from(entry.record);
    record.writeUInt8((record.readUInt8(STATE) + 1) % 256, STATE);
    entry.record = record;
    this.#emit(record);
  }

  expire(flow: number): void {
    const entry = this.#bucket(flow).get(flow);
    if (entry === undefined) return;
    this.#remove(flow);
    const record = Buffer.from(entry.record);
    record.writeUInt16LE(DELETE, recordLayout.kind);
    this.#emit(record);
  }

  has(flow: number): boolean {
    return this.#bucket(flow).has(flow);
  }

  get size(): number {
    return this.#buckets.reduce((sum, bucket) => sum + bucket.size, 0);
  }

  get waiting(): number {
    return this.#ring.length;
  }

  flows(): number[] {
    return this.#buckets.flatMap((bucket) => [...bucket.keys()]);
  }

  /** Everything that two nodes must agree on, one line per flow. */
  content(): string[] {
    return this.#buckets
      .flatMap((bucket) => [...bucket].map(([flow, { record }]) => `${flow} ${record.toString('hex', recordLayout.flow)}`))
      .sort();
  }

  drain(maxRecords: number, wantDigests: boolean): Drained {
    const records = Buffer.concat(this.#ring.splice(0, maxRecords));
    const isEmpty = this.#ring.length === 0;
    return { records, lost: this.#lost, ...(wantDigests && isEmpty ? { digests: this.digests() } : {}) };
  }

  watch(wake: () => void): { stop(): void } {
    this.#watchers.add(wake);
    return { stop: () => void this.#watchers.delete(wake) };
  }

  /** What the event loop does for the real one: wakes who watches a ring that is not empty. */
  poll(): void {
    if (this.#ring.length > 0) for (const wake of [...this.#watchers]) wake();
  }

  apply(records: Buffer, mode: ApplyMode, syncEpoch: number): ApplyResult {
    const result: ApplyResult = { applied: 0, stale: 0, full: 0, unknown: 0 };
    for (let at = 0; at < records.length; at += SIZE) {
      const outcome = this.#apply(Buffer.from(records.subarray(at, at + SIZE)), mode, syncEpoch);
      result[outcome] += 1;
    }
    return result;
  }

  #apply(record: Buffer, mode: ApplyMode, epoch: number): keyof ApplyResult {
    const flow = record.readUInt32LE(FLOW_NUMBER);
    const present = this.#bucket(flow).get(flow);
    if (record.readUInt16LE(recordLayout.kind) === DELETE) {
      if (mode === 'merge' || present === undefined) return 'stale';
      if (present.record.compare(record, GENERATION, GENERATION + 8, GENERATION, GENERATION + 8) !== 0) return 'stale';
      this.#remove(flow);
      return 'applied';
    }
    if (mode === 'merge' && present !== undefined) return 'stale';
    if (present === undefined && this.size >= this.#options.maxFlows) return 'full';
    record.writeUInt16LE(UPSERT, recordLayout.kind);
    record.writeUInt16LE(0, EPOCH);
    const isKnown = mode === 'live' && present?.record.compare(record, GENERATION, GENERATION + 8, GENERATION, GENERATION + 8) === 0;
    this.#put(flow, { record, epoch: isKnown ? present.epoch : epoch });
    return 'applied';
  }

  readFlows(cursor: Buffer | null, maxRecords: number): FlowChunk {
    let bucket = cursor?.readUInt32LE(0) ?? 0;
    const records: Buffer[] = [];
    for (; bucket < BUCKETS && records.length < maxRecords; bucket += 1) {
      for (const [flow, { record, epoch }] of this.#buckets[bucket] ?? []) {
        const copy = Buffer.from(record);
        copy.writeUInt8(this.#slot(flow), recordLayout.virtualRouter);
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
      for (const [flow, entry] of [...(this.#buckets[bucket] ?? [])]) {
        scanned += 1;
        if (entry.epoch === syncEpoch || !virtualRouters.includes(this.#slot(flow))) continue;
        this.#remove(flow);
        purged += 1;
      }
    }
    return { scanned, purged, cursor: bucket < BUCKETS ? cursorAt(bucket) : null };
  }

  digests(): Digest[] {
    return this.#sums.map(({ low, high, flows }) => ({
      digest: (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0),
      flows: BigInt(flows),
    }));
  }

  #slot(flow: number): number {
    return flow % this.#options.routers;
  }

  #bucket(flow: number): Map<number, Entry> {
    return this.#buckets[flow % BUCKETS] as Map<number, Entry>;
  }

  #put(flow: number, entry: Entry): void {
    this.#remove(flow);
    entry.record.writeUInt8(0, recordLayout.virtualRouter);
    this.#bucket(flow).set(flow, entry);
    this.#count(flow, entry, 1);
  }

  #remove(flow: number): void {
    const entry = this.#bucket(flow).get(flow);
    if (entry === undefined) return;
    this.#bucket(flow).delete(flow);
    this.#count(flow, entry, -1);
  }

  #count(flow: number, { record }: Entry, change: number): void {
    const sum = this.#sums[this.#slot(flow)];
    if (sum === undefined) return;
    const generation = record.readUInt32LE(GENERATION) ^ Math.imul(record.readUInt32LE(GENERATION + 4), 0x9e3779b1);
    sum.low ^= mix(flow, generation);
    sum.high ^= mix(generation, flow);
    sum.flows += change;
  }

  #emit(record: Buffer): void {
    if (this.#ring.length >= this.#options.ringRecords) this.#lost += 1n;
    else this.#ring.push(Buffer.from(record));
  }
}

function cursorAt(bucket: number): Buffer {
  const cursor = Buffer.alloc(4);
  cursor.writeUInt32LE(bucket);
  return cursor;
}

function mix(a: number, b: number): number {
  let word = Math.imul(a ^ 0x85ebca6b, 0xcc9e2d51) ^ Math.imul(b + 0x165667b1, 0x1b873593);
  word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d);
  return word ^ (word >>> 13);
}
