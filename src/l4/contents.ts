/**
 * What stands in the maps that TypeScript fills: services with their tables, servers, endpoints, virtual routers, addresses. The same shape describes what
 * is there and what should be there; map-changes.ts turns the difference into writes. Types and names only.
 */
import type { AddressValue, ServerValue, ServiceKey } from './records.js';
import type { RouterValue } from './router-records.js';

/** Server slots by hash or turn; an empty array: no table. */
export interface ServiceTables {
  current: Uint32Array;
  /** Of the generation before: second chance for packets in mid-flow without a record. */
  previous: Uint32Array;
  /** When `current` became current, kernel clock. */
  sinceNs: bigint;
}

export interface ServiceEntry {
  key: ServiceKey;
  slot: number;
  virtualRouter: number;
  forward: number;
  scheduler: number;
  tables: ServiceTables;
}

export interface Contents {
  /** By serviceId. */
  services: ReadonlyMap<string, ServiceEntry>;
  /** By slot. */
  servers: ReadonlyMap<number, ServerValue>;
  /** Encoded key (hex) -> server slots. */
  endpoints: ReadonlyMap<string, readonly number[]>;
  /** By slot: those that are anything but ordinary. */
  virtualRouters: ReadonlyMap<number, RouterValue>;
  /** Encoded key (hex) -> slot of the virtual router. */
  virtualMacs: ReadonlyMap<string, number>;
  /** By address in its one spelling, of either family. */
  addresses: ReadonlyMap<string, AddressValue>;
}

export const emptyTables: ServiceTables = { current: new Uint32Array(0), previous: new Uint32Array(0), sinceNs: 0n };
export const emptyContents: Contents = {
  services: new Map(),
  servers: new Map(),
  endpoints: new Map(),
  virtualRouters: new Map(),
  virtualMacs: new Map(),
  addresses: new Map(),
};

export const currentTableIndex = (serviceSlot: number): number => 2 * serviceSlot;
export const previousTableIndex = (serviceSlot: number): number => 2 * serviceSlot + 1;

/** Identity of a service in the data plane: renaming it in the configuration changes nothing there. */
export const serviceId = (key: ServiceKey): string => `${key.address}:${key.port}/${key.protocol}`;
/** Identity of one server of one service. */
export const serverId = (service: string, server: { address: string; port: number }): string =>
  `${service}>${server.address}:${server.port}`;
export const serverIdOf = (value: ServerValue): string =>
  serverId(serviceId({ address: value.vipAddress, port: value.vipPort, protocol: value.protocol }), value);
