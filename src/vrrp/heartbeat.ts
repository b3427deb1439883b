/**
 * The heartbeat of one node: all its groups of virtual routers, their sockets and the one timer, around the pure machine.
 *
 * On a wake-up it first takes what waits in the sockets (a bounded number), then lets timers fire: a late process must not believe its
 * own clock before its input. Never waits for anybody, never logs but through `report`.
 */

import type { Monotonic } from '../system/clock.js';
import { nameHash } from '../system/name-hash.js';
import type { GroupBeat } from './beat-codec.js';
import { Beats, type Silence } from './beats.js';
import { GroupUnit } from './group-unit.js';
import type {
  BeatPeer,
  BeatStatus,
  FromHeartbeat,
  HeartbeatConfig,
  HeartbeatGroup,
  HeartbeatRouter,
  PeerKey,
  ToHeartbeat,
} from './heartbeat-api.js';
import { LeaseGuard } from './lease-guard.js';
import { type GroupLegacy, LEGACY_SHAPE, type Legacy } from './legacy.js';
import { type EchoTarget, type Member, targetOf, type UnitContext } from './member.js';
import type { FramePort, HeartbeatPorts, InterfaceView } from './ports.js';
import { ReferenceWatch } from './reference-watch.js';
import { earliest, plus } from './timing.js';
import { Wires } from './wires.js';

/** Packets taken from one socket before timers get their turn: more than a full set of peers sends in a lease. */
const DRAIN_LIMIT = 64;
/** Links are looked at so long before a silence becomes a claim: the look takes longer than all the rest of the decision. What is lost later
 *  the kernel tells, and it has not caused the silence. */
const LOOK_AHEAD_MS = 1;
/** How often links (and a missing data plane) are looked at: while active a dead cable must cost less than a lease of 100 ms adverts. Each
 *  look is a sign of life for the thread of the beats, which waits for five of them (OWNER_SILENCE_NS of beat-thread.cpp). */
const WATCH_ACTIVE_MS = 50;
const WATCH_IDLE_MS = 100;

export interface HeartbeatOptions {
  config: HeartbeatConfig;
  ports: HeartbeatPorts;
  isRealtime: boolean;
  pid: number;
  /** Reads the configuration again; throws when it cannot. */
  readConfig(): HeartbeatConfig;
  /** Everything is given up: the process may end. */
  onStopped(): void;
}

export class Heartbeat {
  private readonly options: HeartbeatOptions;
  private readonly ports: HeartbeatPorts;
  private config: HeartbeatConfig;
  private readonly units = new Map<string, GroupUnit>();
  private readonly wires: Wires;
  private readonly frames = new Map<string, FramePort>();
  private guard: LeaseGuard | null = null;
  private beats: Beats | null = null;
  private references: ReferenceWatch | null = null;
  private cancelLinks: (() => void) | null = null;
  private readonly peerKeys = new Map<string, PeerKey>();
  private interfaces: Map<string, InterfaceView> = new Map();
  private targets: EchoTarget[] = [];
  private lastTrack: Extract<ToHeartbeat, { type: 'track' }> | null = null;
  private armed: { at: Monotonic; cancel: () => void } | null = null;
  private lookedAt = Number.NEGATIVE_INFINITY as Monotonic;
  private cancelWatch: (() => void) | null = null;
  private onRetired: ((legacy: Legacy) => void) | null = null;
  private isStopped = false;

  constructor(options: HeartbeatOptions) {
    this.options = options;
    this.ports = options.ports;
    this.config = options.config;
    this.wires = new Wires({
      ports: this.ports,
      members: () => this.allMembers(),
      onAdvert: (member, advert, form) => this.unitOf(member)?.receive(member, advert, form),
      onReadable: () => this.arm(),
      onProblem: (name, error) => this.log('error', 'socketFailed', { interface: name, error }),
    });
  }

  /** Opens all that a process which is about to end may have open as well: everything but beats. Sends nothing. */
  prepare(): void {
    this.interfaces = this.ports.runningInterfaces();
    this.openLeases();
    this.cancelLinks = this.ports.watchLinks(() => this.linksChanged());
    for (const group of this.config.groups) this.look(this.addUnit(group));
    this.openFrames();
  }

