/**
 * Compiles the configuration, the pool generations in force and the facts of this machine into what the maps should contain. Pure: the
 * same input gives the same contents, and contents that did not change come out equal, so that only differences are written.
 */
import { OWNER_PRIORITY } from '../config/limits.js';
import type { Config, PoolConfig, ServiceConfig, VirtualRouterConfig } from '../config/model.js';
import { interfacesOf, virtualMacOf } from '../config/virtual-mac.js';
import { canonicalAddress } from '../system/ip-address.js';
import { linkNamed, localAddresses, type NetworkFacts } from '../system/network-facts.js';
import { addressKind, flowState, limit, scheduler as schedulers, serverFlag } from './abi.gen.js';
import type { PoolGeneration, PoolMember } from './api.js';
import { type Contents, emptyTables, type ServiceEntry, serverId, serviceId } from './contents.js';
import { L4Error } from './l4-error.js';
import type { MaglevMember } from './maglev.js';
import { poolMembers } from './pool-generations.js';
import { milliWeightOf, sizeWeightOf } from './pool-members.js';
import {
  type AddressValue,
  encodeServerAddressKey,
  encodeServiceKey,
  forwardNumber,
  type ServerValue,
  type SettingsValue,
} from './records.js';
import { encodeMacKey, type RouterValue } from './router-records.js';
import type { Slots } from './slots.js';
import { rotateTables, wantedTable } from './tables.js';

/**
 * How long a packet in mid-flow without a record is placed by the previous generation first. Only flows opened in the moments between a
 * change of generation and a crash need it; their next packet comes within a retransmission or two after the take-over.
 */
export const SECOND_CHANCE_MS = 10_000;
const NS_PER_MS = 1_000_000n;

export interface CompileInput {
  config: Config;
  generations: ReadonlyMap<string, PoolGeneration>;
  slots: Slots;
  facts: NetworkFacts;
  /** Index into next_hops by server address; absent: not known. */
  nextHops: ReadonlyMap<string, number>;
  /** What the maps contain now: tables are rotated from there. */
  present: Contents;
  /** Kernel clock; becomes the start of every table that changes. */
  nowNs: bigint;
}

export function compile(input: CompileInput): Contents {
  const services = new Map<string, ServiceEntry>();
  const servers = new Map<number, ServerValue>();
  const endpoints = new Map<string, number[]>();
  for (const service of input.config.services) {
    const pool = input.config.pools.find((candidate) => candidate.name === service.pool);
    if (pool === undefined) continue;
    const members = poolMembers(pool, input.generations.get(pool.name));
    const own = members.map((member) => ({ member, slot: slotOf(input.slots.servers, serverId(serviceId(service), member)) }));
    for (const { member, slot } of own) {
      servers.set(slot, serverValue(input, service, pool, member));
      addEndpoint(endpoints, service, member, slot);
    }
    services.set(serviceId(service), serviceEntry(input, service, pool, own));
  }
  return { services, servers, endpoints, ...routers(input), addresses: addresses(input) };
}

function serverValue(input: CompileInput, service: ServiceConfig, pool: PoolConfig, member: PoolMember): ServerValue {
  return {
    address: member.address,
    port: member.port,
    protocol: service.protocol,
    forward: forwardNumber(service.forward),
    vipAddress: service.address,
    vipPort: service.port,
    virtualRouter: slotOf(input.slots.routers, service.virtualRouter),
    flags: (member.alive ? serverFlag.alive : 0) | (pool.onServerDown === 'drop' ? serverFlag.dropFlows : 0),
    serviceSlot: slotOf(input.slots.services, serviceId(service)),
    nextHop: input.nextHops.get(member.address) ?? 0,
  };
}

function addEndpoint(endpoints: Map<string, number[]>, service: ServiceConfig, member: PoolMember, slot: number): void {
  const key = encodeServiceKey({ address: member.address, port: member.port, protocol: service.protocol }).toString('hex');
  const slots = endpoints.get(key) ?? [];
  if (!slots.includes(slot)) slots.push(slot);
  if (slots.length > limit.maxEndpointSlots) {
    const where = `${member.address}:${member.port}/${service.protocol}`;
    throw new L4Error('ENDPOINT_SHARED_TOO_OFTEN', `more than ${limit.maxEndpointSlots} services use the server ${where}`);
  }
  endpoints.set(key, slots);
  endpoints.set(encodeServerAddressKey(member.address).toString('hex'), []);
  if (endpoints.size > limit.maxEndpoints) {
    throw new L4Error('LIMIT_EXCEEDED', `too many servers: the data plane has room for ${limit.maxEndpoints} endpoints`);
  }
}

