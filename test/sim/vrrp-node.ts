/**
 * One simulated node: the real heartbeat shell and machine, on a virtual clock, a virtual kernel (lease, socket) and a virtual daemon.
 * The kernel part goes on while the process is stopped, as it does in life.
 */
import type { Clock, Monotonic } from '../../src/system/clock.js';
import { Heartbeat } from '../../src/vrrp/heartbeat.js';
import type { FromHeartbeat, HeartbeatConfig } from '../../src/vrrp/heartbeat-api.js';
import type { InterfaceView, LeasePort, LeaseView, VrrpSocketPort } from '../../src/vrrp/ports.js';
import type { Agenda } from './agenda.js';
import type { Random } from './random.js';

const NS = 1e6;
const SOCKET_PACKETS = 256;

/** A time during which this node held the lease. */
export interface Holding {
  node: number;
  from: number;
  to: number;
  /** Became active because its daemon was told to. */
  isHandOver: boolean;
}

export interface NodeHooks {
  send(from: number, packet: Buffer, destination: string, at: number): void;
  note(node: number, text: string, at: number): void;
}

export class SimNode {
  readonly index: number;
  readonly config: HeartbeatConfig;
  readonly holdings: Holding[] = [];
  readonly transitions: { at: number; to: string; reason: string }[] = [];
  /** What this node did that it must never do, whatever the others do. */
  readonly sins: string[] = [];
  readonly stalls: { from: number; to: number; isInside: boolean }[] = [];
  isPowered = true;
  isSynced = true;
  /** When the daemon said so last. */
  unsyncedAt = 0;
  isLinkUp = true;
  isAttached = true;
  sendFails = false;
  /** Probability that any reading of the clock is followed by a stop of the process. */
  stallChance = 0;
  stallMs = 0;
  private readonly agenda: Agenda;
  private readonly random: Random;
  private readonly hooks: NodeHooks;
  private heartbeat: Heartbeat | null = null;
  private onReadable: (() => void) | null = null;
  private inbox: Buffer[] = [];
  /** Grows with every start of the process: timers of a dead one are void. */
  private incarnation = 0;
  private busyUntil = 0;
  private isInside = false;
  private lease = { deadline: 0, drainUntil: 0, started: 0, instance: 0n };
  private isHandOver = false;

  constructor(index: number, config: HeartbeatConfig, agenda: Agenda, random: Random, hooks: NodeHooks) {
    this.index = index;
    this.config = config;
    this.agenda = agenda;
    this.random = random;
    this.hooks = hooks;
  }

  get address(): string {
    return this.config.groups[0]?.members[0]?.sourceAddress ?? '';
  }

  get holds(): boolean {
    return this.isPowered && this.lease.deadline > this.agenda.now;
  }

  /** The time this node's code sees: ahead of the agenda only while it was stopped inside of a step. */
  private time(): number {
    return Math.max(this.agenda.now, this.isInside ? this.busyUntil : 0);
  }

  startProcess(): void {
    this.incarnation++;
    this.busyUntil = 0;
    this.inbox = [];
    const heartbeat = new Heartbeat({
      config: this.config,
      isRealtime: false,
      pid: this.incarnation,
      readConfig: () => this.config,
      onStopped: () => undefined,
      ports: {
        clock: this.clock(this.incarnation),
        openLeases: () => this.leases(),
        openFrames: () => ({ send: () => undefined, close: () => undefined }),
        openVrrp: ({ onReadable }) => this.socket(onReadable),
        openBeats: () => {
          throw new Error('no beats in this simulation');
        },
        ping: () => () => undefined,
        watchLinks: () => () => undefined,
        runningInterfaces: () => this.interfaces(),
        verifyEchoId: 1,
        report: (message) => this.hear(message),
      },
    });
    this.heartbeat = heartbeat;
    this.run(() => heartbeat.start());
    this.track(1);
  }

  /** kill -9 of the heartbeat alone: the lease runs on. */
  killProcess(): void {
    this.incarnation++;
    this.heartbeat = null;
    this.onReadable = null;
    this.inbox = [];
  }

  powerOff(): void {
    this.killProcess();
    this.isPowered = false;
    this.endLease(this.agenda.now);
    this.lease = { deadline: 0, drainUntil: 0, started: 0, instance: 0n };
  }

  powerOn(): void {
    this.isPowered = true;
    this.isSynced = false;
    this.startProcess();
  }

  /** SIGSTOP until `until`. */
  pause(until: number): void {
    if (this.heartbeat === null) return;
    this.stalls.push({ from: this.agenda.now, to: until, isInside: false });
    this.busyUntil = Math.max(this.busyUntil, until);
  }

  get hasProcess(): boolean {
    return this.heartbeat !== null;
  }

  get isRunning(): boolean {
    return this.heartbeat !== null && this.busyUntil <= this.agenda.now;
  }

  command(message: Parameters<Heartbeat['receive']>[0]): void {
    const { heartbeat } = this;
    if (heartbeat === null) return;
    if (message.type === 'takeOver') this.isHandOver = true;
    this.run(() => heartbeat.receive(message));
    this.isHandOver = false;
  }

  /** The daemon answers what it knows, a little later. */
  track(delayMs: number): void {
    const { incarnation } = this;
    this.agenda.add(this.agenda.now + delayMs, () => {
      if (incarnation !== this.incarnation) return;
      if (!this.isSynced && this.isRunning) this.unsyncedAt = this.agenda.now;
      this.command({ type: 'track', ready: true, inSync: this.isSynced, peerInSync: true, verifyTargets: [] });
    });
  }

