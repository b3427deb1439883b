/**
 * Nodes that replicate to each other in virtual time: the real replication over pipes that delay, stall, break and lose what is on its
 * way. Everything follows from one seed.
 */

import type { ControlMessage } from '../../src/replication/api.js';
import { createReplication, type ReplicationService } from '../../src/replication/replication.js';
import type { IncomingStream, PeerStream, StreamHandlers, Transport } from '../../src/replication/transport.js';
import type { Clock, Monotonic } from '../../src/system/clock.js';
import { FakeFlowStore } from './fake-flow-store.js';

export type Random = () => number;

/** mulberry32: small, seeded, good enough to be unlucky with. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class VirtualClock implements Clock {
  #now = 1000;
  #order = 0;
  readonly #timers: { at: number; order: number; fire: () => void }[] = [];

  now(): Monotonic {
    return this.#now as Monotonic;
  }

  wallMs(): number {
    return this.#now;
  }

  at(at: Monotonic, fire: () => void): () => void {
    const timer = { at: Math.max(at, this.#now), order: this.#order++, fire };
    const index = this.#timers.findIndex((other) => other.at > timer.at);
    this.#timers.splice(index < 0 ? this.#timers.length : index, 0, timer);
    return () => {
      const position = this.#timers.indexOf(timer);
      if (position >= 0) this.#timers.splice(position, 1);
    };
  }

  in(ms: number, fire: () => void): void {
    this.at((this.#now + ms) as Monotonic, fire);
  }

  /** Fires everything that is due within `ms`, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#timers[0]; next !== undefined && next.at <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#now = next.at;
      next.fire();
    }
    this.#now = end;
  }
}

/** One direction of a stream. Messages arrive in order, each a little later than the one before. */
interface Lane {
  inFlight: number;
  lastAt: number;
}

interface Pipe {
  from: string;
  to: string;
  isOpen: boolean;
  dialler: StreamHandlers;
  acceptor: StreamHandlers | null;
  there: Lane;
  back: Lane;
}

/** Messages on their way before write() asks for patience. */
const HIGH_WATER = 8;

export interface NetworkOptions {
  clock: VirtualClock;
  random: Random;
  delayMs: number;
}

export class Network {
  readonly #options: NetworkOptions;
  readonly #acceptors = new Map<string, (stream: IncomingStream) => StreamHandlers>();
  readonly #pipes = new Set<Pipe>();
  /** Nodes without a cable until then: what is sent from or to them arrives afterwards, as TCP does it, unless somebody hangs up. */
  readonly cutUntil = new Map<string, number>();
  /** Nodes that do not read until then. */
  readonly stalledUntil = new Map<string, number>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  transport(node: string): Transport {
    return {
      dial: (peer, handlers) => this.#dial(node, peer.node, handlers),
      listen: async (accept) => void this.#acceptors.set(node, accept),
      close: async () => this.crash(node),
    };
  }

  /** The process of this node is gone: what it sent may still arrive. */
  crash(node: string): void {
    this.#acceptors.delete(node);
    for (const pipe of [...this.#pipes]) if (pipe.from === node || pipe.to === node) this.#break(pipe, node);
  }

  breakRandom(): void {
    const pipes = [...this.#pipes];
    const pipe = pipes[Math.floor(this.#options.random() * pipes.length)];
    if (pipe !== undefined) this.#break(pipe, null);
  }

  #dial(from: string, to: string, dialler: StreamHandlers): PeerStream {
    const { clock, delayMs, random } = this.#options;
    const pipe: Pipe = {
      from,
      to,
      isOpen: true,
      dialler,
      acceptor: null,
      there: { inFlight: 0, lastAt: 0 },
      back: { inFlight: 0, lastAt: 0 },
    };
    this.#pipes.add(pipe);
    const reachableAt = Math.max(clock.now() + delayMs * (1 + random()), this.#cutEnd(from, to));
    clock.at(reachableAt as Monotonic, () => {
      const accept = this.#acceptors.get(to);
      if (!pipe.isOpen) return;
      if (accept === undefined) return this.#break(pipe, null);
      pipe.acceptor = accept({
        certifiedNames: [from],
        write: (message) => this.#write(pipe, 'back', message),
        close: () => this.#end(pipe, 'acceptor'),
      });
      if (pipe.isOpen) clock.in(delayMs, () => pipe.isOpen && pipe.dialler.onOpen());
    });
    return {
      write: (message) => this.#write(pipe, 'there', message),
      close: () => this.#end(pipe, 'dialler'),
    };
  }

  #cutEnd(a: string, b: string): number {
    return Math.max(this.cutUntil.get(a) ?? 0, this.cutUntil.get(b) ?? 0);
  }

  #write(pipe: Pipe, direction: 'there' | 'back', message: Buffer): boolean {
    const { clock, delayMs, random } = this.#options;
    const lane = pipe[direction];
    if (!pipe.isOpen) return true;
    const reader = direction === 'there' ? pipe.to : pipe.from;
    lane.inFlight += 1;
    lane.lastAt = Math.max(
      lane.lastAt,
      clock.now() + delayMs * (0.5 + random()),
      this.stalledUntil.get(reader) ?? 0,
      this.#cutEnd(pipe.from, pipe.to),
    );
    const copy = Buffer.from(message);
    clock.at(lane.lastAt as Monotonic, () => {
      lane.inFlight -= 1;
      if (!pipe.isOpen) return;
      (direction === 'there' ? pipe.acceptor : pipe.dialler)?.onMessage(copy);
      if (pipe.isOpen && lane.inFlight === HIGH_WATER - 1) (direction === 'there' ? pipe.dialler : pipe.acceptor)?.onWritable();
    });
    return lane.inFlight < HIGH_WATER;
  }

  /** Closed by one end: what it wrote before still arrives, then the other end hears of it. */
  #end(pipe: Pipe, by: 'dialler' | 'acceptor'): void {
    if (!pipe.isOpen) return;
    const lane = by === 'dialler' ? pipe.there : pipe.back;
    const other = by === 'dialler' ? pipe.acceptor : pipe.dialler;
    const at = Math.max(lane.lastAt, this.#options.clock.now()) as Monotonic;
    this.#options.clock.at(at, () => {
      if (!pipe.isOpen) return;
      pipe.isOpen = false;
      this.#pipes.delete(pipe);
      other?.onClose('closed by the other end');
    });
  }

  /** Cut in the middle: what was on its way is lost. `gone`: a process that hears nothing any more. */
  #break(pipe: Pipe, gone: string | null): void {
    if (!pipe.isOpen) return;
    pipe.isOpen = false;
    this.#pipes.delete(pipe);
    const { clock, delayMs } = this.#options;
    clock.in(delayMs, () => {
      if (pipe.from !== gone) pipe.dialler.onClose('broken');
      if (pipe.to !== gone) pipe.acceptor?.onClose('broken');
    });
  }
}

