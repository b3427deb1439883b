/**
 * The writes that turn what the maps contain into what they should contain, in an order in which packets never meet a reference to
 * something that is not there: servers before tables, tables before service elements, virtual routers before their addresses, which come
 * last; removals the other way round. Pure.
 */
import { serverFlag, serverLayout, virtualRouterLayout } from './abi.gen.js';
import { type Contents, currentTableIndex, emptyTables, previousTableIndex, type ServiceEntry, serverIdOf } from './contents.js';
import {
  addressMap,
  encodeAddress,
  encodeAddressKey,
  encodeEndpoint,
  encodeIndex,
  encodeServer,
  encodeService,
  encodeServiceKey,
  type ServerValue,
} from './records.js';
import { encodeRouter } from './router-records.js';
import { tableSteps } from './tables.js';

export type Change =
  | { type: 'set'; map: string; key: Buffer; value: Buffer }
  | { type: 'delete'; map: string; key: Buffer }
  | { type: 'table'; index: number; slots: Uint32Array };

export function changes(present: Contents, desired: Contents): Change[] {
  const servers = serverChanges(present, desired);
  return [
    ...endpointsSet(present, desired),
    ...servers.before,
    ...[...desired.services].flatMap(([id, entry]) => serviceChanges(present.services.get(id), entry)),
    ...routersSet(present, desired),
    ...addressesSet(present, desired),
    ...addressesGone(present, desired),
    ...routersGone(present, desired),
    ...servicesGone(present, desired),
    ...servers.after,
    ...endpointsGone(present, desired),
  ];
}

/**
 * A server that leaves or dies is written after the tables that named it, everybody else before those that will. One that comes back is
 * written after them, too: an older table, still the second chance until then, would lead connections to it that are not its own.
 */
function serverChanges(present: Contents, desired: Contents): { before: Change[]; after: Change[] } {
  const before: Change[] = [];
  const after: Change[] = [];
  for (const [slot, server] of desired.servers) {
    const old = present.servers.get(slot);
    const value = encodeServer(server);
    if (old !== undefined && encodeServer(old).equals(value)) continue;
    const dies = old !== undefined && isAlive(old) && !isAlive(server);
    const comesBack = old !== undefined && !isAlive(old) && isAlive(server) && serverIdOf(old) === serverIdOf(server);
    (dies || comesBack ? after : before).push({ type: 'set', map: 'servers', key: encodeIndex(slot), value });
  }
  for (const slot of present.servers.keys()) {
    // An array element cannot be deleted; all zero names nobody.
    if (!desired.servers.has(slot))
      after.push({ type: 'set', map: 'servers', key: encodeIndex(slot), value: Buffer.alloc(serverLayout.size) });
  }
  return { before, after };
}

const isAlive = (server: ServerValue): boolean => (server.flags & serverFlag.alive) !== 0;

function serviceChanges(old: ServiceEntry | undefined, entry: ServiceEntry): Change[] {
  const steps = tableSteps(old?.tables ?? emptyTables, entry.tables);
  const list = steps.map((step): Change => {
    if (step.type === 'service') return serviceElement(entry, step.currentSize, step.previousSize, step.sinceNs);
    const index = step.which === 'current' ? currentTableIndex(entry.slot) : previousTableIndex(entry.slot);
    return { type: 'table', index, slots: step.slots };
  });
  const isSame =
    old !== undefined && old.forward === entry.forward && old.scheduler === entry.scheduler && old.virtualRouter === entry.virtualRouter;
  if (list.length > 0 || isSame) return list;
  return [serviceElement(entry, entry.tables.current.length, entry.tables.previous.length, entry.tables.sinceNs)];
}

function serviceElement(entry: ServiceEntry, currentSize: number, previousSize: number, generationSinceNs: bigint): Change {
  const { slot, virtualRouter, forward, scheduler } = entry;
  const value = encodeService({ slot, currentSize, previousSize, virtualRouter, forward, scheduler, generationSinceNs });
  return { type: 'set', map: 'services', key: encodeServiceKey(entry.key), value };
}

function servicesGone(present: Contents, desired: Contents): Change[] {
  return [...present.services]
    .filter(([id]) => !desired.services.has(id))
    .flatMap(([, { key, slot }]): Change[] => [
      { type: 'delete', map: 'services', key: encodeServiceKey(key) },
      { type: 'table', index: currentTableIndex(slot), slots: emptyTables.current },
      { type: 'table', index: previousTableIndex(slot), slots: emptyTables.previous },
    ]);
}

function endpointsSet(present: Contents, desired: Contents): Change[] {
  return [...desired.endpoints]
    .filter(([key, slots]) => present.endpoints.get(key)?.join() !== slots.join())
    .map(([key, slots]) => ({ type: 'set', map: 'endpoints', key: Buffer.from(key, 'hex'), value: encodeEndpoint(slots) }));
}

function endpointsGone(present: Contents, desired: Contents): Change[] {
  return [...present.endpoints.keys()]
    .filter((key) => !desired.endpoints.has(key))
    .map((key) => ({ type: 'delete', map: 'endpoints', key: Buffer.from(key, 'hex') }));
}

function routersSet(present: Contents, desired: Contents): Change[] {
  const values = [...desired.virtualRouters].map(([slot, router]) => ({ slot, value: encodeRouter(router) }));
  return [
    ...values
      .filter(({ slot, value }) => {
        const old = present.virtualRouters.get(slot);
        return old === undefined || !encodeRouter(old).equals(value);
      })
      .map(({ slot, value }): Change => ({ type: 'set', map: 'virtual_routers', key: encodeIndex(slot), value })),
    ...[...desired.virtualMacs]
      .filter(([key, slot]) => present.virtualMacs.get(key) !== slot)
      .map(([key, slot]): Change => ({ type: 'set', map: 'virtual_macs', key: Buffer.from(key, 'hex'), value: encodeIndex(slot) })),
  ];
}

function routersGone(present: Contents, desired: Contents): Change[] {
  const ordinary = Buffer.alloc(virtualRouterLayout.size);
  return [
    ...[...present.virtualMacs.keys()]
      .filter((key) => !desired.virtualMacs.has(key))
      .map((key): Change => ({ type: 'delete', map: 'virtual_macs', key: Buffer.from(key, 'hex') })),
    // An array element cannot be deleted; all zero is an ordinary router.
    ...[...present.virtualRouters.keys()]
      .filter((slot) => !desired.virtualRouters.has(slot))
      .map((slot): Change => ({ type: 'set', map: 'virtual_routers', key: encodeIndex(slot), value: ordinary })),
  ];
}

function addressesSet(present: Contents, desired: Contents): Change[] {
  return [...desired.addresses]
    .map(([address, entry]) => ({ address, value: encodeAddress(entry), old: present.addresses.get(address) }))
    .filter(({ value, old }) => old === undefined || !encodeAddress(old).equals(value))
    .map(({ address, value }) => ({ type: 'set', map: addressMap(address), key: encodeAddressKey(address), value }));
}

function addressesGone(present: Contents, desired: Contents): Change[] {
  return [...present.addresses.keys()]
    .filter((address) => !desired.addresses.has(address))
    .map((address) => ({ type: 'delete', map: addressMap(address), key: encodeAddressKey(address) }));
}
