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
  ['l4', 2],
  ['l7', 2],
  ['health', 2],
  ['config', 1],
  ['telemetry', 1],
  ['system', 0],
]);

/** The folders whose logic is pure and whose shells meet only in control and bin. */
export const FEATURES: readonly string[] = ['vrrp', 'replication', 'l4', 'l7', 'health'];

/** Files of feature folders that hold sockets, files, processes, the addon or a library. */
export const SHELLS: ReadonlySet<string> = new Set(['replication/grpc-transport.ts']);
