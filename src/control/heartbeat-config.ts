/**
 * Turns the configuration and the facts of this machine into what the heartbeat needs to know, and nothing more. Pure.
 */
import { MAX_BEAT_NODES, VERSION_2_INTERVAL_STEP_MS } from '../config/limits.js';
import type { Config, VirtualRouterConfig } from '../config/model.js';
import { type Family, familyOfText } from '../system/ip-address.js';
import type { BeatSettings, HeartbeatConfig, HeartbeatGroup, HeartbeatRouter, TrackedInterface } from '../vrrp/heartbeat-api.js';

/** A peer that is alive is known to be so before its adverts are missed: two and a half beats fit well into three adverts. */
const BEAT_SHARE = 0.5;
const MIN_BEAT_INTERVAL_MS = 2;
const MAX_BEAT_INTERVAL_MS = 500;

export interface HeartbeatFacts {
  node: string;
  instance: string;
  pinDir: string;
  socketPath: string;
  realtimePriority: number;
  /** Of this instance, hexadecimal. */
  beatKey: string;
  /** Decimal string of 64 bits. */
  clusterId: string;
  /** Index of a router in the data plane, by name. */
  slotOf(router: string): number;
  /** Primary IPv4 address of an interface of this machine, or its link-local IPv6 address. */
  addressOf(interfaceName: string, family: Family): string;
}

export function heartbeatConfig(config: Config, facts: HeartbeatFacts): HeartbeatConfig {
  return {
    node: facts.node,
    instance: facts.instance,
    pinDir: facts.pinDir,
    socketPath: facts.socketPath,
    drainMs: config.dataPlane.drainMs,
    realtimePriority: facts.realtimePriority,
    groups: groupsOf(config).map(({ name, routers }) => heartbeatGroup(config, name, routers, facts)),
    beats: beatSettings(config, facts),
  };
}

function beatSettings(config: Config, facts: HeartbeatFacts): BeatSettings | null {
  const { nodes, heartbeat } = config.cluster;
  const own = nodes.find((node) => node.name === facts.node);
  const peers = nodes.filter((node) => node.name !== facts.node);
  if (own === undefined || peers.length === 0) return null;
  const shortestMs = Math.min(...config.virtualRouters.map((router) => router.advertIntervalMs));
  return {
    nodeId: own.id,
    cluster: facts.clusterId,
    key: facts.beatKey,
    port: heartbeat.port,
    paths: own.heartbeatAddresses,
    peers: peers.slice(0, MAX_BEAT_NODES - 1).map((peer) => ({
      node: peer.name,
      id: peer.id,
      addresses: own.heartbeatAddresses.map((_, path) => peer.heartbeatAddresses[path] ?? null),
      advertAddresses: config.virtualRouters.flatMap((router) => router.unicastPeers[peer.name] ?? []),
    })),
    intervalMs: Math.min(MAX_BEAT_INTERVAL_MS, Math.max(MIN_BEAT_INTERVAL_MS, shortestMs * BEAT_SHARE)),
    fast: heartbeat.fast,
    references: heartbeat.references,
  };
}

/** Sync groups, and every other router as a group of its own. */
function groupsOf(config: Config): { name: string; routers: VirtualRouterConfig[] }[] {
  const grouped = new Set(config.syncGroups.flatMap((group) => group.virtualRouters));
  const single = config.virtualRouters.filter((router) => !grouped.has(router.name));
  return [
    ...config.syncGroups.map(({ name, virtualRouters }) => ({
      name,
      routers: config.virtualRouters.filter((router) => virtualRouters.includes(router.name)),
    })),
    ...single.map((router) => ({ name: router.name, routers: [router] })),
  ];
}

/** The routers of a sync group agree in everything that belongs to the election (cross-checks.ts): the first speaks for all. */
function heartbeatGroup(config: Config, name: string, routers: VirtualRouterConfig[], facts: HeartbeatFacts): HeartbeatGroup {
  const [first] = routers;
  if (first === undefined) throw new Error(`sync group ${name} has no virtual router`);
  const priority = first.priority[facts.node];
  if (priority === undefined) throw new Error(`virtual router ${first.name} has no priority for ${facts.node}`);
  return {
    name,
    priority,
    advertIntervalMs: first.advertIntervalMs,
    // One file for all nodes: the shortest interval that any node may use is this one.
    leaseIntervalMs: first.advertIntervalMs,
    preempt: first.preempt,
    preemptDelayMs: first.preemptDelayMs,
    announce: first.announce,
    ...(first.version === 2 ? { skewIntervalMs: VERSION_2_INTERVAL_STEP_MS } : {}),
    trackedInterfaces: routers.flatMap(trackedInterfaces),
    members: routers.map((router) => heartbeatRouter(config, router, facts)),
  };
}

/** Carrier is the one tracked thing that the heartbeat looks at itself. */
const trackedInterfaces = ({ track }: VirtualRouterConfig): TrackedInterface[] =>
  track.flatMap(({ kind, interface: name, weight }) => (kind === 'interface' && name !== null ? [{ name, weight }] : []));

function heartbeatRouter(config: Config, router: VirtualRouterConfig, facts: HeartbeatFacts): HeartbeatRouter {
  return {
    name: router.name,
    vrid: router.id,
    slot: facts.slotOf(router.name),
    interface: router.interface,
    version: router.version,
    sourceAddress: facts.addressOf(router.interface, familyOfText(router.addresses[0] ?? '')),
    addresses: router.addresses,
    announced: [...router.addresses.map((address) => ({ address, interface: router.interface })), ...router.otherAddresses],
    dataInterfaces: config.dataPlane.interfaces,
    unicastPeers: [
      ...Object.entries(router.unicastPeers)
        .filter(([node]) => node !== facts.node)
        .map(([, address]) => address),
      ...router.unicastRouters,
    ],
    unicastSourceCheck: router.unicastSourceCheck,
    virtualMac: router.virtualMac,
    checksum: router.checksum,
  };
}
