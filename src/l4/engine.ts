/**
 * The L4 engine's control side: keeps the maps of the data plane as the configuration, the pool generations and this machine's network ask,
 * and reads counters and flows back. It writes differences only, so a daemon that starts over packets in flight disturbs nothing. It
 * decides neither who is alive nor who is active; `settings.ready` stays as it was found until setReady says otherwise.
 */
import type { Config, NodeConfig } from '../config/model.js';
import type { Clock } from '../system/clock.js';
import type { Links } from '../system/links.js';
import type { Neighbours } from '../system/neighbours.js';
import { defaultGateway, type Hop, linkIndexed, nextHopTo } from '../system/network-facts.js';
import type { Log } from '../telemetry/log.js';
import type { FlowRow, PoolGeneration, VerifyTarget } from './api.js';
import { compile, compileSettings } from './compile.js';
import { type Contents, emptyContents } from './contents.js';
import { countFlows, type FlowFilter, listFlows } from './flow-list.js';
import { ClaimCounter, type ForeignClaims } from './foreign-claims.js';
import { changes } from './map-changes.js';
import type { DataPlane, Notice } from './native.js';
import { createNextHops } from './next-hops.js';
import { adoptGenerations, changedGenerations, poolMembers } from './pool-generations.js';
import { readContents, slotsInUse, writeChanges } from './present-contents.js';
import { decodeSettings, encodeIndex, encodeSettings, type SettingsValue } from './records.js';
import { assignSlots, type Slots } from './slots.js';
import { type PlacedMac, Steering } from './steering.js';
import { createSweeper } from './sweeper.js';
import { type EngineCounters, readCounters } from './traffic.js';
import { verifyHop, verifyTargets } from './verify-targets.js';

const SETTINGS_KEY = encodeIndex(0);
const NS_PER_MS = 1e6;
/** Gateways told to the peer; in a network of many direct clients the latest matter. */
const MAX_TOLD_NEXT_HOPS = 256;
/** Gateways of the peer that are resolved early: leaves room for our own. */
const MAX_REMOTE_NEXT_HOPS = 1024;
/** Neighbours that may be asked to verify a take-over, per interface. */
const MAX_RECENT = 8;

export interface L4EngineOptions {
  dataPlane: DataPlane;
  config: Config;
  /** Name of this node. */
  node: string;
  links: Pick<Links, 'facts' | 'onChange'>;
  neighbours: Neighbours;
  clock: Clock;
  log: Pick<Log, 'event'>;
  /** What was in force when this node was last told, with what the maps do not tell; without it they have to do. */
  saved?: readonly PoolGeneration[];
}

export interface L4Engine {
  /** Adopts what is pinned, compiles, begins to follow the network. Throws L4Error, NativeError. */
  start(): Promise<void>;
  /** Throws L4Error when the data plane cannot carry it; the configuration before stays in force then. */
  applyConfig(config: Config): void;
  /** Puts these generations in force; those of other pools stay. */
  setGenerations(generations: readonly PoolGeneration[]): void;
  generations(): PoolGeneration[];
  setReady(ready: boolean): void;
  isReady(): boolean;
  /** Slots of the routers whose lease this node holds: flows are aged only while there are any. */
  setHolding(slots: readonly number[]): void;
  routerSlots(): { name: string; slot: number }[];
  setRemoteNextHops(addresses: readonly string[]): void;
  /** Called with localNextHops() after it grew. */
  onLocalNextHops(listener: (addresses: string[]) => void): void;
  localNextHops(): string[];
  handleNotices(notices: readonly Notice[]): void;
  /** MACs of all peers on the interfaces of this node: frames from them are never steered. */
  setPeerMacs(peers: readonly PlacedMac[]): void;
  /**
   * From now on, for so long and while the lease of this router is not fresh here: what still arrives for it goes on to these MACs, of one
   * node. No time ends it.
   */
  steer(router: string, to: readonly PlacedMac[], forMs: number): void;
  steered(): { router: string; packets: number }[];
  /** Since the daemon started. */
  foreignClaims(): ForeignClaims[];
  counters(): EngineCounters;
  flows(filter: FlowFilter, limit: number): Promise<FlowRow[]>;
  /** In progress to these servers, in their order. */
  countFlows(servers: readonly { pool: string; address: string; port: number }[]): Promise<number[]>;
  verifyTargets(): VerifyTarget[];
  /** Stops following and ageing; the maps stay as they are. */
  stop(): void;
}

export function createEngine(options: L4EngineOptions): L4Engine {
  return new Engine(options);
}

