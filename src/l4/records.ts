/**
 * Codec of everything that TypeScript writes into or reads from the BPF maps: keys, values and flow records, by the offsets of abi.gen.ts.
 * Addresses are dotted strings, ports numbers; both lie in network byte order, all else in the machine's (little-endian). Pure. Decoding
 * expects whole values of the right size, as maps and rings deliver them.
 */
import { formatIpv6, parseIpv6, readIpv6, writeAddress } from '../system/ip-address.js';
import {
  address6KeyLayout,
  addressLayout,
  endpointLayout,
  flowKeyLayout,
  flowLayout,
  forward as forwards,
  nextHopKeyLayout,
  nextHopLayout,
  protocol as protocols,
  recordLayout,
  serverLayout,
  serviceKeyLayout,
  serviceLayout,
  settingsLayout,
} from './abi.gen.js';

export type Protocol = 'tcp' | 'udp';
export type Forward = 'nat' | 'dsr';

export interface ServiceKey {
  address: string;
  port: number;
  protocol: Protocol;
}

export interface FlowKey {
  clientAddress: string;
  clientPort: number;
  vipAddress: string;
  vipPort: number;
  protocol: Protocol;
}

export interface FlowRecord {
  key: FlowKey;
  serverAddress: string;
  serverPort: number;
  /** Number of flowState (abi.gen.ts). */
  state: number;
  flags: number;
  generation: bigint;
  ageMs: number;
  serverSlot: number;
  nextHop: number;
}

export interface ServiceValue {
  slot: number;
  currentSize: number;
  previousSize: number;
  virtualRouter: number;
  forward: number;
  scheduler: number;
  generationSinceNs: bigint;
}

export interface ServerValue {
  address: string;
  port: number;
  protocol: Protocol;
  forward: number;
  vipAddress: string;
  vipPort: number;
  virtualRouter: number;
  flags: number;
  serviceSlot: number;
  nextHop: number;
}

export interface AddressValue {
  ifindex: number;
  virtualRouter: number;
  kind: number;
}

export interface NextHopKey {
  ifindex: number;
  address: string;
}

export interface NextHopValue extends NextHopKey {
  destinationMac: string;
  sourceMac: string;
  /** Number of nextHopState (abi.gen.ts). */
  state: number;
}

export interface SettingsValue {
  realtimeOffsetNs: bigint;
  /** By flow state. */
  timeoutNs: bigint[];
  secondChanceNs: bigint;
  nodeId: number;
  ready: boolean;
}

const NO_MAC = '00:00:00:00:00:00';

export const forwardNumber = (name: Forward): number => forwards[name];
export const forwardName = (number: number): Forward => (number === forwards.dsr ? 'dsr' : 'nat');
const protocolName = (number: number): Protocol => (number === protocols.udp ? 'udp' : 'tcp');

