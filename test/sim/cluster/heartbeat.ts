/** The heartbeat process of one machine: the real shell and machine on virtual ports. */
import { Heartbeat } from '../../../src/vrrp/heartbeat.js';
import type { FromHeartbeat, HeartbeatConfig, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import { Outbox } from '../../../src/vrrp/outbox.js';
import type { BeatOptions, BeatPort, InterfaceView, LeasePort, VrrpSocketPort } from '../../../src/vrrp/ports.js';
import { BeatChannel, type ChannelParts } from './beat-channel.js';
import type { SimProcess } from './process.js';
import { nameOf } from './shape.js';

const SOCKET_PACKETS = 256;

/** Ethernet: type field, and that of ARP; what else is sent as a frame is an echo request. */
const TYPE_AT = 12;
const ARP = 0x0806;
/** From an event in the kernel's links to the message about it. */
const LINK_NEWS_MS = [0.1, 1] as const;
/** When a question is given up. */
const UNANSWERED_MS = 1000;

/** Of an advert with its IPv4 header. */
const PRIORITY_AT = 22;
const QUESTION_PRIORITY = 1;
/** Longer than a question is waited for. */
const DEAF_MS = 4;

export interface HeartbeatParts {
  process: SimProcess;
  /** Of the same process, with a priority of its own. */
  beatThread: SimProcess;
  /** What a beat channel needs beside its options. */
  beats(): Omit<ChannelParts, 'options' | 'onEvents' | 'readFirst' | 'thread' | 'main'>;
  /** One question to a reference address: how long the answer takes, null when none will come. */
  ping(): number | null;
  config(): HeartbeatConfig;
  leases: LeasePort;
  /** What its daemons have kept on disk. */
  known(): ToHeartbeat[];
  address: string;
  mac: Buffer;
  isLinkUp(): boolean;
  sendFails(): boolean;
  /** False: whoever answers its question on the wire is not heard. */
  hearsAnswers: boolean;
  sendVrrp(packet: Buffer, destination: string): void;
  announce(): void;
  /** An echo request to the gateway, whose answer comes to the VIP. */
  echo(): void;
  /** Everything it says, also while no daemon listens. */
  onSaid(message: FromHeartbeat): void;
  onStopped(): void;
}

export class SimHeartbeat {
  readonly process: SimProcess;
  outbox = new Outbox();
  private readonly parts: HeartbeatParts;
  private shell: Heartbeat | null = null;
  private onReadable: (() => void) | null = null;
  private inbox: Buffer[] = [];
  private onLinks: (() => void) | null = null;
  channel: BeatChannel | null = null;
  private deafUntil = 0;

  constructor(parts: HeartbeatParts) {
    this.parts = parts;
    this.process = parts.process;
  }

  start(): void {
    const { parts, process } = this;
    process.start();
    parts.beatThread.start();
    this.inbox = [];
    this.outbox = new Outbox();
    const { outbox } = this;
    const shell = new Heartbeat({
      config: parts.config(),
      isRealtime: true,
      pid: 1,
      readConfig: () => parts.config(),
      onStopped: () => parts.onStopped(),
      ports: {
        clock: process.clock(),
        openLeases: () => parts.leases,
        openFrames: () => ({ send: (frame) => this.sendFrame(frame), close: () => undefined }),
        openVrrp: ({ onReadable }) => this.socket(onReadable),
        openBeats: (options, onEvents) => this.openBeats(options, onEvents),
        ping: (_address, onAnswer) => this.ping(onAnswer),
        watchLinks: (onChange) => {
          this.onLinks = onChange;
          return () => {
            this.onLinks = null;
          };
        },
        runningInterfaces: () => this.interfaces(),
        verifyEchoId: 1,
        report: (message) =>
          process.asItRuns(() => {
            parts.onSaid(message);
            outbox.push(message);
          }),
      },
    });
    this.shell = shell;
    process.run(() => shell.start(null, parts.known()));
  }

  kill(): void {
    this.process.kill();
    this.parts.beatThread.kill();
    this.channel?.close();
    this.channel = null;
    this.onLinks = null;
    this.shell = null;
    this.onReadable = null;
    this.inbox = [];
  }

  receive(message: ToHeartbeat): void {
    this.shell?.receive(message);
  }

  /** Its beats count here. */
  isReachable(peer: string): boolean {
    return this.status()?.beats?.peers.some(({ node, isReachable }) => node === peer && isReachable) ?? false;
  }

  /** It has heard, after this true time, that a peer leads. */
  knowsActive(peer: number, since: number): boolean {
    const heard = this.channel?.heardActive.get(peer + 1);
    return heard !== undefined && heard > since;
  }

  /** By peer that is out of hearing: when it said last that it leads, if that was its last word. */
  lastWords(): ReadonlyMap<number, number> {
    const words = [...(this.channel?.heardActive ?? [])].map(([peer, at]) => [peer - 1, at] as const);
    return new Map(words.filter(([peer]) => !this.isReachable(nameOf(peer))));
  }

  status(): Extract<FromHeartbeat, { type: 'status' }> | null {
    return this.shell?.status() ?? null;
  }

  /** False when nobody could ever read it. */
  deliver(packet: Buffer): boolean {
    if (!this.parts.isLinkUp() || this.onReadable === null || this.inbox.length >= SOCKET_PACKETS) return false;
    this.inbox.push(packet);
    this.process.run(() => this.read());
    return true;
  }

  private read(): void {
    if (this.inbox.length > 0) this.onReadable?.();
  }

  /** SIGSTOP: both threads. */
  pause(until: number): void {
    this.process.pause(until);
    this.parts.beatThread.pause(until);
  }

  /** The kernel's message about a link. */
  linkChanged(): void {
    this.process.later(this.parts.beats().random.between(...LINK_NEWS_MS), () => this.onLinks?.());
  }

  private openBeats(options: BeatOptions, onEvents: ChannelParts['onEvents']): BeatPort {
    const { process: main, beatThread: thread } = this.parts;
    const readFirst = (): void => this.read();
    this.channel = new BeatChannel({ ...this.parts.beats(), options, onEvents, readFirst, main, thread });
    return this.channel;
  }

  private ping(onAnswer: (isAnswered: boolean) => void): () => void {
    let isWanted = true;
    const takesMs = this.parts.ping();
    this.process.later(takesMs ?? UNANSWERED_MS, () => {
      if (isWanted) onAnswer(takesMs !== null);
    });
    return () => {
      isWanted = false;
    };
  }

  private sendFrame(frame: Buffer): void {
    if (frame.readUInt16BE(TYPE_AT) === ARP) this.parts.announce();
    else this.parts.echo();
  }

  private interfaces(): Map<string, InterfaceView> {
    return new Map(this.parts.isLinkUp() ? [['eth0', { mac: this.parts.mac, addresses: [this.parts.address] }]] : []);
  }

  private socket(onReadable: () => void): VrrpSocketPort {
    this.onReadable = onReadable;
    return {
      send: (packet, destination) => {
        if (this.parts.sendFails()) throw new Error('No buffer space available');
        this.parts.sendVrrp(Buffer.from(packet), destination);
        if (!this.parts.hearsAnswers && packet[PRIORITY_AT] === QUESTION_PRIORITY) this.deafUntil = this.process.time() + DEAF_MS;
      },
      drain: (limit, onPacket) => {
        if (this.process.time() < this.deafUntil) this.inbox.length = 0;
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
}
