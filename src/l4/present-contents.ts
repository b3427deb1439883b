/**
 * Reads the pinned maps, so that a daemon that starts over adopts what it finds, and writes changes into them.
 */
import { leaseLayout, serverLayout, virtualRouterLayout } from './abi.gen.js';
import {
  type Contents,
  currentTableIndex,
  emptyTables,
  previousTableIndex,
  type ServiceEntry,
  type ServiceTables,
  serviceId,
} from './contents.js';
import type { Change } from './map-changes.js';
import type { DataPlane } from './native.js';
import {
  decodeAddress,
  decodeAddressKey,
  decodeEndpoint,
  decodeIndex,
  decodeServer,
  decodeService,
  decodeServiceKey,
  type ServiceValue,
} from './records.js';
import { decodeRouter } from './router-records.js';

export type ContentMaps = Pick<DataPlane, 'mapEntries' | 'mapSet' | 'mapDelete' | 'getTable' | 'setTable'>;

export function readContents(maps: ContentMaps): Contents {
  const noServer = Buffer.alloc(serverLayout.size);
  const ordinary = Buffer.alloc(virtualRouterLayout.size);
  return {
    services: new Map(maps.mapEntries('services').map(([key, value]) => readService(maps, key, decodeService(value)))),
    servers: new Map(
      maps
        .mapEntries('servers')
        .filter(([, value]) => !value.equals(noServer))
        .map(([key, value]) => [decodeIndex(key), decodeServer(value)]),
    ),
    endpoints: new Map(maps.mapEntries('endpoints').map(([key, value]) => [key.toString('hex'), decodeEndpoint(value)])),
    virtualRouters: new Map(
      maps
        .mapEntries('virtual_routers')
        .filter(([, value]) => !value.equals(ordinary))
        .map(([key, value]) => [decodeIndex(key), decodeRouter(value)]),
    ),
    virtualMacs: new Map(maps.mapEntries('virtual_macs').map(([key, value]) => [key.toString('hex'), decodeIndex(value)])),
    addresses: new Map(
      [...maps.mapEntries('addresses'), ...maps.mapEntries('addresses6')].map(([key, value]) => [
        decodeAddressKey(key),
        decodeAddress(value),
      ]),
    ),
  };
}

function readService(maps: ContentMaps, keyBytes: Buffer, value: ServiceValue): [string, ServiceEntry] {
  const key = decodeServiceKey(keyBytes);
  const { slot, virtualRouter, forward, scheduler } = value;
  return [serviceId(key), { key, slot, virtualRouter, forward, scheduler, tables: readTables(maps, value) }];
}

/** Tables that do not fit their service element were caught in the middle of a change; they are written anew. */
function readTables(maps: ContentMaps, value: ServiceValue): ServiceTables {
  const current = maps.getTable(currentTableIndex(value.slot)) ?? emptyTables.current;
  const previous = maps.getTable(previousTableIndex(value.slot)) ?? emptyTables.previous;
  return {
    current: current.length === value.currentSize ? current : emptyTables.current,
    previous: previous.length === value.previousSize ? previous : emptyTables.previous,
    sinceNs: value.generationSinceNs,
  };
}

export function writeChanges(maps: ContentMaps, list: readonly Change[]): void {
  for (const change of list) {
    if (change.type === 'set') maps.mapSet(change.map, change.key, change.value);
    else if (change.type === 'delete') maps.mapDelete(change.map, change.key);
    else maps.setTable(change.index, change.slots);
  }
}

/** Virtual router slots whose lease may still let packets through. */
export function slotsInUse(maps: Pick<DataPlane, 'mapEntries'>, nowNs: bigint): Set<number> {
  const inUse = maps.mapEntries('leases').filter(([, lease]) => lease.readBigUInt64LE(leaseLayout.drainUntilNs) > nowNs);
  return new Set(inUse.map(([key]) => decodeIndex(key)));
}
