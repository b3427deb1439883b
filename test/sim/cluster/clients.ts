/**
 * Clients of the VIP: they open flows, send packets on them and end them, each to the machine that their neighbour table names, and send
 * again what was not answered. Every answer is judged here and now, because only now is it known who had which record.
 */
import { HAND_OVER_GRACE_MS } from '../../../src/vrrp/active.js';
import { skewMs } from '../../../src/vrrp/timing.js';
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';
import type { FlowRecord } from './flow-table.js';
import { type Kernel, type Outcome, type PacketOfFlow, SECOND_CHANCE_MS } from './kernel.js';
import type { SimNode } from './node.js';
import { DRAIN_MS, type Shape } from './shape.js';

export interface Flow {
  id: number;
  isPinned: boolean;
  openedAt: number;
  /** Where it was served first, and has to be served always. */
  server: number | null;
  creator: number;
  generation: number;
  /** Nodes that had its record and have not lost their table since. */
  carriers: Set<number>;
  /** A node other than its creator had its record. */
  isShared: boolean;
  isOver: boolean;
  /** The machine that its client's neighbour table names: not every announcement arrives. */
  owner: number | null;
  refusals: number;
  left: number;
}

/** Why a flow that nobody serves any more is not a violation; counted. */
export type Loss = 'notShared' | 'notHere' | 'wentBack' | 'serversChanged';

export interface ClientParts {
  shape: Shape;
  agenda: Agenda;
  random: Random;
  nodes: readonly SimNode[];
  /** No flow is opened after this. */
  openUntil(): number;
  /** From here on every packet must be served. */
  settledAt(): number;
  end(): number;
  serversChangedAt(): number;
  /** Whoever believes a claim that the holder knows nothing of, asks anew some day, or hears the holder's next refresh. */
  waitsForRefresh(owner: number | null): boolean;
  note(text: string): void;
}

const FIRST_FLOW = 1;
/** Nobody sends in the last moment, so that what changed has reached everybody when the tables are compared. */
const STILL_MS = 300;
const RESEND_MS = [20, 200] as const;
const THINK_MS = [20, 1500] as const;
/** A client asks who has the address when an answer is missing. */
const ASK_CHANCE = 0.3;
/** Of an announcement that changes something, at the next packet. */
const NOTICE_CHANCE = 0.8;
/** Unanswered packets until a client gives a flow up. */
const PATIENCE = 60;
/** More than drift and rounding make of a drain window. */
const DRAIN_SLACK_MS = 2;
/** From a change of a server until it is noticed, announced and in force everywhere. */
const CHANGE_MS = 600;
const TRAVEL_MS = [0.05, 0.4] as const;

export class Clients {
  readonly flows = new Map<number, Flow>();
  readonly violations: string[] = [];
  readonly lost: Record<Loss, number> = { notShared: 0, notHere: 0, wentBack: 0, serversChanged: 0 };
  served = 0;
  drained = 0;
  /** The machine that announced the address last. */
  owner: number | null = null;
  private readonly parts: ClientParts;
  private nextFlow = FIRST_FLOW;

  constructor(parts: ClientParts) {
    this.parts = parts;
    this.openLater();
  }

  /** A gratuitous announcement of this machine reached the clients. */
  announced(node: number): void {
    this.owner = node;
  }

  // --- who has which record -----------------------------------------------------------------------------------------------------------

  /** Another generation is another record: made anew by a node that had none. */
  recordPut(node: number, flow: number, { generation }: FlowRecord): void {
    const known = this.flows.get(flow);
    if (known === undefined) return;
    if (generation > known.generation) {
      known.generation = generation;
      known.carriers.clear();
      known.isShared = false;
    }
    if (generation < known.generation) return;
    if (known.carriers.size === 0) known.creator = node;
    known.carriers.add(node);
    if (node !== known.creator) known.isShared = true;
  }

  tableLost(node: number): void {
    for (const flow of this.flows.values()) flow.carriers.delete(node);
  }

  // --- traffic ------------------------------------------------------------------------------------------------------------------------

  private openLater(): void {
    const { agenda, random, shape, openUntil } = this.parts;
    const at = agenda.now + random.between(0, 2000 / shape.flowsPerSecond);
    agenda.add(at, () => {
      if (at > openUntil()) return;
      this.open();
      this.openLater();
    });
  }

  private open(): void {
    const { agenda, random } = this.parts;
    const flow: Flow = {
      id: this.nextFlow++,
      isPinned: random.chance(0.4),
      openedAt: agenda.now,
      server: null,
      creator: -1,
      generation: 0,
      carriers: new Set(),
      isShared: false,
      isOver: false,
      owner: null,
      refusals: 0,
      left: random.chance(0.15) ? Number.POSITIVE_INFINITY : 1 + random.below(6),
    };
    this.flows.set(flow.id, flow);
    this.send(flow);
  }

  private send(flow: Flow): void {
    const { agenda, random, nodes, end } = this.parts;
    if (flow.isOver || agenda.now > end() - STILL_MS) return;
    const kind = flow.server === null ? 'first' : flow.left <= 0 ? 'last' : 'next';
    const packet: PacketOfFlow = { flow: flow.id, kind, isPinned: flow.isPinned };
    if (flow.owner === null || random.chance(NOTICE_CHANCE)) flow.owner = this.owner;
    const { owner } = flow;
    agenda.add(agenda.now + random.between(...TRAVEL_MS), () => {
      const node = owner === null ? undefined : nodes[owner];
      const isThere = node?.isPowered === true && node.isLinkUp && node.isAttached && !node.isFrozen;
      const outcome = node === undefined || !isThere ? 'notActive' : this.meet(flow, packet, node);
      this.answered(flow, packet, outcome, owner === this.owner);
    });
  }

