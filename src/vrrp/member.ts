/**
 * One virtual router of a group, on its wire: which packets are for it, what it sends, how it announces and verifies its addresses, and
 * what it counts. Decides nothing about roles: the group it belongs to does, for all of its members at once.
 */

import type { Monotonic } from '../system/clock.js';
import { echoRequest, gratuitousArp } from './announcer.js';
import { type Advert, type ChecksumForm, encodeAdvert, type RejectReason, refreshAdvert, VRRP_GROUP } from './codec.js';
import type { HeartbeatRouter, RouterCounters } from './heartbeat-api.js';
import { formatIpv4, ipv4 } from './ipv4.js';
import type { LeaseGuard } from './lease-guard.js';
import type { HeartbeatPorts, InterfaceView } from './ports.js';
import { RateLimit } from './rate-limit.js';
import type { HeardAdvert, SenderKey } from './state.js';

/** Smallest step of the advertisement interval on the wire. */
const CENTISECOND_MS = 10;

/** A neighbour that can be asked whether the take-over landed. */
export interface EchoTarget {
  interface: string;
  address: number;
  mac: Buffer;
}

/** What a member shares with the others of its process. */
export interface UnitContext {
  ports: HeartbeatPorts;
  lease(): LeaseGuard | null;
  interfaces(): Map<string, InterfaceView>;
  /** Sends now; throws when the kernel refused, or when the socket is not open. */
  sendVrrp(interfaceName: string, packet: Buffer, destination: string): void;
  sendFrame(interfaceName: string, frame: Buffer): void;
  verifyTargets(): readonly EchoTarget[];
  /** Name of the node of this cluster that sends from this address; null: somebody else. */
  nodeAt(address: string): string | null;
  /** Its number; 0: not a node of this cluster. */
  nodeIdOf(node: string): number;
  /** The end of a lease that is written now: earlier than asked for while peers have been promised so. */
  leaseUntil(until: Monotonic): Monotonic;
  leasesHeld(slots: readonly number[], until: Monotonic): void;
  leasesGone(slots: readonly number[]): void;
}

/** What the group says of itself: the same in every member's advertisements. */
export interface Announced {
  priority: number;
  advertIntervalMs: number;
}

const noCounters = (): RouterCounters => ({
  advertsSent: 0,
  advertsReceived: 0,
  advertsRejected: {},
  advertsOldChecksum: 0,
  sendErrors: 0,
  announcementsSent: 0,
  lateWakes: 0,
  leaseLapses: 0,
  conflicts: 0,
  oneWay: 0,
  staleTerms: 0,
  damped: 0,
  transitions: {},
});

export class Member {
  config: HeartbeatRouter;
  readonly counters: RouterCounters = noCounters();
  private readonly context: UnitContext;
  private readonly limit = new RateLimit();
  private packet: Buffer;
  private sourceAddress: number;
  private addresses: ReadonlySet<number>;
  private peers: ReadonlySet<number>;
  /** Where senders are to be reached on this wire. */
  private readonly senders = new Map<SenderKey, string>();
  private echoSequence = 0;
  private checksumForm: ChecksumForm;

  constructor(config: HeartbeatRouter, announced: Announced, context: UnitContext) {
    this.config = config;
    this.context = context;
    this.checksumForm = config.checksum === 'rfc5798' ? 'rfc5798' : 'rfc9568';
    this.packet = packetOf(config, announced);
    this.sourceAddress = ipv4(config.sourceAddress);
    this.addresses = new Set(config.addresses.map(ipv4));
    this.peers = new Set(config.unicastPeers.map(ipv4));
  }

  reconfigure(config: HeartbeatRouter, announced: Announced): void {
    this.config = config;
    this.packet = packetOf(config, announced);
    if (config.checksum !== 'auto') this.checksumForm = config.checksum ?? 'rfc9568';
    this.addresses = new Set(config.addresses.map(ipv4));
    this.peers = new Set(config.unicastPeers.map(ipv4));
  }

  /** A decoded advertisement of our VRID on our interface; null when it is not for us after all (counted). */
  receive(advert: Advert, form: ChecksumForm): HeardAdvert | null {
    if (advert.source === this.sourceAddress) return this.reject('ownSource');
    if (this.peers.size > 0 && !this.peers.has(advert.source)) return this.reject('unknownPeer', advert.source);
    this.counters.advertsReceived++;
    if (this.config.checksum === 'auto') this.checksumForm = form;
    if (form === 'rfc5798') this.counters.advertsOldChecksum = (this.counters.advertsOldChecksum ?? 0) + 1;
    if (advert.addresses.length !== this.addresses.size || !advert.addresses.every((address) => this.addresses.has(address))) {
      this.log('warn', 'addressesDiffer', { from: formatIpv4(advert.source), heard: advert.addresses.map(formatIpv4) });
    }
    return {
      from: this.keyOf(advert.source),
      isGreater: advert.source > this.sourceAddress,
      priority: advert.priority,
      intervalMs: advert.intervalCs * CENTISECOND_MS,
    };
  }