export interface WorldNode {
  name: string;
  store: FakeFlowStore;
  replication: ReplicationService;
  heard: { from: string; message: ControlMessage }[];
  isUp: boolean;
}

export interface WorldOptions {
  seed: number;
  nodes: number;
  routers?: number;
  delayMs?: number;
  queueRecords?: number;
  ringRecords?: number;
  chunkRecords?: number;
  windowBytes?: number;
}

export class World {
  readonly random: Random;
  readonly clock = new VirtualClock();
  readonly network: Network;
  readonly nodes: WorldNode[] = [];
  readonly routers: { slot: number; name: string }[];
  readonly #options: Required<WorldOptions>;
  /** By node, as on its disk. */
  readonly #lastHolders = new Map<number, ReadonlyMap<string, string>>();

  constructor(options: WorldOptions) {
    this.#options = {
      routers: 1,
      delayMs: 1,
      queueRecords: 5000,
      ringRecords: 100_000,
      chunkRecords: 4096,
      windowBytes: 2 ** 21,
      ...options,
    };
    this.random = seededRandom(options.seed);
    this.network = new Network({ clock: this.clock, random: this.random, delayMs: this.#options.delayMs });
    this.routers = Array.from({ length: this.#options.routers }, (_, slot) => ({ slot, name: `vr${slot}` }));
    for (let id = 1; id <= options.nodes; id += 1) this.nodes.push(this.#boot(id, this.#newStore(id), false));
    for (const node of this.nodes) this.#start(node);
  }

  node(index: number): WorldNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  #newStore(id: number): FakeFlowStore {
    return new FakeFlowStore({ nodeId: id, routers: this.#options.routers, ringRecords: this.#options.ringRecords });
  }

  #boot(id: number, store: FakeFlowStore, isFormerHolder: boolean): WorldNode {
    const name = `lb${id}`;
    const heard: WorldNode['heard'] = [];
    const names = Array.from({ length: this.#options.nodes }, (_, index) => `lb${index + 1}`);
    const replication = createReplication({
      node: name,
      cluster: 'world',
      configDigest: 'same',
      software: 'test',
      abi: 1,
      peers: names.filter((other) => other !== name).map((other) => ({ name: other, address: other })),
      routers: this.routers,
      isFormerHolder,
      lastHolders: this.#lastHolders.get(id) ?? new Map(),
      queueRecords: this.#options.queueRecords,
      sizes: { chunkRecords: this.#options.chunkRecords, windowBytes: this.#options.windowBytes },
      store,
      events: {
        onControl: (from, message) => void heard.push({ from, message }),
        onPeerChange: () => undefined,
        onHolders: (holders) => void this.#lastHolders.set(id, new Map(holders)),
      },
      clock: this.clock,
      random: this.random,
      transport: this.network.transport(name),
    });
    return { name, store, replication, heard, isUp: true };
  }

  /** `listen` of the fake is done at once, so the promise is of no interest. */
  #start(node: WorldNode): void {
    void node.replication.start();
  }

  /** kill -9; the maps are pinned and live on. */
  kill(index: number): void {
    const node = this.node(index);
    node.isUp = false;
    this.network.crash(node.name);
    void node.replication.stop();
  }

  /** A new process, on an empty table, or on the one that it left behind: then as one that may have held. */
  revive(index: number, keepsTable: boolean, isFormerHolder = keepsTable): void {
    const old = this.node(index);
    const node = this.#boot(index + 1, keepsTable ? old.store : this.#newStore(index + 1), isFormerHolder);
    this.nodes[index] = node;
    this.#start(node);
  }

  async settleStarts(): Promise<void> {
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }

  /** The event loops turn: rings are watched every `stepMs`. */
  run(ms: number, stepMs = 0.5): void {
    for (let passed = 0; passed < ms; passed += stepMs) {
      for (const node of this.nodes) if (node.isUp) node.store.poll();
      this.clock.advance(stepMs);
    }
  }
}
