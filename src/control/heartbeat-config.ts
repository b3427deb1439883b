/**
 * Turns the configuration and the facts of this machine into what the heartbeat needs to know, and nothing more. Pure.
 */
import type { Config, VirtualRouterConfig } from '../config/model.js';
import type { HeartbeatConfig, HeartbeatRouter } from '../vrrp/heartbeat-api.js';

export interface HeartbeatFacts {
  node: string;
  instance: string;
  pinDir: string;
  socketPath: string;
  realtimePriority: number;
  /** Index of a router in the data plane, by name. */
  slotOf(router: string): number;
  /** Primary IPv4 address of an interface of this machine. */
  addressOf(interfaceName: string): string;
}

export function heartbeatConfig(config: Config, facts: HeartbeatFacts): HeartbeatConfig {
  return {
    node: facts.node,
    instance: facts.instance,
    pinDir: facts.pinDir,
    socketPath: facts.socketPath,
    drainMs: config.dataPlane.drainMs,
    realtimePriority: facts.realtimePriority,
    routers: config.virtualRouters.map((router) => heartbeatRouter(config, router, facts)),
  };
}

function heartbeatRouter(config: Config, router: VirtualRouterConfig, facts: HeartbeatFacts): HeartbeatRouter {
  const priority = router.priority[facts.node];
  if (priority === undefined) throw new Error(`virtual router ${router.name} has no priority for ${facts.node}`);
  return {
    name: router.name,
    vrid: router.id,
    slot: facts.slotOf(router.name),
    interface: router.interface,
    sourceAddress: facts.addressOf(router.interface),
    addresses: router.addresses,
    announced: [...router.addresses.map((address) => ({ address, interface: router.interface })), ...router.otherAddresses],
    dataInterfaces: config.dataPlane.interfaces,
    priority,
    advertIntervalMs: router.advertIntervalMs,
    // One file for all nodes: the shortest interval that any node may use is this one.
    leaseIntervalMs: router.advertIntervalMs,
    preempt: router.preempt,
    preemptDelayMs: router.preemptDelayMs,
    unicastPeers: Object.entries(router.unicastPeers)
      .filter(([node]) => node !== facts.node)
      .map(([, address]) => address),
    checksum: router.checksum,
    announce: router.announce,
  };
}