  /**
   * `legacy`: of the process that this one replaces; null: none, or of a shape that is not ours. `known`: without one, what the daemon said
   * to others before, which counts as if it said it now.
   */
  start(legacy: Legacy | null = null, known: readonly ToHeartbeat[] = []): void {
    if (this.cancelLinks === null) this.prepare();
    this.openBeats(legacy === null);
    this.lastTrack = legacy?.track ?? null;
    for (const message of legacy?.peerKeys ?? known) this.handle(message);
    for (const unit of this.units.values()) this.begin(unit, legacy?.groups.find(({ name }) => name === unit.config.name) ?? null);
    this.watch();
  }

  receive(message: ToHeartbeat): void {
    if (this.isStopped) return;
    this.handle(message);
    this.arm();
  }

  private handle(message: ToHeartbeat): void {
    switch (message.type) {
      case 'track':
        return this.track(message);
      case 'yield':
        return this.chosen(message.routers, (unit) => unit.feed({ type: 'yield', reason: message.reason, holdDownMs: message.holdDownMs }));
      case 'takeOver':
        return this.takeOver(message);
      case 'stop':
        return this.stop(message.reason);
      case 'reload':
        return this.reload();
      case 'peerKey':
        return this.setPeerKey(message);
      case 'term':
        return this.chosen([message.router], (unit) => unit.feed({ type: 'term', term: message.term }));
      case 'status':
        return this.ports.report(this.status());
      default:
        return this.log('warn', 'unknownMessage', { message: (message as { type?: unknown }).type });
    }
  }

  status(): Extract<FromHeartbeat, { type: 'status' }> {
    const routers = [...this.units.values()].flatMap((unit) => unit.status());
    return { type: 'status', pid: this.options.pid, realtime: this.options.isRealtime, routers, beats: this.beatStatus() };
  }

  private beatStatus(): BeatStatus | null {
    if (this.beats === null) return null;
    const reference = this.config.beats?.references.length === 0 ? 'none' : (this.references?.verdict ?? 'none');
    return { ...this.beats.status(), reference };
  }

  stop(reason: string): void {
    if (this.isStopped) return;
    for (const unit of this.units.values()) unit.feed({ type: 'stop', reason });
    this.say();
    this.ports.report(this.status());
    this.close();
    this.options.onStopped();
  }

  /**
   * Lets go without a goodbye, as soon as no promise binds and no claim is under way: leases and roles stay, for the process that goes
   * on with what `onRetired` is given.
   */
  retire(onRetired: (legacy: Legacy) => void): void {
    this.onRetired = onRetired;
    this.retireIfSettled();
  }

  private retireIfSettled(): void {
    if (this.onRetired === null || this.isStopped) return;
    const units = [...this.units.values()];
    const isFree = this.beats?.renounce() ?? true;
    if (!isFree || units.some((unit) => unit.state.kind === 'claiming')) return;
    // Ending the thread takes its time, and its port is to be free. From the last advert on every millisecond counts against the leases.
    this.closeBeats();
    for (const unit of units) unit.advertise();
    const groups = units.map((unit) => unit.legacy());
    this.onRetired({ shape: LEGACY_SHAPE, track: this.lastTrack, peerKeys: [...this.peerKeys.values()], groups });
    this.close();
  }

  private closeBeats(): void {
    this.beats?.close();
    this.beats = null;
  }

  private close(): void {
    this.isStopped = true;
    this.references?.close();
    this.cancelLinks?.();
    this.armed?.cancel();
    this.cancelWatch?.();
    this.wires.closeAll();
    for (const port of this.frames.values()) port.close();
    this.closeBeats();
  }

  private takeOver(order: Extract<ToHeartbeat, { type: 'takeOver' }>): void {
    const { routers, reason, atMs } = order;
    // The goodbye was sent before the order.
    this.wires.drainAll(DRAIN_LIMIT);
    const ageMs = atMs === undefined ? 0 : this.ports.clock.now() - atMs;
    this.chosen(routers, (unit) => void unit.feed({ type: 'takeOver', reason, term: unit.termIn(order), ageMs }));
  }

  private track(message: Extract<ToHeartbeat, { type: 'track' }>): void {
    this.lastTrack = message;
    this.targets = message.verifyTargets.flatMap(targetOf);
    for (const unit of this.units.values()) this.tell(unit, message);
  }