const putAddress = (bytes: Buffer, offset: number, address: string): void => {
  address.split('.').forEach((part, index) => {
    bytes[offset + index] = Number(part);
  });
};
const getAddress = (bytes: Buffer, offset: number): string =>
  `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
export const putMac = (bytes: Buffer, offset: number, mac: string): number => bytes.write(mac.replaceAll(':', ''), offset, 'hex');
export const getMac = (bytes: Buffer, offset: number): string =>
  Array.from(bytes.subarray(offset, offset + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');

export const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');

/** Key of the array maps. */
export function encodeIndex(index: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(index);
  return bytes;
}
export const decodeIndex = (bytes: Buffer): number => bytes.readUInt32LE(0);

/** The map that an address is a key of. */
export const addressMap = (address: string): 'addresses' | 'addresses6' => (address.includes(':') ? 'addresses6' : 'addresses');

export function encodeAddressKey(address: string): Buffer {
  const bytes = Buffer.alloc(address.includes(':') ? address6KeyLayout.size : 4);
  if (address.includes(':')) writeAddress(bytes, parseIpv6(address) ?? 0n, 0);
  else putAddress(bytes, 0, address);
  return bytes;
}
/** An IPv6 address comes out in its one spelling (RFC 5952). */
export const decodeAddressKey = (bytes: Buffer): string =>
  bytes.length === address6KeyLayout.size ? formatIpv6(readIpv6(bytes, 0)) : getAddress(bytes, 0);

export function encodeServiceKey(key: ServiceKey): Buffer {
  const bytes = Buffer.alloc(serviceKeyLayout.size);
  putAddress(bytes, serviceKeyLayout.addr, key.address);
  bytes.writeUInt16BE(key.port, serviceKeyLayout.port);
  bytes[serviceKeyLayout.protocol] = protocols[key.protocol];
  return bytes;
}

export const decodeServiceKey = (bytes: Buffer): ServiceKey => ({
  address: getAddress(bytes, serviceKeyLayout.addr),
  port: bytes.readUInt16BE(serviceKeyLayout.port),
  protocol: protocolName(bytes[serviceKeyLayout.protocol] ?? 0),
});

/** The endpoint key that marks an address as some server's, whatever the port. */
export function encodeServerAddressKey(address: string): Buffer {
  const bytes = Buffer.alloc(serviceKeyLayout.size);
  putAddress(bytes, serviceKeyLayout.addr, address);
  return bytes;
}

export function encodeService(value: ServiceValue): Buffer {
  const bytes = Buffer.alloc(serviceLayout.size);
  bytes.writeUInt32LE(value.slot, serviceLayout.slot);
  bytes.writeUInt32LE(value.currentSize, serviceLayout.currentSize);
  bytes.writeUInt32LE(value.previousSize, serviceLayout.previousSize);
  bytes[serviceLayout.virtualRouter] = value.virtualRouter;
  bytes[serviceLayout.forward] = value.forward;
  bytes[serviceLayout.scheduler] = value.scheduler;
  bytes.writeBigUInt64LE(value.generationSinceNs, serviceLayout.generationSinceNs);
  return bytes;
}

export const decodeService = (bytes: Buffer): ServiceValue => ({
  slot: bytes.readUInt32LE(serviceLayout.slot),
  currentSize: bytes.readUInt32LE(serviceLayout.currentSize),
  previousSize: bytes.readUInt32LE(serviceLayout.previousSize),
  virtualRouter: bytes[serviceLayout.virtualRouter] ?? 0,
  forward: bytes[serviceLayout.forward] ?? 0,
  scheduler: bytes[serviceLayout.scheduler] ?? 0,
  generationSinceNs: bytes.readBigUInt64LE(serviceLayout.generationSinceNs),
});

export function encodeServer(value: ServerValue): Buffer {
  const bytes = Buffer.alloc(serverLayout.size);
  putAddress(bytes, serverLayout.addr, value.address);
  bytes.writeUInt16BE(value.port, serverLayout.port);
  bytes[serverLayout.protocol] = protocols[value.protocol];
  bytes[serverLayout.forward] = value.forward;
  putAddress(bytes, serverLayout.vipAddr, value.vipAddress);
  bytes.writeUInt16BE(value.vipPort, serverLayout.vipPort);
  bytes[serverLayout.virtualRouter] = value.virtualRouter;
  bytes[serverLayout.flags] = value.flags;
  bytes.writeUInt32LE(value.serviceSlot, serverLayout.serviceSlot);
  bytes.writeUInt32LE(value.nextHop, serverLayout.nextHop);
  return bytes;
}

export const decodeServer = (bytes: Buffer): ServerValue => ({
  address: getAddress(bytes, serverLayout.addr),
  port: bytes.readUInt16BE(serverLayout.port),
  protocol: protocolName(bytes[serverLayout.protocol] ?? 0),
  forward: bytes[serverLayout.forward] ?? 0,
  vipAddress: getAddress(bytes, serverLayout.vipAddr),
  vipPort: bytes.readUInt16BE(serverLayout.vipPort),
  virtualRouter: bytes[serverLayout.virtualRouter] ?? 0,
  flags: bytes[serverLayout.flags] ?? 0,
  serviceSlot: bytes.readUInt32LE(serverLayout.serviceSlot),
  nextHop: bytes.readUInt32LE(serverLayout.nextHop),
});

export function encodeEndpoint(slots: readonly number[]): Buffer {
  const bytes = Buffer.alloc(endpointLayout.size);
  bytes.writeUInt32LE(slots.length, endpointLayout.count);
  slots.forEach((slot, index) => {
    bytes.writeUInt32LE(slot, endpointLayout.slots + 4 * index);
  });
  return bytes;
}

export const decodeEndpoint = (bytes: Buffer): number[] =>
  Array.from({ length: bytes.readUInt32LE(endpointLayout.count) }, (_, index) => bytes.readUInt32LE(endpointLayout.slots + 4 * index));

export function encodeAddress(value: AddressValue): Buffer {
  const bytes = Buffer.alloc(addressLayout.size);
  bytes.writeUInt32LE(value.ifindex, addressLayout.ifindex);
  bytes[addressLayout.virtualRouter] = value.virtualRouter;
  bytes[addressLayout.kind] = value.kind;
  return bytes;
}

export const decodeAddress = (bytes: Buffer): AddressValue => ({
  ifindex: bytes.readUInt32LE(addressLayout.ifindex),
  virtualRouter: bytes[addressLayout.virtualRouter] ?? 0,
  kind: bytes[addressLayout.kind] ?? 0,
});

export function encodeNextHopKey(key: NextHopKey): Buffer {
  const bytes = Buffer.alloc(nextHopKeyLayout.size);
  bytes.writeUInt32LE(key.ifindex, nextHopKeyLayout.ifindex);
  putAddress(bytes, nextHopKeyLayout.addr, key.address);
  return bytes;
}

export const decodeNextHopKey = (bytes: Buffer): NextHopKey => ({
  ifindex: bytes.readUInt32LE(nextHopKeyLayout.ifindex),
  address: getAddress(bytes, nextHopKeyLayout.addr),
});

export function encodeNextHop(value: NextHopValue): Buffer {
  const bytes = Buffer.alloc(nextHopLayout.size);
  putMac(bytes, nextHopLayout.destinationMac, value.destinationMac);
  putMac(bytes, nextHopLayout.sourceMac, value.sourceMac);
  bytes.writeUInt32LE(value.ifindex, nextHopLayout.ifindex);
  putAddress(bytes, nextHopLayout.addr, value.address);
  bytes.writeUInt32LE(value.state, nextHopLayout.state);
  return bytes;
}

export const emptyNextHop = (): Buffer => Buffer.alloc(nextHopLayout.size);

export const decodeNextHop = (bytes: Buffer): NextHopValue => ({
  destinationMac: getMac(bytes, nextHopLayout.destinationMac),
  sourceMac: getMac(bytes, nextHopLayout.sourceMac),
  ifindex: bytes.readUInt32LE(nextHopLayout.ifindex),
  address: getAddress(bytes, nextHopLayout.addr),
  state: bytes.readUInt32LE(nextHopLayout.state),
});

export const isRealMac = (mac: string): boolean => mac !== NO_MAC;
export { NO_MAC };

export function encodeSettings(value: SettingsValue): Buffer {
  const bytes = Buffer.alloc(settingsLayout.size);
  bytes.writeBigUInt64LE(value.realtimeOffsetNs, settingsLayout.realtimeOffsetNs);
  value.timeoutNs.forEach((timeout, state) => {
    bytes.writeBigUInt64LE(timeout, settingsLayout.timeoutNs + 8 * state);
  });
  bytes.writeBigUInt64LE(value.secondChanceNs, settingsLayout.secondChanceNs);
  bytes.writeUInt32LE(value.nodeId, settingsLayout.nodeId);
  bytes.writeUInt32LE(value.ready ? 1 : 0, settingsLayout.ready);
  return bytes;
}

export const decodeSettings = (bytes: Buffer): SettingsValue => ({
  realtimeOffsetNs: bytes.readBigUInt64LE(settingsLayout.realtimeOffsetNs),
  timeoutNs: Array.from({ length: (settingsLayout.secondChanceNs - settingsLayout.timeoutNs) / 8 }, (_, state) =>
    bytes.readBigUInt64LE(settingsLayout.timeoutNs + 8 * state),
  ),
  secondChanceNs: bytes.readBigUInt64LE(settingsLayout.secondChanceNs),
  nodeId: bytes.readUInt32LE(settingsLayout.nodeId),
  ready: bytes.readUInt32LE(settingsLayout.ready) !== 0,
});

export function encodeFlowKey(key: FlowKey): Buffer {
  const bytes = Buffer.alloc(flowKeyLayout.size);
  putFlowKey(bytes, 0, key);
  return bytes;
}

function putFlowKey(bytes: Buffer, offset: number, key: FlowKey): void {
  putAddress(bytes, offset + flowKeyLayout.clientAddr, key.clientAddress);
  putAddress(bytes, offset + flowKeyLayout.vipAddr, key.vipAddress);
  bytes.writeUInt16BE(key.clientPort, offset + flowKeyLayout.clientPort);
  bytes.writeUInt16BE(key.vipPort, offset + flowKeyLayout.vipPort);
  bytes[offset + flowKeyLayout.protocol] = protocols[key.protocol];
}

/** One record at `offset` of a buffer of records. */
export function decodeRecord(bytes: Buffer, offset: number): FlowRecord {
  const key = offset + recordLayout.key;
  const flow = offset + recordLayout.flow;
  return {
    key: {
      clientAddress: getAddress(bytes, key + flowKeyLayout.clientAddr),
      clientPort: bytes.readUInt16BE(key + flowKeyLayout.clientPort),
      vipAddress: getAddress(bytes, key + flowKeyLayout.vipAddr),
      vipPort: bytes.readUInt16BE(key + flowKeyLayout.vipPort),
      protocol: protocolName(bytes[key + flowKeyLayout.protocol] ?? 0),
    },
    serverAddress: getAddress(bytes, flow + flowLayout.serverAddr),
    serverPort: bytes.readUInt16BE(flow + flowLayout.serverPort),
    state: bytes[flow + flowLayout.state] ?? 0,
    flags: bytes[flow + flowLayout.flags] ?? 0,
    generation: bytes.readBigUInt64LE(flow + flowLayout.generation),
    ageMs: bytes.readUInt32LE(offset + recordLayout.ageMs),
    serverSlot: bytes.readUInt32LE(flow + flowLayout.serverSlot),
    nextHop: bytes.readUInt16LE(flow + flowLayout.nextHop),
  };
}

/** A record as the table delivers it (kind upsert). */
export function encodeRecord(kind: number, record: FlowRecord): Buffer {
  const bytes = Buffer.alloc(recordLayout.size);
  const flow = recordLayout.flow;
  bytes.writeUInt16LE(kind, recordLayout.kind);
  bytes.writeUInt32LE(record.ageMs, recordLayout.ageMs);
  putFlowKey(bytes, recordLayout.key, record.key);
  bytes.writeBigUInt64LE(record.generation, flow + flowLayout.generation);
  putAddress(bytes, flow + flowLayout.serverAddr, record.serverAddress);
  bytes.writeUInt16BE(record.serverPort, flow + flowLayout.serverPort);
  bytes[flow + flowLayout.state] = record.state;
  bytes[flow + flowLayout.flags] = record.flags;
  bytes.writeUInt32LE(record.serverSlot, flow + flowLayout.serverSlot);
  bytes.writeUInt16LE(record.nextHop, flow + flowLayout.nextHop);
  return bytes;
}

/** Id of the node that created the record. */
export const originId = (generation: bigint): number => Number(generation >> 56n);
