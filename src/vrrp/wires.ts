/**
 * The sockets of a heartbeat: one for each interface and address family on which a virtual router lives. IPv4 and IPv6 never meet, also
 * not with the same VRID (RFC 9568 section 1).
 *
 * Opens them when they are needed and possible, says which packet is an advertisement for whom, and counts what is for nobody.
 */
import { addressOf, type Family, familyOfText, formatAddress, parseAddress, solicitedNodeGroup } from '../system/ip-address.js';
import { type Advert, type ChecksumForm, type Decoded, VRRP_GROUP_IPV6 } from './codec/advert.js';
import { decodeIpv4Advert, decodeIpv6Advert } from './codec/codec.js';
import type { HeartbeatRouter } from './heartbeat-api.js';
import type { Member } from './member.js';
import type { HeartbeatPorts, VrrpSocketPort } from './ports.js';

interface Wire {
  key: string;
  family: Family;
  interface: string;
  sourceAddress: string;
  socket: VrrpSocketPort;
  /** Solicited-node groups that were joined, with their interface. */
  joined: Set<string>;
}

export interface WiresContext {
  ports: Pick<HeartbeatPorts, 'openVrrp'>;
  members(): readonly Member[];
  /** An advertisement for this member. */
  onAdvert(member: Member, advert: Advert, form: ChecksumForm): void;
  /** One packet was taken because there was something to read. */
  onReadable(): void;
  onProblem(interfaceName: string, error: string): void;
}

export class Wires {
  private readonly wires = new Map<string, Wire>();
  private readonly context: WiresContext;

  constructor(context: WiresContext) {
    this.context = context;
  }

  /** Whether a router can send and hear; opens its socket if there is none yet. */
  has(config: HeartbeatRouter): boolean {
    const key = keyOf(config);
    const known = this.wires.get(key);
    try {
      if (known === undefined || known.sourceAddress !== config.sourceAddress) {
        this.close(key);
        this.wires.set(key, this.open(config));
      }
      const wire = this.wires.get(key);
      if (wire !== undefined) joinSolicited(wire, config);
      return true;
    } catch (error) {
      this.close(key);
      this.context.onProblem(config.interface, error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  private open(config: HeartbeatRouter): Wire {
    const key = keyOf(config);
    const joinGroup = this.context.members().some((member) => keyOf(member.config) === key && member.config.unicastPeers.length === 0);
    const { interface: name, sourceAddress } = config;
    const onReadable = (): void => {
      this.drain(key, 1);
      this.context.onReadable();
    };
    const socket = this.context.ports.openVrrp({ interface: name, sourceAddress, joinGroup, onReadable });
    return { key, family: familyOfText(sourceAddress), interface: name, sourceAddress, socket, joined: new Set() };
  }

  send(config: HeartbeatRouter, packet: Buffer, destination: string): void {
    const wire = this.wires.get(keyOf(config));
    if (wire === undefined) throw new Error(`no socket on ${config.interface}`);
    wire.socket.send(packet, destination);
  }

  /** Takes up to `limit` waiting packets from each socket. */
  drainAll(limit: number): void {
    for (const key of this.wires.keys()) this.drain(key, limit);
  }

  private drain(key: string, limit: number): void {
    const wire = this.wires.get(key);
    wire?.socket.drain(limit, (packet, source) => this.packet(wire, packet, source));
  }

  private packet(wire: Wire, packet: Uint8Array, source: string): void {
    const here = this.context.members().filter((member) => keyOf(member.config) === wire.key);
    const decoded = decode(wire, packet, source);
    // What is for nobody is counted by the first that listens there.
    if (!decoded.ok) {
      here[0]?.reject(decoded.reason);
      return;
    }
    const { advert, checksumForm } = decoded;
    const member = here.find(({ config }) => config.vrid === advert.vrid);
    if (member === undefined) here[0]?.reject('unknownRouter', advert.source, { vrid: advert.vrid });
    else this.context.onAdvert(member, advert, checksumForm);
  }

  closeUnused(): void {
    const used = new Set(this.context.members().map((member) => keyOf(member.config)));
    for (const key of [...this.wires.keys()]) if (!used.has(key)) this.close(key);
  }

  closeAll(): void {
    for (const key of [...this.wires.keys()]) this.close(key);
  }

  private close(key: string): void {
    this.wires.get(key)?.socket.close();
    this.wires.delete(key);
  }
}

const keyOf = ({ interface: name, sourceAddress }: HeartbeatRouter): string => `${familyOfText(sourceAddress)} ${name}`;

function decode({ family, sourceAddress }: Wire, packet: Uint8Array, source: string): Decoded {
  if (family === 'ipv4') return decodeIpv4Advert(packet);
  const from = parseAddress(source);
  const own = parseAddress(sourceAddress);
  if (typeof from !== 'bigint' || typeof own !== 'bigint') return { ok: false, reason: 'checksum' };
  return decodeIpv6Advert(packet, from, [VRRP_GROUP_IPV6, own]);
}

/**
 * So that questions for the addresses reach this node (RFC 9568 section 6.4.2). Joined before the node is active, because joining takes
 * a lock of the kernel that a take-over should not wait for; without a lease nothing is answered.
 */
function joinSolicited(wire: Wire, { announced }: HeartbeatRouter): void {
  if (wire.family === 'ipv4') return;
  for (const { address, interface: name } of announced) {
    const group = formatAddress(solicitedNodeGroup(addressOf(address) as bigint));
    const place = `${group} ${name}`;
    if (wire.joined.has(place)) continue;
    wire.socket.joinGroup(group, name);
    wire.joined.add(place);
  }
}
