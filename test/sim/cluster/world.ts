/**
 * A whole cluster in virtual time, built from a seed: machines, the wire of the adverts, the replication link, clients, and what goes wrong.
 */

import { Agenda } from '../agenda.js';
import { Random } from '../random.js';
import type { Datagram } from './beat-peers.js';
import { isSettled } from './checks.js';
import { Clients } from './clients.js';
import { MOST_TURNS } from './daemon.js';
import { drawFaults, type Fault } from './faults.js';
import type { Mutant } from './mutants.js';
import { SimNode } from './node.js';
import { PacketNetwork } from './packets.js';
import { addressOf, drawShape, SERVERS, type Shape, shapeSeed } from './shape.js';
import { StreamNetwork } from './streams.js';
import { Watch } from './watch.js';

export interface SentAdvert {
  at: number;
  priority: number;
  /** By node: was meant for it. */
  isAddressed: boolean[];
  /** By node: when it arrived in the socket; infinite: lost. */
  arrived: number[];
  /** By node: lost or late by a fault, not merely under way. */
  isDisturbed: boolean[];
}

/** With fast liveness: it carried a promise, or took one back. Until that arrives, the promise is believed, and renewed by whatever comes. */
export interface SentBeat {
  at: number;
  sequence: number;
  /** By node: when it first arrived in a socket, on any path. */
  arrived: number[];
  /** By node: paths on which no fault met it. */
  undisturbed: number[];
}

export interface RunOptions {
  seed: number;
  mutant?: Mutant | null;
  withTranscript?: boolean;
  /** Positions in the list of faults that are left out. */
  without?: ReadonlySet<number>;
}

/** Behind an IPv4 header without options. */
const PRIORITY_AT = 22;
/** From the end of the faults until the best node is active and everything is in sync: reconnect (2 s back-off, 1 s to dial), a bulk held
 *  up by a table that must be kept (3 s), a readiness that waits for an absent peer (3 s), digests that differ twice and the gap between
 *  two such resyncs (7 s), and an election. */
const SETTLE_MS = 16_000;
const SETTLE_INTERVALS = 12;
/** Longer than an election; in some runs also longer than a digest or a silence of replication takes to be noticed. */
const QUIET_MS = { short: 300, long: 2200 };
const QUIET_INTERVALS = { short: 4.5, long: 10 };
/** Nothing new is opened at the end, so that what was opened reaches everybody. */
const LAST_OPEN_MS = 800;
/** What a hand-over, a lapse or a late daemon may still bring. */
const SETTLE_LEAST_MS = 800;
const LOOK_MS = 50;
const TRUST_MS = 250;
/** A peer that lost everything without a word is missed after this. */
const NOTICED_AFTER_MS = 1500;
/** After a holder has changed (or there were two), its predecessor's last records are still on their way; only then may the tables differ unnoticed. */
const TRUSTED_AFTER_MS = 4000;

/** Most are started and synchronized by then, and in most runs somebody leads. */
const FIRST_FAULT_MS = 500;
const FIRST_FAULT_INTERVALS = 4;
/** A thread has to be punctual for five seconds before a promise is given. */
const FAST_FROM_MS = 6000;

/** The longest; a run whose last fault ends before settles from there on. */
const faultSpan = (intervalMs: number): number => (intervalMs < 100 ? 2000 : intervalMs < 1000 ? 4000 : 12_000);

