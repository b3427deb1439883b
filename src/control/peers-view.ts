/**
 * What the peers told us about themselves over the control stream: which virtual routers each holds, which
 * gateways its flows use, where it stands on the wire and how its heartbeat signs.
 */
import type { ControlMessage, PeerInterface } from '../replication/api.js';
import type { Clock } from '../system/clock.js';
import { createWaiting } from './wait-until.js';

export interface PeersView {
  /** True when the message changed something. */
  heard(node: string, message: ControlMessage): boolean;
  lost(node: string): void;
  nextHops(): string[];
  /** By node: where it stands on the wire. Kept when it is out of reach, for its MAC addresses stay the same. */
  interfaces(): ReadonlyMap<string, readonly PeerInterface[]>;
  /** By node: with what its heartbeat signs. Kept too. */
  beatKeys(): ReadonlyMap<string, string>;
  /** Routers that this peer says it holds. */
  heldBy(node: string): ReadonlySet<string>;
  /** The connected peer that says that it holds it. */
  holderOf(router: string): string | null;
  isHeld(router: string): boolean;
  waitToHold(node: string, routers: readonly string[], limitMs: number): Promise<boolean>;
}

const nothing: ReadonlySet<string> = new Set();

/** `knownKeys`: what the heartbeats of peers signed with when they were last heard. */
export function createPeersView(clock: Clock, knownKeys: ReadonlyMap<string, string> = new Map()): PeersView {
  const holding = new Map<string, ReadonlySet<string>>();
  const gateways = new Map<string, readonly string[]>();
  const interfaces = new Map<string, readonly PeerInterface[]>();
  const keys = new Map(knownKeys);
  const waiting = createWaiting(clock);
  const holderOf = (router: string): string | null => [...holding].find(([, routers]) => routers.has(router))?.[0] ?? null;

  return {
    heard(node, message) {
      if (message.type === 'holding') {
        holding.set(node, new Set(message.routers));
        waiting.look();
        return true;
      }
      if (message.type === 'nextHops') {
        gateways.set(node, message.addresses);
        return true;
      }
      if (message.type === 'interfaces') {
        const isNew = JSON.stringify(interfaces.get(node)) !== JSON.stringify(message.interfaces);
        interfaces.set(node, message.interfaces);
        return isNew;
      }
      if (message.type === 'beatKey') {
        const isNew = keys.get(node) !== message.key;
        keys.set(node, message.key);
        return isNew;
      }
      return false;
    },
    lost: (node) => {
      holding.delete(node);
    },
    nextHops: () => [...new Set([...gateways.values()].flat())],
    interfaces: () => interfaces,
    beatKeys: () => keys,
    heldBy: (node) => holding.get(node) ?? nothing,
    holderOf,
    isHeld: (router) => holderOf(router) !== null,
    waitToHold: (node, routers, limitMs) =>
      waiting.until(() => {
        const held = holding.get(node);
        return held !== undefined && routers.every((router) => held.has(router));
      }, limitMs),
  };
}
