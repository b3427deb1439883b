/**
 * From a checked document to the model: numbers the nodes, resolves file names and the virtual router of each service, digests it. Pure
 * but for the hash.
 */
import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { routerOf } from './check-services.js';
import { resolveHealthCheck } from './health-model.js';
import type { Config, NodeConfig, ServiceConfig } from './model.js';
import type { ConfigDocument } from './schema.js';
import { resolveTrack, type TrackDocument } from './track-schema.js';

/** Stands in names of files and programs for the name of the node that reads the file. */
export const NODE_PLACEHOLDER = '{node}';

/** `file` is absolute. Without `node` the placeholder stays in the file names. */
export function buildConfig(document: ConfigDocument, file: string, node: string | undefined): Config {
  const { tls, ...replication } = document.cluster.replication;
  const locate = (path: string): string => resolve(dirname(file), named(path, node));
  const places = { locate, named: (word: string): string => named(word, node) };
  return {
    ...document,
    file,
    digest: digestOf(document),
    cluster: {
      name: document.cluster.name,
      nodes: numberNodes(document.cluster.nodes),
      heartbeat: document.cluster.heartbeat,
      replication: { ...replication, tls: { ca: locate(tls.ca), cert: locate(tls.cert), key: locate(tls.key) } },
    },
    virtualRouters: document.virtualRouters.map((router) => ({
      ...router,
      track: router.track.map((tracked) => resolveTrack(forNode(tracked, node))),
    })),
    notify: document.notify.map((hook) => ({ ...hook, command: hook.command.map((word) => named(word, node)) })),
    pools: document.pools.map((pool) => ({ ...pool, healthCheck: pool.healthCheck && resolveHealthCheck(pool.healthCheck, places) })),
    services: document.services.map(
      (service): ServiceConfig => ({ ...service, virtualRouter: routerOf(document.virtualRouters, service.address)?.name ?? '' }),
    ),
  };
}

const named = (text: string, node: string | undefined): string => (node === undefined ? text : text.replaceAll(NODE_PLACEHOLDER, node));

/** One file for all nodes, and still each may look at something of its own. */
function forNode(tracked: TrackDocument, node: string | undefined): TrackDocument {
  const own = (text: string | null): string | null => (text === null ? null : named(text, node));
  const { process, pidFile, file, command } = tracked;
  return {
    ...tracked,
    process: own(process),
    pidFile: own(pidFile),
    file: own(file),
    command: command?.map((word) => named(word, node)) ?? null,
  };
}

function numberNodes(nodes: ConfigDocument['cluster']['nodes']): NodeConfig[] {
  const names = Object.keys(nodes).sort();
  const taken = new Set(Object.values(nodes).map((node) => node.id));
  let next = 1;
  return names.flatMap((name) => {
    const node = nodes[name];
    if (node === undefined) return [];
    const heartbeatAddresses = node.heartbeatAddresses.length > 0 ? node.heartbeatAddresses : [node.address];
    const { address } = node;
    if (node.id !== undefined) return [{ name, id: node.id, address, heartbeatAddresses }];
    while (taken.has(next)) next++;
    return [{ name, id: next++, address, heartbeatAddresses }];
  });
}

/** The order of keys means nothing in YAML; the order of lists does. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, canonical(each)]));
}

function digestOf(document: ConfigDocument): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(document)))
    .digest('hex');
}
