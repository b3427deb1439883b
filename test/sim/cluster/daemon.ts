/**
 * The daemon of one machine: the real replication, readiness, pool authority, roles and hand-over, joined as src/control/node.ts and
 * heartbeat-session.ts join them, without the sockets, files and programs that those own.
 */
import type { Config } from '../../../src/config/model.js';
import { FIRST_STATUS_LIMIT_MS } from '../../../src/control/heartbeat-session.js';
import { isNewlyReached, peerKeys } from '../../../src/control/peer-news.js';
import { createPeersView, type PeersView } from '../../../src/control/peers-view.js';
import { configuredIntent } from '../../../src/control/pool-authority.js';
import { createPoolKeeper, type PoolKeeper } from '../../../src/control/pool-keeper.js';
import {
  compiled,
  hasPeerInSync,
  initialReadiness,
  isInSync,
  isTableOld,
  type ReadinessState,
  reviewReadiness,
} from '../../../src/control/readiness.js';
import { createRoles, type Roles } from '../../../src/control/roles.js';
import { switchover } from '../../../src/control/switchover.js';
import { createTermMemory, type TermMemory } from '../../../src/control/term-memory.js';
import { pollUntil } from '../../../src/control/wait-until.js';
import type { ControlMessage, FlowStore, PeerStatus } from '../../../src/replication/api.js';
import { createReplication, type ReplicationService } from '../../../src/replication/replication.js';
import type { Transport } from '../../../src/replication/transport.js';
import { after, type Clock } from '../../../src/system/clock.js';
import type { FromHeartbeat, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import type { Kernel } from './kernel.js';
import { addressOf, nameOf, POOL, ROUTER, SERVERS, type Shape } from './shape.js';

/** As in node.ts. */
const REVIEW_MS = 200;
/** What happens is told at once; asking now and then only finds what no message told. More rarely than there, because it costs much time. */
const ASK_MS = 1000;
const GATEWAY = { interface: 'eth0', address: '10.0.0.254', mac: '02:00:00:00:00:fe' };
const HELD = [{ slot: 0, name: ROUTER }];
/** Of promises, one after the other: an answer that somebody waits for, and the longest chain of those who wait for each other. */
const TURNS = 1;
export const MOST_TURNS = 16;

/** Longer than any election of the shapes. */
const ELECTION_MS = 4000;

export interface DaemonParts {
  index: number;
  shape: Shape;
  clock: Clock;
  kernel: Kernel;
  store: FlowStore;
  transport: Transport;
  /** 0 (inclusive) to 1; the first calls make the instance of the stream. */
  random(): number;
  isServerUp(server: number): boolean;
  toHeartbeat(message: ToHeartbeat): boolean;
  /** What this machine signs its beats with. */
  beatKey: string;
  isAlive(): boolean;
  /** How far what runs in its process goes on in promises. */
  setTurns(turns: number): void;
  note(text: string): void;
  /** Tells the heartbeat that it may pre-empt whatever the truth. */
  liesInSync: boolean;
  neverReady: boolean;
}

const config = {
  pools: [
    {
      name: POOL,
      servers: Array.from({ length: SERVERS }, (_, index) => ({
        ...{ name: `s${index}`, address: `10.2.0.${index + 1}`, port: 80, weight: 1 },
        ...{ state: 'ready', backup: false },
      })),
      slowStartMs: null,
    },
  ],
  services: [{ name: 'web', pool: POOL, virtualRouter: ROUTER }],
  virtualRouters: [{ name: ROUTER }],
} as unknown as Config;

export class SimDaemon {
  readonly replication: ReplicationService;
  readonly roles: Roles;
  readonly pools: PoolKeeper;
  readiness: ReadinessState = initialReadiness;
  /** Local time since which each peer is reached. */
  readonly reachedAt = new Map<string, number>();
  /** Local time since which it may not pre-empt; null: it may. */
  unsyncedSince: number | null;
  private readonly parts: DaemonParts;
  private readonly peersView: PeersView;
  private readonly terms: TermMemory;
  private readonly peers = new Map<string, PeerStatus>();
  private tracked = '';
  private askedAt = Number.NEGATIVE_INFINITY;
  private heldNames = '';
  private isUp = false;
  private isReplicating = false;
  private waiting = 0;
  private cancelReview: () => void = () => undefined;

  constructor(parts: DaemonParts) {
    this.parts = parts;
    const { clock, kernel, shape, index } = parts;
    this.unsyncedSince = clock.now();
    parts.setTurns(TURNS);
    this.peersView = createPeersView(clock, kernel.peerKeys);
    this.terms = createTermMemory(kernel.terms, (terms) => {
      kernel.terms = new Map(terms);
    });
    this.roles = createRoles(clock);
    this.readiness = compiled(this.readiness, clock.now());
    if (kernel.isReady) this.readiness = { ...this.readiness, ready: true, reason: 'adopted a serving flow table' };
    this.pools = createPoolKeeper({
      config,
      saved: kernel.generations,
      clock,
      intentOf: configuredIntent,
      healthOf: (_pool, server) => (parts.isServerUp(Number(server.slice(1))) ? 'up' : 'down'),
      broadcast: (message, timeoutMs) => this.await(this.replication.broadcast(message, timeoutMs)),
      heldBy: (node) => this.peersView.heldBy(node),
      activate: (generations) => kernel.setGenerations(generations),
      save: () => undefined,
      onError: (error) => {
        throw error;
      },
    });
    kernel.setGenerations(this.pools.current());
    const others = Array.from({ length: shape.nodes }, (_, node) => nameOf(node)).filter((name) => name !== nameOf(index));
    this.replication = createReplication({
      node: nameOf(index),
      cluster: 'world',
      configDigest: 'same',
      software: 'test',
      abi: 1,
      peers: others.map((name) => ({ name, address: name })),
      routers: HELD,
      isFormerHolder: kernel.isFormerHolder,
      lastHolders: kernel.lastHolders,
      queueRecords: shape.queueRecords,
      sizes: { chunkRecords: shape.chunkRecords, windowBytes: shape.windowBytes },
      store: parts.store,
      events: {
        onControl: (node, message) => this.heard(node, message),
        onPeerChange: (node, status) => this.peerChanged(node, status),
        onHolders: (holders) => {
          kernel.lastHolders = new Map(holders);
        },
      },
      clock,
      random: () => parts.random(),
      transport: parts.transport,
    });
  }

  /** On a table that serves already, the peers are not talked to before the heartbeat has said what is held. */
  start(): void {
    const { clock, kernel } = this.parts;
    this.isUp = true;
    if (kernel.isReady) clock.at(after(clock.now(), FIRST_STATUS_LIMIT_MS), () => this.startReplication());
    else this.startReplication();
    this.reviewAgain();
  }

  private startReplication(): void {
    if (this.isReplicating || !this.isUp) return;
    this.isReplicating = true;
    void this.replication.start();
  }

  private async await<T>(promise: Promise<T>): Promise<T> {
    this.waiting += 1;
    this.parts.setTurns(MOST_TURNS);
    try {
      return await promise;
    } finally {
      this.waiting -= 1;
      if (this.waiting === 0) this.parts.setTurns(TURNS);
    }
  }

  /** Its process is gone: what is left must not act any more. */
  dispose(): void {
    this.isUp = false;
    this.cancelReview();
    this.pools.stop();
    void this.replication.stop();
  }

  // --- heartbeat ----------------------------------------------------------------------------------------------------------------------

  connected(): void {
    for (const message of [...this.terms.messages(), ...peerKeys(this.peersView)]) this.parts.toHeartbeat(message);
    this.tracked = '';
    this.askedAt = Number.NEGATIVE_INFINITY;
    this.refresh();
  }

  receive(message: FromHeartbeat): void {
    if (message.type === 'status') {
      this.roles.update(message);
      this.terms.heard(message.routers);
    } else if (message.type === 'transition') {
      this.roles.transition(message);
      if (isTableOld(message)) this.replication.resync(`${nameOf(this.parts.index)} was active in the past`);
      this.tracked = '';
      this.refresh();
    } else return;
    const held = this.roles.held();
    const names = [...held].sort().join(' ');
    if (names !== this.heldNames) {
      this.heldNames = names;
      this.heldChanged(held);
    }
    this.startReplication();
  }

  private refresh(peers = this.replication.peers()): void {
    const isKnown = this.roles.held().has(ROUTER) || this.peersView.isHeld(ROUTER);
    const mayPreempt = isInSync(peers, isKnown ? [] : [ROUTER]);
    if (mayPreempt) this.unsyncedSince = null;
    else this.unsyncedSince ??= this.parts.clock.now();
    const { ready } = this.readiness;
    const inSync = mayPreempt || this.parts.liesInSync;
    const peerInSync = hasPeerInSync(peers);
    const verifyTargets = this.parts.shape.verifies ? [GATEWAY] : [];
    const tracked = `${ready} ${inSync} ${peerInSync}`;
    const isNew = tracked !== this.tracked && this.parts.toHeartbeat({ type: 'track', ready, inSync, peerInSync, verifyTargets });
    if (isNew) this.tracked = tracked;
    else if (this.parts.clock.now() < this.askedAt + ASK_MS) return;
    this.askedAt = this.parts.clock.now();
    this.parts.toHeartbeat({ type: 'status' });
  }

  private heldChanged(held: ReadonlySet<string>): void {
    this.replication.setHolding(held.has(ROUTER) ? HELD : []);
    this.reviewHolders();
    const generations = this.pools.decided(held);
    if (generations.length > 0) void this.replication.broadcast({ type: 'pools', generations }, 0);
    this.reviewPools();
    this.review();
  }

  // --- peers --------------------------------------------------------------------------------------------------------------------------

  private heard(node: string, message: ControlMessage): void {
    switch (message.type) {
      case 'pools':
        return this.pools.announced(node, message.generations, this.roles.held());
      case 'takeOver':
        return void this.parts.toHeartbeat({ ...message, atMs: this.parts.clock.now() });
      case 'holding':
        this.peersView.heard(node, message);
        return this.reviewHolders();
      case 'interfaces':
      case 'beatKey':
        if (this.peersView.heard(node, message)) for (const told of peerKeys(this.peersView, node)) this.parts.toHeartbeat(told);
        this.parts.kernel.peerKeys = new Map(this.peersView.beatKeys());
        return;
      default:
        return void this.peersView.heard(node, message);
    }
  }

  private reviewHolders(): void {
    this.pools.holdersChanged(this.roles.held());
  }

  private peerChanged(node: string, status: PeerStatus): void {
    if (!this.isUp) return;
    const before = this.peers.get(node);
    this.peers.set(node, status);
    if (!status.connected && before?.connected !== false) {
      this.peersView.lost(node);
      this.reviewHolders();
    }
    if (before?.state !== status.state || before.inSync !== status.inSync || before.receivedInSync !== status.receivedInSync) {
      this.parts.note(
        `${node}: ${status.state}, sends in sync ${status.inSync}, receives in sync ${status.receivedInSync} (${status.reason})`,
      );
    }
    if (isNewlyReached(before, status)) this.greet(node);
    this.review();
  }

  private greet(node: string): void {
    this.reachedAt.set(node, this.parts.clock.now());
    const generations = this.pools.decided(this.roles.held());
    if (generations.length > 0) void this.replication.send(node, { type: 'pools', generations }, 0);
    if (this.parts.shape.paths.length === 0) return;
    void this.replication.send(node, { type: 'beatKey', key: this.parts.beatKey }, 0);
    const own = { name: 'eth0', mac: `02:00:00:00:00:0${this.parts.index + 1}`, addresses: [addressOf(this.parts.index)] };
    void this.replication.send(node, { type: 'interfaces', interfaces: [own] }, 0);
  }

  // --- review -------------------------------------------------------------------------------------------------------------------------

  reviewPools(): void {
    this.pools.review(this.roles.held());
  }

  private reviewAgain(): void {
    this.review();
    const { clock } = this.parts;
    this.cancelReview = clock.at(after(clock.now(), REVIEW_MS), () => this.reviewAgain());
  }

  private review(): void {
    if (!this.isUp) return;
    const before = this.readiness.ready;
    const peers = this.replication.peers();
    this.readiness = reviewReadiness(this.readiness, peers, this.parts.clock.now());
    if (this.parts.neverReady) this.readiness = { ...this.readiness, ready: false };
    if (this.readiness.ready && !before) {
      this.parts.kernel.isReady = true;
      this.parts.note(`ready: ${this.readiness.reason}`);
    }
    this.refresh(peers);
  }

  // --- hand-over ----------------------------------------------------------------------------------------------------------------------

  async switchover(request: { to?: string; reason: string }): Promise<boolean> {
    const { parts } = this;
    const going = switchover(
      {
        roles: this.roles,
        replication: this.replication,
        toHeartbeat: (message) => parts.isAlive() && this.isUp && parts.toHeartbeat(message),
        waitForPeerToHold: (node, routers, limitMs) => this.peersView.waitToHold(node, routers, limitMs),
        holderOf: (router) => this.peersView.holderOf(router),
        now: () => parts.clock.now(),
        poll: (isTrue, limitMs) => pollUntil(parts.clock, isTrue, limitMs),
        // What it does to packets is seen on the packets here.
        stragglers: { begin: () => undefined, end: () => undefined, effect: () => ({ successor: null, steered: 0, lost: 0 }) },
        connectionsOf: () => 0,
        electionMs: () => ELECTION_MS,
      },
      { ...request, waitMs: 0, settleMs: 0 },
    );
    const result = await this.await(going);
    parts.note(`switchover: ${result.message}`);
    return result.ok;
  }
}
