/**
 * One node at run time: brings its parts together and carries news between them. Every decision is made elsewhere (readiness,
 * pool-authority, and the machines behind replication, health and heartbeat); what happens here is wiring, in an order that matters:
 * tables before programs, programs before the heartbeat, everything before the first lease.
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/model.js';
import { createHealthChecker, type HealthChecker } from '../health/checker.js';
import type { L4Engine } from '../l4/engine.js';
import { type DataPlane, loadNative } from '../l4/native.js';
import type { ReplicationService } from '../replication/replication.js';
import { after, systemClock } from '../system/clock.js';
import { kernelPresence } from '../system/kernel-presence.js';
import type { Links } from '../system/links.js';
import { startTelemetryServer, type TelemetryServer } from '../telemetry/http.js';
import type { Log } from '../telemetry/log.js';
import { createMetrics } from '../telemetry/metrics.js';
import type { Tracker } from '../tracking/tracker.js';
import type { TransitionMessage } from '../vrrp/heartbeat-api.js';
import { type AdminServer, type CommandResult, createAdminServer } from './admin.js';
import { type Chronicle, createChronicle } from './chronicle.js';
import { createHandOver, type HandOver } from './hand-over.js';
import { writeHeartbeatConfig } from './heartbeat-file.js';
import { createHeartbeatSession, type HeartbeatSession } from './heartbeat-session.js';
import type { TransitionContext } from './history.js';
import { type AttachedInterface, createAttachmentWatch } from './interfaces.js';
import { attachDataPlane, loadDataPlane, type NodeDataPlaneOptions } from './node-data-plane.js';
import { createNodePeers, type NodePeers } from './node-peers.js';
import { createNodePools } from './node-pools.js';
import { createNodeReplication } from './node-replication.js';
import { createNodeTracking } from './node-tracking.js';
import { peerKeys } from './peer-news.js';
import { createPeersView, type PeersView } from './peers-view.js';
import type { PoolKeeper } from './pool-keeper.js';
import { removeAddresses } from './presence.js';
import { compiled, hasPeerInSync, initialReadiness, isInSync, isTableOld, type ReadinessState, reviewReadiness } from './readiness.js';
import type { ServerAdmin } from './server-admin.js';
import { loadHolders, loadPeerKeys, loadTerms, type StateDir, saveHolders, savePeerKeys, saveTerms } from './state-dir.js';
import { buildStatus } from './status-builder.js';
import { STEER_MS } from './stragglers.js';
import { createTermMemory } from './term-memory.js';

/** How often the heartbeat is asked for its status, and slow facts are looked at again. */
const REVIEW_MS = 200;
/** Whoever asked for an upgrade reads the answer before the daemon ends. */
const ANSWER_MS = 50;
/** Compiled beside this file. */
const HEARTBEAT_PROGRAM = fileURLToPath(new URL('../bin/heartbeat.js', import.meta.url));

export interface NodeOptions {
  config: Config;
  name: string;
  version: string;
  stateDir: StateDir;
  links: Links;
  log: Log;
  /** Called when this daemon is asked to make room for its successor: `leave` is to be called then, instead of `stop`. */
  onUpgrade(): void;
}

export interface TandemNode {
  start(): Promise<void>;
  /** Hands over to a peer in sync where there is one, then ends. The data plane stays pinned and drains by itself. */
  stop(reason: string): Promise<void>;
  /** Ends the daemon alone. Roles, leases and connections stay where they are. */
  leave(): Promise<void>;
}

export function createNode(options: NodeOptions): TandemNode {
  return new Node(options);
}

class Node implements TandemNode {
  private readonly config: Config;
  private readonly name: string;
  private readonly log: Log;
  private readonly stateDir: StateDir;
  private readonly options: NodeOptions;
  private readonly startedAtWallMs = systemClock.wallMs();
  private readonly peersView: PeersView;
  private readiness: ReadinessState = initialReadiness;
  private readonly links: Links;
  private dataPlane!: DataPlane;
  private interfaces: AttachedInterface[] = [];
  private lookAtPrograms: () => void = () => undefined;
  private engine!: L4Engine;
  private health!: HealthChecker;
  private pools!: PoolKeeper;
  private servers!: ServerAdmin;
  private replication!: ReplicationService;
  private nodePeers!: NodePeers;
  private heartbeat!: HeartbeatSession;
  private readonly chronicle: Chronicle;
  private tracker!: Tracker;
  private handOver!: HandOver;
  private beatKey = '';
  private admin!: AdminServer;
  private metrics: TelemetryServer | null = null;
  private cancelReview: () => void = () => undefined;
  private isUp = false;

