/**
 * The smallest real data plane that admits flows: one VIP, one service, one server, a lease that does not end. Filled by packets through
 * the real program (with events) or by records (without).
 */
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { addressKind, flowLayout, flowState, limit, nextHopState, recordKind, recordLayout, serverFlag } from '../../../src/l4/abi.gen.js';
import { type DataPlane, loadNative } from '../../../src/l4/native.js';
import {
  encodeAddress,
  encodeAddressKey,
  encodeEndpoint,
  encodeIndex,
  encodeNextHop,
  encodeRecord,
  encodeServer,
  encodeServerAddressKey,
  encodeService,
  encodeServiceKey,
  encodeSettings,
} from '../../../src/l4/records.js';
import { bpfObjectPath } from '../../../src/system/paths.js';

const VIP = { address: '10.1.0.100', port: 80, protocol: 'tcp' } as const;
const SERVER = { address: '10.2.0.21', port: 8080, protocol: 'tcp' } as const;
const MAC = '02:00:00:00:00:01';
const HOUR_NS = 3_600_000_000_000n;
/** Length of the table; every entry is the one server. */
const TABLE_SIZE = 251;

/** Name under which the program is loaded for test runs. */
export const PROGRAM = 'bench';

export const pinDirectory = (name: string): string => path.join('/sys/fs/bpf', `tandem-bench-${name}`, `v${limit.abiVersion}`);

export function createPlane(pinDir: string, nodeId: number, maxFlows: number): DataPlane {
  mkdirSync(path.dirname(pinDir), { recursive: true });
  const plane = loadNative().load({ objectPath: bpfObjectPath, pinDir, maxFlows });
  const settings = { realtimeOffsetNs: 0n, timeoutNs: Array.from({ length: flowState.states }, () => HOUR_NS), secondChanceNs: 0n };
  plane.mapSet('settings', encodeIndex(0), encodeSettings({ ...settings, nodeId, ready: true }));
  plane.mapSet('addresses', encodeAddressKey(VIP.address), encodeAddress({ ifindex: 1, virtualRouter: 0, kind: addressKind.virtual }));
  plane.mapSet(
    'next_hops',
    encodeIndex(1),
    encodeNextHop({
      ifindex: 1,
      address: SERVER.address,
      destinationMac: '02:00:00:00:00:21',
      sourceMac: MAC,
      state: nextHopState.resolved,
    }),
  );
  const server = {
    ...SERVER,
    forward: 0,
    vipAddress: VIP.address,
    vipPort: VIP.port,
    virtualRouter: 0,
    flags: serverFlag.alive,
    serviceSlot: 0,
    nextHop: 1,
  };
  plane.mapSet('servers', encodeIndex(1), encodeServer(server));
  plane.mapSet('endpoints', encodeServiceKey(SERVER), encodeEndpoint([1]));
  plane.mapSet('endpoints', encodeServerAddressKey(SERVER.address), encodeEndpoint([]));
  plane.setTable(0, new Uint32Array(TABLE_SIZE).fill(1));
  const service = { slot: 0, currentSize: TABLE_SIZE, previousSize: 0, virtualRouter: 0, forward: 0, scheduler: 0, generationSinceNs: 0n };
  plane.mapSet('services', encodeServiceKey(VIP), encodeService(service));
  return plane;
}

export function holdLease(pinDir: string): void {
  const leases = loadNative().openLeases(pinDir);
  leases.acquire(0, HOUR_NS, HOUR_NS, 1n);
  leases.close();
}

export function removePlane(pinDir: string): void {
  if (existsSync(pinDir)) loadNative().load({ objectPath: bpfObjectPath, pinDir, maxFlows: 1 }).unload();
  if (existsSync(path.dirname(pinDir))) rmdirSync(path.dirname(pinDir));
}

/** The n-th client: 10.128.0.0/10 and 60,000 ports. */
const CLIENT_NET = 0x0a800000;
const PORTS = 60_000;
const clientOf = (flow: number) => ({ address: CLIENT_NET + Math.floor(flow / PORTS), port: 1024 + (flow % PORTS) });

/** A SYN to the service; rewritten for each flow. */
export function createSyn(): { packet: Buffer; aim(flow: number): void } {
  const packet = Buffer.alloc(60);
  Buffer.from(MAC.replaceAll(':', ''), 'hex').copy(packet, 0);
  packet.writeUInt16BE(0x0800, 12);
  packet.set([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6], 14);
  Buffer.from(VIP.address.split('.').map(Number)).copy(packet, 30);
  packet.writeUInt16BE(VIP.port, 36);
  packet.set([0x50, 0x02], 46);
  return {
    packet,
    aim(flow) {
      const client = clientOf(flow);
      packet.writeUInt32BE(client.address, 26);
      packet.writeUInt16BE(client.port, 34);
    },
  };
}

/** Writes flows straight into the table, as a peer would have: no events. */
export function loadFlows(plane: DataPlane, count: number): void {
  const chunk = 8192;
  const template = encodeRecord(recordKind.upsert, {
    key: { clientAddress: '10.128.0.0', clientPort: 0, vipAddress: VIP.address, vipPort: VIP.port, protocol: 'tcp' },
    serverAddress: SERVER.address,
    serverPort: SERVER.port,
    state: flowState.established,
    flags: 0,
    generation: 0n,
    ageMs: 0,
    serverSlot: 1,
    nextHop: 0,
  });
  for (let from = 0; from < count; from += chunk) {
    const records = Buffer.alloc(Math.min(chunk, count - from) * recordLayout.size);
    for (let index = 0; index * recordLayout.size < records.length; index += 1) {
      const at = index * recordLayout.size;
      const client = clientOf(from + index);
      template.copy(records, at);
      records.writeUInt32BE(client.address, at + recordLayout.key);
      records.writeUInt16BE(client.port, at + recordLayout.key + 8);
      records.writeUInt32LE(from + index + 1, at + recordLayout.flow + flowLayout.generation);
    }
    plane.apply(records, 'live', 0);
  }
}
