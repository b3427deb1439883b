/**
 * A data plane with a small cluster in its maps: one VIP with NAT and DSR services, three servers behind a second interface, a client and a
 * router in front; a second virtual router has IPv6 addresses. Tests send packets and look at verdict, packet, counters, records and events.
 */
import { existsSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  addressKind,
  drop,
  flowLayout,
  forward,
  limit,
  nextHopState,
  scheduler,
  serverFlag,
  serverLayout,
  trafficLayout,
} from '../../../src/l4/abi.gen.js';
import { flowHash, tableIndex } from '../../../src/l4/flow-hash.js';
import { type DataPlane, type LeaseKeeper, loadNative, type TestRunResult } from '../../../src/l4/native.js';
import {
  addressMap,
  decodeRecord,
  encodeAddress,
  encodeAddressKey,
  encodeEndpoint,
  encodeFlowKey,
  encodeIndex,
  encodeNextHop,
  encodeNextHopKey,
  encodeServer,
  encodeServerAddressKey,
  encodeService,
  encodeServiceKey,
  encodeSettings,
  type FlowKey,
  type Protocol,
} from '../../../src/l4/records.js';
import { encodeMacKey, encodeRouter, encodeSteer, encodeSteerKey } from '../../../src/l4/router-records.js';
import { bpfObjectPath } from '../../../src/system/paths.js';
import type { Party } from './build.js';
import { type ParsedFrame, parseFrame } from './parse.js';
import { run } from './sandbox.js';

export const INSTANCE = 0x1122334455667788n;
export const SECOND_NS = 1_000_000_000n;
export const NODE_ID = 3;
export const frontMac = '02:00:00:00:01:01';
export const backMac = '02:00:00:00:02:01';
export const routerMac = '02:00:00:00:01:fe';
export const VIP = '10.1.0.100';
export const GATEWAY_VIP = '10.2.0.1';
export const LOCAL = '10.1.0.11';
export const VIP6 = 'fd00:1::100';
export const VIP6_LINK_LOCAL = 'fe80::33';
/** Slots of the virtual routers. */
export const ROUTER = 0;
export const ROUTER6 = 1;

export const client: Party = { mac: routerMac, address: '198.51.100.7', port: 40000 };
export const vip = (port: number): Party => ({ mac: frontMac, address: VIP, port });

export interface WorldServer {
  party: Party;
  mac: string;
}

const server = (number: number): WorldServer => ({
  mac: `02:00:00:00:02:2${number}`,
  party: { mac: `02:00:00:00:02:2${number}`, address: `10.2.0.2${number}`, port: 8080 },
});
export const worldServers: readonly WorldServer[] = [server(1), server(2), server(3)];

export interface WorldService {
  name: string;
  port: number;
  protocol: Protocol;
  forward: 'nat' | 'dsr';
  scheduler: 'hash' | 'round';
  /** Server numbers 0..2. */
  servers: number[];
}

/** Slot of a service is its index. `web`, `twin` share servers and port, so their replies can clash. */
export const services: readonly WorldService[] = [
  { name: 'web', port: 80, protocol: 'tcp', forward: 'nat', scheduler: 'hash', servers: [0, 1, 2] },
  { name: 'dns', port: 53, protocol: 'udp', forward: 'nat', scheduler: 'hash', servers: [0, 1, 2] },
  { name: 'direct', port: 90, protocol: 'tcp', forward: 'dsr', scheduler: 'hash', servers: [0, 1, 2] },
  { name: 'round', port: 70, protocol: 'tcp', forward: 'nat', scheduler: 'round', servers: [0, 1, 2] },
  { name: 'twin', port: 81, protocol: 'tcp', forward: 'nat', scheduler: 'hash', servers: [0, 1, 2] },
  { name: 'single', port: 82, protocol: 'tcp', forward: 'nat', scheduler: 'hash', servers: [0] },
];
/** A service's servers listen on 8080, `round` on 7070 and `direct` on the service's own port. */
export const serverPort = (service: WorldService): number =>
  service.forward === 'dsr' ? service.port : service.scheduler === 'round' ? 7070 : 8080;

/** Slots count from 1. */
export const serverSlot = (service: number, number: number): number => 1 + service * worldServers.length + number;

export type DropName = keyof typeof drop;

export interface Outcome extends TestRunResult {
  parsed: ParsedFrame;
  /** Drop counters that moved, by name. */
  drops: Partial<Record<DropName, number>>;
}

export class World {
  readonly plane: DataPlane;
  readonly leases: LeaseKeeper;
  readonly pinDir: string;
  readonly front: number;
  readonly back: number;
  #directory: string;