  constructor(options: NodeOptions) {
    this.options = options;
    this.config = options.config;
    this.name = options.name;
    this.log = options.log;
    this.stateDir = options.stateDir;
    this.links = options.links;
    this.peersView = createPeersView(systemClock, loadPeerKeys(this.stateDir));
    this.chronicle = createChronicle({
      config: this.config,
      node: this.name,
      stateDir: this.stateDir.path,
      clock: systemClock,
      log: this.log,
      contextOf: (router) => this.contextOf(router),
    });
  }

  async start(): Promise<void> {
    this.chronicle.started(this.options.version);
    await this.loadDataPlane();
    this.startPools();
    await this.attach();
    this.createHeartbeat();
    this.createReplication();
    this.startTracking();
    this.heartbeat.start();
    // What this node holds goes to its peers from the first word on: a table that serves already would else be taken for nobody's.
    if (this.engine.isReady()) await this.heartbeat.firstStatus();
    await this.replication.start();
    this.health.start();
    await this.openDoors();
    this.links.onChange(() => {
      this.nodePeers.tellInterfaces();
      this.handOver.peersChanged();
    });
    this.isUp = true;
    this.reviewAgain();
  }

  // --- data plane -------------------------------------------------------------------------------------------------------------------

  private async loadDataPlane(): Promise<void> {
    [this.dataPlane, this.engine] = await loadDataPlane(this.dataPlaneOptions());
    this.engine.onLocalNextHops((addresses) => void this.replication?.broadcast({ type: 'nextHops', addresses }, 0));
    this.readiness = compiled(this.readiness, systemClock.now());
    // A restarted daemon finds a table that is serving: it goes on doing so.
    if (this.engine.isReady()) this.readiness = { ...this.readiness, ready: true, reason: 'adopted a serving flow table' };
  }

  private async attach(): Promise<void> {
    this.interfaces = await attachDataPlane(this.dataPlane, this.dataPlaneOptions());
    this.lookAtPrograms = createAttachmentWatch(this.dataPlane, this.interfaces, this.log);
  }

  private dataPlaneOptions(): NodeDataPlaneOptions {
    const { config, name: node, stateDir, links, log } = this;
    return { config, node, stateDir, links, log };
  }

  // --- pools and health ---------------------------------------------------------------------------------------------------------------

  private startPools(): void {
    this.health = createHealthChecker({
      pools: this.config.pools,
      clock: systemClock,
      log: this.log,
      onChange: () => this.pools.review(this.heartbeat.roles.held()),
      onAdvice: () => this.pools.review(this.heartbeat.roles.held()),
    });
    const { config, name: node, log, stateDir, engine, health, peersView, chronicle } = this;
    const made = createNodePools({
      ...{ config, node, log, stateDir, engine, health, peersView, chronicle, clock: systemClock },
      replication: () => this.replication,
      roles: () => this.heartbeat.roles,
      onError: (error) => this.unexpected(error),
    });
    this.pools = made.pools;
    this.servers = made.servers;
  }

  // --- replication --------------------------------------------------------------------------------------------------------------------

  private createReplication(): void {
    const { config, name, log, links, dataPlane, engine, pools, servers, heartbeat, peersView, beatKey } = this;
    const parts = { config, log, links, engine, pools, servers, heartbeat, peersView, beatKey, clock: systemClock };
    this.nodePeers = createNodePeers({
      ...parts,
      latestBeat: loadNative().latestBeat,
      savePeerKeys: (keys) => this.remember(() => savePeerKeys(this.stateDir, keys)),
      replication: () => this.replication,
      handOver: () => this.handOver,
      onChange: () => this.review(),
    });
    this.replication = createNodeReplication({
      ...{ config, dataPlane, engine, node: name, version: this.options.version, pinDir: this.stateDir.pinDir },
      lastHolders: loadHolders(this.stateDir),
      events: {
        onControl: (node, message) => this.nodePeers.heard(node, message),
        onPeerChange: (node, status) => this.nodePeers.changed(node, status),
        onHolders: (holders) => this.remember(() => saveHolders(this.stateDir, holders)),
      },
    });
    this.handOver = this.createHandOver();
  }

