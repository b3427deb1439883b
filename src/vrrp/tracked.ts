/**
 * What becomes of the things that a group tracks: a fault, or a change of its priority. Pure.
 */
import type { Tracked, TrackedInterface } from './heartbeat-api.js';

/** 255 is the address owner's alone and 0 means "I stop" (RFC 9568 section 5.2.4): weights never lead there. */
const MIN_EFFECTIVE = 1;
const MAX_EFFECTIVE = 254;
const OWNER_PRIORITY = 255;

export interface TrackVerdict {
  /** Why the group may not take part; null: it may. */
  fault: string | null;
  priorityDelta: number;
  /** One text per thing that does not hold, or that adds to the priority. */
  reasons: readonly string[];
}

export const nothingTracked: TrackVerdict = { fault: null, priorityDelta: 0, reasons: [] };

/** `isUp`: whether an interface is up and has carrier. */
export function judgeTracked(
  tracked: readonly Tracked[],
  interfaces: readonly TrackedInterface[],
  isUp: (name: string) => boolean,
): TrackVerdict {
  const local = interfaces.map(({ name, weight }) => interfaceVerdict(name, weight, isUp(name)));
  const faults = [...local, ...tracked].flatMap(({ fault }) => (fault === null ? [] : [fault]));
  return {
    fault: faults[0] ?? null,
    priorityDelta: [...local, ...tracked].reduce((sum, { priorityDelta }) => sum + priorityDelta, 0),
    reasons: [...new Set([...local, ...tracked].flatMap(({ reasons }) => reasons))],
  };
}

/** As keepalived: a negative weight counts while the interface is down, a positive one while it is up. */
function interfaceVerdict(name: string, weight: number | null, isUp: boolean): Omit<Tracked, 'router'> {
  const down = `interface ${name} is down`;
  if (weight === null) return { fault: isUp ? null : `interfaceDown:${name}`, priorityDelta: 0, reasons: isUp ? [] : [down] };
  const counts = weight > 0 === isUp;
  return {
    fault: null,
    priorityDelta: counts ? weight : 0,
    reasons: isUp ? [] : [`${down} (${weight > 0 ? `without ${weight}` : weight})`],
  };
}

export const isOwner = (priority: number): boolean => priority === OWNER_PRIORITY;

export const effectivePriority = (base: number, delta: number): number =>
  isOwner(base) ? base : Math.min(MAX_EFFECTIVE, Math.max(MIN_EFFECTIVE, base + delta));
