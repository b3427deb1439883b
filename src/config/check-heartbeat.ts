/**
 * The beats: every node has the same paths, fast liveness has times that make sense, and the names of the elections can be told apart. Pure.
 */
import { nameHash } from '../system/name-hash.js';
import { MAX_BEAT_GROUPS, MAX_BEAT_NODES, MIN_FAST_BEATS } from './limits.js';
import type { Report } from './report.js';
import { formatDuration } from './scalars.js';
import type { ConfigDocument } from './schema.js';
import type { Path } from './source.js';

/** A crash is noticed after three adverts (RFC 9568 section 6.1); a lease that lives as long gains nothing. */
const MISSED_ADVERTS = 3;

export function checkHeartbeat(config: ConfigDocument, report: Report): void {
  checkPaths(config, report);
  checkFast(config, report);
  checkNames(config, report);
  const count = Object.keys(config.cluster.nodes).length;
  if (count > MAX_BEAT_NODES)
    report.warning(
      ['cluster', 'nodes'],
      'key',
      `${count} nodes; each exchanges beats with ${MAX_BEAT_NODES - 1} of them, adverts reach all`,
    );
}

function checkPaths(config: ConfigDocument, report: Report): void {
  const nodes = Object.entries(config.cluster.nodes);
  const [first] = nodes;
  const owners = new Map<string, string>();
  const virtual = new Set(config.virtualRouters.flatMap((router) => router.addresses));
  for (const [name, { heartbeatAddresses }] of nodes) {
    const at: Path = ['cluster', 'nodes', name, 'heartbeatAddresses'];
    const expected = first?.[1].heartbeatAddresses.length ?? 0;
    if (heartbeatAddresses.length !== expected)
      report.error(
        heartbeatAddresses.length === 0 ? ['cluster', 'nodes', name] : at,
        'key',
        `${heartbeatAddresses.length} addresses for beats, but node "${first?.[0]}" has ${expected}; write one per path on every node, in the same order`,
      );
    for (const [index, address] of heartbeatAddresses.entries()) {
      const owner = owners.get(address);
      if (owner !== undefined) report.error([...at, index], 'value', `${address} is an address of node "${owner}" already`);
      if (virtual.has(address))
        report.error([...at, index], 'value', `${address} is a virtual address; beats go between the nodes themselves`);
      owners.set(address, name);
    }
  }
}

function checkFast(config: ConfigDocument, report: Report): void {
  const { fast } = config.cluster.heartbeat;
  if (fast === null) return;
  const at: Path = ['cluster', 'heartbeat', 'fast'];
  if (fast.lifeMs < MIN_FAST_BEATS * fast.intervalMs)
    report.error(
      at,
      'value',
      `a life of ${formatDuration(fast.lifeMs)} is less than ${MIN_FAST_BEATS} intervals of ${formatDuration(fast.intervalMs)}: one lost beat would move the addresses; write at least life: ${formatDuration(MIN_FAST_BEATS * fast.intervalMs)}`,
    );
  const slowest = Math.min(...config.virtualRouters.map((router) => MISSED_ADVERTS * router.advertIntervalMs));
  if (fast.lifeMs >= slowest)
    report.warning(
      at,
      'value',
      `a life of ${formatDuration(fast.lifeMs)} is not shorter than three adverts (${formatDuration(slowest)}), which notice a crash as soon`,
    );
}

/** Beats name an election by the hash of its group's name. */
function checkNames(config: ConfigDocument, report: Report): void {
  const grouped = new Set(config.syncGroups.flatMap((group) => group.virtualRouters));
  const names: { name: string; path: Path }[] = [
    ...config.syncGroups.map(({ name }, i) => ({ name, path: ['syncGroups', i, 'name'] as Path })),
    ...config.virtualRouters.flatMap(({ name }, i) => (grouped.has(name) ? [] : [{ name, path: ['virtualRouters', i, 'name'] as Path }])),
  ];
  if (names.length > MAX_BEAT_GROUPS)
    report.warning(
      ['virtualRouters'],
      'key',
      `${names.length} elections; beats speak of the first ${MAX_BEAT_GROUPS}, the others have adverts alone`,
    );
  const seen = new Map<number, string>();
  for (const { name, path } of names) {
    const hash = nameHash(name);
    const other = seen.get(hash);
    if (other !== undefined && other !== name)
      report.error(path, 'value', `"${name}" and "${other}" have the same hash in beats; rename one`);
    seen.set(hash, name);
  }
}
