/**
 * What the heartbeat shell needs from outside, as interfaces: bin/heartbeat.ts wires the real ones, the simulation its own.
 * The shapes of the lease and frame doors are those of the native addon, restated so that this folder does not depend on it.
 */
import type { Clock } from '../system/clock.js';
import type { FromHeartbeat } from './heartbeat-api.js';

export interface LeaseView {
  result: 'ok' | 'lapsed' | 'foreign' | 'badSlot';
  nowNs: bigint;
  deadlineNs: bigint;
  drainUntilNs: bigint;
  startedNs: bigint;
  instance: bigint;
  verifiedNs: bigint;
}

export interface LeasePort {
  acquire(slot: number, durationNs: bigint, drainNs: bigint, instance: bigint): LeaseView;
  renew(slot: number, durationNs: bigint, drainNs: bigint, instance: bigint): LeaseView;
  /** `admitNs`: how long new flows are still admitted after a planned hand-over. */
  release(slot: number, drainNs: bigint, admitNs: bigint, instance: bigint): LeaseView;
  read(slot: number): LeaseView;
  isAttached(interfaceName: string): boolean;
}

export interface FramePort {
  send(frame: Buffer): void;
  close(): void;
}

/** A raw socket of IP protocol 112 on one interface, of the family of its source address. */
export interface VrrpSocketPort {
  /** Sends now, IP header included; throws when the kernel refused. */
  send(packet: Buffer, destination: string): void;
  /** Hands over up to `limit` waiting packets (one shared buffer: valid during the call) and says how many there were. IPv4 packets
   *  start with their header; of IPv6 it is the message, cut to one byte when the hop limit was not 255. */
  drain(limit: number, onPacket: (packet: Uint8Array, source: string) => void): number;
  /** Takes part in an IPv6 multicast group on an interface. */
  joinGroup(group: string, interfaceName: string): void;
  close(): void;
}

/** As openBeats of src/l4/native.ts. */
export interface BeatOptions {
  cluster: bigint;
  nodeId: number;
  instance: bigint;
  key: Buffer;
  port: number;
  paths: { address: string; interface?: string }[];
  peers: { id: number; addresses: (string | null)[] }[];
  intervalUs: number;
  realtimePriority: number;
  pinDir: string | null;
}

export interface BeatStats {
  sent: number;
  received: number;
  sendErrors: number;
  rejected: Record<string, number>;
  /** Since the last call. */
  lateMaxUs: number;
  /** Times nothing was said, because nothing had been called for half a second. */
  silenced: number;
  realtime: boolean;
}

export type BeatEvent =
  | {
      type: 'heard';
      /** Of the machine's clock: when the beat thread received it. */
      atNs: bigint;
      peer: number;
      instance: bigint;
      intervalUs: number;
      promiseUs: number;
      payload: Buffer;
      path: number;
      isFirst: boolean;
    }
  | { type: 'silent'; peer: number; silentUs: number }
  | { type: 'path'; peer: number; path: number; isHeard: boolean }
  | { type: 'lapsed'; slot: number };

export interface BeatPort {
  say(payload: Buffer): void;
  setPeerKey(peerId: number, key: Buffer | null, latest?: bigint): void;
  setIntervalUs(us: number): void;
  watch(peerId: number, silentAfterUs: number): void;
  hold(slots: number[], lifeUs: number, drainNs: bigint, instance: bigint, untilNs: bigint): void;
  promise(us: number): void;
  stats(): BeatStats;
  close(): void;
}

export interface InterfaceView {
  mac: Buffer;
  addresses: readonly string[];
}

export interface HeartbeatPorts {
  clock: Clock;
  /** Opens the pinned leases; throws while the data plane is not there. */
  openLeases(pinDir: string): LeasePort;
  openFrames(interfaceName: string): FramePort;
  openVrrp(options: { interface: string; sourceAddress: string; joinGroup: boolean; onReadable: () => void }): VrrpSocketPort;
  /** Throws when the addon cannot. */
  openBeats(options: BeatOptions, onEvents: (events: BeatEvent[]) => void): BeatPort;
  /** One ICMP echo; answers at most once, never before it has returned; returns how to give it up. */
  ping(address: string, onAnswer: (isAnswered: boolean) => void): () => void;
  /** Calls when a link comes or goes; answers how to end it. */
  watchLinks(onChange: () => void): () => void;
  /** Interfaces that are up and have carrier, by name. */
  runningInterfaces(): Map<string, InterfaceView>;
  /** Identifier of the ICMP echo that the data plane recognises. */
  verifyEchoId: number;
  /** Never blocks; bounded. */
  report(message: FromHeartbeat): void;
}