class Engine implements L4Engine {
  private readonly options: L4EngineOptions;
  private config: Config;
  private readonly inForce = new Map<string, PoolGeneration>();
  private present: Contents = emptyContents;
  private slots: Slots = { routers: new Map(), services: new Map(), servers: new Map() };
  private settings: SettingsValue | null = null;
  private remoteNextHops: readonly string[] = [];
  private readonly listeners: ((addresses: string[]) => void)[] = [];
  private readonly warned = new Set<string>();
  private unsubscribe: () => void = () => undefined;
  private readonly claims = new ClaimCounter();
  private readonly steering: Steering;
  private readonly nextHops;
  private readonly sweeper;

  constructor(options: L4EngineOptions) {
    this.options = options;
    this.config = options.config;
    const { dataPlane, neighbours, clock } = options;
    this.steering = new Steering(dataPlane);
    this.nextHops = createNextHops({ maps: dataPlane, neighbours, clock, onLearnt: () => this.tellNextHops() });
    this.sweeper = createSweeper({
      dataPlane,
      clock,
      onTick: () => this.nextHops.reclaimStep(),
      onError: (error) => this.unexpected(error),
    });
  }

  async start(): Promise<void> {
    const { dataPlane, links } = this.options;
    const found = dataPlane.mapGet('settings', SETTINGS_KEY);
    this.settings = found === null ? null : decodeSettings(found);
    this.present = readContents(dataPlane);
    this.nextHops.adopt(links.facts());
    for (const generation of adoptGenerations(this.config, this.present)) this.inForce.set(generation.pool, generation);
    for (const generation of changedGenerations(this.config, this.inForce, this.options.saved ?? []))
      this.inForce.set(generation.pool, generation);
    this.applyConfig(this.config);
    this.unsubscribe = links.onChange(() => this.networkChanged());
    this.sweeper.start();
  }

  applyConfig(config: Config): void {
    const before = this.config;
    this.config = config;
    try {
      this.recompile();
    } catch (error) {
      this.config = before;
      throw error;
    }
    this.writeSettings(this.settings?.ready ?? false);
  }

  setGenerations(generations: readonly PoolGeneration[]): void {
    const changed = changedGenerations(this.config, this.inForce, generations);
    if (changed.length === 0) return;
    for (const generation of changed) this.inForce.set(generation.pool, generation);
    this.recompile();
  }

  generations(): PoolGeneration[] {
    return [...this.inForce.values()];
  }

  setReady(ready: boolean): void {
    this.writeSettings(ready);
  }

  isReady(): boolean {
    return this.settings?.ready ?? false;
  }

  setHolding(slots: readonly number[]): void {
    this.sweeper.setActive(slots.length > 0);
  }

  routerSlots(): { name: string; slot: number }[] {
    return this.config.virtualRouters.map(({ name }) => ({ name, slot: this.slots.routers.get(name) ?? -1 }));
  }

  setRemoteNextHops(addresses: readonly string[]): void {
    this.remoteNextHops = addresses.slice(0, MAX_REMOTE_NEXT_HOPS);
    this.recompile();
  }

  onLocalNextHops(listener: (addresses: string[]) => void): void {
    this.listeners.push(listener);
  }

  localNextHops(): string[] {
    return this.nextHops.learnt().slice(0, MAX_TOLD_NEXT_HOPS);
  }

  handleNotices(notices: readonly Notice[]): void {
    for (const notice of notices) {
      if (notice.kind === 'nextHop') this.nextHops.learn(notice.ifindex, notice.address);
      else this.foreignClaim(notice);
    }
  }

  setPeerMacs(peers: readonly PlacedMac[]): void {
    this.steering.setPeerMacs(peers, this.options.links.facts());
  }

  steer(router: string, to: readonly PlacedMac[], forMs: number): void {
    const slot = this.slots.routers.get(router);
    if (slot === undefined) throw new Error(`there is no virtual router ${router}`);
    this.steering.steer(slot, to, forMs, this.options.links.facts());
  }

  steered(): { router: string; packets: number }[] {
    return this.steering.steered(this.slots.routers);
  }

  foreignClaims(): ForeignClaims[] {
    return this.claims.all();
  }

  counters(): EngineCounters {
    return readCounters(this.options.dataPlane, {
      config: this.config,
      generations: this.inForce,
      slots: this.slots,
      present: this.present,
      isResolved: (index) => this.nextHops.isResolved(index),
    });
  }

  flows(filter: FlowFilter, limit: number): Promise<FlowRow[]> {
    return listFlows(this.options.dataPlane, this.config, this.options.clock, filter, limit);
  }

  countFlows(servers: readonly { pool: string; address: string; port: number }[]): Promise<number[]> {
    return countFlows(this.options.dataPlane, this.config, this.options.clock, servers);
  }

  verifyTargets(): VerifyTarget[] {
    const { links, neighbours } = this.options;
    return verifyTargets(
      this.config.virtualRouters,
      links.facts(),
      (name) => this.nextHops.learnt(name).slice(0, MAX_RECENT),
      (name, address) => neighbours.macOf(name, address),
    );
  }