  /** A node of the cluster is one sender whatever the wire; anybody else is one per wire. */
  private keyOf(source: number): SenderKey {
    const address = formatIpv4(source);
    const node = this.context.nodeAt(address);
    const key = node === null ? `${this.config.name} ${address}` : node;
    this.senders.set(key, address);
    return key;
  }

  /** For ties between nodes: the low half of our address, greater as section 6.4.3 means it. */
  get rank(): bigint {
    return BigInt(this.sourceAddress);
  }

  addressOf(key: SenderKey): string | null {
    return this.senders.get(key) ?? null;
  }

  reject(reason: RejectReason, source?: number): null {
    this.counters.advertsRejected[reason] = (this.counters.advertsRejected[reason] ?? 0) + 1;
    if (reason !== 'ownSource')
      this.log('warn', 'advertRejected', source === undefined ? { reason } : { reason, from: formatIpv4(source) });
    return null;
  }

  /** When the advertisement was sent (the time before the send), or why not. `to`: one sender only, as far as it is known on this wire. */
  send(priority: number, to: SenderKey | null): { at: Monotonic } | { failure: string } {
    const { interface: name, unicastPeers } = this.config;
    const at = this.context.ports.clock.now();
    const everybody = unicastPeers.length > 0 ? unicastPeers : [formatIpv4(VRRP_GROUP)];
    const one = to === null ? null : this.addressOf(to);
    const destinations = to === null ? everybody : one === null ? [] : [one];
    let failure: unknown = null;
    let sent = 0;
    for (const destination of destinations) {
      try {
        refreshAdvert(this.packet, priority, ipv4(destination), this.checksumForm);
        this.context.sendVrrp(name, this.packet, destination);
        sent++;
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== null) this.counters.sendErrors++;
    if (sent > 0) this.counters.advertsSent++;
    if (sent === 0 && failure !== null) return { failure: failure instanceof Error ? failure.message : String(failure) };
    return { at };
  }

  announce(): void {
    const interfaces = this.context.interfaces();
    for (const { address, interface: name } of this.config.announced) {
      const view = interfaces.get(name);
      if (view === undefined) continue;
      if (this.sendFrame(name, gratuitousArp(view.mac, ipv4(address)))) this.counters.announcementsSent++;
    }
  }

  /** Neighbours on an interface where this router announces an address. */
  targets(): EchoTarget[] {
    const names = new Set(this.config.announced.map((entry) => entry.interface));
    return this.context.verifyTargets().filter((target) => names.has(target.interface));
  }

  askTargets(): void {
    const interfaces = this.context.interfaces();
    for (const target of this.targets()) {
      const view = interfaces.get(target.interface);
      const source = this.config.announced.find((entry) => entry.interface === target.interface);
      if (view === undefined || source === undefined) continue;
      const { address, mac } = target;
      this.echoSequence = (this.echoSequence + 1) & 0xffff;
      const identifier = this.context.ports.verifyEchoId;
      const echo = {
        sourceMac: view.mac,
        targetMac: mac,
        source: ipv4(source.address),
        target: address,
        identifier,
        sequence: this.echoSequence,
      };
      this.sendFrame(target.interface, echoRequest(echo));
    }
  }

  private sendFrame(interfaceName: string, frame: Buffer): boolean {
    try {
      this.context.sendFrame(interfaceName, frame);
      return true;
    } catch (error) {
      this.log('warn', 'announcementFailed', { interface: interfaceName, error: error instanceof Error ? error.message : String(error) });
      return false;
    }
  }

  log(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown>): void {
    const { clock, report } = this.context.ports;
    const suppressed = this.limit.take(event, clock.now());
    if (suppressed === null) return;
    const all = { router: this.config.name, ...fields, ...(suppressed > 0 ? { suppressed } : {}) };
    report({ type: 'log', level, event, fields: all, atWallMs: clock.wallMs() });
  }
}

const packetOf = (config: HeartbeatRouter, { priority, advertIntervalMs }: Announced): Buffer =>
  encodeAdvert({
    source: ipv4(config.sourceAddress),
    destination: VRRP_GROUP,
    vrid: config.vrid,
    priority,
    intervalCs: Math.max(1, Math.round(advertIntervalMs / CENTISECOND_MS)),
    addresses: config.addresses.map(ipv4),
  });
