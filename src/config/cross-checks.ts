/**
 * What must fit between the values of one configuration, whatever machine it runs on: names that are referred to, addresses that must
 * not meet, election settings that must be apart. Every finding says where and how to mend it. Pure.
 */
import { checkHeartbeat } from './check-heartbeat.js';
import { checkServices } from './check-services.js';
import { checkSyncGroups } from './check-sync-groups.js';
import { checkNotify, checkTracking } from './check-track.js';
import { checkWire, familyOfRouter, skewIntervalMs } from './check-wire.js';
import { MAX_ADDRESSES, MAX_NODES, MIN_SKEW_DISTANCE_MS, SKEW_PER_STEP } from './limits.js';
import { suggestion } from './nearest.js';
import { checkUnique, type Report } from './report.js';
import { formatDuration } from './scalars.js';
import type { ConfigDocument } from './schema.js';
import type { Path } from './source.js';
import { interfacesOf, virtualMacOf } from './virtual-mac.js';

type Router = ConfigDocument['virtualRouters'][number];

export function crossCheck(config: ConfigDocument, report: Report): void {
  checkUnique(config.virtualRouters, (router) => router.name, ['virtualRouters'], 'name', 'virtual router', report);
  checkSyncGroups(config, report);
  checkUnique(config.services, (service) => service.name, ['services'], 'name', 'service', report);
  checkUnique(config.pools, (pool) => pool.name, ['pools'], 'name', 'pool', report);
  checkNodes(config, report);
  checkHeartbeat(config, report);
  checkInterfaces(config, report);
  checkVrids(config.virtualRouters, report);
  checkVirtualMacs(config.virtualRouters, report);
  config.virtualRouters.forEach((router, i) => {
    checkPriorities(config, router, ['virtualRouters', i], report);
    checkUnicast(config, router, ['virtualRouters', i], report);
    checkWire(router, ['virtualRouters', i], report);
  });
  checkAddresses(config, report);
  checkServices(config, report);
  checkTracking(config, report);
  checkNotify(config, report);
}

function checkNodes(config: ConfigDocument, report: Report): void {
  const nodes = Object.entries(config.cluster.nodes);
  if (nodes.length > MAX_NODES) report.error(['cluster', 'nodes'], 'key', `at most ${MAX_NODES} nodes`);
  const entries = nodes.map(([name, node]) => ({ name, ...node }));
  for (const [i, node] of entries.entries()) {
    const earlier = entries.slice(0, i);
    const sameAddress = earlier.find((other) => other.address === node.address);
    if (sameAddress)
      report.error(['cluster', 'nodes', node.name, 'address'], 'value', `node "${sameAddress.name}" has this address already`);
    const sameId = node.id === undefined ? undefined : earlier.find((other) => other.id === node.id);
    if (sameId)
      report.error(
        ['cluster', 'nodes', node.name, 'id'],
        'value',
        `node "${sameId.name}" has this id already; ids mark who created a record`,
      );
  }
  const numbered = entries.filter((node) => node.id !== undefined).length;
  if (numbered > 0 && numbered < entries.length) {
    report.warning(
      ['cluster', 'nodes'],
      'key',
      'some nodes have an id and some have none; write one for every node so that they stay the same',
    );
  }
}

function checkInterfaces(config: ConfigDocument, report: Report): void {
  const known = config.dataPlane.interfaces;
  known.forEach((name, i) => {
    if (known.indexOf(name) < i) report.error(['dataPlane', 'interfaces', i], 'value', `"${name}" is listed twice`);
  });
  const check = (name: string, path: Path): void => {
    if (known.includes(name)) return;
    report.error(
      path,
      'value',
      `interface "${name}" is not in dataPlane.interfaces, so nothing would answer there; add it, or ${suggestion(name, known, 'interfaces there')}`,
    );
  };
  config.virtualRouters.forEach((router, i) => {
    check(router.interface, ['virtualRouters', i, 'interface']);
    for (const [j, other] of router.otherAddresses.entries())
      check(other.interface, ['virtualRouters', i, 'otherAddresses', j, 'interface']);
  });
}

function checkVrids(routers: readonly Router[], report: Report): void {
  routers.forEach((router, i) => {
    // IPv4 and IPv6 are different virtual routers (RFC 9568 section 1), whatever their number.
    const isSame = (other: Router): boolean =>
      other.id === router.id && other.interface === router.interface && familyOfRouter(other) === familyOfRouter(router);
    const earlier = routers.slice(0, i).find(isSame);
    if (earlier)
      report.error(
        ['virtualRouters', i, 'id'],
        'value',
        `VRID ${router.id} on ${router.interface} is used by virtual router "${earlier.name}"; choose another, 1 to 255`,
      );
  });
}

