/** The heartbeat shell around make-believe sockets, leases and beats, on a clock that stands still unless told. */
import type { Monotonic } from '../../src/system/clock.js';
import { addressOf } from '../../src/system/ip-address.js';
import { VRRP_GROUP } from '../../src/vrrp/codec/advert.js';
import { decodeIpv4Advert, encodeAdvert } from '../../src/vrrp/codec/codec.js';
import { Heartbeat } from '../../src/vrrp/heartbeat.js';
import type { FromHeartbeat, HeartbeatConfig, HeartbeatGroup, HeartbeatRouter, RouterStatus } from '../../src/vrrp/heartbeat-api.js';
import type { InterfaceView, LeasePort, LeaseView } from '../../src/vrrp/ports.js';
import { Agenda } from '../sim/agenda.js';
import { FakeBeats } from './fake-beats.js';

type RouterChange = Partial<HeartbeatRouter & Omit<HeartbeatGroup, 'members'>>;

export const member = (change: Partial<HeartbeatRouter> = {}): HeartbeatRouter => ({
  name: 'front',
  vrid: 51,
  slot: 0,
  interface: 'eth0',
  sourceAddress: '10.9.0.1',
  addresses: ['10.9.0.100'],
  announced: [{ address: '10.9.0.100', interface: 'eth0' }],
  dataInterfaces: ['eth0'],
  unicastPeers: [],
  ...change,
});

/** A group of one. */
export const router = ({
  priority = 100,
  preempt = true,
  advertIntervalMs = 100,
  leaseIntervalMs = 100,
  trackedInterfaces = [],
  ...change
}: RouterChange = {}): HeartbeatGroup => ({
  name: change.name ?? 'front',
  priority,
  advertIntervalMs,
  leaseIntervalMs,
  preempt,
  preemptDelayMs: 0,
  announce: { repeat: 2, repeatGapMs: 100, refreshMs: 0 },
  trackedInterfaces,
  members: [member(change)],
});

export class Bench {
  readonly agenda = new Agenda();
  readonly sent: { packet: Buffer; destination: string }[] = [];
  readonly frames: Buffer[] = [];
  readonly reports: FromHeartbeat[] = [];
  readonly inbox: Buffer[] = [];
  interfaces = new Map<string, InterfaceView>([['eth0', { mac: Buffer.from('020000000001', 'hex'), addresses: ['10.9.0.1'] }]]);
  hasDataPlane = true;
  /** How far the wall clock is from the other one. */
  wallOffsetMs = 0;
  verifiedNs = 0n;
  deadline = 0;
  /** These alone have lost their lease. */
  readonly lapsedSlots = new Set<number>();
  isStopped = false;
  readonly beats = new FakeBeats();
  readonly pings: { address: string; onAnswer: (isAnswered: boolean) => void }[] = [];
  onLinks: () => void = () => undefined;
  config: HeartbeatConfig;
  heartbeat: Heartbeat;
  private onReadable: () => void = () => undefined;

  constructor(...groups: HeartbeatGroup[]) {
    this.config = { node: 'lb1', instance: '1', pinDir: '', socketPath: '', drainMs: 500, realtimePriority: 0, groups, beats: null };
    this.heartbeat = this.create();
  }

  /** A process anew, with the configuration as it is now. */
  restart(): void {
    this.heartbeat = this.create();
  }

  private create(): Heartbeat {
    const { agenda } = this;
    return new Heartbeat({
      config: this.config,
      isRealtime: false,
      pid: 1,
      readConfig: () => this.config,
      onStopped: () => {
        this.isStopped = true;
      },
      ports: {
        clock: {
          now: () => agenda.now as Monotonic,
          wallMs: () => agenda.now + this.wallOffsetMs,
          at: (at, fire) => {
            let isCancelled = false;
            agenda.add(at, () => (isCancelled ? undefined : fire()));
            return () => {
              isCancelled = true;
            };
          },
        },
        openLeases: () => this.leases(),
        openFrames: () => ({ send: (frame) => this.frames.push(frame), close: () => undefined }),
        openVrrp: ({ onReadable }) => {
          this.onReadable = onReadable;
          return {
            send: (packet, destination) => this.sent.push({ packet: Buffer.from(packet), destination }),
            drain: (limit, on) => this.drain(limit, on),
            joinGroup: () => undefined,
            close: () => undefined,
          };
        },
        openBeats: (options, onEvents) => this.beats.open(options, onEvents),
        ping: (address, onAnswer) => {
          this.pings.push({ address, onAnswer });
          return () => undefined;
        },
        watchLinks: (onChange) => {
          this.onLinks = onChange;
          return () => undefined;
        },
        runningInterfaces: () => this.interfaces,
        verifyEchoId: 0x7464,
        report: (message) => this.reports.push(message),
      },
    });
  }

  private drain(limit: number, onPacket: (packet: Uint8Array, source: string) => void): number {
    const packets = this.inbox.splice(0, limit);
    for (const packet of packets) onPacket(packet, '');
    return packets.length;
  }

  private leases(): LeasePort {
    if (!this.hasDataPlane) throw new Error('no such pin');
    const ns = (ms: number): bigint => BigInt(Math.round(ms * 1e6));
    const view = (): LeaseView => {
      const { held, areSent } = this.beats;
      if (held.slots > 0 && areSent) this.deadline = Math.min(this.agenda.now + held.lifeMs, held.untilMs);
      return {
        result: 'ok',
        nowNs: ns(this.agenda.now),
        deadlineNs: ns(this.deadline),
        drainUntilNs: 0n,
        startedNs: 1n,
        instance: 1n,
        verifiedNs: this.verifiedNs,
      };
    };
    const hold = (_slot: number, durationNs: bigint): LeaseView => {
      this.deadline = this.agenda.now + Number(durationNs) / 1e6;
      return view();
    };
    const release = (): LeaseView => {
      this.deadline = this.agenda.now;
      return view();
    };
    const read = (slot: number): LeaseView => (this.lapsedSlots.has(slot) ? { ...view(), deadlineNs: 0n } : view());
    return { acquire: hold, renew: hold, release, read, isAttached: () => true };
  }

  begin(verifyTargets: { interface: string; address: string; mac: string }[] = []): this {
    this.heartbeat.start();
    this.heartbeat.receive({ type: 'track', ready: true, inSync: true, peerInSync: true, verifyTargets });
    return this;
  }

  pass(ms: number): this {
    this.agenda.runUntil(this.agenda.now + ms);
    return this;
  }

  receive(packet: Buffer): this {
    this.inbox.push(packet);
    this.onReadable();
    return this;
  }

  get status(): RouterStatus {
    return this.heartbeat.status().routers[0] as RouterStatus;
  }

  priorities(): number[] {
    return this.sent.map(({ packet }) => {
      const decoded = decodeIpv4Advert(packet);
      return decoded.ok ? decoded.advert.priority : -1;
    });
  }
}

export const advert = (priority: number, change: { source?: string; vrid?: number; addresses?: string[] } = {}): Buffer =>
  encodeAdvert({
    source: addressOf(change.source ?? '10.9.0.2'),
    destination: VRRP_GROUP,
    vrid: change.vrid ?? 51,
    priority,
    version: 3,
    intervalMs: 100,
    addresses: (change.addresses ?? ['10.9.0.100']).map(addressOf),
  });
