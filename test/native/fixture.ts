/**
 * What the tests of the addon share: a data plane in a pin directory of its own, gone when the test ends, and the smallest world in which
 * packets become flows: one VIP, one service, one server.
 */
import { existsSync } from 'node:fs';
import type { Test } from 'tap';
import {
  addressKind,
  addressLayout,
  endpointLayout,
  flowKeyLayout,
  flowLayout,
  flowState,
  leaseLayout,
  limit,
  nextHopLayout,
  nextHopState,
  protocol,
  recordKind,
  recordLayout,
  serverFlag,
  serverLayout,
  serviceLayout,
  settingsLayout,
} from '../../src/l4/abi.gen.js';
import { type DataPlane, type LeaseKeeper, loadNative, type NativeL4 } from '../../src/l4/native.js';
import { bpfObjectPath } from '../../src/system/paths.js';

/** Another build of the addon, for the run under sanitizers. */
export const ADDON_VARIABLE = 'TANDEM_TEST_ADDON';

export const native: NativeL4 = loadNative(process.env[ADDON_VARIABLE]);

/** Why tests of the kernel cannot run here, or false. */
export const unsupported: string | false = probe();

function probe(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  return existsSync('/sys/fs/bpf') ? false : 'needs /sys/fs/bpf';
}

let directories = 0;

/** A path on bpffs that nobody else uses. */
export function freshPinDir(): string {
  directories += 1;
  return `/sys/fs/bpf/tandem-test/addon-${process.pid}-${directories}/v${limit.abiVersion}`;
}

export const objectPath: string = bpfObjectPath;

export function loadPlane(t: Test, options: { pinDir?: string; maxFlows?: number } = {}): { plane: DataPlane; pinDir: string } {
  const pinDir = options.pinDir ?? freshPinDir();
  const plane = native.load({ objectPath, pinDir, maxFlows: options.maxFlows ?? 4096 });
  t.teardown(() => {
    plane.close();
    unloadPins(pinDir);
  });
  return { plane, pinDir };
}

/** Removes whatever is left of a data plane, also after its process died. */
export function unloadPins(pinDir: string): void {
  if (existsSync(pinDir)) native.load({ objectPath, pinDir, maxFlows: 1 }).unload();
}

export const VIP = '10.1.0.100';
export const CLIENT = '10.1.0.1';
export const SERVER = '10.2.0.21';
export const SERVICE_PORT = 80;
export const SERVER_PORT = 8080;
export const OWN_MAC = Buffer.from('020000000001', 'hex');
export const VIRTUAL_ROUTER = 3;
const SERVER_SLOT = 1;
const NEXT_HOP = 1;
const SECOND_NS = 1_000_000_000n;

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

export const ipBytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number));

function serviceKey(address: string, port: number): Buffer {
  const key = Buffer.alloc(8);
  ipBytes(address).copy(key, 0);
  key.writeUInt16BE(port, 4);
  key[6] = protocol.tcp;
  return key;
}

export const vipServiceKey: Buffer = serviceKey(VIP, SERVICE_PORT);

export function writeTimeouts(plane: DataPlane, timeoutNs: bigint): void {
  const settings = Buffer.alloc(settingsLayout.size);
  for (let state = 0; state < flowState.states; state += 1) settings.writeBigUInt64LE(timeoutNs, settingsLayout.timeoutNs + 8 * state);
  settings.writeUInt32LE(1, settingsLayout.nodeId);
  settings.writeUInt32LE(1, settingsLayout.ready);
  plane.mapSet('settings', u32(0), settings);
}

function writeServer(plane: DataPlane): void {
  const server = Buffer.alloc(serverLayout.size);
  ipBytes(SERVER).copy(server, serverLayout.addr);
  server.writeUInt16BE(SERVER_PORT, serverLayout.port);
  server[serverLayout.protocol] = protocol.tcp;
  ipBytes(VIP).copy(server, serverLayout.vipAddr);
  server.writeUInt16BE(SERVICE_PORT, serverLayout.vipPort);
  server[serverLayout.virtualRouter] = VIRTUAL_ROUTER;
  server[serverLayout.flags] = serverFlag.alive;
  server.writeUInt32LE(NEXT_HOP, serverLayout.nextHop);
  plane.mapSet('servers', u32(SERVER_SLOT), server);
  const endpoint = Buffer.alloc(endpointLayout.size);
  endpoint.writeUInt32LE(1, endpointLayout.count);
  endpoint.writeUInt32LE(SERVER_SLOT, endpointLayout.slots);
  plane.mapSet('endpoints', serviceKey(SERVER, SERVER_PORT), endpoint);
  const hop = Buffer.alloc(nextHopLayout.size);
  Buffer.from('020000000021', 'hex').copy(hop, nextHopLayout.destinationMac);
  OWN_MAC.copy(hop, nextHopLayout.sourceMac);
  hop.writeUInt32LE(1, nextHopLayout.ifindex);
  ipBytes(SERVER).copy(hop, nextHopLayout.addr);
  hop.writeUInt32LE(nextHopState.resolved, nextHopLayout.state);
  plane.mapSet('next_hops', u32(NEXT_HOP), hop);
}

