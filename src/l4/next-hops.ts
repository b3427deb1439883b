/**
 * The node's next-hop table: gives each neighbour that packets leave through (servers, gateways, clients on the same network) an index in
 * `next_hops`, and keeps its MAC addresses right as neighbours and links change. An index that a flow may still carry is never given to
 * another neighbour: before one is reused, a walk over the flow table proves that nobody names it. When the table is full, further
 * neighbours simply go without an index and cost a route look-up per packet.
 */
import type { Clock, Monotonic } from '../system/clock.js';
import type { Neighbour, Neighbours } from '../system/neighbours.js';
import { type Hop, linkIndexed, type NetworkFacts } from '../system/network-facts.js';
import { flowLayout, limit, nextHopState, recordLayout } from './abi.gen.js';
import type { DataPlane } from './native.js';
import { decodeNextHop, emptyNextHop, encodeIndex, encodeNextHop, encodeNextHopKey, NO_MAC } from './records.js';

/** Below this many free indexes, idle neighbours are looked for. */
export const FREE_LOW = limit.maxNextHops / 10;
/** Neighbours learnt less long ago are left alone. */
const IDLE_AFTER_MS = 60_000;
/** Records read per step of the walk: about a millisecond. */
const WALK_RECORDS = 2048;

type NextHopMaps = Pick<DataPlane, 'mapSet' | 'mapDelete' | 'mapEntries' | 'readFlows'>;

interface Entry {
  index: number;
  ifindex: number;
  /** As last known; a link may be renamed or go away. */
  interface: string | null;
  address: string;
  learntAt: Monotonic;
  /** Learnt from the data plane, not named by the configuration or a peer. */
  isLearnt: boolean;
  written: Buffer;
}

export interface NextHopsOptions {
  maps: NextHopMaps;
  neighbours: Neighbours;
  clock: Clock;
  /** A neighbour was learnt from the data plane. */
  onLearnt(): void;
}

export interface NextHops {
  /** Takes over what stands in the maps. */
  adopt(facts: NetworkFacts): void;
  /** Neighbours that must be there: servers, gateways; by what they lead to. Returns the index of each that got one. */
  require(hops: ReadonlyMap<string, Hop>): ReadonlyMap<string, number>;
  /** The data plane met a neighbour it has no index for. */
  learn(ifindex: number, address: string): void;
  linksChanged(facts: NetworkFacts): void;
  isResolved(index: number): boolean;
  /** Addresses learnt from the data plane, latest first. */
  learnt(interfaceName?: string): string[];
  /** One bounded step of looking for idle neighbours; does nothing while there is room. */
  reclaimStep(): void;
  stop(): void;
}

interface Walk {
  cursor: Buffer | null;
  candidates: Map<number, Entry>;
}

const keyOf = (ifindex: number, address: string): string => `${ifindex} ${address}`;

