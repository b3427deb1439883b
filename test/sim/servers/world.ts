/**
 * Nodes that take commands to servers: the real command keeper and pool keeper of each, on clocks that differ, joined by streams that break,
 * lose and reorder. The same seed gives the same run.
 */
import type { Config, PoolConfig } from '../../../src/config/model.js';
import { createPoolKeeper, type PoolKeeper } from '../../../src/control/pool-keeper.js';
import { createServerAdmin, type ServerAdmin } from '../../../src/control/server-admin.js';
import type { ServerCommand } from '../../../src/control/server-command.js';
import type { ControlMessage, PoolGeneration, ServerOverride } from '../../../src/replication/api.js';
import { decode, encode } from '../../../src/replication/codec.js';
import { CAPABILITIES } from '../../../src/replication/limits.js';
import { after, type Clock, type Monotonic } from '../../../src/system/clock.js';
import { FakeClock } from '../../support/fake-clock.js';
import { peerStatus } from '../../support/peer-status.js';
import { sampleConfig, samplePool, sampleServer } from '../../support/sample-config.js';
import type { Random } from '../random.js';

export const ROUTER = 'front';
export const SERVERS = ['be1', 'be2', 'be3'];
const DAY_MS = 86_400_000;
/** The longest way of a message. */
const MAX_WAY_MS = 300;
/** Promises that wait for each other, the longest chain of them. */
const TURNS = 24;

const servers = SERVERS.map((name, index) => sampleServer({ name, address: `10.2.0.2${index}`, weight: index + 1, backup: index === 2 }));
const pool: PoolConfig = { ...samplePool, servers, slowStartMs: 3000 };
export const config: Config = sampleConfig({ pools: [pool] });

/** What is not as it should be, to see that it is noticed. */
export type Mutant = 'noGreeting' | 'lastHeardWins' | 'forgetsOnRestart';

export interface WorldOptions {
  random: Random;
  nodes: number;
  mutant: Mutant | null;
}

export class World {
  readonly clock = new FakeClock();
  readonly nodes: SimNode[];
  readonly random: Random;
  readonly mutant: Mutant | null;
  private readonly cuts = new Set<string>();
  /** By direction: broken streams have had one more. */
  private readonly streams = new Map<string, number>();
  /** Every word, on the node where it was given. */
  readonly given: ServerOverride[] = [];
  holder = 0;
  /** Parts of messages that get lost; streams stay whole and in order for everything but commands. */
  loss = 0;

  constructor({ random, nodes, mutant }: WorldOptions) {
    this.random = random;
    this.mutant = mutant;
    this.nodes = Array.from({ length: nodes }, (_, index) => new SimNode(this, index));
    for (const node of this.nodes) node.start();
    this.tellHolder();
  }

  node(index: number): SimNode {
    return this.nodes[index] as SimNode;
  }

  private direction = (from: number, to: number): string => `${from}>${to}`;

  isConnected(from: number, to: number): boolean {
    return this.node(from).isUp && this.node(to).isUp && !this.cuts.has(this.direction(from, to));
  }

  /** Both directions: a stream that breaks loses what is on its way. */
  cut(a: number, b: number): void {
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      if (this.cuts.has(this.direction(from, to))) continue;
      this.cuts.add(this.direction(from, to));
      this.breakStream(from, to);
    }
  }

  heal(a: number, b: number): void {
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      if (!this.cuts.delete(this.direction(from, to)) || !this.isConnected(from, to)) continue;
      this.reached(from, to);
    }
  }

  breakStream(from: number, to: number): void {
    const stream = this.direction(from, to);
    this.streams.set(stream, (this.streams.get(stream) ?? 0) + 1);
    this.node(to).lost(from);
  }

  reached(from: number, to: number): void {
    this.send(from, to, { type: 'holding', routers: this.node(from).holds() ? [ROUTER] : [] });
    if (this.mutant !== 'noGreeting') this.node(from).greet(to);
  }

  /** As the stream does, but commands may get lost or overtake. */
  send(from: number, to: number, message: ControlMessage): boolean {
    if (!this.isConnected(from, to)) return false;
    const stream = this.direction(from, to);
    const opened = this.streams.get(stream);
    const isCommand = message.type === 'overrides';
    if (isCommand && this.random.chance(this.loss)) return true;
    const wayMs = isCommand && this.loss > 0 ? this.random.between(0, MAX_WAY_MS) : MAX_WAY_MS / 2;
    const bytes = encode({ type: 'control', sequence: 1, message });
    this.clock.at(after(this.clock.now(), wayMs), () => {
      if (this.streams.get(stream) !== opened || !this.isConnected(from, to)) return;
      const decoded = decode(bytes);
      if (!decoded.ok || decoded.frame.type !== 'control') throw new Error(`a message of ${from} cannot be read`);
      this.node(to).hear(from, decoded.frame.message);
    });
    return true;
  }

  hold(index: number): void {
    this.holder = index;
    this.tellHolder();
  }

  private tellHolder(): void {
    for (const node of this.nodes) if (node.isUp) node.holdingChanged();
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      this.clock.advance(Math.min(50, left));
      for (let turn = 0; turn < TURNS; turn++) await null;
    }
  }
}

