/**
 * The door to links, addresses and routes: reads them all at start, follows changes. `ip monitor` only says that something changed; what
 * is true comes from a full reading a moment later, so a burst of changes costs one reading and nothing can be missed for long.
 */
import { after, type Clock, systemClock } from './clock.js';
import type { Family } from './ip-address.js';
import { ipJson, ipMonitor } from './ip-command.js';
import { linkNamed, type NetworkFacts, noFacts, parseLinks, parseRoutes, primaryAddress } from './network-facts.js';

/** Changes come in bursts (an interface going up is a dozen lines). */
const SETTLE_MS = 30;
/** Safety net for lost netlink messages. */
const REREAD_MS = 30_000;

export interface Links {
  facts(): NetworkFacts;
  /** First IPv4 address of an interface (the default), or its link-local IPv6 address. Throws when there is none. */
  primaryAddress(interfaceName: string, family?: Family): string;
  /** Called after facts changed; returns how to unsubscribe. */
  onChange(listener: (facts: NetworkFacts) => void): () => void;
  stop(): void;
}

export interface LinksOptions {
  clock?: Clock;
  /** Trouble that repairs itself, worth a line in the log. */
  onProblem?(reason: string): void;
}

/** Resolves when the first facts are known. Rejects with IpCommandError. */
export async function createLinks({ clock = systemClock, onProblem = () => undefined }: LinksOptions = {}): Promise<Links> {
  const listeners = new Set<(facts: NetworkFacts) => void>();
  let facts = noFacts;
  let isReading = false;
  let stopped = false;
  let cancel: () => void = () => undefined;
  let dueAt = Number.POSITIVE_INFINITY;

  const schedule = (delayMs: number): void => {
    const at = after(clock.now(), delayMs);
    if (stopped || at >= dueAt) return;
    cancel();
    dueAt = at;
    cancel = clock.at(at, () => {
      dueAt = Number.POSITIVE_INFINITY;
      void reread();
    });
  };
  const reread = async (): Promise<void> => {
    if (isReading) return schedule(SETTLE_MS);
    isReading = true;
    try {
      publish(await readFacts());
    } catch (error) {
      onProblem(error instanceof Error ? error.message : String(error));
    } finally {
      isReading = false;
      schedule(REREAD_MS);
    }
  };
  const publish = (fresh: NetworkFacts): void => {
    if (stopped || JSON.stringify(fresh) === JSON.stringify(facts)) return;
    facts = fresh;
    for (const listener of [...listeners]) listener(facts);
  };

  const monitor = ipMonitor(
    ['link', 'address', 'route'],
    clock,
    () => schedule(SETTLE_MS),
    (reason) => {
      onProblem(reason);
      schedule(SETTLE_MS);
    },
  );
  try {
    facts = await readFacts();
  } catch (error) {
    stopped = true;
    cancel();
    monitor.stop();
    throw error;
  }
  // The monitor may have begun to listen only after the reading.
  schedule(10 * SETTLE_MS);

  return {
    facts: () => facts,
    primaryAddress(interfaceName, family = 'ipv4') {
      const link = linkNamed(facts, interfaceName);
      const address = link === undefined ? null : primaryAddress(link, family);
      if (address !== null) return address;
      throw new Error(`interface ${interfaceName} has no ${family === 'ipv4' ? 'IPv4 address' : 'link-local IPv6 address'}`);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop() {
      stopped = true;
      cancel();
      monitor.stop();
    },
  };
}

async function readFacts(): Promise<NetworkFacts> {
  const [links, routes] = await Promise.all([ipJson(['address']), ipJson(['-4', 'route', 'show', 'table', 'main'])]);
  return { links: parseLinks(links), routes: parseRoutes(routes) };
}