export function createNextHops({ maps, neighbours, clock, onLearnt }: NextHopsOptions): NextHops {
  const entries = new Map<string, Entry>();
  const byIndex = new Map<number, Entry>();
  const adopted = new WeakSet<Entry>();
  let required: Set<string> | null = null;
  let facts: NetworkFacts = { links: [], routes: [] };
  let walk: Walk | null = null;
  let next = 1;
  const free: number[] = [];

  const refresh = (entry: Entry): void => {
    const link = linkIndexed(facts, entry.ifindex);
    const mac = link?.isUp ? neighbours.macOf(link.name, entry.address) : null;
    const state = mac === null ? nextHopState.unresolved : nextHopState.resolved;
    const { ifindex, address } = entry;
    const value = encodeNextHop({ ifindex, address, state, destinationMac: mac ?? NO_MAC, sourceMac: link?.mac ?? NO_MAC });
    if (value.equals(entry.written)) return;
    maps.mapSet('next_hops', encodeIndex(entry.index), value);
    entry.written = value;
  };
  const track = (entry: Entry): void => {
    const name = linkIndexed(facts, entry.ifindex)?.name ?? null;
    if (entry.interface !== null && entry.interface !== name) neighbours.release(entry.interface, entry.address);
    entry.interface = name;
    if (name !== null) neighbours.manage(name, entry.address);
    refresh(entry);
  };
  const insert = (entry: Entry): void => {
    entries.set(keyOf(entry.ifindex, entry.address), entry);
    byIndex.set(entry.index, entry);
  };
  const allocate = (ifindex: number, address: string, isLearnt: boolean): Entry | null => {
    const index = next < limit.maxNextHops ? next++ : free.pop();
    if (index === undefined) return null;
    const entry: Entry = { index, ifindex, interface: null, address, learntAt: clock.now(), isLearnt, written: emptyNextHop() };
    insert(entry);
    track(entry);
    publish(entry);
    return entry;
  };
  const publish = (entry: Entry): void => maps.mapSet('next_hop_index', encodeNextHopKey(entry), encodeIndex(entry.index));
  const room = (): number => limit.maxNextHops - next + free.length;

  const beginWalk = (): void => {
    const idle = [...entries].filter(([key, entry]) => !required?.has(key) && clock.now() - entry.learntAt >= IDLE_AFTER_MS);
    if (idle.length === 0) return;
    walk = { cursor: null, candidates: new Map(idle.map(([, entry]) => [entry.index, entry])) };
    // Unpublished first: from here on no flow can start to name a candidate.
    for (const entry of walk.candidates.values()) maps.mapDelete('next_hop_index', encodeNextHopKey(entry));
  };
  const keep = (entry: Entry): void => {
    if (walk?.candidates.delete(entry.index)) publish(entry);
  };
  const continueWalk = (current: Walk): void => {
    const { records, cursor } = maps.readFlows(current.cursor, WALK_RECORDS);
    for (let at = recordLayout.flow + flowLayout.nextHop; at < records.length; at += recordLayout.size) {
      const entry = current.candidates.get(records.readUInt16LE(at));
      if (entry !== undefined) keep(entry);
    }
    current.cursor = cursor;
    if (cursor !== null) return;
    for (const entry of current.candidates.values()) forget(entry);
    walk = null;
  };
  const forget = (entry: Entry): void => {
    entries.delete(keyOf(entry.ifindex, entry.address));
    byIndex.delete(entry.index);
    maps.mapSet('next_hops', encodeIndex(entry.index), emptyNextHop());
    if (entry.interface !== null) neighbours.release(entry.interface, entry.address);
    free.unshift(entry.index);
  };

  const onNeighbour = (neighbour: Neighbour): void => {
    const link = facts.links.find((candidate) => candidate.name === neighbour.interface);
    const entry = link && entries.get(keyOf(link.ifindex, neighbour.address));
    if (entry !== undefined) refresh(entry);
  };
  const unsubscribe = neighbours.onChange(onNeighbour);

  return {
    adopt(fresh) {
      facts = fresh;
      for (const [key, value] of maps.mapEntries('next_hops')) {
        const { ifindex, address, state } = decodeNextHop(value);
        const index = key.readUInt32LE(0);
        if (index === 0 || state === nextHopState.empty || entries.has(keyOf(ifindex, address))) continue;
        insert({ index, ifindex, interface: null, address, learntAt: clock.now(), isLearnt: true, written: value });
      }
      const highest = Math.max(0, ...byIndex.keys());
      next = highest + 1;
      for (let index = highest; index >= 1; index--) if (!byIndex.has(index)) free.push(index);
      for (const entry of entries.values()) {
        adopted.add(entry);
        track(entry);
        publish(entry);
      }
    },
    require(hops) {
      const indexes = new Map<string, number>();
      const isFirstRequire = required === null;
      required = new Set([...hops.values()].map((hop) => keyOf(hop.ifindex, hop.address)));
      for (const [destination, hop] of hops) {
        const entry = entries.get(keyOf(hop.ifindex, hop.address)) ?? allocate(hop.ifindex, hop.address, false);
        if (entry === null) continue;
        // Adopted, and not learnt from packets after all.
        if (isFirstRequire && adopted.has(entry)) entry.isLearnt = false;
        keep(entry);
        indexes.set(destination, entry.index);
      }
      return indexes;
    },
    learn(ifindex, address) {
      if (linkIndexed(facts, ifindex) === undefined) return;
      const known = entries.get(keyOf(ifindex, address));
      const entry = known ?? allocate(ifindex, address, true);
      if (entry === null) return;
      const isNews = known === undefined || !known.isLearnt;
      entry.isLearnt = true;
      entry.learntAt = clock.now();
      keep(entry);
      if (isNews) onLearnt();
    },
    linksChanged(fresh) {
      facts = fresh;
      for (const entry of entries.values()) track(entry);
    },
    isResolved: (index) => isResolved(byIndex.get(index)),
    learnt: (interfaceName) =>
      [...entries.values()]
        .filter((entry) => entry.isLearnt && (interfaceName === undefined || entry.interface === interfaceName))
        .sort((a, b) => b.learntAt - a.learntAt)
        .map((entry) => entry.address),
    reclaimStep() {
      if (walk !== null) continueWalk(walk);
      else if (room() < FREE_LOW) beginWalk();
    },
    stop: unsubscribe,
  };
}

const isResolved = (entry: Entry | undefined): boolean =>
  entry !== undefined && decodeNextHop(entry.written).state === nextHopState.resolved;
