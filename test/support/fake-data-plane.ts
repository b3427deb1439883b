/**
 * The data plane's maps in memory, for tests of the engine: keeps a journal of writes and checks after each of them what a packet could meet
 * at that moment: no service says more entries than its table has, no table names a server that is not there.
 */
import assert from 'node:assert';
import { drop, limit, nextHopLayout, recordLayout, serverLayout, settingsLayout, virtualRouterLayout } from '../../src/l4/abi.gen.js';
import type { DataPlane, FlowChunk } from '../../src/l4/native.js';
import { decodeService, encodeIndex } from '../../src/l4/records.js';

const ARRAYS: Record<string, { size: number; count: number }> = {
  servers: { size: serverLayout.size, count: limit.maxServerSlots },
  next_hops: { size: nextHopLayout.size, count: limit.maxNextHops },
  settings: { size: settingsLayout.size, count: 1 },
  leases: { size: 48, count: limit.maxVirtualRouters },
  virtual_routers: { size: virtualRouterLayout.size, count: limit.maxVirtualRouters },
};

export class FakeDataPlane {
  readonly maps = new Map<string, Map<string, Buffer>>();
  readonly tables = new Map<number, Uint32Array>();
  /** `set services`, `table 0`, `delete addresses` ... in order. */
  journal: string[] = [];
  flows: Buffer[] = [];
  sweeps = 0;
  /** Called by each sweep step. */
  onSweep: () => void = () => undefined;
  sweepStepsPerRound = 4;
  private swept = 0;
  kernelTimeNs = 1_000_000_000n;
  trafficWords = new BigUint64Array(limit.maxServerSlots * 5);
  dropWords = new BigUint64Array(drop.reasons);
  steeredWords = new BigUint64Array(limit.maxVirtualRouters);

  /** What the engine needs of a DataPlane. */
  get asDataPlane(): DataPlane {
    return this as unknown as DataPlane;
  }

  private map(name: string): Map<string, Buffer> {
    const map = this.maps.get(name) ?? new Map<string, Buffer>();
    this.maps.set(name, map);
    return map;
  }

  mapGet(name: string, key: Buffer): Buffer | null {
    const array = ARRAYS[name];
    return this.map(name).get(key.toString('hex')) ?? (array === undefined ? null : Buffer.alloc(array.size));
  }

  mapSet(name: string, key: Buffer, value: Buffer): void {
    this.map(name).set(key.toString('hex'), Buffer.from(value));
    this.wrote(`set ${name}`);
  }

  mapDelete(name: string, key: Buffer): boolean {
    const existed = this.map(name).delete(key.toString('hex'));
    this.wrote(`delete ${name}`);
    return existed;
  }

  mapEntries(name: string): [Buffer, Buffer][] {
    const array = ARRAYS[name];
    if (array === undefined) return [...this.map(name)].map(([key, value]) => [Buffer.from(key, 'hex'), Buffer.from(value)]);
    return Array.from({ length: array.count }, (_, index) => {
      const key = encodeIndex(index);
      return [key, this.mapGet(name, key) ?? Buffer.alloc(array.size)];
    });
  }

  setTable(index: number, slots: Uint32Array): void {
    if (slots.length === 0) this.tables.delete(index);
    else this.tables.set(index, slots.slice());
    this.wrote(`table ${index}`);
  }

  getTable(index: number): Uint32Array | null {
    return this.tables.get(index)?.slice() ?? null;
  }

  sums(map: string): BigUint64Array {
    return map === 'traffic' ? this.trafficWords : map === 'steered' ? this.steeredWords : this.dropWords;
  }

  digests(): { digest: bigint; flows: bigint }[] {
    return Array.from({ length: limit.maxVirtualRouters }, (_, slot) => ({ digest: 0n, flows: BigInt(slot + 7) }));
  }

  kernelNs(): bigint {
    return this.kernelTimeNs;
  }

  readFlows(cursor: Buffer | null, maxRecords: number): FlowChunk {
    const from = cursor === null ? 0 : cursor.readUInt32LE(0);
    const records = Buffer.concat(this.flows.slice(from, from + maxRecords));
    const next = from + records.length / recordLayout.size;
    return { records, cursor: next < this.flows.length ? encodeIndex(next) : null };
  }

  sweep(cursor: Buffer | null): { scanned: number; expired: number; cursor: Buffer | null } {
    this.sweeps++;
    this.onSweep();
    this.swept = cursor === null ? 1 : this.swept + 1;
    return { scanned: 512, expired: 1, cursor: this.swept < this.sweepStepsPerRound ? encodeIndex(this.swept) : null };
  }

  private wrote(what: string): void {
    this.journal.push(what);
    const servers = this.map('servers');
    const none = Buffer.alloc(serverLayout.size);
    for (const value of this.map('services').values()) {
      const service = decodeService(value);
      const sizes: [number, number][] = [
        [2 * service.slot, service.currentSize],
        [2 * service.slot + 1, service.previousSize],
      ];
      for (const [index, size] of sizes) {
        const table = this.tables.get(index) ?? new Uint32Array(0);
        assert.ok(
          size <= table.length,
          `after "${what}": service ${service.slot} says ${size} entries, table ${index} has ${table.length}`,
        );
      }
      for (const slot of new Set(this.tables.get(2 * service.slot)?.subarray(0, service.currentSize) ?? [])) {
        const server = servers.get(encodeIndex(slot).toString('hex')) ?? none;
        assert.ok(!server.equals(none), `after "${what}": table of service ${service.slot} names slot ${slot}, which is empty`);
      }
    }
  }
}