/** The virtual MAC follows a router to every interface where it has an address; two routers there would be one to their neighbours. */
function checkVirtualMacs(routers: readonly Router[], report: Report): void {
  const users = new Map<string, Router>();
  routers.forEach((router, i) => {
    if (!router.virtualMac) return;
    const mac = virtualMacOf(router);
    for (const name of interfacesOf(router)) {
      const other = users.get(`${name} ${mac}`);
      users.set(`${name} ${mac}`, router);
      // Two with one id on their very interface were told so already.
      if (other === undefined || other.interface === router.interface) continue;
      report.error(
        ['virtualRouters', i, 'virtualMac'],
        'key',
        `virtual router "${other.name}" has the virtual MAC ${mac} on ${name} already; choose another \`id\` for one of them`,
      );
    }
  });
}

function checkPriorities(config: ConfigDocument, router: Router, path: Path, report: Report): void {
  const nodes = Object.keys(config.cluster.nodes);
  const at = [...path, 'priority'];
  for (const name of Object.keys(router.priority)) {
    if (!nodes.includes(name)) report.error([...at, name], 'key', `unknown node "${name}"; ${suggestion(name, nodes, 'nodes')}`);
  }
  const missing = nodes.filter((name) => router.priority[name] === undefined);
  if (missing.length > 0)
    report.error(at, 'key', `no priority for ${missing.map((name) => `"${name}"`).join(', ')}; every node needs one, each different`);
  checkRanks(router, nodes, at, report);
}

/** Neighbours in rank must wake apart by more than a timer is late. */
function checkRanks(router: Router, nodes: readonly string[], at: Path, report: Report): void {
  const ranks = nodes.flatMap((name) => (router.priority[name] === undefined ? [] : [{ name, priority: router.priority[name] }]));
  ranks.sort((a, b) => b.priority - a.priority);
  const stepMs = skewIntervalMs(router) * SKEW_PER_STEP;
  const distance = Math.ceil(MIN_SKEW_DISTANCE_MS / stepMs);
  ranks.slice(1).forEach((lower, i) => {
    const higher = ranks[i];
    if (higher === undefined) return;
    const apart = higher.priority - lower.priority;
    if (apart === 0)
      report.error(
        [...at, lower.name],
        'value',
        `"${lower.name}" and "${higher.name}" have the same priority ${lower.priority}; each node needs its own`,
      );
    else if (apart < distance) {
      const skewMs = (apart * stepMs).toFixed(2);
      report.error(
        [...at, lower.name],
        'value',
        `too near to "${higher.name}" (${higher.priority}): at an advert interval of ${formatDuration(router.advertIntervalMs)} both would wake within ${skewMs} ms; set them at least ${distance} apart`,
      );
    }
  });
}

function checkUnicast(config: ConfigDocument, router: Router, path: Path, report: Report): void {
  const entries = Object.entries(router.unicastPeers);
  if (entries.length === 0) return;
  const nodes = Object.keys(config.cluster.nodes);
  const at = [...path, 'unicastPeers'];
  const missing = nodes.filter((name) => router.unicastPeers[name] === undefined);
  if (missing.length > 0)
    report.error(
      at,
      'key',
      `no address for ${missing.map((name) => `"${name}"`).join(', ')}; list every node, also each one itself: the file is the same on all`,
    );
  entries.forEach(([name, address], i) => {
    if (!nodes.includes(name)) report.error([...at, name], 'key', `unknown node "${name}"; ${suggestion(name, nodes, 'nodes')}`);
    const earlier = entries.slice(0, i).find(([, other]) => other === address);
    if (earlier) report.error([...at, name], 'value', `"${earlier[0]}" has this address already`);
    if (router.addresses.includes(address))
      report.error([...at, name], 'value', `${address} is a virtual address; adverts go to the addresses of the nodes themselves`);
  });
}

/** An address has one owner: one virtual router, or one node. */
function checkAddresses(config: ConfigDocument, report: Report): void {
  const owners = new Map<string, string>();
  for (const [name, node] of Object.entries(config.cluster.nodes)) owners.set(node.address, `the address of node "${name}"`);
  const claim = (address: string, owner: string, path: Path): void => {
    const other = owners.get(address);
    if (other === undefined) owners.set(address, owner);
    else report.error(path, 'value', `${address} is ${other} already; an address that moves belongs to one virtual router and to no node`);
  };
  for (const [i, router] of config.virtualRouters.entries()) {
    const at: Path = ['virtualRouters', i];
    for (const [j, address] of router.addresses.entries())
      claim(address, `an address of virtual router "${router.name}"`, [...at, 'addresses', j]);
    for (const [j, other] of router.otherAddresses.entries()) {
      claim(other.address, `an address that moves with virtual router "${router.name}"`, [...at, 'otherAddresses', j, 'address']);
    }
  }
  const moving = config.virtualRouters.reduce((sum, router) => sum + router.addresses.length + router.otherAddresses.length, 0);
  if (moving > MAX_ADDRESSES) report.error(['virtualRouters'], 'key', `${moving} addresses; the data plane holds ${MAX_ADDRESSES}`);
}