  /** Better than nothing after a restart, and no reason to end when it fails. */
  private remember(save: () => void): void {
    try {
      save();
    } catch (error) {
      this.unexpected(error);
    }
  }

  // --- heartbeat ----------------------------------------------------------------------------------------------------------------------

  private createHeartbeat(): void {
    const { config, name, stateDir } = this;
    this.beatKey = writeHeartbeatConfig({ config, node: name, stateDir, slots: this.engine.routerSlots(), links: this.links });
    const terms = createTermMemory(loadTerms(stateDir), (known) => this.remember(() => saveTerms(stateDir, known)));
    this.heartbeat = createHeartbeatSession({
      socketPath: this.stateDir.heartbeatSocket,
      command: [process.execPath, HEARTBEAT_PROGRAM, '--state-dir', this.stateDir.path],
      crashLog: this.stateDir.crashLog,
      clock: systemClock,
      log: this.log,
      greeting: () => [...terms.messages(), ...peerKeys(this.peersView)],
      track: () => {
        const peers = this.replication.peers();
        const tracked = this.tracker.results();
        if (tracked === null) return null;
        return {
          type: 'track',
          ready: this.readiness.ready,
          inSync: this.isInSync(),
          peerInSync: hasPeerInSync(peers),
          verifyTargets: this.engine.verifyTargets(),
          tracked,
        };
      },
      onStatus: (routers) => terms.heard(routers),
      onTransition: (message) => this.transition(message),
      onVerified: (router, afterMs) => {
        this.chronicle.verified(router, afterMs);
        this.handOver.verified(router);
      },
      onHeldChange: (held) => this.heldChanged(held),
    });
  }

  /** Before the heartbeat is told anew whether this node is in sync. */
  private transition(message: TransitionMessage): void {
    this.chronicle.transition(message);
    this.handOver.transition(message);
    if (!isTableOld(message)) return;
    this.log.event('replication.tableOld', { router: message.router, reason: 'another node was active meanwhile' });
    this.replication.resync(`${this.name} was active in the past`);
  }

  private createHandOver(): HandOver {
    return createHandOver({
      config: this.config,
      clock: systemClock,
      log: this.log,
      newId: randomUUID,
      roles: this.heartbeat.roles,
      fresh: () => this.heartbeat.fresh(),
      replication: this.replication,
      engine: this.engine,
      peersView: this.peersView,
      network: () => this.links.facts(),
      toHeartbeat: (message) => this.heartbeat.send(message),
      onEffect: (router, effect) => this.chronicle.handedOver(router, effect),
    });
  }

  private startTracking(): void {
    this.tracker = createNodeTracking({
      config: this.config,
      clock: systemClock,
      log: this.log,
      network: () => this.links.facts(),
      peers: () => this.replication.peers(),
      held: () => this.heartbeat.roles.held(),
      engine: this.engine,
      isAttached: (name) => this.dataPlane.isAttached(name),
      health: this.health,
      onChange: () => this.heartbeat.refresh(),
      onNews: (change) => this.chronicle.tracked(change),
    });
    this.tracker.start();
  }

  /** The data plane ages flows, replication sends and purges, and pools are decided where the lease is held. */
  private heldChanged(held: ReadonlySet<string>): void {
    const slots = this.engine.routerSlots().filter(({ name }) => held.has(name));
    this.engine.setHolding(slots.map(({ slot }) => slot));
    this.replication.setHolding(slots);
    this.pools.holdersChanged(held);
    const generations = this.pools.decided(held);
    if (generations.length > 0) void this.replication.broadcast({ type: 'pools', generations }, 0);
    this.pools.review(held);
    this.review();
  }

  private contextOf(router: string): TransitionContext {
    const status = this.heartbeat.roles.routers().find((candidate) => candidate.name === router);
    return {
      priority: status?.effectivePriority ?? null,
      tracked: status?.tracked ?? [],
      flows: this.engine.counters().flows.find((candidate) => candidate.router === router)?.flows ?? 0,
    };
  }

  // --- review -------------------------------------------------------------------------------------------------------------------------

  private reviewAgain(): void {
    this.review();
    this.cancelReview = systemClock.at(after(systemClock.now(), REVIEW_MS), () => this.reviewAgain());
  }