export class World {
  readonly shape: Shape;
  readonly agenda = new Agenda();
  readonly nodes: SimNode[] = [];
  readonly wire: PacketNetwork;
  /** Beats beside the replication. */
  readonly back: PacketNetwork;
  /** Beats with a promise, by sender. */
  readonly beats: SentBeat[][];
  /** Whose way to the reference (and gateway) is cut; `isReferenceDown`: it is not there for anybody. */
  readonly isReferenceCut: boolean[];
  isReferenceDown = false;
  readonly streams: StreamNetwork;
  readonly clients: Clients;
  readonly faults: Fault[];
  readonly sent: SentAdvert[][];
  readonly isServerUp = new Array<boolean>(SERVERS).fill(true);
  readonly transcript: string[] = [];
  readonly faultsFrom: number;
  readonly faultsEnd: number;
  /** From here on nothing may change: as soon as everything is as it should be, and in any case after a bound. */
  settledAt: number;
  end: number;
  /** Who held the lease at each look after the faults. */
  readonly looks: { at: number; holders: number[] }[] = [];
  readonly mutant: Mutant | null;
  hasStalls = false;
  /** When the last fault that delays the datagrams of a network ends. */
  readonly slowedUntil = { wire: 0, back: 0 };
  readonly watch: Watch;
  /** Nodes that were in sync according to a holder, and lacked something. */
  readonly untrue: string[] = [];
  private readonly options: RunOptions;
  private readonly random: Random;
  private generations = 0;
  private serversChangedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RunOptions) {
    const { seed } = options;
    this.options = options;
    this.mutant = options.mutant ?? null;
    this.random = new Random(seed);
    const shape = drawShape(seed, new Random(shapeSeed(seed)));
    this.shape = shape;
    const { agenda, random } = this;
    this.faultsFrom = FIRST_FAULT_MS + FIRST_FAULT_INTERVALS * shape.intervalMs + (shape.fast === null ? 0 : FAST_FROM_MS);
    this.sent = Array.from({ length: shape.nodes }, () => []);
    this.beats = Array.from({ length: shape.nodes }, () => []);
    this.isReferenceCut = new Array<boolean>(shape.nodes).fill(false);
    for (let index = 0; index < shape.nodes; index++) this.nodes.push(this.newNode(index));
    this.wire = new PacketNetwork(shape.nodes, agenda, random);
    this.streams = new StreamNetwork(
      agenda,
      random,
      this.nodes.map((node) => node.daemonProcess),
    );
    this.back = new PacketNetwork(shape.nodes, agenda, random, this.streams);
    this.clients = new Clients({
      shape,
      agenda,
      random: new Random(seed ^ 0x27d4eb2f),
      nodes: this.nodes,
      openUntil: () => this.end - LAST_OPEN_MS,
      settledAt: () => this.settledAt,
      end: () => this.end,
      serversChangedAt: () => this.serversChangedAt,
      waitsForRefresh: (owner) => {
        const isUnheard = owner !== null && this.isClaimUnheard(owner);
        if (isUnheard) this.watch.met.unheardClaim += 1;
        return isUnheard;
      },
      note: (text) => this.note('--', text, agenda.now),
    });
    this.watch = new Watch(this);
    this.faults = drawFaults(this, this.faultsFrom + faultSpan(shape.intervalMs), new Random(seed ^ 0x165667b1));
    this.faultsEnd = Math.max(this.faultsFrom, ...this.faults.map(({ to }) => to));
    this.settledAt = this.faultsEnd + SETTLE_MS + SETTLE_INTERVALS * shape.intervalMs + shape.preemptDelayMs;
    this.end = this.settledAt + this.quietMs;
  }

  async run(): Promise<void> {
    const { agenda, random, shape } = this;
    for (const node of this.nodes) agenda.add(random.between(0, 300), () => node.powerOn());
    for (const [index, fault] of this.faults.entries()) if (this.options.without?.has(index) !== true) this.plan(fault);
    agenda.add(this.faultsEnd, () => this.look());
    agenda.add(this.faultsFrom, () => this.watchTrust());
    agenda.add(this.faultsFrom, () => this.watch.start());
    if (this.mutant === 'restless')
      for (let at = this.faultsFrom; at < this.end; at += 1500 + 5 * shape.intervalMs) agenda.add(at, () => this.tire());
    await agenda.runTurnsUntil(() => this.end);
  }

  setServer(server: number, isUp: boolean): void {
    this.isServerUp[server] = isUp;
    this.serversChangedAt = this.agenda.now;
    for (const node of this.nodes) node.serversChanged();
  }

  private plan(fault: Fault): void {
    const { agenda } = this;
    const happen = (text: string, act: () => void): void => {
      this.note('--', `${text}: ${fault.text}`, agenda.now);
      agenda.goesOn(MOST_TURNS);
      act();
    };
    agenda.add(fault.from, () => happen('fault', fault.begin));
    agenda.add(fault.to, () => happen('ends', fault.finish));
  }

  private look(): void {
    const holders = this.nodes.filter((node) => node.holds).map((node) => node.index);
    this.looks.push({ at: this.agenda.now, holders });
    if (this.agenda.now < this.settledAt && this.agenda.now >= this.faultsEnd + SETTLE_LEAST_MS && isSettled(this)) {
      this.settledAt = this.agenda.now;
      this.end = this.settledAt + this.quietMs;
    }
    this.agenda.add(this.agenda.now + LOOK_MS, () => this.look());
  }

  private get quietMs(): number {
    const { quiet, intervalMs } = this.shape;
    return QUIET_MS[quiet] + QUIET_INTERVALS[quiet] * intervalMs;
  }

  /** Whoever the holder believes to be complete has what the holder has. */
  private watchTrust(): void {
    this.agenda.add(this.agenda.now + TRUST_MS, () => this.watchTrust());
    const trustedFrom = this.agenda.now - TRUSTED_AFTER_MS;
    for (const holder of this.nodes) {
      const others = this.nodes.filter((node) => node !== holder);
      if ((holder.kernel.holdings.at(-1)?.from ?? 0) > trustedFrom) continue;
      // A daemon that was stopped, alone or with its machine, or whose heartbeat is, believes for a while what was true before.
      if ([...holder.daemonProcess.stalls, ...holder.frozen].some((stall) => stall.to > this.agenda.now - NOTICED_AFTER_MS)) continue;
      if (others.some((node) => node.daemon?.roles.held().has('front') === true)) continue;
      if (others.some((node) => (node.kernel.holdings.at(-1)?.to ?? 0) > trustedFrom)) continue;
      const daemon = holder.daemon;
      if (!holder.holds || holder.isFrozen || daemon === null || !daemon.roles.held().has('front') || holder.kernel.table.waiting > 0)
        continue;
      for (const status of daemon.replication.peers()) {
        const peer = this.nodes.find((node) => node.name === status.node);
        // What a third node told the holder alone is found by the digests.
        if (holder.clock.local(trustedFrom) < (daemon.reachedAt.get(status.node) ?? 0)) continue;
        if (peer === undefined || !status.inSync || status.lagMs > 0 || status.ackedSequence !== status.sentSequence) continue;
        if (this.agenda.now - peer.tableLostAt < NOTICED_AFTER_MS || !peer.isPowered) continue;
        if (holder.kernel.table.isEqualTo(peer.kernel.table)) continue;
        // A record that outlived its connection (a former holder's word that came late) waits for the holder's ageing, and is no loss.
        const isLost = (flow: number): boolean => peer.kernel.table.get(flow) === null && this.clients.flows.get(flow)?.isOver === false;
        const missing = holder.kernel.table.flows().find(isLost);
        if (missing !== undefined)
          this.untrue.push(
            `(c) ${holder.name} believes ${peer.name} to be complete, which lacks flow ${missing}, at ${this.agenda.now.toFixed(0)} ms`,
          );
      }
    }
  }

  private tire(): void {
    for (const node of this.nodes) if (node.holds) node.heartbeat.receive({ type: 'yield', routers: [], reason: 'tired', holdDownMs: 0 });
  }

  private newNode(index: number): SimNode {
    return new SimNode({
      index,
      shape: this.shape,
      agenda: this.agenda,
      random: this.random,
      mutant: this.mutant,
      hooks: {
        sendVrrp: (from, packet, destination) => this.sendVrrp(from, packet, destination),
        announce: (from) => this.announce(from),
        echo: (from) => this.echo(from),
        sendBeat: (from, to, beat, at) => this.sendBeat(from, to, beat, at),
        ping: (from) => this.ping(from),
        isLedByStale: (node) => this.isLedByStale(node),
        onGivesWay: (until) => this.settleAfter(until),
        onPut: (node, flow, record) => this.clients.recordPut(node, flow, record),
        onRemove: (node, flow, cause) => {
          if (cause === 'purge') this.note(`n${node + 1}`, `purges flow ${flow}`, this.agenda.now);
        },
        onTableLost: (node) => this.clients.tableLost(node),
        newGeneration: () => ++this.generations,
        isServerUp: (server) => this.isServerUp[server] === true,
        streams: () => this.streams,
        note: (node, text, at) => this.note(`n${node + 1}`, text, at),
      },
    });
  }

  private announce(from: number): void {
    this.agenda.add(this.agenda.now + this.random.between(0.05, 0.4), () => {
      if (this.nodes[from]?.isLinkUp === true) this.clients.announced(from);
    });
  }

  /** The gateway answers to the VIP; the answer comes back to the machine that asked. */
  private echo(from: number): void {
    const node = this.nodes[from];
    if (node === undefined || this.ping(from) === null) return;
    this.agenda.add(this.agenda.now + this.random.between(0.1, 0.6), () => {
      if (this.ping(from) !== null && node.isAttached && !node.isFrozen) node.kernel.echoed();
    });
  }

  private ping(from: number): number | null {
    const isThere = !this.isReferenceDown && this.isReferenceCut[from] === false && this.nodes[from]?.isLinkUp === true;
    return isThere || this.mutant === 'imaginesReferences' ? this.random.between(0.1, 1) : null;
  }

  private sendBeat(from: number, to: number, beat: Datagram, at: number): boolean {
    const node = this.nodes[to];
    const isWire = this.shape.paths[beat.path] === 'wire';
    if (node === undefined || (isWire && this.nodes[from]?.sendFails === true)) return false;
    const network = isWire ? this.wire : this.back;
    const sent = this.shape.fast !== null ? this.beatOf(from, beat, at) : null;
    const { channel } = node.heartbeat;
    const arrive = (arrivesAt: number): void => {
      if (sent !== null) sent.arrived[to] = Math.min(sent.arrived[to] ?? arrivesAt, arrivesAt);
    };
    const isReceiving = (): boolean => node.isPowered && (!isWire || node.isLinkUp) && node.heartbeat.channel !== null;
    let isWell: boolean;
    if (channel !== null && network.isOrderly && isReceiving() && channel.isRoutine(beat, at)) {
      const arrivesAt = network.arrival(from, to, at);
      isWell = arrivesAt !== null;
      if (arrivesAt !== null) {
        arrive(arrivesAt);
        channel.leave(beat, arrivesAt);
      }
    } else {
      channel?.expectNews(beat.node, network.latest(at));
      isWell = network.send(from, to, at, (arrivesAt) => {
        if (!isReceiving()) return;
        arrive(arrivesAt);
        node.heartbeat.channel?.arrive(beat);
      });
    }
    if (sent !== null && isWell) sent.undisturbed[to] = (sent.undisturbed[to] ?? 0) + 1;
    return true;
  }

  private beatOf(from: number, { sequence }: Datagram, at: number): SentBeat {
    const beats = this.beats[from] as SentBeat[];
    const last = beats.at(-1);
    if (last?.sequence === sequence) return last;
    const arrived = new Array<number>(this.nodes.length).fill(Number.POSITIVE_INFINITY);
    const sent = { at, sequence, arrived, undisturbed: new Array<number>(this.nodes.length).fill(0) };
    beats.push(sent);
    return sent;
  }

  /** Nothing that this machine said since it took the address reached the one that holds it now. Beats repeat what they say, adverts do not. */
  private isClaimUnheard(index: number): boolean {
    const holders = this.nodes.filter((node) => node.holds);
    const [holder] = holders;
    const since = this.nodes[index]?.kernel.holdings.at(-1)?.from ?? 0;
    if (holder === undefined || holders.length > 1 || holder.index === index || this.shape.paths.length > 0) return false;
    const told = (this.sent[index] ?? []).filter(({ at, isAddressed }) => at > since - 1 && isAddressed[holder.index] === true);
    return told.every(({ isDisturbed }) => isDisturbed[holder.index] === true);
  }

  /** A machine whose clock stood still, or went back, under a lease that is older than this node's, which hears its beats. */
  private isLedByStale(index: number): boolean {
    const node = this.nodes[index] as SimNode;
    const since = node.kernel.holdings.at(-1)?.from ?? 0;
    return this.nodes.some((stale) => {
      const holding = stale.kernel.holdings.at(-1);
      if (stale === node || !stale.holds || holding === undefined || holding.from > since) return false;
      const wasFrozen = stale.frozen.some(({ from, to }) => from < since && to > since && to > from);
      return (
        wasFrozen &&
        stale.heartbeat.process.isRunning &&
        stale.heartbeat.isReachable(node.name) &&
        node.heartbeat.knowsActive(stale.index, stale.clock.runsFrom)
      );
    });
  }

  /** Somebody has lost the right to pre-empt until then. */
  private settleAfter(until: number): void {
    const latest = until + SETTLE_LEAST_MS + SETTLE_INTERVALS * this.shape.intervalMs + this.shape.preemptDelayMs;
    if (this.agenda.now > this.settledAt || latest <= this.settledAt) return;
    this.settledAt = latest;
    this.end = latest + this.quietMs;
  }

  private sendVrrp(from: number, packet: Buffer, destination: string): void {
    const { nodes } = this;
    const at = this.agenda.now;
    const sent: SentAdvert = {
      at,
      priority: packet.readUInt8(PRIORITY_AT),
      isAddressed: new Array<boolean>(nodes.length).fill(false),
      arrived: new Array<number>(nodes.length).fill(Number.POSITIVE_INFINITY),
      isDisturbed: new Array<boolean>(nodes.length).fill(false),
    };
    for (const node of nodes) {
      const to = node.index;
      if (to === from || (!destination.startsWith('224.') && destination !== addressOf(to))) continue;
      sent.isAddressed[to] = true;
      const isWell = this.wire.send(from, to, at, (arrivesAt) => {
        if (node.heartbeat.deliver(packet)) sent.arrived[to] = Math.min(sent.arrived[to] ?? arrivesAt, arrivesAt);
        else sent.isDisturbed[to] = true;
      });
      if (!isWell) sent.isDisturbed[to] = true;
    }
    this.sent[from]?.push(sent);
    if (this.options.withTranscript)
      this.note(`n${from + 1}`, `sends ${sent.priority} to ${destination}${sent.isDisturbed.includes(true) ? ' (disturbed)' : ''}`, at);
  }

  private note(who: string, text: string, at: number): void {
    if (this.options.withTranscript) this.transcript.push(`${at.toFixed(3).padStart(12)} ms  ${who}  ${text}`);
  }
}
