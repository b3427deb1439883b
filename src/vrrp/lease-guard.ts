/**
 * The lease door with its rules: durations are given to the kernel, so a process that is stopped between reading its clock and the call
 * would grant itself too much; that is noticed and taken back. A lease is renewed only while the program is still attached.
 */
import type { Clock, Monotonic } from '../system/clock.js';
import type { LeasePort, LeaseView } from './ports.js';

/** A call that took longer than this wrote a deadline that is too late by as much, and is corrected. */
const CALL_LIMIT_MS = 0.5;
const CORRECTIONS = 3;
/** How often the attachment of the program is looked at, at most. Far below any time a human detaches something in. */
const ATTACH_CHECK_MS = 50;
const NS_PER_MS = 1e6;

export type Renewal = { kind: 'ok'; verifiedAt: Monotonic | null } | { kind: 'lapsed' } | { kind: 'unusable'; reason: string };

const nanoseconds = (ms: number): bigint => BigInt(Math.max(0, Math.floor(ms * NS_PER_MS)));

export class LeaseGuard {
  private readonly port: LeasePort;
  private readonly clock: Clock;
  private readonly instance: bigint;
  private drainNs: bigint;
  private readonly checkedAt = new Map<string, Monotonic>();

  constructor(port: LeasePort, clock: Clock, instance: bigint, drainMs: number) {
    this.port = port;
    this.clock = clock;
    this.instance = instance;
    this.drainNs = nanoseconds(drainMs);
  }

  setDrain(drainMs: number): void {
    this.drainNs = nanoseconds(drainMs);
  }

  /** Name of the first interface whose program is gone; null when all are attached. */
  detachedAmong(interfaces: readonly string[]): string | null {
    for (const name of interfaces) {
      if (!this.port.isAttached(name)) return name;
      this.checkedAt.set(name, this.clock.now());
    }
    return null;
  }

  /** What is left of a fresh lease that this very instance holds; 0 if none. */
  ownRemainingMs(slot: number): number {
    const view = this.port.read(slot);
    if (view.result !== 'ok' || view.instance !== this.instance || view.deadlineNs <= view.nowNs) return 0;
    return Number(view.deadlineNs - view.nowNs) / NS_PER_MS;
  }

  /** Why it was refused; null when the lease is ours. */
  acquire(slot: number, until: Monotonic, interfaces: readonly string[]): string | null {
    const detached = this.detachedAmong(interfaces);
    if (detached !== null) return `the program is not attached to ${detached}`;
    const view = this.timed(until, (ns) => this.port.acquire(slot, ns, this.drainNs, this.instance));
    if (view === null || !this.settle(slot, until)) return 'the lease ended before it was written';
    return view.result === 'ok' ? null : `the kernel answered ${view.result}`;
  }

  renew(slot: number, until: Monotonic, interfaces: readonly string[]): Renewal {
    const now = this.clock.now();
    const due = interfaces.filter((name) => now - (this.checkedAt.get(name) ?? Number.NEGATIVE_INFINITY) >= ATTACH_CHECK_MS);
    const detached = this.detachedAmong(due);
    if (detached !== null) return { kind: 'unusable', reason: `detached:${detached}` };
    const view = this.timed(until, (ns) => this.port.renew(slot, ns, this.drainNs, this.instance));
    if (view === null || view.result !== 'ok' || !this.settle(slot, until)) return { kind: 'lapsed' };
    return { kind: 'ok', verifiedAt: this.verifiedIn(view) };
  }

  /** `admitMs`: a planned hand-over goes on admitting new flows for stragglers, and serves them as long. */
  release(slot: number, admitMs: number): void {
    const admitNs = nanoseconds(admitMs);
    const isShort = this.drainNs < admitNs;
    this.port.release(slot, isShort ? admitNs : this.drainNs, admitNs, this.instance);
  }

  /** When the echo last came back under the present lease. */
  verifiedAt(slot: number): Monotonic | null {
    return this.verifiedIn(this.port.read(slot));
  }

  private verifiedIn(view: LeaseView): Monotonic | null {
    if (view.verifiedNs === 0n || view.verifiedNs < view.startedNs) return null;
    return (this.clock.now() - Number(view.nowNs - view.verifiedNs) / NS_PER_MS) as Monotonic;
  }

  private overrunMs = 0;

  private timed(until: Monotonic, call: (durationNs: bigint) => LeaseView): LeaseView | null {
    const before = this.clock.now();
    if (before >= until) return null;
    const view = call(nanoseconds(until - before));
    this.overrunMs = this.clock.now() - before;
    return view;
  }

  /** Shortens what an interrupted call granted; false, and the lease is gone, when its time was over by then. */
  private settle(slot: number, until: Monotonic): boolean {
    for (let attempt = 0; this.overrunMs > CALL_LIMIT_MS; attempt++) {
      const view = attempt < CORRECTIONS ? this.timed(until, (ns) => this.port.renew(slot, ns, this.drainNs, this.instance)) : null;
      if (view !== null && view.result === 'ok') continue;
      this.release(slot, 0);
      return false;
    }
    return true;
  }
}
