/**
 * The configuration of Tandem in a lab: every service of the workload on one virtual router. Pure.
 */
import { stringify } from 'yaml';
import { INNER_VIP, type Leg, legOn, type Machine, type Plan, PORTS, VIP, VRID } from './plan.js';
import { type ElectionSettings, priorityOf } from './system-under-test.js';

export interface TandemConfigOptions {
  election: ElectionSettings;
  scheduler: 'maglev' | 'roundRobin';
  attach: 'auto' | 'native' | 'generic';
  maxFlows: number;
  unicast: boolean;
  checksum: 'rfc9568' | 'rfc5798' | 'auto';
  /** Nodes that run Tandem; on the others something else may run. */
  on: readonly string[] | 'all';
  /**
   * Where `cluster.nodes.address` lies, and with it replication. On the server side it is a second path between nodes: what happens to
   * the interface of the virtual router does not touch it.
   */
  nodeAddresses: 'client' | 'server';
  /** The paths of beats (`cluster.nodes.heartbeatAddresses`), in order; null: not said, so that there is one, that of `nodeAddresses`. */
  beatSides: readonly Leg['side'][] | null;
  /** What happens to flows of a server that is down; every pool. */
  onServerDown: 'keep' | 'drop';
  health: { interval: string; timeout: string; rise: number; fall: number };
  /** What the virtual router tracks, and hooks, as they stand in the file. */
  track: readonly object[];
  notify: readonly object[];
  /** Null: the default. */
  queueRecords: number | null;
  /** Fast liveness: peers hear each other in milliseconds, whatever the advert interval is. */
  fast: boolean | { interval: string; life: string };
  /** False: the nodes' processes are not permitted to take real-time priority. */
  realtime: boolean;
  /** Has the last word on the document: what only one test wants. */
  change: (document: LabDocument, nodes: readonly Machine[]) => LabDocument;
  /** Size of a disk of its own for each node's state directory; null: where the lab lies. */
  stateDiskMiB: number | null;
}

export interface LabDocument {
  virtualRouters: Record<string, unknown>[];
  [section: string]: unknown;
}

export const tandemNodes = (plan: Plan, { on }: Pick<TandemConfigOptions, 'on'>): Machine[] =>
  plan.nodes.filter((node) => on === 'all' || on.includes(node.name));

/** What the other nodes call this one. */
export const nodeAddress = (node: Machine, { nodeAddresses }: Pick<TandemConfigOptions, 'nodeAddresses'>): string =>
  legOn(node, nodeAddresses).address;

/** Shorter than the defaults: a lab wants to be ready at once. */
const HEALTH = { interval: '500ms', timeout: '400ms', rise: 1, fall: 3 };

export const DEFAULT_TANDEM = {
  scheduler: 'maglev',
  attach: 'auto',
  maxFlows: 262_144,
  unicast: false,
  checksum: 'rfc9568',
  on: 'all',
  nodeAddresses: 'client',
  beatSides: null,
  onServerDown: 'keep',
  health: HEALTH,
  track: [],
  notify: [],
  queueRecords: null,
  fast: false,
  realtime: true,
  change: (document: LabDocument) => document,
  stateDiskMiB: null,
} as const;

const byName = <T>(items: Machine[], value: (item: Machine, index: number) => T): Record<string, T> =>
  Object.fromEntries(items.map((item, index) => [item.name, value(item, index)]));

const duration = (ms: number): string => `${ms}ms`;

export function tandemConfig(plan: Plan, options: TandemConfigOptions): string {
  const { election, scheduler } = options;
  const nodes = tandemNodes(plan, options);
  const clientAddress = (machine: Machine): string => legOn(machine, 'client').address;
  const pool = (name: string, side: 'client' | 'server', port: number, healthCheck: object): object => ({
    name,
    scheduler,
    servers: plan.servers.map((server) => ({ name: server.name, address: `${legOn(server, side).address}:${port}` })),
    healthCheck: { ...options.health, ...healthCheck },
    onServerDown: options.onServerDown,
  });
  const service = (name: string, listen: string, forward: 'nat' | 'dsr'): object => ({
    name,
    listen: `${VIP}:${listen}`,
    forward,
    pool: name,
  });
  const document: LabDocument = {
    cluster: {
      name: 'lab',
      nodes: byName(nodes, (node) => ({
        address: nodeAddress(node, options),
        ...(options.beatSides === null ? {} : { heartbeatAddresses: options.beatSides.map((side) => legOn(node, side).address) }),
      })),
      ...(options.fast ? { heartbeat: { fast: options.fast } } : {}),
      ...(options.queueRecords === null ? {} : { replication: { queueRecords: options.queueRecords } }),
    },
    dataPlane: { interfaces: ['eth0', 'eth1'], attach: options.attach, maxFlows: options.maxFlows },
    virtualRouters: [
      {
        name: 'front',
        id: VRID,
        interface: 'eth0',
        addresses: [VIP],
        otherAddresses: [{ address: INNER_VIP, interface: 'eth1' }],
        advertInterval: duration(election.advertMs),
        priority: byName(nodes, (node) => priorityOf(election, plan.nodes.indexOf(node))),
        preempt: election.preempt,
        ...(options.unicast ? { unicastPeers: byName(nodes, clientAddress) } : {}),
        checksum: options.checksum,
        verifyAddresses: plan.clients.map(clientAddress),
        track: options.track,
      },
    ],
    notify: options.notify,
    services: [
      service('echo', `${PORTS.echo}/tcp`, 'nat'),
      service('speak', `${PORTS.speak}/tcp`, 'nat'),
      service('web', `${PORTS.web}/tcp`, 'nat'),
      service('probe', `${PORTS.probe}/udp`, 'nat'),
      service('direct', `${PORTS.direct}/tcp`, 'dsr'),
      service('direct-probe', `${PORTS.directProbe}/udp`, 'dsr'),
    ],
    pools: [
      pool('echo', 'server', PORTS.echo, { type: 'tcp' }),
      pool('speak', 'server', PORTS.speak, { type: 'tcp' }),
      pool('web', 'server', PORTS.webServer, { type: 'http', path: '/health' }),
      pool('probe', 'server', PORTS.probe, { type: 'http', path: '/health', port: PORTS.webServer }),
      pool('direct', 'client', PORTS.direct, { type: 'tcp' }),
      pool('direct-probe', 'client', PORTS.directProbe, { type: 'http', path: '/health', port: PORTS.webServer }),
    ],
  };
  return stringify(options.change(document, nodes));
}
