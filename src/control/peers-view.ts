/**
 * What the peers told us about themselves over the control stream: which virtual routers each holds and which gateways its flows use.
 */
import type { ControlMessage } from '../replication/api.js';
import type { Clock } from '../system/clock.js';
import { createWaiting } from './wait-until.js';

export interface PeersView {
  /** True when the message changed something. */
  heard(node: string, message: ControlMessage): boolean;
  lost(node: string): void;
  nextHops(): string[];
  /** Routers that this peer says it holds. */
  heldBy(node: string): ReadonlySet<string>;
  /** Does a connected peer hold it? */
  isHeld(router: string): boolean;
  waitToHold(node: string, routers: readonly string[], limitMs: number): Promise<boolean>;
}

const nothing: ReadonlySet<string> = new Set();

export function createPeersView(clock: Clock): PeersView {
  const holding = new Map<string, ReadonlySet<string>>();
  const gateways = new Map<string, readonly string[]>();
  const waiting = createWaiting(clock);

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
      return false;
    },
    lost: (node) => {
      holding.delete(node);
    },
    nextHops: () => [...new Set([...gateways.values()].flat())],
    heldBy: (node) => holding.get(node) ?? nothing,
    isHeld: (router) => [...holding.values()].some((routers) => routers.has(router)),
    waitToHold: (node, routers, limitMs) =>
      waiting.until(() => {
        const held = holding.get(node);
        return held !== undefined && routers.every((router) => held.has(router));
      }, limitMs),
  };
}