  constructor(options: { maxFlows?: number; interfaces: { front: number; back: number }; driverMode?: boolean; repliesFirst?: boolean }) {
    this.#directory = mkdtempSync('/sys/fs/bpf/tandem-test-');
    this.pinDir = path.join(this.#directory, `v${limit.abiVersion}`);
    this.front = options.interfaces.front;
    this.back = options.interfaces.back;
    this.plane = loadNative().load({ objectPath: bpfObjectPath, pinDir: this.pinDir, maxFlows: options.maxFlows ?? 4096 });
    try {
      this.leases = loadNative().openLeases(this.pinDir);
      const mode = options.driverMode === true ? 'native' : 'generic';
      const load = (name: string, ifindex: number, mac: string, repliesFirst: boolean) =>
        this.plane.loadForTest({ interface: name, ifindex, mac: Buffer.from(mac.replaceAll(':', ''), 'hex'), repliesFirst, mode });
      load('front', this.front, frontMac, false);
      load('back', this.back, backMac, options.repliesFirst ?? true);
      this.fill();
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  /** Removes everything from bpffs. */
  close(): void {
    this.leases.close();
    this.#remove();
  }

  /** The addon removes directories that are left empty, too. */
  #remove(): void {
    this.plane.unload();
    if (existsSync(this.#directory)) rmdirSync(this.#directory);
  }

  fill(): void {
    const { plane } = this;
    this.settings({});
    this.leases.acquire(0, 3600n * SECOND_NS, 3600n * SECOND_NS, INSTANCE);
    this.leases.acquire(ROUTER6, 3600n * SECOND_NS, 3600n * SECOND_NS, INSTANCE);
    const address = (text: string, ifindex: number, kind: number, virtualRouter = ROUTER) =>
      plane.mapSet(addressMap(text), encodeAddressKey(text), encodeAddress({ ifindex, virtualRouter, kind }));
    address(VIP6, this.front, addressKind.virtual, ROUTER6);
    address(VIP6_LINK_LOCAL, this.front, addressKind.virtual, ROUTER6);
    address(VIP, this.front, addressKind.virtual);
    address(GATEWAY_VIP, this.back, addressKind.other);
    address(LOCAL, 0, addressKind.local);
    services.forEach((_, index) => {
      this.service(index);
    });
    worldServers.forEach((_, number) => {
      this.nextHop(1 + number);
      plane.mapSet('endpoints', encodeServerAddressKey(this.addressOf(number)), encodeEndpoint([]));
    });
    this.nextHop(4);
    this.endpoints();
  }

  /** What a virtual router is, beyond its addresses; on both interfaces. */
  router(slot: number, { virtualMac = null, accept = false }: { virtualMac?: string | null; accept?: boolean }): void {
    this.plane.mapSet('virtual_routers', encodeIndex(slot), encodeRouter({ virtualMac, accept }));
    for (const ifindex of virtualMac === null ? [] : [this.front, this.back]) {
      this.plane.mapSet('virtual_macs', encodeMacKey({ ifindex, mac: virtualMac ?? '' }), encodeIndex(slot));
    }
  }

  /** The lease is given up as by a planned hand-over, and ended for everybody. */
  release(slot: number, { drainNs = 0n, admitNs = 0n }: { drainNs?: bigint; admitNs?: bigint } = {}): void {
    this.leases.release(slot, drainNs, admitNs, INSTANCE);
  }

  /** Kernel time at which the lease of the first router began. */
  leaseSinceNs(): bigint {
    return this.leases.read(0).startedNs;
  }

  steer(slot: number, interfaceName: 'front' | 'back', mac: string, forNs = 60n * SECOND_NS): void {
    const key = encodeSteerKey({ ifindex: this[interfaceName], virtualRouter: slot });
    this.plane.mapSet('steers', key, encodeSteer({ mac, untilNs: this.plane.kernelNs() + forNs }));
  }

  peerMac(interfaceName: 'front' | 'back', mac: string): void {
    this.plane.mapSet('peer_macs', encodeMacKey({ ifindex: this[interfaceName], mac }), encodeIndex(1));
  }

  steered(slot: number): number {
    return Number(this.plane.sums('steered')[slot]);
  }

  addressOf(number: number): string {
    return worldServers[number]?.party.address ?? '';
  }

  settings(change: { ready?: boolean; secondChanceNs?: bigint; timeoutNs?: bigint }): void {
    const timeoutNs = Array.from({ length: 8 }, () => change.timeoutNs ?? 60n * SECOND_NS);
    const value = {
      realtimeOffsetNs: 1_700_000_000n * SECOND_NS,
      timeoutNs,
      secondChanceNs: change.secondChanceNs ?? 60n * SECOND_NS,
      nodeId: NODE_ID,
    };
    this.plane.mapSet('settings', encodeIndex(0), encodeSettings({ ...value, ready: change.ready ?? true }));
  }

  /** Writes a service with its servers and its current table (all servers in turn unless given). */
  service(index: number, change: { table?: number[]; previous?: number[]; sinceNs?: bigint; virtualRouter?: number } = {}): void {
    const service = services[index] as WorldService;
    const table =
      change.table ?? Array.from({ length: 31 }, (_, entry) => serverSlot(index, service.servers[entry % service.servers.length] ?? 0));
    const previous = change.previous ?? [];
    service.servers.forEach((number) => {
      this.server(index, number, serverFlag.alive);
    });
    this.plane.setTable(2 * index, Uint32Array.from(table));
    this.plane.setTable(2 * index + 1, Uint32Array.from(previous));
    this.plane.mapSet(
      'services',
      encodeServiceKey({ address: VIP, port: service.port, protocol: service.protocol }),
      encodeService({
        slot: index,
        currentSize: table.length,
        previousSize: previous.length,
        virtualRouter: change.virtualRouter ?? 0,
        forward: forward[service.forward],
        scheduler: scheduler[service.scheduler],
        generationSinceNs: change.sinceNs ?? 0n,
      }),
    );
  }

  server(index: number, number: number, flags: number, nextHop: number = 1 + number): void {
    const service = services[index] as WorldService;
    this.plane.mapSet(
      'servers',
      encodeIndex(serverSlot(index, number)),
      encodeServer({
        address: this.addressOf(number),
        port: serverPort(service),
        protocol: service.protocol,
        forward: forward[service.forward],
        vipAddress: VIP,
        vipPort: service.port,
        virtualRouter: 0,
        flags,
        serviceSlot: index,
        nextHop,
      }),
    );
  }

  /** Gives one server of a service to another virtual router. */
  serverRouter(index: number, number: number, virtualRouter: number): void {
    const key = encodeIndex(serverSlot(index, number));
    const bytes = this.plane.mapGet('servers', key);
    if (bytes === null) throw new Error('no such server');
    bytes[serverLayout.virtualRouter] = virtualRouter;
    this.plane.mapSet('servers', key, bytes);
  }

  endpoints(): void {
    const slots = new Map<string, number[]>();
    services.forEach((service, index) => {
      for (const number of service.servers) {
        const key = encodeServiceKey({ address: this.addressOf(number), port: serverPort(service), protocol: service.protocol }).toString(
          'hex',
        );
        slots.set(key, [...(slots.get(key) ?? []), serverSlot(index, number)]);
      }
    });
    for (const [key, list] of slots) this.plane.mapSet('endpoints', Buffer.from(key, 'hex'), encodeEndpoint(list));
  }

  /** 1..3: the servers; 4: the router in front. */
  nextHop(index: number, state: number = nextHopState.resolved): void {
    const isServer = index <= worldServers.length;
    const address = isServer ? this.addressOf(index - 1) : '10.1.0.1';
    const ifindex = isServer ? this.back : this.front;
    const value = {
      ifindex,
      address,
      destinationMac: isServer ? (worldServers[index - 1]?.mac ?? '') : routerMac,
      sourceMac: isServer ? backMac : frontMac,
      state,
    };
    this.plane.mapSet('next_hops', encodeIndex(index), encodeNextHop(value));
    this.plane.mapSet('next_hop_index', encodeNextHopKey({ ifindex, address }), encodeIndex(index));
  }

  send(frame: Buffer, interfaceName: 'front' | 'back' = 'front'): Outcome {
    const before = this.plane.sums('drops');
    const result = this.plane.testRun(interfaceName, frame, 1);
    const after = this.plane.sums('drops');
    const drops: Outcome['drops'] = {};
    for (const [name, index] of Object.entries(drop)) {
      const moved = Number((after[index] ?? 0n) - (before[index] ?? 0n));
      if (moved !== 0) drops[name as DropName] = moved;
    }
    // Parsed only when looked at: what was dropped may be anything.
    return {
      ...result,
      drops,
      get parsed() {
        return parseFrame(result.packet);
      },
    };
  }

  /** The server number that the hash gives to a flow. */
  hashed(index: number, from: Party, table: number[] = []): number {
    const service = services[index] as WorldService;
    const entries =
      table.length > 0 ? table : Array.from({ length: 31 }, (_, entry) => service.servers[entry % service.servers.length] ?? 0);
    return entries[tableIndex(flowHash(encodeFlowKey(this.key(index, from))), entries.length)] ?? -1;
  }

  key(index: number, from: Party = client): FlowKey {
    const service = services[index] as WorldService;
    return { clientAddress: from.address, clientPort: from.port, vipAddress: VIP, vipPort: service.port, protocol: service.protocol };
  }

  flow(index: number, from: Party = client): Flow | null {
    const bytes = this.plane.mapGet('flows', encodeFlowKey(this.key(index, from)));
    return bytes === null ? null : decodeFlow(bytes);
  }

  /** Changes bytes of a record in place. */
  patch(index: number, change: (bytes: Buffer) => void, from: Party = client): void {
    const key = encodeFlowKey(this.key(index, from));
    const bytes = this.plane.mapGet('flows', key);
    if (bytes === null) throw new Error('no record to patch');
    change(bytes);
    this.plane.mapSet('flows', key, bytes);
  }

  forget(index: number, from: Party = client): boolean {
    return this.plane.mapDelete('flows', encodeFlowKey(this.key(index, from)));
  }

  /** Kind, state, flags and key of the events since the last call. */
  events(): { kind: number; state: number; flags: number; key: FlowKey; generation: bigint }[] {
    const { records } = this.plane.drain(limit.inboxRecords, false);
    const size = 56;
    return Array.from({ length: records.length / size }, (_, at) => {
      const record = decodeRecord(records, at * size);
      return {
        kind: records.readUInt16LE(at * size),
        state: record.state,
        flags: record.flags,
        key: record.key,
        generation: record.generation,
      };
    });
  }

  traffic(slot: number): { packetsIn: number; bytesIn: number; packetsOut: number; bytesOut: number; flows: number } {
    const words = this.plane.sums('traffic');
    const at = (offset: number) => Number(words[(slot * trafficLayout.size + offset) / 8] ?? 0n);
    return {
      packetsIn: at(trafficLayout.packetsIn),
      bytesIn: at(trafficLayout.bytesIn),
      packetsOut: at(trafficLayout.packetsOut),
      bytesOut: at(trafficLayout.bytesOut),
      flows: at(trafficLayout.flows),
    };
  }
}

export interface Flow {
  lastSeenNs: bigint;
  generation: bigint;
  serverAddress: string;
  serverPort: number;
  state: number;
  flags: number;
  serverSlot: number;
  nextHop: number;
  syncEpoch: number;
}

const decodeFlow = (bytes: Buffer): Flow => ({
  lastSeenNs: bytes.readBigUInt64LE(flowLayout.lastSeenNs),
  generation: bytes.readBigUInt64LE(flowLayout.generation),
  serverAddress: [...bytes.subarray(flowLayout.serverAddr, flowLayout.serverAddr + 4)].join('.'),
  serverPort: bytes.readUInt16BE(flowLayout.serverPort),
  state: bytes[flowLayout.state] ?? 0,
  flags: bytes[flowLayout.flags] ?? 0,
  serverSlot: bytes.readUInt32LE(flowLayout.serverSlot),
  nextHop: bytes.readUInt16LE(flowLayout.nextHop),
  syncEpoch: bytes.readUInt16LE(flowLayout.syncEpoch),
});

/** Makes the interfaces of the sandbox: addresses, forwarding, neighbours of router and servers, a default route. */
export function makeInterfaces(): { front: number; back: number } {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  const make = (name: string, index: number, mac: string, address: string) => {
    run('ip', 'link', 'add', name, 'index', String(index), 'address', mac, 'type', 'veth', 'peer', 'name', `${name}-far`);
    run('ip', 'link', 'set', `${name}-far`, 'up');
    run('ip', 'address', 'add', address, 'dev', name);
    run('ip', 'link', 'set', name, 'up');
  };
  make('front', 11, frontMac, `${LOCAL}/24`);
  make('back', 12, backMac, '10.2.0.11/24');
  run('ip', 'route', 'add', 'default', 'via', '10.1.0.1');
  run('ip', 'neigh', 'add', '10.1.0.1', 'lladdr', routerMac, 'dev', 'front', 'nud', 'permanent');
  for (const { party, mac } of worldServers) run('ip', 'neigh', 'add', party.address, 'lladdr', mac, 'dev', 'back', 'nud', 'permanent');
  return { front: 11, back: 12 };
}

/** Runs `body` with a fresh world and removes it in any case. */
export async function withWorld(
  options: Omit<ConstructorParameters<typeof World>[0], 'interfaces'>,
  interfaces: { front: number; back: number },
  body: (world: World) => Promise<void> | void,
): Promise<void> {
  const world = new World({ ...options, interfaces });
  try {
    await body(world);
  } finally {
    world.close();
  }
}