  private tell(unit: GroupUnit, { ready, inSync, peerInSync, tracked }: Extract<ToHeartbeat, { type: 'track' }>): void {
    // A fault first: a group that may not take part must not begin to.
    unit.track(tracked ?? []);
    unit.feed({ type: 'track', ready, inSync, peerInSync, canVerify: unit.canVerify() });
  }

  /** Groups with one of these routers; all when none is named. */
  private chosen(names: readonly string[], act: (unit: GroupUnit) => void): void {
    for (const unit of this.units.values()) {
      if (names.length === 0 || unit.members.some((member) => names.includes(member.config.name))) act(unit);
    }
  }

  private addUnit(group: HeartbeatGroup): GroupUnit {
    const context: UnitContext = {
      ports: this.ports,
      lease: () => this.guard,
      interfaces: () => this.interfaces,
      sendVrrp: (router, packet, destination) => this.wires.send(router, packet, destination),
      sendFrame: (name, frame) => this.sendFrame(name, frame),
      verifyTargets: () => this.targets,
      nodeAt: (address) => this.beats?.nodeAt(address) ?? null,
      nodeIdOf: (node) => this.beats?.idOf(node) ?? 0,
      leaseUntil: (until) => this.beats?.leaseUntil(until) ?? until,
      renewalUntil: (until, remainingMs) => this.beats?.renewalUntil(until, remainingMs) ?? until,
      areLeasesShort: () => this.beats?.areLeasesShort ?? false,
      leasesHeld: (slots, until) => this.beats?.leasesHeld(slots, until),
      leasesGone: (slots) => this.beats?.leasesGone(slots),
    };
    const unit = new GroupUnit(group, context);
    this.units.set(group.name, unit);
    return unit;
  }

  private begin(unit: GroupUnit, legacy: GroupLegacy | null): void {
    if (legacy !== null) unit.inherit(legacy);
    unit.feed({ type: 'reference', verdict: this.references?.verdict ?? 'open' });
    this.look(unit);
    if (legacy === null) unit.start();
    if (this.lastTrack !== null) this.tell(unit, this.lastTrack);
  }

  private reload(): void {
    let next: HeartbeatConfig;
    try {
      next = this.options.readConfig();
    } catch (error) {
      return this.log('error', 'reloadFailed', { error: messageOf(error) });
    }
    const isOtherTalk = JSON.stringify(next.beats) !== JSON.stringify(this.config.beats);
    this.config = next;
    this.guard?.setDrain(next.drainMs);
    if (isOtherTalk) this.openBeats(true);
    const wanted = new Map(next.groups.map((group) => [group.name, group]));
    for (const [name, unit] of this.units) {
      const group = wanted.get(name);
      if (group !== undefined && isSamePlace(group, unit.config)) unit.reconfigure(group);
      else this.removeUnit(name, unit);
    }
    for (const group of next.groups) if (!this.units.has(group.name)) this.begin(this.addUnit(group), null);
  }

  private removeUnit(name: string, unit: GroupUnit): void {
    unit.feed({ type: 'stop', reason: 'reconfigured' });
    this.units.delete(name);
    this.wires.closeUnused();
  }

  private unitOf(member: Member): GroupUnit | undefined {
    return [...this.units.values()].find((unit) => unit.members.includes(member));
  }

  private allMembers(): Member[] {
    return [...this.units.values()].flatMap((unit) => [...unit.members]);
  }

  // --- beats --------------------------------------------------------------------------------------------------------------------------

  /** (Again.) Without them the election is that of the RFC alone. */
  private openBeats(isPromisePossible: boolean): void {
    this.closeBeats();
    const { beats: settings, instance, pinDir, drainMs, realtimePriority } = this.config;
    this.openReferences(settings?.references ?? []);
    if (settings === null) return;
    const listener = {
      onBatch: () => this.wires.drainAll(DRAIN_LIMIT),
      onBeat: (peer: BeatPeer, groups: readonly GroupBeat[], heardAt: Monotonic) => this.beatHeard(peer, groups, settings.nodeId, heardAt),
      onSilent: (peer: BeatPeer, silence: Silence) => {
        this.references?.look();
        for (const unit of this.units.values()) unit.feed({ type: 'peerSilent', node: peer.node, ...silence });
        this.arm();
      },
      onLapsed: (slot: number) => {
        for (const unit of this.units.values()) if (unit.holds(slot)) unit.feed({ type: 'leaseLapsed' });
        this.arm();
      },
    };
    try {
      const common = { settings, ports: this.ports, instance: BigInt(instance), pinDir, drainMs, realtimePriority };
      this.beats = new Beats({ ...common, isPromisePossible, listener });
      for (const known of this.peerKeys.values()) this.beats.setPeerKey(known);
    } catch (error) {
      this.log('error', 'beatsFailed', { error: messageOf(error) });
    }
  }

