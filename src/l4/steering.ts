/**
 * Where frames go that still arrive here after a planned hand-over, and which MACs belong to peers (their frames are never steered again).
 * Whom to steer to and for how long is decided above; here it becomes map entries, by interface index. Entries end by themselves, also when
 * nobody runs to remove them.
 */
import { linkNamed, type NetworkFacts } from '../system/network-facts.js';
import type { DataPlane } from './native.js';
import { decodeSteerKey, encodeMacKey, encodeSteer, encodeSteerKey } from './router-records.js';

const NS_PER_MS = 1e6;
/** Value of `peer_macs`: the key is all that counts. */
const PRESENT = Buffer.from([1, 0, 0, 0]);

export interface PlacedMac {
  interface: string;
  /** aa:bb:cc:dd:ee:ff */
  mac: string;
}

type SteeringMaps = Pick<DataPlane, 'mapEntries' | 'mapSet' | 'mapDelete' | 'kernelNs' | 'sums'>;

export class Steering {
  private readonly maps: SteeringMaps;
  private peers: readonly PlacedMac[] = [];

  constructor(maps: SteeringMaps) {
    this.maps = maps;
  }

  /** All of them: those not named are forgotten. An interface that is not there is left out until it is. */
  setPeerMacs(peers: readonly PlacedMac[], facts: NetworkFacts): void {
    this.peers = peers;
    this.place(facts);
  }

  /** After links changed. */
  place(facts: NetworkFacts): void {
    const wanted = new Map(
      this.peers.flatMap(({ interface: name, mac }) => {
        const link = linkNamed(facts, name);
        if (link === undefined) return [];
        const key = encodeMacKey({ ifindex: link.ifindex, mac });
        return [[key.toString('hex'), key] as const];
      }),
    );
    const present = new Set(this.maps.mapEntries('peer_macs').map(([key]) => key.toString('hex')));
    for (const [text, key] of wanted) if (!present.has(text)) this.maps.mapSet('peer_macs', key, PRESENT);
    for (const text of present) if (!wanted.has(text)) this.maps.mapDelete('peer_macs', Buffer.from(text, 'hex'));
  }

  /** In place of what was said before for this router; nobody, or no time: not any more. */
  steer(virtualRouter: number, to: readonly PlacedMac[], forMs: number, facts: NetworkFacts): void {
    const untilNs = this.maps.kernelNs() + BigInt(Math.round(forMs * NS_PER_MS));
    const wanted = new Map<number, string>();
    for (const { interface: name, mac } of forMs > 0 ? to : []) {
      const link = linkNamed(facts, name);
      if (link !== undefined) wanted.set(link.ifindex, mac);
    }
    for (const [key] of this.maps.mapEntries('steers')) {
      const old = decodeSteerKey(key);
      if (old.virtualRouter === virtualRouter && !wanted.has(old.ifindex)) this.maps.mapDelete('steers', key);
    }
    for (const [ifindex, mac] of wanted) {
      this.maps.mapSet('steers', encodeSteerKey({ ifindex, virtualRouter }), encodeSteer({ mac, untilNs }));
    }
  }

  /** Frames steered since the maps were created. */
  steered(routers: ReadonlyMap<string, number>): { router: string; packets: number }[] {
    const counts = this.maps.sums('steered');
    return [...routers].map(([router, slot]) => ({ router, packets: Number(counts[slot] ?? 0n) }));
  }
}
