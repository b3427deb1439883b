/**
 * One virtual router on make-believe wires: what it sends, as packets and as frames, and what happens to what it receives. The clock
 * stands still.
 */
import type { Monotonic } from '../../src/system/clock.js';
import { addressOf, readIpv6 } from '../../src/system/ip-address.js';
import { type Advert, type Decoded, vrrpGroup } from '../../src/vrrp/codec/advert.js';
import { decodeIpv4Advert, decodeIpv6Advert, encodeAdvert } from '../../src/vrrp/codec/codec.js';
import type { HeartbeatRouter } from '../../src/vrrp/heartbeat-api.js';
import { type EchoTarget, Member, type UnitContext } from '../../src/vrrp/member.js';
import type { HeardAdvert } from '../../src/vrrp/state.js';
import { Wires } from '../../src/vrrp/wires.js';

export const OWN_MAC = Buffer.from('020000000001', 'hex');

export const ipv4Router: HeartbeatRouter = {
  name: 'front',
  vrid: 51,
  slot: 0,
  interface: 'eth0',
  version: 3,
  sourceAddress: '10.9.0.5',
  addresses: ['10.9.0.100'],
  announced: [{ address: '10.9.0.100', interface: 'eth0' }],
  dataInterfaces: ['eth0'],
  unicastPeers: [],
};

export const ipv6Router: HeartbeatRouter = {
  ...ipv4Router,
  name: 'front6',
  slot: 1,
  sourceAddress: 'fe80::5',
  addresses: ['fe80::51', '2001:db8::100'],
  announced: [
    { address: 'fe80::51', interface: 'eth0' },
    { address: '2001:db8::100', interface: 'eth0' },
  ],
};

interface FakeSocket {
  interface: string;
  sourceAddress: string;
  joinGroup: boolean;
  joined: string[];
  inbox: { packet: Buffer; source: string }[];
  isOpen: boolean;
  onReadable(): void;
}

export class WireBench {
  readonly sockets: FakeSocket[] = [];
  readonly packets: { packet: Buffer; destination: string }[] = [];
  readonly frames: Buffer[] = [];
  readonly logs: { event: string; fields: Record<string, unknown> }[] = [];
  readonly heard: { router: string; advert: HeardAdvert | null }[] = [];
  readonly problems: string[] = [];
  targets: EchoTarget[] = [];
  sendError: string | null = null;
  openError: string | null = null;
  readonly members: Member[];
  readonly wires: Wires;

  constructor(routers: readonly HeartbeatRouter[], announced = { priority: 100, advertIntervalMs: 1000 }) {
    this.members = routers.map((router) => new Member(router, announced, this.context()));
    this.wires = new Wires({
      ports: { openVrrp: (options) => this.open(options) },
      members: () => this.members,
      onAdvert: (member, advert, form) => this.heard.push({ router: member.config.name, advert: member.receive(advert, form) }),
      onReadable: () => undefined,
      onProblem: (name, error) => this.problems.push(`${name}: ${error}`),
    });
    for (const router of routers) this.wires.has(router);
  }

  private context(): UnitContext {
    const context: Partial<UnitContext> = {
      ports: {
        clock: { now: () => 0 as Monotonic, wallMs: () => 0, at: () => () => undefined },
        verifyEchoId: 0x7464,
        report: (message: { type: string; event?: string; fields?: Record<string, unknown> }) => {
          if (message.type === 'log') this.logs.push({ event: message.event ?? '', fields: message.fields ?? {} });
        },
      } as unknown as UnitContext['ports'],
      interfaces: () => new Map([['eth0', { mac: OWN_MAC, addresses: [] }]]),
      sendVrrp: (_router, packet, destination) => {
        if (this.sendError !== null) throw new Error(this.sendError);
        this.packets.push({ packet: Buffer.from(packet), destination });
      },
      sendFrame: (_name, frame) => {
        if (this.sendError !== null) throw new Error(this.sendError);
        this.frames.push(Buffer.from(frame));
      },
      verifyTargets: () => this.targets,
      nodeAt: (address) => (address === '10.9.0.2' ? 'lb2' : null),
    };
    return context as UnitContext;
  }

  private open(options: { interface: string; sourceAddress: string; joinGroup: boolean; onReadable: () => void }) {
    if (this.openError !== null) throw new Error(this.openError);
    const socket: FakeSocket = { ...options, joined: [], inbox: [], isOpen: true };
    this.sockets.push(socket);
    return {
      send: (packet: Buffer, destination: string) => void this.packets.push({ packet: Buffer.from(packet), destination }),
      drain: (limit: number, onPacket: (packet: Uint8Array, source: string) => void) => {
        const waiting = socket.inbox.splice(0, limit);
        for (const { packet, source } of waiting) onPacket(packet, source);
        return waiting.length;
      },
      joinGroup: (group: string, name: string) => void socket.joined.push(`${group} ${name}`),
      close: () => {
        socket.isOpen = false;
      },
    };
  }

  /** A packet arrives on the socket of its family. */
  deliver(advert: Advert, form: 'rfc9568' | 'rfc5798' = 'rfc9568'): this {
    const packet = encodeAdvert(advert, form);
    const isIpv4 = typeof advert.source === 'number';
    const socket = this.sockets.find((each) => each.isOpen && each.sourceAddress.includes(':') !== isIpv4);
    if (socket === undefined) throw new Error('nobody listens');
    const source = isIpv4 ? '' : sourceText(advert);
    socket.inbox.push({ packet: isIpv4 ? packet : packet.subarray(40), source });
    socket.onReadable();
    return this;
  }

  rejected(router = 0): Record<string, number> {
    return this.members[router]?.counters.advertsRejected ?? {};
  }

  /** The last packet or frame that was sent, as a receiver in its network reads it. */
  lastAdvert(): Decoded {
    const packet = this.packets.at(-1)?.packet ?? Buffer.alloc(0);
    if ((packet[0] ?? 0) >> 4 === 4) return decodeIpv4Advert(packet);
    return decodeIpv6Advert(packet.subarray(40), readIpv6(packet, 8), [readIpv6(packet, 24)]);
  }
}

const sourceText = (advert: Advert): string => `fe80::${(BigInt(advert.source) & 0xffffn).toString(16)}`;

export const advertOf = (change: Partial<Advert> & { from?: string } = {}): Advert => {
  const { from = '10.9.0.9', ...rest } = change;
  const source = addressOf(from);
  const family = typeof source === 'number' ? 'ipv4' : 'ipv6';
  const addresses = (family === 'ipv4' ? ipv4Router : ipv6Router).addresses.map(addressOf);
  return { version: 3, source, destination: vrrpGroup(family), vrid: 51, priority: 50, intervalMs: 1000, addresses, ...rest };
};
