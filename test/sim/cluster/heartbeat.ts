/** The heartbeat process of one machine: the real shell and machine on virtual ports. */
import { Heartbeat } from '../../../src/vrrp/heartbeat.js';
import type { FromHeartbeat, HeartbeatConfig, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import { Outbox } from '../../../src/vrrp/outbox.js';
import type { InterfaceView, LeasePort, VrrpSocketPort } from '../../../src/vrrp/ports.js';
import type { SimProcess } from './process.js';

const SOCKET_PACKETS = 256;

export interface HeartbeatParts {
  process: SimProcess;
  config(): HeartbeatConfig;
  leases: LeasePort;
  address: string;
  mac: Buffer;
  isLinkUp(): boolean;
  sendFails(): boolean;
  /** At this true time. */
  sendVrrp(packet: Buffer, destination: string, at: number): void;
  announce(at: number): void;
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

  constructor(parts: HeartbeatParts) {
    this.parts = parts;
    this.process = parts.process;
  }

  start(): void {
    const { parts, process } = this;
    process.start();
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
        openFrames: () => ({ send: () => parts.announce(process.time()), close: () => undefined }),
        openVrrp: ({ onReadable }) => this.socket(onReadable),
        openBeats: () => {
          throw new Error('no beats in this simulation');
        },
        ping: () => () => undefined,
        watchLinks: () => () => undefined,
        runningInterfaces: () => this.interfaces(),
        verifyEchoId: 1,
        report: (message) => {
          parts.onSaid(message);
          outbox.push(message);
        },
      },
    });
    this.shell = shell;
    process.run(() => shell.start());
  }

  kill(): void {
    this.process.kill();
    this.shell = null;
    this.onReadable = null;
    this.inbox = [];
  }

  receive(message: ToHeartbeat): void {
    this.shell?.receive(message);
  }

  status(): Extract<FromHeartbeat, { type: 'status' }> | null {
    return this.shell?.status() ?? null;
  }

  /** False when nobody could ever read it. */
  deliver(packet: Buffer): boolean {
    if (!this.parts.isLinkUp() || this.onReadable === null || this.inbox.length >= SOCKET_PACKETS) return false;
    this.inbox.push(packet);
    this.process.run(() => {
      if (this.inbox.length > 0) this.onReadable?.();
    });
    return true;
  }

  private interfaces(): Map<string, InterfaceView> {
    return new Map(this.parts.isLinkUp() ? [['eth0', { mac: this.parts.mac, addresses: [this.parts.address] }]] : []);
  }

  private socket(onReadable: () => void): VrrpSocketPort {
    this.onReadable = onReadable;
    return {
      send: (packet, destination) => {
        if (this.parts.sendFails()) throw new Error('No buffer space available');
        this.parts.sendVrrp(Buffer.from(packet), destination, this.process.time());
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
}
