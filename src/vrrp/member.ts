/**
 * One virtual router of a group, on its wire: which packets are for it, what it sends, how it announces and verifies its addresses, and
 * what it counts. Decides nothing about roles: the group it belongs to does, for all of its members at once.
 */

import type { Monotonic } from '../system/clock.js';
import { type Address, addressOf, familyOf, formatAddress, isLinkLocal, parseAddress } from '../system/ip-address.js';
import { announcement, echoRequest, framed, parseMac, virtualMac } from './announcer.js';
import { type Advert, type ChecksumForm, type RejectReason, type Version, vrrpGroup } from './codec/advert.js';
import { encodeAdvert, refreshAdvert } from './codec/codec.js';
import type { HeartbeatRouter, RouterCounters, VerifyTarget } from './heartbeat-api.js';
import type { LeaseGuard } from './lease-guard.js';
import type { HeartbeatPorts, InterfaceView } from './ports.js';
import { RateLimit } from './rate-limit.js';
import type { HeardAdvert, SenderKey } from './state.js';

/** Owner of the addresses. */
const OWNER_PRIORITY = 255;
/** Senders remembered with their address: more than the routers of a network; a bound against forged ones. */
const MAX_SENDERS = 64;

/** A neighbour that can be asked whether the take-over landed. */
export interface EchoTarget {
  interface: string;
  address: Address;
  mac: Buffer;
}

/** Of what the daemon says; none when it makes no sense. */
export function targetOf(target: VerifyTarget): EchoTarget[] {
  const address = parseAddress(target.address);
  const mac = parseMac(target.mac);
  return address === null || mac === null ? [] : [{ interface: target.interface, address, mac }];
}

/** What a member shares with the others of its process. */
export interface UnitContext {
  ports: HeartbeatPorts;
  lease(): LeaseGuard | null;
  interfaces(): Map<string, InterfaceView>;
  /** Sends now; throws when the kernel refused, or when the socket is not open. */
  sendVrrp(config: HeartbeatRouter, packet: Buffer, destination: string): void;
  sendFrame(interfaceName: string, frame: Buffer): void;
  verifyTargets(): readonly EchoTarget[];
  /** Name of the node of this cluster that sends from this address; null: somebody else. */
  nodeAt(address: string): string | null;
  /** Its number; 0: not a node of this cluster. */
  nodeIdOf(node: string): number;
  /** The end of a lease that is written now: earlier than asked for while peers have been promised so. */
  leaseUntil(until: Monotonic): Monotonic;
  /** The same of one that goes on; `remainingMs`: what is left of it. */
  renewalUntil(until: Monotonic, remainingMs: () => number): Monotonic;
  /** Leases may end between two advertisements. */
  areLeasesShort(): boolean;
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
  advertsOtherAddresses: 0,
  advertsOtherInterval: 0,
  sendErrors: 0,
  announcementsSent: 0,
  lateWakes: 0,
  leaseLapses: 0,
  conflicts: 0,
  oneWay: 0,
  staleTerms: 0,
  damped: 0,
  cutOffs: 0,
  transitions: {},
});

export class Member {
  config: HeartbeatRouter;
  readonly counters: RouterCounters = noCounters();
  private readonly context: UnitContext;
  private readonly limit = new RateLimit();
  private wire: WireSide;
  /** Where senders are to be reached on this wire, the one heard last at the end. */
  private readonly senders = new Map<SenderKey, string>();
  private echoSequence = 0;
  private checksumForm: ChecksumForm;

  constructor(config: HeartbeatRouter, announced: Announced, context: UnitContext) {
    this.config = config;
    this.context = context;
    this.checksumForm = config.checksum === 'rfc5798' ? 'rfc5798' : 'rfc9568';
    this.wire = wireSide(config, announced);
  }

  reconfigure(config: HeartbeatRouter, announced: Announced): void {
    this.config = config;
    this.wire = wireSide(config, announced);
    if (config.checksum !== 'auto') this.checksumForm = config.checksum ?? 'rfc9568';
  }