  private answered(flow: Flow, packet: PacketOfFlow, outcome: Outcome, isRightOwner: boolean): void {
    const { agenda, random, settledAt } = this.parts;
    if (typeof outcome !== 'string') {
      this.served += 1;
      flow.refusals = 0;
      flow.left -= 1;
      if (packet.kind === 'last') flow.isOver = true;
      else agenda.add(agenda.now + random.between(...THINK_MS), () => this.send(flow));
      return;
    }
    if (isRightOwner && outcome !== 'noRecord' && agenda.now > settledAt() && !this.parts.waitsForRefresh(this.owner))
      this.violate('(b)', flow, `was not served long after the last fault: ${outcome}`);
    flow.refusals += 1;
    if (flow.refusals > PATIENCE) flow.isOver = true;
    if (this.owner === null || random.chance(ASK_CHANCE)) this.ask();
    flow.owner = this.owner;
    agenda.add(agenda.now + random.between(...RESEND_MS), () => this.send(flow));
  }

  private ask(): void {
    const { nodes, random } = this.parts;
    const holders = nodes.filter((node) => node.holds && node.isLinkUp && node.isAttached && !node.isFrozen);
    if (holders.length > 0) this.owner = random.pick(holders).index;
  }

  // --- judgement ----------------------------------------------------------------------------------------------------------------------

  private meet(flow: Flow, packet: PacketOfFlow, node: SimNode): Outcome {
    const outcome = node.kernel.packet(packet);
    if (outcome === 'noRecord') this.lose(flow, node);
    if (typeof outcome === 'string') return outcome;
    if (!outcome.isFresh) this.watchDrain(flow, node, outcome.isNew);
    if (flow.server === null) flow.server = outcome.server;
    else if (outcome.server !== flow.server) this.misplaced(flow, node, outcome.server);
    return outcome;
  }

  /** A flow in progress that this node does not know. */
  private lose(flow: Flow, node: SimNode): void {
    flow.isOver = true;
    const had = flow.carriers.has(node.index);
    // A machine that goes back in time while it is active takes its table for the truth.
    if (had && flow.isShared && this.someoneWentBack(flow)) {
      this.lost.wentBack += 1;
      return;
    }
    if (had && flow.isShared) return this.violate('(c)', flow, `was shared, and ${node.name} had it and has lost it`);
    const reason: Loss = flow.isShared ? 'notHere' : 'notShared';
    this.lost[reason] += 1;
    this.parts.note(`flow ${flow.id} is lost at ${node.name} (${reason})`);
  }

  private someoneWentBack(flow: Flow): boolean {
    return this.parts.nodes.some((node) => node.frozen.some((span) => span.from === span.to && span.to > flow.openedAt));
  }

  private misplaced(flow: Flow, node: SimNode, server: number): void {
    const before = flow.server;
    flow.server = server;
    // Without a record a packet may have been placed before the change or after it; the earlier placement has the first word for a while.
    const isChangeRecent = this.parts.serversChangedAt() + CHANGE_MS + SECOND_CHANCE_MS >= flow.openedAt;
    if (isChangeRecent || node.kernel.hasSecondChance) {
      this.lost.serversChanged += 1;
      return;
    }
    this.violate('(c)', flow, `moved from server ${before} to ${server} at ${node.name} though no server changed`);
  }

  /** Without a lease only known flows are served, and only for the drain window. */
  private watchDrain(flow: Flow, node: SimNode, isNew: boolean): void {
    this.drained += 1;
    const { now } = this.parts.agenda;
    const ended = lastEnd(node.kernel, now);
    const stoodStill = node.frozen.reduce((sum, span) => sum + Math.max(0, Math.min(now, span.to) - Math.max(ended, span.from)), 0);
    const goneBack = node.frozen.some((span) => span.from === span.to && span.to > ended);
    const sinceMs = now - ended - stoodStill;
    // A planned release admits new flows until the slowest successor must have come.
    const admitMs = skewMs(1, this.parts.shape.intervalMs) + HAND_OVER_GRACE_MS;
    const limitMs = isNew ? admitMs : Math.max(DRAIN_MS, admitMs);
    if (sinceMs <= limitMs + DRAIN_SLACK_MS || goneBack) return;
    this.violate('(f)', flow, `was ${isNew ? 'accepted' : 'served'} by ${node.name} ${sinceMs.toFixed(0)} ms after its lease`);
  }

  private violate(check: string, flow: Flow, text: string): void {
    const pinned = flow.isPinned ? 'pinned' : 'hashed';
    this.violations.push(`${check} flow ${flow.id} (${pinned}) ${text}, at ${this.parts.agenda.now.toFixed(3)} ms`);
  }
}

function lastEnd(kernel: Kernel, now: number): number {
  for (let index = kernel.holdings.length - 1; index >= 0; index--) {
    const to = kernel.holdings[index]?.to ?? 0;
    if (to <= now) return to;
  }
  return Number.NEGATIVE_INFINITY;
}