/** One service on VIP:80 with one server; flows may be idle for a minute. */
export function writeWorld(plane: DataPlane): void {
  writeTimeouts(plane, 60n * SECOND_NS);
  const address = Buffer.alloc(addressLayout.size);
  address.writeUInt32LE(1, addressLayout.ifindex);
  address[addressLayout.virtualRouter] = VIRTUAL_ROUTER;
  address[addressLayout.kind] = addressKind.virtual;
  plane.mapSet('addresses', ipBytes(VIP), address);
  writeServer(plane);
  plane.setTable(0, Uint32Array.of(SERVER_SLOT));
  const service = Buffer.alloc(serviceLayout.size);
  service.writeUInt32LE(1, serviceLayout.currentSize);
  service[serviceLayout.virtualRouter] = VIRTUAL_ROUTER;
  plane.mapSet('services', vipServiceKey, service);
}

export function holdLease(pinDir: string): LeaseKeeper {
  const leases = native.openLeases(pinDir);
  leases.acquire(VIRTUAL_ROUTER, 600n * SECOND_NS, SECOND_NS, 1n);
  return leases;
}

/** Deadline of the lease back in time, as if the node had lost it. */
export function lapseLease(plane: DataPlane): void {
  plane.mapSet('leases', u32(VIRTUAL_ROUTER), Buffer.alloc(leaseLayout.size));
}

/** A SYN to the service from this port, on Ethernet. */
export function synFrom(port: number): Buffer {
  const frame = Buffer.alloc(64);
  OWN_MAC.copy(frame, 0);
  Buffer.from('0200000000c1', 'hex').copy(frame, 6);
  frame.writeUInt16BE(0x0800, 12);
  frame.set([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol.tcp], 14);
  ipBytes(CLIENT).copy(frame, 26);
  ipBytes(VIP).copy(frame, 30);
  frame.writeUInt16BE(port, 34);
  frame.writeUInt16BE(SERVICE_PORT, 36);
  frame.set([0x50, 0x02, 0xff, 0xff], 46);
  return frame;
}

export interface RecordOptions {
  kind?: number;
  ageMs?: number;
  generation?: bigint;
}

/** Writes the record number `index` (another client address and port for each) at its place in `into`. */
export function writeRecord(into: Buffer, index: number, options: RecordOptions = {}): void {
  const at = index * recordLayout.size;
  into.writeUInt16LE(options.kind ?? recordKind.upsert, at + recordLayout.kind);
  into.writeUInt32LE(options.ageMs ?? 0, at + recordLayout.ageMs);
  const key = at + recordLayout.key;
  into.writeUInt32BE(0x0b000000 + (index >>> 10), key + flowKeyLayout.clientAddr);
  ipBytes(VIP).copy(into, key + flowKeyLayout.vipAddr);
  into.writeUInt16BE(1024 + (index & 1023), key + flowKeyLayout.clientPort);
  into.writeUInt16BE(SERVICE_PORT, key + flowKeyLayout.vipPort);
  into[key + flowKeyLayout.protocol] = protocol.tcp;
  const flow = at + recordLayout.flow;
  into.writeBigUInt64LE(options.generation ?? (2n << 56n) + 1n, flow + flowLayout.generation);
  ipBytes(SERVER).copy(into, flow + flowLayout.serverAddr);
  into.writeUInt16BE(SERVER_PORT, flow + flowLayout.serverPort);
  into[flow + flowLayout.state] = flowState.established;
}

export function makeRecords(count: number, options: RecordOptions = {}): Buffer {
  const records = Buffer.alloc(count * recordLayout.size);
  for (let index = 0; index < count; index += 1) writeRecord(records, index, options);
  return records;
}

/** All records of the table, in chunks of about `chunk`. */
export function readAll(plane: DataPlane, chunk: number): Buffer {
  const parts: Buffer[] = [];
  let cursor: Buffer | null = null;
  do {
    const part = plane.readFlows(cursor, chunk);
    parts.push(part.records);
    cursor = part.cursor;
  } while (cursor !== null);
  return Buffer.concat(parts);
}

/** Milliseconds that `work` took; for printing only. */
export function timed<T>(work: () => T): { result: T; ms: number } {
  const start = native.monotonicNs();
  const result = work();
  return { result, ms: Number(native.monotonicNs() - start) / 1e6 };
}

/** Arguments of setpriv(1): still root, so that a clone below /root can be read, but with nothing that root may do. */
export const WITHOUT_CAPABILITIES: readonly string[] = ['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all'];
