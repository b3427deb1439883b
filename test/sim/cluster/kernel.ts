/**
 * The data plane of one machine: the lease, the flow table, the ready flag and what a packet to the VIP meets there. It goes on while every
 * process of the machine is stopped, and is pinned: only the end of the machine ends it. Its times are those of the machine's clock.
 */
import type { Terms } from '../../../src/control/term-memory.js';
import type { PoolGeneration } from '../../../src/l4/api.js';
import type { LeasePort, LeaseView } from '../../../src/vrrp/ports.js';
import type { BeatLeases } from './beat-channel.js';
import { FlowTable, mix, type TableHooks, type TableSnapshot } from './flow-table.js';
import type { Mutant } from './mutants.js';

const NS = 1e6;
/** How long the previous generation of a pool places flows that have no record; shorter than in the data plane, as runs are. */
export const SECOND_CHANCE_MS = 2000;
/** TOLD_WITHIN_NS of schedule.h. */
const TOLD_WITHIN_MS = 1000;
/** FORMER_HOLDER_NS of node-replication.ts. */
const FORMER_HOLDER_MS = 60_000;
const FOREVER_MS = 1e9;

/** A time (true) during which a node held the lease; `to` moves with each renewal. */
export interface Holding {
  node: number;
  from: number;
  to: number;
  /** Became active because its daemon was told to, by whom. */
  handedOverBy: number | null;
  /** By peer out of hearing whose last word to this node was that it leads: when that was. */
  lastWords: ReadonlyMap<number, number>;
}

export type Refusal = 'notActive' | 'notReady' | 'noRecord' | 'drained';
export type Outcome = { server: number; isFresh: boolean; isNew: boolean } | Refusal;

export interface PacketOfFlow {
  flow: number;
  kind: 'first' | 'next' | 'last';
  /** Placed by a scheduler whose choice nobody can derive again. */
  isPinned: boolean;
}

interface Lease {
  deadline: number;
  drainUntil: number;
  admitUntil: number;
  started: number;
  instance: bigint;
  /** When the echo of a verification came back last. */
  verified: number;
}

interface Placement {
  current: number[];
  previous: number[];
  since: number;
}

export interface KernelSnapshot {
  local: number;
  lease: Lease;
  table: TableSnapshot;
  isReady: boolean;
  placement: Placement;
  generations: PoolGeneration[];
  lastHolders: ReadonlyMap<string, string>;
  peerKeys: ReadonlyMap<string, string>;
  terms: Terms;
}

export interface KernelParts {
  node: number;
  /** Local time of an instruction that runs now. */
  now(): number;
  toTrue(local: number): number;
  trueNow(): number;
  newGeneration(): number;
  ringRecords: number;
  hooks: TableHooks;
  isAttached(): boolean;
  handedOverBy(): number | null;
  lastWords(): ReadonlyMap<number, number>;
  /** At this true time, if the process that asks for it still lives. */
  at(trueAt: number, act: () => void): void;
  /** A lease begins. */
  onAcquired(): void;
  /** A lease that was held goes on until then (local). */
  onRenewed(deadline: number): void;
  mutant: Mutant | null;
}

const noLease = (): Lease => ({ deadline: 0, drainUntil: 0, admitUntil: 0, started: 0, instance: 0n, verified: 0 });

export class Kernel {
  readonly table: FlowTable;
  readonly holdings: Holding[] = [];
  lease = noLease();
  isReady = false;
  /** What the engine was told last: it is read back by a restarted daemon. */
  generations: PoolGeneration[] = [];
  /** On its disk. */
  lastHolders: ReadonlyMap<string, string> = new Map();
  peerKeys: ReadonlyMap<string, string> = new Map();
  terms: Terms = new Map();
  private placement: Placement = { current: [], previous: [], since: 0 };
  private readonly parts: KernelParts;
  private nextPinned = 0;

  constructor(parts: KernelParts) {
    this.parts = parts;
    this.table = new FlowTable(parts.ringRecords, parts.hooks);
  }

  /** As node-replication.ts looks at it. */
  get isFormerHolder(): boolean {
    return this.lease.deadline > 0 && this.parts.now() - this.lease.deadline < FORMER_HOLDER_MS;
  }

