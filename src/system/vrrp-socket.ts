/**
 * A raw socket of IP protocol 112 on one interface, for one address family, over `raw-socket`.
 *
 * Uses the package's native object directly for sending and receiving: its calls are immediate system calls, while the package's own
 * `send` waits for a turn of the event loop. A lease counts from the moment of a successful send, so that moment has to be known.
 * Packets are sent with their IP header (IP_HDRINCL, IPV6_HDRINCL), which fixes source address and TTL whatever the routing table
 * thinks. Received IPv4 packets start with their header; of IPv6 the kernel shows the message only, so that a socket filter has to look
 * at the hop limit.
 */
import { networkInterfaces } from 'node:os';
import raw from 'raw-socket';
import { addressOf, type Family, familyOfText, IPV6_BYTES, writeAddress } from './ip-address.js';

const VRRP_PROTOCOL = 112;
const GROUP: Record<Family, string> = { ipv4: '224.0.0.18', ipv6: 'ff02::12' };
/** Linux ABI numbers; the package names only some of them. */
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_PRIORITY = 12;
const SO_BINDTODEVICE = 25;
const SO_ATTACH_BPF = 50;
const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
const IP_MULTICAST_ALL = 49;
const IPPROTO_IPV6 = 41;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_JOIN_GROUP = 20;
const IPV6_MULTICAST_ALL = 29;
const IPV6_HDRINCL = 36;
/** TC_PRIO_CONTROL: ahead of everything else in a priority queue. */
const PRIORITY_CONTROL = 7;
/** Advertisements that wait while we are stopped; older ones tell nothing that newer ones do not. */
const RECEIVE_BUFFER_BYTES = 262_144;
/** The longest advertisement (255 IPv6 addresses) has 4,088 bytes, the longest IPv4 header 60. */
const PACKET_BYTES = 4352;

export interface VrrpSocketOptions {
  interface: string;
  /** An address of the interface; its family is the socket's. */
  sourceAddress: string;
  joinGroup: boolean;
  /** IPv6: a socket filter that keeps packets with hop limit 255 whole and cuts all others to one byte. */
  hopLimitFilterFd?: number;
  /** Something waits: `drain` it. */
  onReadable: () => void;
}

export interface VrrpSocket {
  /** The packet with its IP header. */
  send(packet: Buffer, destination: string): void;
  /** `source`: as the kernel prints it. */
  drain(limit: number, onPacket: (packet: Uint8Array, source: string) => void): number;
  /** IPv6: takes part in a multicast group on an interface until the socket is closed: the solicited-node groups of virtual addresses. */
  joinGroup(group: string, interfaceName: string): void;
  close(): void;
}

type RawSocket = ReturnType<typeof raw.createSocket>;

const nothing = (): void => undefined;

/** Throws (with strerror's text) when the kernel refuses: no privilege, no such interface, address not there yet. */
export function openVrrpSocket(options: VrrpSocketOptions): VrrpSocket {
  const family = familyOfText(options.sourceAddress);
  const addressFamily = family === 'ipv4' ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6;
  const socket = raw.createSocket({ protocol: VRRP_PROTOCOL, addressFamily, bufferSize: 64 });
  try {
    configure(socket, options);
    if (family === 'ipv4') configureIpv4(socket, options);
    else configureIpv6(socket, options);
  } catch (error) {
    socket.close();
    throw error;
  }
  const buffer = Buffer.alloc(PACKET_BYTES);
  const { wrap } = socket;
  wrap.removeAllListeners('recvReady');
  wrap.on('recvReady', options.onReadable);
  // A pending error of the socket (an interface that went down) is read off by the next system call; it must not end the process.
  socket.on('error', nothing);
  return {
    send: (packet, destination) => wrap.send(packet, 0, packet.length, destination, nothing),
    drain: (limit, onPacket) => drain(wrap, buffer, limit, onPacket),
    joinGroup: (group, interfaceName) => joinIpv6(socket, group, interfaceName),
    close: () => socket.close(),
  };
}

function configure(socket: RawSocket, options: VrrpSocketOptions): void {
  const device = Buffer.from(`${options.interface}\0`);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, device, device.length);
  socket.setOption(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  trySetPriority(socket);
}

function configureIpv4(socket: RawSocket, { sourceAddress, joinGroup }: VrrpSocketOptions): void {
  socket.setOption(IPPROTO_IP, IP_HDRINCL, 1);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, 0);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_ALL, 0);
  if (!joinGroup) return;
  const source = bytesOf(sourceAddress);
  const membership = Buffer.concat([bytesOf(GROUP.ipv4), source]);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, source, source.length);
  socket.setOption(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership, membership.length);
}

function configureIpv6(socket: RawSocket, { interface: name, hopLimitFilterFd, joinGroup }: VrrpSocketOptions): void {
  // First of all: what comes before it would not be judged.
  if (hopLimitFilterFd !== undefined) socket.setOption(SOL_SOCKET, SO_ATTACH_BPF, hopLimitFilterFd);
  socket.setOption(IPPROTO_IPV6, IPV6_HDRINCL, 1);
  socket.setOption(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
  socket.setOption(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
  socket.setOption(IPPROTO_IPV6, IPV6_MULTICAST_IF, indexOf(name));
  if (joinGroup) joinIpv6(socket, GROUP.ipv6, name);
}

/** struct ipv6_mreq: the group and the index of the interface. */
function joinIpv6(socket: RawSocket, group: string, interfaceName: string): void {
  const membership = Buffer.alloc(IPV6_BYTES + 4);
  writeAddress(membership, addressOf(group), 0);
  membership.writeInt32LE(indexOf(interfaceName), IPV6_BYTES);
  socket.setOption(IPPROTO_IPV6, IPV6_JOIN_GROUP, membership, membership.length);
}

/** The scope of a link-local address is the index of its interface, and every interface that speaks IPv6 has one. */
function indexOf(interfaceName: string): number {
  for (const entry of networkInterfaces()[interfaceName] ?? []) if (entry.family === 'IPv6' && entry.scopeid > 0) return entry.scopeid;
  throw new Error(`${interfaceName} has no link-local IPv6 address`);
}

function bytesOf(address: string): Buffer {
  const bytes = Buffer.alloc(4);
  writeAddress(bytes, addressOf(address), 0);
  return bytes;
}

/** Needs CAP_NET_ADMIN where opening needed only CAP_NET_RAW: nice to have. */
function trySetPriority(socket: RawSocket): void {
  try {
    socket.setOption(SOL_SOCKET, SO_PRIORITY, PRIORITY_CONTROL);
  } catch {
    return;
  }
}

type Wrap = RawSocket['wrap'];

function drain(wrap: Wrap, buffer: Buffer, limit: number, onPacket: (packet: Uint8Array, source: string) => void): number {
  let count = 0;
  while (count < limit) {
    const received = receive(wrap, buffer);
    if (received === null) break;
    count++;
    onPacket(buffer.subarray(0, received.bytes), received.source);
  }
  return count;
}

/** Null when nothing waits. A socket error that is read off here (after a lost link) leaves nothing to read either. */
function receive(wrap: Wrap, buffer: Buffer): { bytes: number; source: string } | null {
  let received: { bytes: number; source: string } | null = null;
  try {
    wrap.recv(buffer, (_whole, bytes, source) => {
      received = { bytes, source };
    });
  } catch {
    return null;
  }
  return received;
}
