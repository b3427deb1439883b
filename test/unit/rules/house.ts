/**
 * The plan of the house as data: which folder stands on which floor, and which files of the feature folders are shells. Every other file
 * of a feature folder is pure: a new file is, unless it is entered here.
 */

/** Arrows go down only, to a smaller number. Folders of one floor do not know each other. */
export const FLOORS: ReadonlyMap<string, number> = new Map([
  ['bin', 6],
  ['cli', 5],
  ['control', 4],
  ['vrrp', 3],
  ['replication', 3],
  ['tracking', 3],
  ['l4', 2],
  ['l7', 2],
  ['health', 2],
  ['config', 1],
  ['telemetry', 1],
  ['system', 0],
]);

/** The folders whose logic is pure and whose shells meet only in control and bin. */
export const FEATURES: readonly string[] = ['vrrp', 'replication', 'tracking', 'l4', 'l7', 'health'];

/** Files of feature folders that hold sockets, files, processes, the addon or a library. */
export const SHELLS: ReadonlySet<string> = new Set([
  'health/checker.ts',
  'health/probe.ts',
  'health/probes/grpc.ts',
  'health/probes/http.ts',
  'health/probes/script.ts',
  'health/probes/tcp.ts',
  'health/probes/tls.ts',
  'health/probes/udp.ts',
  'l4/native.ts',
  'replication/grpc-transport.ts',
  'tracking/looks.ts',
]);

/** Files of the ground floors that are pure themselves, and what pure modules may take from them: the named values, or anything. */
export const PURE_GROUND: ReadonlyMap<string, readonly string[] | 'anything'> = new Map<string, readonly string[] | 'anything'>([
  ['system/clock.ts', ['after']],
  ['system/ipv4.ts', 'anything'],
  ['system/ip-address.ts', 'anything'],
  ['system/name-hash.ts', 'anything'],
  ['config/virtual-mac.ts', 'anything'],
  ['config/dns-words.ts', 'anything'],
  ['config/limits.ts', ['OWNER_PRIORITY']],
  ['system/network-facts.ts', 'anything'],
  ['system/neighbour-facts.ts', 'anything'],
]);

/** Files that hold nothing but the types of what a node shows to the outside: whoever shows it may know them, on any floor. */
export const CONTRACTS: ReadonlySet<string> = new Set(['control/status.ts']);