function serviceEntry(
  input: CompileInput,
  service: ServiceConfig,
  pool: PoolConfig,
  own: readonly { member: PoolMember; slot: number }[],
): ServiceEntry {
  const id = serviceId(service);
  const members: MaglevMember[] = own.map(({ member, slot }) => ({
    name: member.name,
    weight: milliWeightOf(member),
    sizeWeight: sizeWeightOf(member),
    slot,
    isUsable: member.alive,
  }));
  const tables = input.present.services.get(id)?.tables ?? emptyTables;
  const ownSlots = new Set(own.map(({ slot }) => slot));
  return {
    key: { address: service.address, port: service.port, protocol: service.protocol },
    slot: slotOf(input.slots.services, id),
    virtualRouter: slotOf(input.slots.routers, service.virtualRouter),
    forward: forwardNumber(service.forward),
    scheduler: pool.scheduler === 'maglev' ? schedulers.hash : schedulers.round,
    tables: rotateTables(tables, wantedTable(pool.scheduler, members), pool.scheduler, input.nowNs, ownSlots),
  };
}

/** Virtual routers that answer with a MAC of their own, or hand over to the kernel. */
function routers({ config, slots, facts }: CompileInput): Pick<Contents, 'virtualRouters' | 'virtualMacs'> {
  const virtualRouters = new Map<number, RouterValue>();
  const virtualMacs = new Map<string, number>();
  for (const router of config.virtualRouters) {
    const slot = slotOf(slots.routers, router.name);
    const virtualMac = router.virtualMac ? virtualMacOf(router) : null;
    const accept = router.accept || isOwned(router, facts);
    if (virtualMac !== null || accept) virtualRouters.set(slot, { virtualMac, accept });
    for (const name of virtualMac === null ? [] : interfacesOf(router)) {
      const link = linkNamed(facts, name);
      if (link !== undefined && virtualMac !== null) virtualMacs.set(macId(link.ifindex, virtualMac), slot);
    }
  }
  return { virtualRouters, virtualMacs };
}

/** Whoever has the addresses itself accepts what comes for them, whatever `accept` says (RFC 9568, section 6.4.3). */
function isOwned({ addresses, interface: name, priority }: VirtualRouterConfig, facts: NetworkFacts): boolean {
  const link = linkNamed(facts, name);
  const own = [...(link?.addresses ?? []), ...(link?.ipv6Addresses ?? [])].map(({ address }) => address);
  return Object.values(priority).includes(OWNER_PRIORITY) && addresses.every((address) => own.includes(spelling(address)));
}

const macId = (ifindex: number, mac: string): string => encodeMacKey({ ifindex, mac }).toString('hex');

/** A virtual address wins over a local one: it may lie on an interface of this node too. */
function addresses(input: CompileInput): Map<string, AddressValue> {
  const all = new Map<string, AddressValue>();
  for (const address of localAddresses(input.facts)) all.set(address, { ifindex: 0, virtualRouter: 0, kind: addressKind.local });
  for (const router of input.config.virtualRouters) {
    const virtualRouter = slotOf(input.slots.routers, router.name);
    const ifindexOf = (name: string): number => linkNamed(input.facts, name)?.ifindex ?? 0;
    for (const other of router.otherAddresses) {
      all.set(spelling(other.address), { ifindex: ifindexOf(other.interface), virtualRouter, kind: addressKind.other });
    }
    for (const address of router.addresses)
      all.set(spelling(address), { ifindex: ifindexOf(router.interface), virtualRouter, kind: addressKind.virtual });
  }
  if (all.size > limit.maxAddresses)
    throw new L4Error('LIMIT_EXCEEDED', `too many addresses: the data plane has room for ${limit.maxAddresses}`);
  return all;
}

const spelling = (address: string): string => canonicalAddress(address) ?? address;

export interface SettingsInput {
  config: Config;
  nodeId: number;
  ready: boolean;
  realtimeOffsetNs: bigint;
}

export function compileSettings({ config, nodeId, ready, realtimeOffsetNs }: SettingsInput): SettingsValue {
  const { timeouts } = config.dataPlane;
  const timeoutMs = new Array<number>(flowState.states).fill(timeouts.synMs);
  timeoutMs[flowState.established] = timeouts.establishedMs;
  timeoutMs[flowState.finClient] = timeouts.finMs;
  timeoutMs[flowState.finServer] = timeouts.finMs;
  timeoutMs[flowState.closed] = timeouts.closedMs;
  timeoutMs[flowState.udp] = timeouts.udpMs;
  return {
    realtimeOffsetNs,
    timeoutNs: timeoutMs.map((ms) => BigInt(ms) * NS_PER_MS),
    secondChanceNs: BigInt(SECOND_CHANCE_MS) * NS_PER_MS,
    nodeId,
    ready,
  };
}

function slotOf(slots: ReadonlyMap<string, number>, id: string): number {
  const slot = slots.get(id);
  if (slot === undefined) throw new Error(`no slot was assigned to ${id}`);
  return slot;
}