  /** Who may lead when nobody else is heard. */
  private openReferences(addresses: readonly string[]): void {
    this.references?.close();
    this.references = new ReferenceWatch({
      addresses,
      ports: this.ports,
      hasPeers: () => (this.beats?.hasReachable ?? false) || [...this.units.values()].some((unit) => unit.hearsSomebody()),
      onVerdict: (verdict) => {
        for (const unit of this.units.values()) unit.feed({ type: 'reference', verdict });
        this.arm();
      },
    });
    for (const unit of this.units.values()) unit.feed({ type: 'reference', verdict: this.references.verdict });
  }

  private beatHeard(peer: BeatPeer, groups: readonly GroupBeat[], ownId: number, heardAt: Monotonic): void {
    this.references?.look();
    for (const unit of this.units.values()) {
      const beat = groups.find((group) => group.nameHash === nameHash(unit.config.name));
      if (beat !== undefined) unit.hearBeat(peer.node, beat, ownId, heardAt);
    }
    this.arm();
  }

  private setPeerKey({ latest, ...known }: PeerKey): void {
    // What was the latest when it was said is not the latest when it is said again.
    this.peerKeys.set(known.node, known);
    this.beats?.setPeerKey({ ...known, latest });
  }

  private say(): void {
    this.beats?.say([...this.units.values()].map((unit) => unit.beat()));
  }

  // --- links and data plane -----------------------------------------------------------------------------------------------------------

  /** The kernel says that a link changed: what hangs on it is decided now, not at the next look. */
  private linksChanged(): void {
    if (this.isStopped) return;
    this.interfaces = this.ports.runningInterfaces();
    for (const unit of this.units.values()) this.look(unit);
    this.arm();
  }

  /** Looks at links and data plane again and again: cables, programs and sockets come and go without telling us. */
  private watch(): void {
    this.interfaces = this.ports.runningInterfaces();
    if (this.guard === null) this.openLeases();
    for (const unit of this.units.values()) this.look(unit);
    this.beats?.review(() => {
      for (const unit of this.units.values()) unit.rewriteLeases();
    });
    this.references?.look();
    this.retireIfSettled();
    if (this.isStopped) return;
    const isBusy = [...this.units.values()].some((unit) => unit.state.kind === 'active' || unit.state.kind === 'claiming');
    const again = plus(this.ports.clock.now(), isBusy ? WATCH_ACTIVE_MS : WATCH_IDLE_MS);
    this.cancelWatch = this.ports.clock.at(again, () => this.watch());
    this.arm();
  }

  private look(unit: GroupUnit): void {
    unit.track(this.lastTrack?.tracked ?? []);
    const down = unit.members.find(({ config }) => !this.hasLinks(config) || !this.wires.has(config))?.config ?? null;
    const isUp = down === null;
    if (isUp !== unit.state.conditions.isLinkUp)
      unit.feed({ type: 'link', isUp, reason: down === null ? '' : `linkDown:${this.downName(down)}` });
    // While all is well the renewals look at the program themselves.
    if (unit.state.kind !== 'initialize' && unit.state.conditions.isDataPlaneUsable && this.guard !== null) return;
    const needed = [...new Set(unit.members.flatMap(({ config }) => config.dataInterfaces))];
    const detached = this.guard === null ? 'dataPlaneMissing' : this.guard.detachedAmong(needed);
    const isUsable = detached === null;
    if (isUsable !== unit.state.conditions.isDataPlaneUsable) unit.feed({ type: 'dataPlane', isUsable, reason: `detached:${detached}` });
  }

  private hasLinks(config: HeartbeatRouter): boolean {
    const own = this.interfaces.get(config.interface);
    if (own === undefined || !own.addresses.includes(config.sourceAddress)) return false;
    return config.announced.every((entry) => this.interfaces.has(entry.interface));
  }