  private isInSync(): boolean {
    const held = this.heartbeat.roles.held();
    const names = this.config.virtualRouters.map((router) => router.name);
    const unclaimed = names.filter((name) => !held.has(name) && !this.peersView.isHeld(name));
    return isInSync(this.replication.peers(), unclaimed);
  }

  /** Looks at what changes slowly, and tells the heartbeat what it must know. */
  private review(): void {
    if (!this.isUp) return;
    const before = this.readiness.ready;
    this.readiness = reviewReadiness(this.readiness, this.replication.peers(), systemClock.now());
    if (this.readiness.ready && !before) {
      this.engine.setReady(true);
      this.log.event('daemon.ready', { reason: this.readiness.reason });
    }
    this.lookAtPrograms();
    this.heartbeat.refresh();
  }

  // --- doors --------------------------------------------------------------------------------------------------------------------------

  private async openDoors(): Promise<void> {
    const status = () => this.status();
    this.admin = createAdminServer(
      {
        status,
        flows: (filter) => this.engine.flows(filter, filter.limit),
        transitions: () => this.heartbeat.roles.history(),
        history: (filter) => this.chronicle.rows(filter),
        servers: (command) => this.servers.command(command),
        drained: (names, waitMs) => this.servers.drained(names, waitMs),
        switchover: (request) => this.handOver.switchover({ ...request, reason: 'operator', settleMs: STEER_MS }),
        drill: (request, isAbandoned) => this.handOver.drill(request, isAbandoned),
        interruptDrill: () => this.handOver.interruptDrill(),
        upgrade: () => this.upgrade(),
      },
      (error) => this.log.event('admin.error', { reason: messageOf(error) }),
    );
    await this.admin.listen(this.stateDir.adminSocket);
    this.metrics = await startTelemetryServer({
      address: this.config.metrics.address,
      port: this.config.metrics.port,
      metrics: createMetrics({ status, logLinesDropped: () => this.log.dropped() }),
      health: () => ({ ok: this.readiness.ready && this.heartbeat.isConnected(), reason: this.readiness.reason }),
      onError: (error) => this.log.event('metrics.error', { reason: messageOf(error) }),
    });
  }

  private async status() {
    await this.heartbeat.fresh();
    return buildStatus({
      version: this.options.version,
      config: this.config,
      node: this.name,
      startedAtWallMs: this.startedAtWallMs,
      pinDir: this.stateDir.pinDir,
      readiness: this.readiness,
      isInSync: this.isInSync(),
      isHeartbeatConnected: this.heartbeat.isConnected(),
      roles: this.heartbeat.roles,
      dataPlane: this.dataPlane,
      interfaces: this.interfaces,
      peers: this.replication.peers(),
      engine: this.engine,
      health: this.health,
      pools: this.pools.current(),
      servers: this.servers,
      tracker: this.tracker,
      chronicle: this.chronicle.status(),
      switchovers: this.handOver.status(),
      metricsAddress: this.metrics?.address ?? '',
    });
  }

  /** The heartbeat goes on as a process of the program on disk; then this daemon makes room for its own successor. */
  private async upgrade(): Promise<CommandResult> {
    try {
      await this.heartbeat.replace();
    } catch (error) {
      return { ok: false, message: messageOf(error) };
    }
    systemClock.at(after(systemClock.now(), ANSWER_MS), this.options.onUpgrade);
    return { ok: true, message: `heartbeat replaced (pid ${this.heartbeat.roles.process().pid}); the daemon ends: start the new one` };
  }

  // --- end ----------------------------------------------------------------------------------------------------------------------------

  async stop(reason: string): Promise<void> {
    await this.handOver.endDrill();
    if (this.heartbeat.roles.held().size > 0) await this.handOver.switchover({ reason: `stop: ${reason}`, waitMs: 0, settleMs: 0 });
    await this.heartbeat.end(reason);
    await this.close();
    await removeAddresses(kernelPresence, this.stateDir.presenceFile);
  }

  async leave(): Promise<void> {
    this.heartbeat.leave();
    await this.close();
  }

  private async close(): Promise<void> {
    this.handOver.stop();
    await this.chronicle.end();
    this.isUp = false;
    this.cancelReview();
    this.health.stop();
    this.pools.stop();
    this.tracker.stop();
    await Promise.all([this.admin.close(), this.metrics?.close()]);
    await this.replication.stop();
    this.engine.stop();
    this.dataPlane.close();
  }

  private unexpected(error: unknown): void {
    this.log.event('internal.error', { reason: messageOf(error) });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