  stop(): void {
    this.unsubscribe();
    this.sweeper.stop();
    this.nextHops.stop();
    this.options.neighbours.stop();
  }

  /** Contents are computed before the first of them is written. */
  private recompile(): void {
    const { dataPlane, links } = this.options;
    const { config, inForce, present } = this;
    const facts = links.facts();
    const nowNs = dataPlane.kernelNs();
    const slots = assignSlots(config, inForce, present, slotsInUse(dataPlane, nowNs));
    const nextHops = this.nextHops.require(this.requiredHops());
    const desired = compile({ config, generations: inForce, slots, facts, nextHops, present, nowNs });
    try {
      writeChanges(dataPlane, changes(present, desired));
    } catch (error) {
      this.present = readContents(dataPlane);
      throw error;
    }
    this.present = desired;
    this.slots = slots;
  }

  /** By destination: servers, the peer's gateways, gateways and targets of the virtual routers' interfaces. */
  private requiredHops(): Map<string, Hop> {
    const facts = this.options.links.facts();
    const hops = new Map<string, Hop>();
    for (const address of this.remoteNextHops) {
      const hop = nextHopTo(facts, address);
      if (hop !== null && !hop.isGateway) hops.set(address, hop);
    }
    for (const router of this.config.virtualRouters) {
      const gateway = defaultGateway(facts, router.interface);
      for (const address of gateway === null ? router.verifyAddresses : [gateway, ...router.verifyAddresses]) {
        const hop = verifyHop(router, facts, address);
        if (hop !== null) hops.set(address, hop);
      }
    }
    for (const [address, hop] of this.serverHops()) hops.set(address, hop);
    return hops;
  }

  private serverHops(): Map<string, Hop> {
    const facts = this.options.links.facts();
    const hops = new Map<string, Hop>();
    for (const service of this.config.services) {
      const pool = this.config.pools.find((candidate) => candidate.name === service.pool);
      for (const server of pool === undefined ? [] : poolMembers(pool, this.inForce.get(pool.name))) {
        const hop = nextHopTo(facts, server.address);
        if (hop !== null) hops.set(server.address, hop);
        if (hop === null) this.warnOnce(service.name, `no route leads to server ${server.name} (${server.address})`);
        else if (hop.isGateway && service.forward === 'dsr') {
          this.warnOnce(
            service.name,
            `server ${server.name} is behind the gateway ${hop.address}: dsr reaches only servers on a network of this node`,
          );
        }
      }
    }
    return hops;
  }

  private warnOnce(service: string, reason: string): void {
    const text = `${service}: ${reason}`;
    if (this.warned.has(text)) return;
    this.warned.add(text);
    this.options.log.event('config.warning', { place: `services.${service}`, reason });
  }

  private writeSettings(ready: boolean): void {
    const { dataPlane } = this.options;
    const settings = compileSettings({ config: this.config, nodeId: this.self().id, ready, realtimeOffsetNs: this.realtimeOffsetNs() });
    const bytes = encodeSettings(settings);
    if (this.settings === null || !encodeSettings(this.settings).equals(bytes)) dataPlane.mapSet('settings', SETTINGS_KEY, bytes);
    this.settings = settings;
  }

  /** Kept once it was set: generations of one boot must grow, whatever happens to the wall clock. */
  private realtimeOffsetNs(): bigint {
    if (this.settings !== null && this.settings.realtimeOffsetNs !== 0n) return this.settings.realtimeOffsetNs;
    return BigInt(Math.round(this.options.clock.wallMs() * NS_PER_MS)) - this.options.dataPlane.kernelNs();
  }

  private self(): NodeConfig {
    const node = this.config.cluster.nodes.find((candidate) => candidate.name === this.options.node);
    if (node === undefined) throw new Error(`${this.options.node} is not a node of the configuration`);
    return node;
  }

  private networkChanged(): void {
    try {
      this.nextHops.linksChanged(this.options.links.facts());
      this.steering.place(this.options.links.facts());
      this.recompile();
    } catch (error) {
      this.unexpected(error);
    }
  }

  private tellNextHops(): void {
    const addresses = this.localNextHops();
    for (const listener of this.listeners) listener(addresses);
  }

  private foreignClaim({ address, mac, ifindex }: Notice): void {
    const { links, clock, log } = this.options;
    const name = linkIndexed(links.facts(), ifindex)?.name ?? `ifindex ${ifindex}`;
    if (!this.claims.note(address, name, mac, clock.now())) return;
    const message = address.includes(':') ? 'a Neighbour Discovery message' : 'an ARP message';
    log.event('address.foreignClaim', {
      address,
      mac,
      interface: name,
      reason: `${message} that claims this address came from another MAC`,
    });
  }

  private unexpected(error: unknown): void {
    this.options.log.event('internal.error', { reason: error instanceof Error ? error.message : String(error), part: 'l4 engine' });
  }
}