  /** The interface that is missing. */
  private downName(config: HeartbeatRouter): string {
    return config.announced.find((entry) => !this.interfaces.has(entry.interface))?.interface ?? config.interface;
  }

  private openLeases(): void {
    try {
      const port = this.ports.openLeases(this.config.pinDir);
      this.guard = new LeaseGuard(port, this.ports.clock, BigInt(this.config.instance), this.config.drainMs);
    } catch (error) {
      this.log('warn', 'dataPlaneMissing', { error: messageOf(error) });
    }
  }

  /** In advance: opening one takes as long as a whole take-over. Failure is found, and told, when a frame is to be sent. */
  private openFrames(): void {
    for (const { announced } of this.config.groups.flatMap((group) => group.members)) {
      for (const { interface: name } of announced) {
        if (this.frames.has(name) || !this.interfaces.has(name)) continue;
        try {
          this.frames.set(name, this.ports.openFrames(name));
        } catch (error) {
          this.log('warn', 'framesFailed', { interface: name, error: messageOf(error) });
        }
      }
    }
  }

  private sendFrame(name: string, frame: Buffer): void {
    const port = this.frames.get(name) ?? this.ports.openFrames(name);
    this.frames.set(name, port);
    try {
      port.send(frame);
    } catch (error) {
      // The interface may have been made anew under its name: the next frame gets a new socket.
      port.close();
      this.frames.delete(name);
      throw error;
    }
  }

  /** One timer for everything: set for the earliest deadline. An earlier one that is already set only finds nothing to do. */
  private arm(): void {
    if (this.isStopped) return;
    this.say();
    let next: Monotonic | null = null;
    for (const unit of this.units.values()) {
      const at = this.wakeFor(unit);
      if (at !== null) next = next === null ? at : earliest(next, at);
    }
    if (next === null || (this.armed !== null && this.armed.at <= next)) return;
    this.armed?.cancel();
    this.armed = { at: next, cancel: this.ports.clock.at(next, () => this.wake()) };
  }

  private wake(): void {
    this.armed = null;
    const inputAt = this.ports.clock.now();
    this.wires.drainAll(DRAIN_LIMIT);
    const now = this.ports.clock.now();
    const isDue = (unit: GroupUnit): boolean => unit.deadline !== null && unit.deadline <= now;
    const soon = [...this.units.values()].filter((unit) => isDue(unit) || this.isToLook(unit, now));
    if (soon.some((unit) => this.isToLook(unit, now))) this.lookBeforeClaim(soon);
    for (const unit of soon) if (unit.deadline !== null && unit.deadline <= now) unit.feed({ type: 'timer', inputAt });
    this.arm();
  }

  /** When a unit has to be seen to: at its deadline, and a little before one that will end a silence. */
  private wakeFor(unit: GroupUnit): Monotonic | null {
    const { deadline } = unit;
    if (deadline === null || unit.state.kind !== 'backup') return deadline;
    const lookAt = plus(deadline, -LOOK_AHEAD_MS);
    return this.lookedAt >= lookAt ? deadline : lookAt;
  }

  private isToLook(unit: GroupUnit, now: Monotonic): boolean {
    const at = unit.state.kind === 'backup' ? this.wakeFor(unit) : null;
    return at !== null && at !== unit.deadline && at <= now;
  }

  /** Silence may be our own missing cable: looked at now, not at the next watch. */
  private lookBeforeClaim(due: readonly GroupUnit[]): void {
    this.lookedAt = this.ports.clock.now();
    this.interfaces = this.ports.runningInterfaces();
    this.references?.look();
    for (const unit of due) this.look(unit);
  }

  private log(level: 'warn' | 'error', event: string, fields: Record<string, unknown>): void {
    this.ports.report({ type: 'log', level, event, fields, atWallMs: this.ports.clock.wallMs() });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether a changed configuration is still about the same routers: everything else can change in place. */
const isSamePlace = (a: HeartbeatGroup, b: HeartbeatGroup): boolean =>
  a.members.length === b.members.length && a.members.every((member, index) => isSameRouter(member, b.members[index]));

const isSameRouter = (a: HeartbeatRouter, b: HeartbeatRouter | undefined): boolean =>
  b !== undefined && a.vrid === b.vrid && a.slot === b.slot && a.interface === b.interface && a.sourceAddress === b.sourceAddress;