  /** A decoded advertisement of our VRID on our interface; null when it is not for us after all (counted). */
  receive(advert: Advert, form: ChecksumForm): HeardAdvert | null {
    const { announced, peers, source, version } = this.wire;
    const checksSource = peers.size > 0 && this.config.unicastSourceCheck !== false;
    if (advert.version !== version) return this.reject('version', advert.source);
    if (advert.source === source) return this.reject('ownSource');
    if (checksSource && !peers.has(advert.source)) return this.reject('unknownPeer', advert.source);
    const isOtherInterval = advert.intervalMs !== announced.advertIntervalMs;
    // RFC 3768 section 7.1; version 3 learns the interval of the active router instead.
    if (version === 2 && isOtherInterval) return this.reject('intervalMismatch', advert.source, { heardMs: advert.intervalMs });
    this.counters.advertsReceived++;
    if (isOtherInterval) this.counters.advertsOtherInterval = (this.counters.advertsOtherInterval ?? 0) + 1;
    if (this.config.checksum === 'auto') this.checksumForm = form;
    if (form === 'rfc5798') this.counters.advertsOldChecksum = (this.counters.advertsOldChecksum ?? 0) + 1;
    this.compareAddresses(advert);
    if (announced.priority === OWNER_PRIORITY)
      this.log('warn', 'ownerHears', { from: formatAddress(advert.source), priority: advert.priority });
    return { from: this.keyOf(advert.source), isGreater: advert.source > source, priority: advert.priority, intervalMs: advert.intervalMs };
  }

  private compareAddresses({ addresses, source }: Advert): void {
    const own = this.wire.addresses;
    if (addresses.length === own.size && addresses.every((address) => own.has(address))) return;
    this.counters.advertsOtherAddresses = (this.counters.advertsOtherAddresses ?? 0) + 1;
    this.log('warn', 'addressesDiffer', { from: formatAddress(source), heard: addresses.map(formatAddress) });
  }

  /** A node of the cluster is one sender whatever the wire; anybody else is one per wire. */
  private keyOf(source: Address): SenderKey {
    const address = formatAddress(source);
    const node = this.context.nodeAt(address);
    const key = node === null ? `${this.config.name} ${address}` : node;
    this.senders.delete(key);
    this.senders.set(key, address);
    const oldest = this.senders.keys().next();
    if (this.senders.size > MAX_SENDERS && oldest.done !== true) this.senders.delete(oldest.value);
    return key;
  }

  /** For ties between nodes: the low half of our address, greater as section 6.4.3 means it. */
  get rank(): bigint {
    return BigInt.asUintN(64, BigInt(this.wire.source));
  }

  addressOf(key: SenderKey): string | null {
    return this.senders.get(key) ?? null;
  }

  reject(reason: RejectReason, source?: Address, fields: Record<string, unknown> = {}): null {
    this.counters.advertsRejected[reason] = (this.counters.advertsRejected[reason] ?? 0) + 1;
    const from = source === undefined ? {} : { from: formatAddress(source) };
    if (reason !== 'ownSource') this.log('warn', 'advertRejected', { reason, ...from, ...fields }, reason);
    return null;
  }

