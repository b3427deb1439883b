/**
 * A raw socket of IP protocol 112 on one interface, over `raw-socket`.
 *
 * Uses the package's native object directly for sending and receiving: its calls are immediate system calls, while the package's own
 * `send` waits for a turn of the event loop. A lease counts from the moment of a successful send, so that moment has to be known.
 * Packets are sent with their IPv4 header (IP_HDRINCL), which fixes source address and TTL whatever the routing table thinks.
 */
import raw from 'raw-socket';

const VRRP_PROTOCOL = 112;
const GROUP = [224, 0, 0, 18];
/** Linux ABI numbers; the package names only some of them. */
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_PRIORITY = 12;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
const IP_MULTICAST_ALL = 49;
/** TC_PRIO_CONTROL: ahead of everything else in a priority queue. */
const PRIORITY_CONTROL = 7;
/** Advertisements that wait while we are stopped; older ones tell nothing that newer ones do not. */
const RECEIVE_BUFFER_BYTES = 262_144;
/** The longest advertisement (255 addresses) with the longest header has 1,088 bytes. */
const PACKET_BYTES = 2048;

export interface VrrpSocketOptions {
  interface: string;
  /** Dotted; an address of the interface. */
  sourceAddress: string;
  joinGroup: boolean;
  /** Something waits: `drain` it. */
  onReadable: () => void;
}

export interface VrrpSocket {
  send(packet: Buffer, destination: string): void;
  drain(limit: number, onPacket: (packet: Uint8Array) => void): number;
  close(): void;
}

const nothing = (): void => undefined;

/** Throws (with strerror's text) when the kernel refuses: no privilege, no such interface, address not there yet. */
export function openVrrpSocket(options: VrrpSocketOptions): VrrpSocket {
  const socket = raw.createSocket({ protocol: VRRP_PROTOCOL, bufferSize: 64 });
  try {
    configure(socket, options);
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
    close: () => socket.close(),
  };
}

function configure(socket: ReturnType<typeof raw.createSocket>, options: VrrpSocketOptions): void {
  const device = Buffer.from(`${options.interface}\0`);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, device, device.length);
  socket.setOption(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  socket.setOption(IPPROTO_IP, IP_HDRINCL, 1);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, 0);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_ALL, 0);
  trySetPriority(socket);
  const source = options.sourceAddress.split('.').map(Number);
  if (!options.joinGroup) return;
  const membership = Buffer.from([...GROUP, ...source]);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, Buffer.from(source), source.length);
  socket.setOption(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership, membership.length);
}

/** Needs CAP_NET_ADMIN where opening needed only CAP_NET_RAW: nice to have. */
function trySetPriority(socket: ReturnType<typeof raw.createSocket>): void {
  try {
    socket.setOption(SOL_SOCKET, SO_PRIORITY, PRIORITY_CONTROL);
  } catch {
    return;
  }
}

type Wrap = ReturnType<typeof raw.createSocket>['wrap'];

function drain(wrap: Wrap, buffer: Buffer, limit: number, onPacket: (packet: Uint8Array) => void): number {
  let count = 0;
  const deliver = (whole: Buffer, bytes: number): void => onPacket(whole.subarray(0, bytes));
  while (count < limit && receive(wrap, buffer, deliver)) count++;
  return count;
}

/** False when nothing waits. A socket error that is read off here (after a lost link) leaves nothing to read either. */
function receive(wrap: Wrap, buffer: Buffer, deliver: (whole: Buffer, bytes: number) => void): boolean {
  let received = -1;
  try {
    wrap.recv(buffer, (_whole, bytes) => {
      received = bytes;
    });
  } catch {
    return false;
  }
  // Outside of the try: a bug in the receiver must not look like an empty socket.
  deliver(buffer, received);
  return true;
}