  get isLeaseFresh(): boolean {
    return this.lease.deadline > this.parts.now();
  }

  setGenerations(generations: readonly PoolGeneration[]): void {
    const [pool] = generations;
    if (pool === undefined) return;
    this.generations = [pool];
    const current = pool.members.flatMap((member, index) => (member.alive ? [index] : []));
    this.placement = { current, previous: this.placement.current, since: this.parts.now() };
  }

  packet({ flow, kind, isPinned }: PacketOfFlow): Outcome {
    const now = this.parts.now();
    const isFresh = this.lease.deadline > now;
    const record = this.table.get(flow);
    if (record !== null) {
      if (!isFresh && now >= this.lease.drainUntil) return 'drained';
      if (kind === 'last') this.table.end(flow);
      else if (kind === 'next') this.table.touch(flow);
      return { server: record.server, isFresh, isNew: false };
    }
    if (!isFresh && now >= this.lease.admitUntil) return 'notActive';
    if (!this.isReady) return 'notReady';
    if (kind !== 'first' && isPinned) return 'noRecord';
    const server = kind === 'first' ? this.schedule(flow, isPinned) : this.place(flow);
    if (server === null || kind === 'last') return 'noRecord';
    this.table.open(flow, this.parts.newGeneration(), server);
    return { server, isFresh, isNew: true };
  }

  private schedule(flow: number, isPinned: boolean): number | null {
    const { current } = this.placement;
    if (!isPinned) return hashed(flow, current);
    this.nextPinned += 1;
    return current[this.nextPinned % Math.max(1, current.length)] ?? null;
  }

  /** By this machine's clock, which may have stood still. */
  get hasSecondChance(): boolean {
    const { since } = this.placement;
    return this.lease.started < since + TOLD_WITHIN_MS && this.parts.now() < since + SECOND_CHANCE_MS;
  }

  private place(flow: number): number | null {
    const { current, previous } = this.placement;
    const second = this.hasSecondChance ? hashed(flow, previous) : null;
    return second ?? hashed(flow, current);
  }

  /** The machine lost its power. */
  clear(): void {
    this.endLease();
    this.lease = noLease();
    this.isReady = false;
    this.table.clear();
    this.generations = [];
    this.placement = { current: [], previous: [], since: 0 };
  }

  snapshot(): KernelSnapshot {
    const { lease, isReady, placement, generations, lastHolders, peerKeys, terms } = this;
    const table = this.table.snapshot();
    return { local: this.parts.now(), lease: { ...lease }, table, isReady, placement, generations, lastHolders, peerKeys, terms };
  }

  /** The clock has been set back already. */
  restore(snapshot: KernelSnapshot): void {
    this.endLease();
    this.table.clear();
    this.table.restore(snapshot.table);
    this.lease = { ...snapshot.lease };
    this.isReady = snapshot.isReady;
    this.placement = snapshot.placement;
    this.generations = snapshot.generations;
    this.lastHolders = snapshot.lastHolders;
    this.peerKeys = snapshot.peerKeys;
    this.terms = snapshot.terms;
    if (this.isLeaseFresh) this.hold(this.lease.deadline, null);
  }

  /** The clock stood still: the lease ends later than it seemed. */
  clockChanged(): void {
    const holding = this.holdings.at(-1);
    if (holding !== undefined && this.lease.deadline > this.parts.now()) holding.to = this.parts.toTrue(this.lease.deadline);
  }

  private hold(deadline: number, handedOverBy: number | null): void {
    const from = this.parts.trueNow();
    this.holdings.push({ node: this.parts.node, from, to: this.parts.toTrue(deadline), handedOverBy, lastWords: this.parts.lastWords() });
  }

  private endLease(): void {
    const holding = this.holdings.at(-1);
    const now = this.parts.trueNow();
    if (holding !== undefined && holding.to > now) holding.to = Math.max(holding.from, now);
  }