export class SimNode {
  readonly name: string;
  isUp = false;
  admin!: ServerAdmin;
  pools!: PoolKeeper;
  /** What its disk holds. */
  private savedOverrides: readonly ServerOverride[] = [];
  private savedPools: readonly PoolGeneration[] = [];
  private readonly heldBy = new Map<number, ReadonlySet<string>>();
  private readonly skewMs: number;
  private readonly world: World;
  private readonly index: number;

  constructor(world: World, index: number) {
    this.world = world;
    this.index = index;
    this.name = `lb${index + 1}`;
    this.skewMs = world.random.between(-DAY_MS, DAY_MS);
  }

  holds(): boolean {
    return this.isUp && this.world.holder === this.index;
  }

  private held(): ReadonlySet<string> {
    return new Set(this.holds() ? [ROUTER] : []);
  }

  private clockOfBoot(): Clock {
    const { clock } = this.world;
    const offset = this.world.random.between(0, DAY_MS);
    return {
      now: () => (clock.now() + offset) as Monotonic,
      wallMs: () => clock.wallMs() + this.skewMs,
      at: (at, fire) => {
        const admin = this.admin;
        // A process that is gone has no timers.
        return clock.at((at - offset) as Monotonic, () => (this.isUp && this.admin === admin ? fire() : undefined));
      },
    };
  }

  start(): void {
    const clock = this.clockOfBoot();
    const { world, index } = this;
    const indexOf = (name: string): number => world.nodes.findIndex((each) => each.name === name);
    const replication = {
      peers: () =>
        world.nodes
          .filter((each) => each !== this)
          .map((each) =>
            peerStatus({ node: each.name, connected: world.isConnected(index, indexOf(each.name)), capabilities: CAPABILITIES }),
          ),
      send: async (node: string, message: ControlMessage) => world.send(index, indexOf(node), message),
    };
    this.admin = createServerAdmin({
      ...{ config, node: this.name, clock, saved: world.mutant === 'forgetsOnRestart' ? [] : this.savedOverrides },
      log: { event: () => undefined },
      save: (overrides) => {
        this.savedOverrides = overrides.slice();
      },
      replication: () => replication,
      generations: () => this.pools.current(),
      holderOf: () => world.node(world.holder).name,
      countFlows: async (named) => named.map(() => 0),
      onChange: () => this.pools.review(this.held()),
      onWord: (word) => {
        if (word.origin.node === this.name) world.given.push(word);
      },
      onError: (error) => {
        throw error;
      },
    });
    this.pools = createPoolKeeper({
      ...{ config, clock, saved: this.savedPools, intentOf: this.admin.intentOf },
      healthOf: () => 'up',
      broadcast: async (message) => {
        for (const each of world.nodes) if (each !== this) world.send(index, indexOf(each.name), message);
        return true;
      },
      heldBy: (node) => this.heldBy.get(indexOf(node)) ?? new Set(),
      activate: () => undefined,
      save: (generations) => {
        this.savedPools = generations.slice();
      },
      onError: (error) => {
        throw error;
      },
    });
    this.isUp = true;
    for (const other of world.nodes ?? []) {
      const at = world.nodes.indexOf(other);
      if (other === this || !world.isConnected(index, at)) continue;
      world.reached(index, at);
      world.reached(at, index);
    }
    this.holdingChanged();
  }

  /** `forgets`: its state directory is gone, too. */
  stop(forgets: boolean): void {
    this.isUp = false;
    this.pools.stop();
    this.heldBy.clear();
    this.world.nodes.forEach((other, at) => {
      if (other === this) return;
      this.world.breakStream(this.index, at);
      this.world.breakStream(at, this.index);
    });
    if (forgets) [this.savedOverrides, this.savedPools] = [[], []];
  }

  command(command: ServerCommand): void {
    void this.admin.command(command);
  }

  greet(to: number): void {
    this.admin.greet(this.world.node(to).name);
    const generations = this.pools.decided(this.held());
    if (generations.length > 0) this.world.send(this.index, to, { type: 'pools', generations });
  }

  hear(from: number, message: ControlMessage): void {
    const { name } = this.world.node(from);
    if (message.type === 'overrides') this.admin.heard(name, this.twisted(message.overrides));
    if (message.type === 'pools') this.pools.announced(name, message.generations, this.held());
    if (message.type !== 'holding') return;
    this.heldBy.set(from, new Set(message.routers));
    this.pools.holdersChanged(this.held());
  }

  /** What came last counts, when the mutant has its way. */
  private twisted(overrides: readonly ServerOverride[]): ServerOverride[] {
    if (this.world.mutant !== 'lastHeardWins') return overrides.slice();
    return overrides.map((each) => ({ ...each, origin: { ...each.origin, stamp: Math.floor(this.world.clock.wallMs()) } }));
  }

  lost(from: number): void {
    if (!this.isUp) return;
    this.heldBy.delete(from);
    this.pools.holdersChanged(this.held());
  }

  /** As node.ts does when a role is gained or lost. */
  holdingChanged(): void {
    const held = this.held();
    for (const [at, other] of this.world.nodes.entries())
      if (other !== this) this.world.send(this.index, at, { type: 'holding', routers: [...held] });
    this.pools.holdersChanged(held);
    const generations = this.pools.decided(held);
    for (const [at, other] of this.world.nodes.entries())
      if (other !== this && generations.length > 0) this.world.send(this.index, at, { type: 'pools', generations });
    this.pools.review(held);
  }
}