  /** False when nobody could ever read it. */
  deliver(packet: Buffer): boolean {
    if (!this.isPowered || !this.isLinkUp || this.onReadable === null || this.inbox.length >= SOCKET_PACKETS) return false;
    this.inbox.push(packet);
    this.run(() => {
      if (this.inbox.length > 0) this.onReadable?.();
    });
    return true;
  }

  /** Runs code of the process now, or when it is no longer stopped. */
  private run(act: () => void): void {
    const { incarnation } = this;
    if (this.busyUntil > this.agenda.now) {
      this.agenda.add(this.busyUntil, () => {
        if (incarnation === this.incarnation) this.run(act);
      });
      return;
    }
    this.isInside = true;
    this.busyUntil = this.agenda.now;
    act();
    this.isInside = false;
  }

  private clock(incarnation: number): Clock {
    return {
      now: () => {
        if (this.stallChance > 0 && this.isInside && this.random.chance(this.stallChance)) this.stall();
        return this.time() as Monotonic;
      },
      wallMs: () => this.time(),
      at: (at, fire) => {
        let isCancelled = false;
        const lateMs = this.random.chance(0.02) ? this.random.between(0, 1.5) : this.random.between(0, 0.2);
        this.agenda.add(Math.max(at, this.time()) + lateMs, () => {
          if (isCancelled || incarnation !== this.incarnation) return;
          this.run(() => {
            if (!isCancelled) fire();
          });
        });
        return () => {
          isCancelled = true;
        };
      },
    };
  }

  private stall(): void {
    const from = this.time();
    const to = from + this.random.between(0.1, this.stallMs);
    this.stalls.push({ from, to, isInside: true });
    this.busyUntil = to;
    this.hooks.note(this.index, `stopped inside a step for ${(to - from).toFixed(1)} ms`, from);
  }

  private interfaces(): Map<string, InterfaceView> {
    const view = { mac: Buffer.alloc(6, this.index + 1), addresses: [this.address] };
    return new Map(this.isLinkUp ? [['eth0', view]] : []);
  }

  private socket(onReadable: () => void): VrrpSocketPort {
    this.onReadable = onReadable;
    return {
      send: (packet, destination) => {
        if (this.sendFails) throw new Error('No buffer space available');
        this.watchSend();
        this.hooks.send(this.index, Buffer.from(packet), destination, this.time());
      },
      drain: (limit, onPacket) => {
        let count = 0;
        for (; count < limit; count++) {
          const packet = this.inbox.shift();
          if (packet === undefined) break;
          onPacket(packet, '');
        }
        return count;
      },
      joinGroup: () => undefined,
      close: () => {
        this.onReadable = null;
      },
    };
  }

  /** After its lease has ended a node may say anything but that it is active. */
  private watchSend(): void {
    const now = this.time();
    if (this.lease.deadline > now || this.stallChance > 0) return;
    if (this.heartbeat?.status().routers[0]?.role === 'active')
      this.sins.push(`advertised as active without a lease at ${now.toFixed(3)} ms`);
  }

  private view(result: LeaseView['result']): LeaseView {
    const { deadline, drainUntil, started, instance } = this.lease;
    const ns = (ms: number): bigint => BigInt(Math.round(ms * NS));
    const times = { nowNs: ns(this.time()), deadlineNs: ns(deadline), drainUntilNs: ns(drainUntil), startedNs: ns(started) };
    return { result, ...times, instance, verifiedNs: 0n };
  }

  private leases(): LeasePort {
    return {
      acquire: (_slot, durationNs, drainNs, instance) => {
        const now = this.time();
        this.endLease(now);
        const deadline = now + Number(durationNs) / NS;
        this.lease = { deadline, drainUntil: deadline + Number(drainNs) / NS, started: now, instance };
        this.holdings.push({ node: this.index, from: now, to: deadline, isHandOver: this.isHandOver });
        return this.view('ok');
      },
      renew: (_slot, durationNs, drainNs, instance) => {
        const now = this.time();
        if (now >= this.lease.deadline) return this.view('lapsed');
        if (instance !== this.lease.instance) return this.view('foreign');
        this.lease.deadline = now + Number(durationNs) / NS;
        this.lease.drainUntil = this.lease.deadline + Number(drainNs) / NS;
        const holding = this.holdings.at(-1);
        if (holding !== undefined) holding.to = this.lease.deadline;
        return this.view('ok');
      },
      release: (_slot, drainNs) => {
        const now = this.time();
        this.endLease(now);
        this.lease.deadline = Math.min(this.lease.deadline, now);
        this.lease.drainUntil = now + Number(drainNs) / NS;
        return this.view('ok');
      },
      read: () => this.view('ok'),
      isAttached: () => this.isAttached,
    };
  }

  private endLease(now: number): void {
    const holding = this.holdings.at(-1);
    if (holding !== undefined && holding.to > now) holding.to = Math.max(holding.from, now);
  }

  private hear(message: FromHeartbeat): void {
    if (message.type === 'transition') {
      this.transitions.push({ at: this.time(), to: message.to, reason: message.reason });
      this.hooks.note(this.index, `${message.from} -> ${message.to} (${message.reason})`, this.time());
      if (message.reason === 'preempt' && !this.isSynced && this.time() - this.unsyncedAt > 5 + this.stallMs) {
        this.sins.push(`pre-empted without being in sync at ${this.time().toFixed(3)} ms`);
      }
      this.track(this.random.between(1, 5));
    } else if (message.type === 'log') {
      this.hooks.note(this.index, `${message.event} ${JSON.stringify(message.fields)}`, this.time());
    }
  }
}
