/**
 * Attaches the XDP program to every data interface and says in which mode it runs.
 */
import type { Config } from '../config/model.js';
import type { DataPlane, XdpMode } from '../l4/native.js';
import type { PlacedMac } from '../l4/steering.js';
import type { PeerInterface } from '../replication/api.js';
import { type Address, isInNetwork, isLinkLocal, parseAddress } from '../system/ip-address.js';
import { type Link, linkNamed, type NetworkFacts, nextHopTo } from '../system/network-facts.js';
import { turnOffVlanOffload } from '../system/vlan-offload.js';
import type { Log } from '../telemetry/log.js';

export interface AttachedInterface {
  name: string;
  mode: XdpMode;
  adopted: boolean;
  fallbackReason: string | null;
}

/** Throws NativeError when the kernel refuses, and when an interface is gone. */
export function attachInterfaces(dataPlane: DataPlane, config: Config, facts: NetworkFacts): AttachedInterface[] {
  const serverSides = serverInterfaces(config, facts);
  return config.dataPlane.interfaces.map((name) => {
    const link = linkNamed(facts, name);
    if (link === undefined) throw new Error(`there is no interface ${name} on this machine`);
    const { mode, adopted, fallbackReason } = dataPlane.attach({
      interface: name,
      ifindex: link.ifindex,
      mac: Buffer.from(link.mac.replaceAll(':', ''), 'hex'),
      repliesFirst: serverSides.has(name) && !config.virtualRouters.some((router) => router.interface === name),
      mode: config.dataPlane.attach,
    });
    return { name, mode, adopted, fallbackReason: fallbackReason ?? null };
  });
}

export function sayAttached({ name, mode, adopted, fallbackReason }: AttachedInterface, log: Pick<Log, 'event'>): void {
  log.event('dataPlane.attached', { interface: name, mode, adopted });
  if (fallbackReason !== null) log.event('dataPlane.fallback', { interface: name, reason: fallbackReason });
}

/** The heartbeat gives the lease up when the program is gone from an interface; here it is said, at each call, once. */
export function createAttachmentWatch(
  dataPlane: Pick<DataPlane, 'isAttached'>,
  interfaces: readonly AttachedInterface[],
  log: Pick<Log, 'event'>,
): () => void {
  const detached = new Set<string>();
  return () => {
    for (const { name } of interfaces) {
      const isAttached = dataPlane.isAttached(name);
      if (!isAttached && !detached.has(name)) {
        log.event('dataPlane.detached', { interface: name, reason: 'the XDP link is gone; restart the daemon to attach again' });
        detached.add(name);
      }
      if (isAttached) detached.delete(name);
    }
  };
}

/** Frames of a VLAN must not look like frames of the interface itself. */
export async function showVlanTags(name: string, log: Pick<Log, 'event'>): Promise<void> {
  const offload = await turnOffVlanOffload(name);
  const reason = 'tags must be part of the frame: the data plane cannot see what the hardware took off';
  if (offload.state === 'turnedOff')
    log.event('network.settingChanged', { key: `${name} rx-vlan-offload`, before: 'on', after: 'off', reason });
  if (offload.state === 'unknown') log.event('network.tagsHidden', { interface: name, reason: offload.reason });
}

/** Interfaces by which servers are reached: where no virtual router lives, most packets there are replies. */
function serverInterfaces(config: Config, facts: NetworkFacts): Set<string> {
  const servers = config.pools.flatMap((pool) => pool.servers.map((server) => server.address));
  return new Set(servers.flatMap((address) => nextHopTo(facts, address)?.interface ?? []));
}

/** Where this node stands on the wire, for its peers: adverts of both families come from one of these addresses. */
export function ownInterfaces(config: Config, facts: NetworkFacts): PeerInterface[] {
  return config.dataPlane.interfaces.flatMap((name) => {
    const link = linkNamed(facts, name);
    if (link === undefined) return [];
    const addresses = [...link.addresses, ...(link.ipv6Addresses ?? [])].map(({ address }) => address);
    return [{ name, mac: link.mac, addresses }];
  });
}

/**
 * The interfaces of a peer by the segment that they share with one of ours. Only an address tells: link-local ones are the same everywhere,
 * and names mean nothing on another machine.
 */
export function sharedSegments(ours: readonly string[], facts: NetworkFacts, theirs: readonly PeerInterface[]): PlacedMac[] {
  return ours.flatMap((name) => {
    const link = linkNamed(facts, name);
    if (link === undefined) return [];
    const near = theirs.find(({ addresses }) => addresses.some((address) => isOnSegment(link, parseAddress(address))));
    return near === undefined ? [] : [{ interface: name, mac: near.mac }];
  });
}

function isOnSegment(link: Link, address: Address | null): boolean {
  if (address === null || isLinkLocal(address)) return false;
  return [...link.addresses, ...(link.ipv6Addresses ?? [])].some((own) => {
    const network = parseAddress(own.address);
    return network !== null && isInNetwork(address, network, own.prefixLength);
  });
}