  /** A process that stalls releases later than the agenda says; until then the beat thread may renew. */
  private endAlsoWhatIsRenewed(drainMs: number): void {
    const { started } = this.lease;
    this.parts.at(this.parts.trueNow(), () => {
      if (this.lease.started !== started || !this.isLeaseFresh) return;
      this.endLease();
      this.lease.deadline = this.parts.now();
      this.lease.drainUntil = this.lease.deadline + this.drainMs(drainMs);
    });
  }

  private view(result: LeaseView['result']): LeaseView {
    const { deadline, drainUntil, started, instance, verified } = this.lease;
    const ns = (ms: number): bigint => BigInt(Math.round(Math.min(ms, FOREVER_MS) * NS));
    const times = { nowNs: ns(this.parts.now()), deadlineNs: ns(deadline), drainUntilNs: ns(drainUntil), startedNs: ns(started) };
    return { result, ...times, instance, verifiedNs: ns(verified) };
  }

  private refusal(instance: bigint): LeaseView['result'] {
    if (this.parts.now() >= this.lease.deadline) return 'lapsed';
    return instance === this.lease.instance ? 'ok' : 'foreign';
  }

  private drainMs(drainMs: number): number {
    return this.parts.mutant === 'drainsForever' ? Number.POSITIVE_INFINITY : drainMs;
  }

  /** An echo to the VIP was answered in place: it came back. */
  echoed(): void {
    if (this.isLeaseFresh) this.lease.verified = this.parts.now();
  }

  /** To this local time, shortening a longer lease. */
  private setDeadline(deadline: number, drainMs: number): void {
    this.lease.deadline = deadline;
    this.lease.drainUntil = deadline + this.drainMs(drainMs);
    const holding = this.holdings.at(-1);
    if (holding !== undefined) holding.to = this.parts.toTrue(deadline);
    this.parts.onRenewed(deadline);
  }

  /** What the beat thread writes: it corrects itself until the time is right, and renews a lease whose end has come for no time at all. */
  beatLeases(): BeatLeases {
    return {
      renewUntil: (_slot, until, drainMs, instance) => {
        if (this.refusal(instance) !== 'ok') return false;
        const now = this.parts.now();
        this.setDeadline(Math.max(now, until), drainMs);
        return until > now;
      },
      isOurs: (_slot, instance) => this.refusal(instance) === 'ok',
    };
  }

  leasePort(): LeasePort {
    return {
      acquire: (_slot, durationNs, drainNs, instance) => {
        const now = this.parts.now();
        this.endLease();
        const deadline = now + Number(durationNs) / NS;
        const { verified } = this.lease;
        this.lease = {
          deadline,
          drainUntil: deadline + this.drainMs(Number(drainNs) / NS),
          admitUntil: 0,
          started: now,
          instance,
          verified,
        };
        this.hold(deadline, this.parts.handedOverBy());
        this.parts.onAcquired();
        return this.view('ok');
      },
      renew: (_slot, durationNs, drainNs, instance) => {
        const refusal = this.refusal(instance);
        if (refusal !== 'ok') return this.view(refusal);
        this.setDeadline(this.parts.now() + Number(durationNs) / NS, Number(drainNs) / NS);
        return this.view('ok');
      },
      release: (_slot, drainNs, admitNs, instance) => {
        if (instance === this.lease.instance) this.endAlsoWhatIsRenewed(Number(drainNs) / NS);
        const refusal = this.refusal(instance);
        if (refusal !== 'ok') return this.view(refusal);
        if (this.parts.mutant === 'keepsReleasedLease') return this.view('ok');
        const now = this.parts.now();
        this.endLease();
        this.lease.deadline = now;
        this.lease.drainUntil = now + this.drainMs(Number(drainNs) / NS);
        this.lease.admitUntil = now + Number(admitNs) / NS;
        return this.view('ok');
      },
      read: () => this.view('ok'),
      isAttached: () => this.parts.isAttached(),
    };
  }
}

/** Highest random weight: like the tables of the engine, equal on every node, and stable where the alive set changes. */
function hashed(flow: number, alive: readonly number[]): number | null {
  let best: number | null = null;
  let weight = Number.NEGATIVE_INFINITY;
  for (const server of alive) {
    const own = mix(flow, server + 1);
    if (own > weight) {
      best = server;
      weight = own;
    }
  }
  return best;
}
