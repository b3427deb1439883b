/**
 * From a capture on the switch to what the judge looks at. Pure. Who sent something is read from the port it came in at, never from an
 * address in it: those may be virtual.
 */
import type { Observation } from '../lab/observations.js';
import { type Plan, PORTS, VIP } from '../lab/plan.js';
import type { Reset, Sign } from './evidence.js';

/** A port used again within the life of a UDP record is not a new flow. */
const RECORD_LIFE_MS = 120_000;

/** Flows seen before, by client address and port, with the time of their last packet; goes from round to round. */
export type KnownFlows = Map<string, number>;

export function signsOf(plan: Plan, observations: readonly Observation[], known: KnownFlows): Sign[] {
  const nodes = new Map(plan.nodes.flatMap((node) => node.legs.map((leg) => [leg.port, { node: node.name, side: leg.side }] as const)));
  return observations.flatMap((seen): Sign[] => {
    const at = nodes.get(seen.port);
    if (at === undefined) return [];
    const sign = (kind: Sign['kind']): Sign[] => [{ atMs: seen.atMs, node: at.node, kind }];
    if (seen.kind === 'arpReply') return seen.senderAddress === VIP ? sign('arp') : [];
    if (seen.kind === 'arpRequest') return seen.senderAddress === VIP && seen.targetAddress === VIP ? sign('claim') : [];
    if (seen.kind !== 'udp' || at.side !== 'server' || seen.destinationPort !== PORTS.probe) return [];
    const flow = `${seen.source}:${seen.sourcePort}`;
    const isNew = seen.atMs - (known.get(flow) ?? Number.NEGATIVE_INFINITY) > RECORD_LIFE_MS;
    known.set(flow, seen.atMs);
    return isNew ? sign('admitted') : [];
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
