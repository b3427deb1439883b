/**
 * From a capture on the switch to what the judge looks at. Pure. Who sent something is read from the port it came in at, never from an
 * address in it: those may be virtual.
 */
import type { Observation } from '../lab/observations.js';
import { type Plan, PORTS, VIP, VIP6, VIP6_LINK_LOCAL } from '../lab/plan.js';
import type { Farewell, Pause, Reset, Sign } from './evidence.js';

/**
 * Flows that a server ever got a packet of, by client address and port; goes from round to round. They prove nothing any more: their
 * records outlive every take-over.
 */
export type KnownFlows = Set<string>;

const ALL_NODES = 'ff02::1';

interface Port {
  node: string;
  side: 'client' | 'server';
}

const portsOf = (plan: Plan): Map<string, Port> =>
  new Map(plan.nodes.flatMap((node) => node.legs.map((leg) => [leg.port, { node: node.name, side: leg.side }] as const)));

/** What a sign is about, and for whom it was: an asker that rotates, or the client of a new flow. */
interface Shown {
  kind: Sign['kind'];
  family: Sign['family'];
  /** Null: nobody asked. */
  asked: string | null;
}

function shownBy(seen: Observation, { side }: Port): Shown | null {
  switch (seen.kind) {
    case 'arpReply':
      return seen.senderAddress === VIP ? { kind: 'answer', family: 'ipv4', asked: seen.targetAddress } : null;
    case 'arpRequest':
      return seen.senderAddress === VIP && seen.targetAddress === VIP ? { kind: 'claim', family: 'ipv4', asked: null } : null;
    case 'neighbourAdvertisement': {
      if (seen.targetAddress !== VIP6 && seen.targetAddress !== VIP6_LINK_LOCAL) return null;
      const isClaim = seen.destination === ALL_NODES;
      return { kind: isClaim ? 'claim' : 'answer', family: 'ipv6', asked: isClaim ? null : seen.destination };
    }
    case 'udp': {
      const isProbe = side === 'server' && seen.destinationPort === PORTS.probe;
      return isProbe ? { kind: 'admitted', family: 'ipv4', asked: `${seen.source}:${seen.sourcePort}` } : null;
    }
    default:
      return null;
  }
}

/** Who asks with this frame, as it enters the switch from a client. */
function askedBy(seen: Observation): string | null {
  if (seen.kind === 'arpRequest') return seen.targetAddress === VIP ? seen.senderAddress : null;
  if (seen.kind === 'neighbourSolicitation') return seen.source;
  return seen.kind === 'udp' && seen.destination === VIP ? `${seen.source}:${seen.sourcePort}` : null;
}

/** Observations in the order of time. */
export function signsOf(plan: Plan, observations: readonly Observation[], known: KnownFlows): Sign[] {
  const ports = portsOf(plan);
  const clients = new Set(plan.clients.flatMap((client) => client.legs.map((leg) => leg.port)));
  const asked = new Map<string, number>();
  return observations.flatMap((seen): Sign[] => {
    if (clients.has(seen.port)) {
      const asker = askedBy(seen);
      if (asker !== null) asked.set(asker, seen.atMs);
    }
    const at = ports.get(seen.port);
    const shown = at === undefined ? null : shownBy(seen, at);
    if (at === undefined || shown === null) return [];
    const { kind, family, asked: asker } = shown;
    if (kind === 'admitted' && asker !== null) {
      if (known.has(asker)) return [];
      known.add(asker);
    }
    const askedMs = (asker === null ? undefined : asked.get(asker)) ?? seen.atMs;
    return [{ atMs: seen.atMs, node: at.node, kind, family, askedMs }];
  });
}

/** Adverts with priority 0, to all or to one. */
export function farewellsOf(plan: Plan, observations: readonly Observation[]): Farewell[] {
  const ports = portsOf(plan);
  return observations.flatMap((seen) => {
    const node = ports.get(seen.port)?.node;
    return seen.kind === 'advert' && seen.priority === 0 && node !== undefined ? [{ atMs: seen.atMs, node }] : [];
  });
}

/** Clients ask each few milliseconds; when none does for so long, nothing runs on this machine. */
const PAUSE_MS = 100;

/** Times between these two in which nobody asked. */
export function pausesOf(plan: Plan, observations: readonly Observation[], fromMs: number, toMs: number): Pause[] {
  const clients = new Set(plan.clients.flatMap((client) => client.legs.map((leg) => leg.port)));
  const moments = observations.filter((seen) => clients.has(seen.port) && seen.atMs > fromMs && seen.atMs < toMs).map((seen) => seen.atMs);
  const all = [fromMs, ...moments, toMs];
  return all.slice(1).flatMap((end, index) => {
    const start = all[index] as number;
    return end - start > PAUSE_MS ? [{ fromMs: start, toMs: end }] : [];
  });
}

/** Resets of the workload's connections; the nodes' own checks of servers are their business. */
export function resetsOf(plan: Plan, observations: readonly Observation[]): Reset[] {
  const clients = new Set(plan.clients.flatMap((client) => client.legs.map((leg) => leg.address)));
  return observations.flatMap((seen) =>
    seen.kind === 'reset' && (clients.has(seen.source) || clients.has(seen.destination))
      ? [{ atMs: seen.atMs, port: seen.port, from: `${seen.source}:${seen.sourcePort}`, to: `${seen.destination}:${seen.destinationPort}` }]
      : [],
  );
}

/** Answers to the probes of a client. */
export const answersTo = (observations: readonly Observation[], client: string): number[] =>
  observations.flatMap((seen) =>
    seen.kind === 'udp' && seen.source === VIP && seen.sourcePort === PORTS.probe && seen.destination === client ? [seen.atMs] : [],
  );