  /** When the advertisement was sent (the time before the send), or why not. `to`: one sender only, as far as it is known on this wire. */
  send(priority: number, to: SenderKey | null): { at: Monotonic } | { failure: string } {
    const at = this.context.ports.clock.now();
    let failure: unknown = null;
    let sent = 0;
    for (const destination of this.destinations(to)) {
      try {
        this.sendTo(priority, destination);
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

  private destinations(to: SenderKey | null): readonly Destination[] {
    if (to === null) return this.wire.everybody;
    const one = this.addressOf(to);
    return one === null ? [] : [{ address: addressOf(one), text: one, isGroup: false }];
  }

  private sendTo(priority: number, { address, isGroup, text }: Destination): void {
    const { frame, packet } = this.wire;
    refreshAdvert(packet, priority, address, this.checksumForm);
    // RFC 9568 section 7.2: what goes to the group comes from the virtual MAC. Unicast is between two routers, which know each other.
    if (frame !== null && isGroup) this.context.sendFrame(this.config.interface, frame);
    else this.context.sendVrrp(this.config, packet, text);
  }

  /** Where frames of this router come from on an interface; null while that is down. */
  private macOn(interfaceName: string): Uint8Array | null {
    const view = this.context.interfaces().get(interfaceName);
    return view === undefined ? null : (this.wire.virtualMac ?? view.mac);
  }

  announce(): void {
    for (const { address, interface: name } of this.config.announced) {
      const mac = this.macOn(name);
      if (mac !== null && this.sendFrame(name, announcement(mac, addressOf(address)))) this.counters.announcementsSent++;
    }
  }

  /** Neighbours of our family on an interface where this router announces an address. */
  targets(): EchoTarget[] {
    const { source } = this.wire;
    const names = new Set(this.config.announced.map((entry) => entry.interface));
    return this.context.verifyTargets().filter((target) => names.has(target.interface) && familyOf(target.address) === familyOf(source));
  }

  askTargets(): void {
    for (const target of this.targets()) {
      const sourceMac = this.macOn(target.interface);
      const source = this.echoSource(target);
      if (sourceMac === null || source === null) continue;
      this.echoSequence = (this.echoSequence + 1) & 0xffff;
      const identifier = this.context.ports.verifyEchoId;
      const echo = { sourceMac, targetMac: target.mac, source, target: target.address, identifier, sequence: this.echoSequence };
      this.sendFrame(target.interface, echoRequest(echo));
    }
  }

  /** An address there that the neighbour can answer: of the scope of its own. */
  private echoSource(target: EchoTarget): Address | null {
    const here = this.config.announced.filter((entry) => entry.interface === target.interface).map(({ address }) => addressOf(address));
    return here.find((address) => isLinkLocal(address) === isLinkLocal(target.address)) ?? here[0] ?? null;
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

  /** `kind`: what makes it the same line again, beside its name. */
  log(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown>, kind = ''): void {
    const { clock, report } = this.context.ports;
    const suppressed = this.limit.take(`${event} ${kind}`, clock.now());
    if (suppressed === null) return;
    const all = { router: this.config.name, ...fields, ...(suppressed > 0 ? { suppressed } : {}) };
    report({ type: 'log', level, event, fields: all, atWallMs: clock.wallMs() });
  }
}

interface Destination {
  address: Address;
  text: string;
  isGroup: boolean;
}

/** Everything about a configuration that packets are compared with or made of. */
interface WireSide {
  version: Version;
  source: Address;
  addresses: ReadonlySet<Address>;
  peers: ReadonlySet<Address>;
  announced: Announced;
  everybody: readonly Destination[];
  virtualMac: Uint8Array | null;
  /** The IP packet of the advertisement, refreshed with each send. */
  packet: Buffer;
  /** The Ethernet frame around it, the same memory; null: the kernel makes it. */
  frame: Buffer | null;
}

function wireSide(config: HeartbeatRouter, announced: Announced): WireSide {
  const version = config.version ?? 3;
  const source = addressOf(config.sourceAddress);
  const group = vrrpGroup(familyOf(source));
  const { priority, advertIntervalMs: intervalMs } = announced;
  const addresses = config.addresses.map(addressOf);
  const packet = encodeAdvert({ version, source, destination: group, vrid: config.vrid, priority, intervalMs, addresses });
  const mac = config.virtualMac === true ? virtualMac(familyOf(source), config.vrid) : null;
  const whole = mac === null ? null : framed(packet, mac, group);
  const peers = config.unicastPeers.map((text) => ({ address: addressOf(text), text, isGroup: false }));
  return {
    version,
    source,
    addresses: new Set(addresses),
    peers: new Set(peers.map(({ address }) => address)),
    announced,
    everybody: peers.length > 0 ? peers : [{ address: group, text: formatAddress(group), isGroup: true }],
    virtualMac: mac,
    packet: whole?.packet ?? packet,
    frame: whole?.frame ?? null,
  };
}
