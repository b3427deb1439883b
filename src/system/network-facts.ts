/**
 * What this machine's network looks like: links, addresses, routes; read from what `ip -json` prints, asked by pure functions. Only the
 * main routing table counts, and of a route with several next hops the first one, because the data plane keeps one next hop per server.
 */
import { type Family, isLinkLocal, parseAddress } from './ip-address.js';
import { ipv4Number, isInPrefix } from './ipv4.js';

export interface Link {
  name: string;
  ifindex: number;
  /** aa:bb:cc:dd:ee:ff; all zero on loopback. */
  mac: string;
  isUp: boolean;
  /** IPv4, primary first. */
  addresses: { address: string; prefixLength: number }[];
  /** IPv6, in the order of the kernel; none where the link does not speak it. */
  ipv6Addresses?: { address: string; prefixLength: number }[];
}

export interface Route {
  /** Dotted; `0.0.0.0` with length 0 is the default route. */
  network: string;
  prefixLength: number;
  /** Null: directly connected. */
  gateway: string | null;
  interface: string;
  metric: number;
}

export interface NetworkFacts {
  links: Link[];
  routes: Route[];
}

/** Where a packet to an address goes next: the neighbour that must be resolved, and on which link. */
export interface Hop {
  interface: string;
  ifindex: number;
  address: string;
  /** False: the address itself is the neighbour. */
  isGateway: boolean;
}

export const noFacts: NetworkFacts = { links: [], routes: [] };

type Json = Record<string, unknown>;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** From `ip -json address`. */
export function parseLinks(json: unknown): Link[] {
  return list(json)
    .filter((entry) => text(entry.ifname) !== '')
    .map((entry) => ({
      name: text(entry.ifname),
      ifindex: number(entry.ifindex),
      mac: text(entry.address) || '00:00:00:00:00:00',
      isUp: Array.isArray(entry.flags) && entry.flags.includes('UP'),
      addresses: addressesOf(entry, 'inet'),
      ipv6Addresses: addressesOf(entry, 'inet6'),
    }));
}

/** A duplicate (`dadfailed`) is somebody else's. */
const addressesOf = (entry: Json, family: 'inet' | 'inet6'): { address: string; prefixLength: number }[] =>
  list(entry.addr_info)
    .filter((info) => info.family === family && info.dadfailed !== true)
    .map((info) => ({ address: text(info.local), prefixLength: number(info.prefixlen) }));

/** From `ip -json -4 route show table main`; routes that lead nowhere (blackhole, unreachable) are left out. */
export function parseRoutes(json: unknown): Route[] {
  return list(json).flatMap((entry) => {
    const via = list(entry.nexthops)[0] ?? entry;
    const interfaceName = text(via.dev);
    const destination = text(entry.dst) === 'default' ? '0.0.0.0/0' : text(entry.dst);
    const [network = '', length = '32'] = destination.split('/');
    if (interfaceName === '' || ipv4Number(network) === null) return [];
    const gateway = text(via.gateway);
    return [{ network, prefixLength: Number(length), gateway: gateway || null, interface: interfaceName, metric: number(entry.metric) }];
  });
}

export const linkNamed = (facts: NetworkFacts, name: string): Link | undefined => facts.links.find((link) => link.name === name);

/** What adverts are sent from: the first IPv4 address, or the link-local IPv6 address (RFC 9568 sections 5.1.1.1 and 5.1.2.1). */
export function primaryAddress(link: Link, family: Family): string | null {
  if (family === 'ipv4') return link.addresses[0]?.address ?? null;
  return link.ipv6Addresses?.find(({ address }) => isLinkLocal(parseAddress(address) ?? 0n))?.address ?? null;
}

export const linkIndexed = (facts: NetworkFacts, ifindex: number): Link | undefined => facts.links.find((link) => link.ifindex === ifindex);

/** Every IPv4 address of this machine, loopback left out. */
export const localAddresses = (facts: NetworkFacts): string[] =>
  facts.links.flatMap((link) => link.addresses.map(({ address }) => address)).filter((address) => !address.startsWith('127.'));

/** Longest prefix, then least metric; null when nothing leads there, its link is down, or the address is this machine's own. */
export function nextHopTo(facts: NetworkFacts, address: string): Hop | null {
  const wanted = ipv4Number(address);
  if (wanted === null || localAddresses(facts).includes(address)) return null;
  const route = facts.routes
    .filter((candidate) => isInPrefix(wanted, ipv4Number(candidate.network) ?? 0, candidate.prefixLength))
    .filter((candidate) => linkNamed(facts, candidate.interface)?.isUp === true)
    .sort((a, b) => b.prefixLength - a.prefixLength || a.metric - b.metric)[0];
  const link = route && linkNamed(facts, route.interface);
  if (route === undefined || link === undefined) return null;
  return { interface: link.name, ifindex: link.ifindex, address: route.gateway ?? address, isGateway: route.gateway !== null };
}

/** Gateway of the default route that leaves by this interface, if there is one. */
export function defaultGateway(facts: NetworkFacts, interfaceName: string): string | null {
  const routes = facts.routes.filter((route) => route.prefixLength === 0 && route.interface === interfaceName && route.gateway !== null);
  return routes.sort((a, b) => a.metric - b.metric)[0]?.gateway ?? null;
}

/** The route that a network or an address (length 32) takes whole: longest prefix, then least metric, of links that are up. */
export function routeTo(facts: NetworkFacts, destination: string, interfaceName: string | null): Route | null {
  const [network = '', length = '32'] = destination.split('/');
  const wanted = ipv4Number(network);
  if (wanted === null) return null;
  const routes = facts.routes
    .filter((route) => route.prefixLength <= Number(length) && isInPrefix(wanted, ipv4Number(route.network) ?? 0, route.prefixLength))
    .filter((route) => (interfaceName === null || route.interface === interfaceName) && linkNamed(facts, route.interface)?.isUp === true);
  return routes.sort((a, b) => b.prefixLength - a.prefixLength || a.metric - b.metric)[0] ?? null;
}
