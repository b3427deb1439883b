/**
 * Links and neighbours of a make-believe machine: eth0 towards clients (default gateway 10.1.0.1), eth1 towards servers.
 */
import type { Links } from '../../src/system/links.js';
import type { Neighbour, Neighbours } from '../../src/system/neighbours.js';
import { linkNamed, type NetworkFacts } from '../../src/system/network-facts.js';

export const twoNetworks: NetworkFacts = {
  links: [
    { name: 'lo', ifindex: 1, mac: '00:00:00:00:00:00', isUp: true, addresses: [{ address: '127.0.0.1', prefixLength: 8 }] },
    { name: 'eth0', ifindex: 2, mac: '02:00:00:00:01:11', isUp: true, addresses: [{ address: '10.1.0.11', prefixLength: 24 }] },
    { name: 'eth1', ifindex: 3, mac: '02:00:00:00:02:11', isUp: true, addresses: [{ address: '10.2.0.11', prefixLength: 24 }] },
  ],
  routes: [
    { network: '0.0.0.0', prefixLength: 0, gateway: '10.1.0.1', interface: 'eth0', metric: 0 },
    { network: '10.1.0.0', prefixLength: 24, gateway: null, interface: 'eth0', metric: 0 },
    { network: '10.2.0.0', prefixLength: 24, gateway: null, interface: 'eth1', metric: 0 },
  ],
};

export class FakeLinks implements Links {
  private current: NetworkFacts;
  private readonly listeners = new Set<(facts: NetworkFacts) => void>();

  constructor(facts: NetworkFacts = twoNetworks) {
    this.current = facts;
  }

  facts(): NetworkFacts {
    return this.current;
  }

  primaryAddress(name: string): string {
    return linkNamed(this.current, name)?.addresses[0]?.address ?? '';
  }

  onChange(listener: (facts: NetworkFacts) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  become(facts: NetworkFacts): void {
    this.current = facts;
    for (const listener of this.listeners) listener(facts);
  }

  stop(): void {
    this.listeners.clear();
  }
}

export class FakeNeighbours implements Neighbours {
  readonly macs = new Map<string, string>();
  readonly managed = new Set<string>();
  private readonly listeners = new Set<(neighbour: Neighbour) => void>();

  macOf(name: string, address: string): string | null {
    return this.macs.get(`${name} ${address}`) ?? null;
  }

  manage(name: string, address: string): void {
    this.managed.add(`${name} ${address}`);
  }

  release(name: string, address: string): void {
    this.managed.delete(`${name} ${address}`);
  }

  onChange(listener: (neighbour: Neighbour) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The network answers (or, with null, does not any more). */
  answer(name: string, address: string, mac: string | null): void {
    if (mac === null) this.macs.delete(`${name} ${address}`);
    else this.macs.set(`${name} ${address}`, mac);
    for (const listener of this.listeners) listener({ interface: name, address, mac, isManaged: true, isGone: false });
  }

  stop(): void {
    this.listeners.clear();
  }
}
