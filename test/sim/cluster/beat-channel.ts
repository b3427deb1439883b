/**
 * The beat thread of one machine in virtual time, as native/l4/addon/beat-thread.cpp and beat-leases.cpp: takes orders, beats on a grid of
 * its own, renews leases after each beat that was sent, drains its sockets before it judges any silence, and leaves news in a mailbox that
 * keeps the last of each kind. It goes on while the main thread of its process stalls, and is stopped and starved on its own.
 */
import type { BeatEvent, BeatOptions, BeatPort } from '../../../src/vrrp/ports.js';
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';
import { BeatPeers, type Datagram } from './beat-peers.js';
import type { Mutant } from './mutants.js';
import type { NodeClock } from './node-clock.js';
import type { SimProcess } from './process.js';

export interface BeatLeases {
  /** Renews up to this local time, shortening a longer lease; false: it has lapsed, or is another's. */
  renewUntil(slot: number, until: number, drainMs: number, instance: bigint): boolean;
  isOurs(slot: number, instance: bigint): boolean;
}

export interface ChannelParts {
  agenda: Agenda;
  random: Random;
  clock: NodeClock;
  thread: SimProcess;
  main: SimProcess;
  leases: BeatLeases;
  options: BeatOptions;
  onEvents: (events: BeatEvent[]) => void;
  /** The main thread reads the advertisements that have come. */
  readFirst(): void;
  /** To one peer on one path at this true time; false: the kernel refused. */
  send(peer: number, beat: Datagram, at: number): boolean;
  /** A beat went out: what it promised, when by the local clock. */
  onBeat(promiseMs: number, sentAt: number, saysActive: boolean): void;
  mutant: Mutant | null;
}

interface Terms {
  number: number;
  slots: number[];
  lifeMs: number;
  drainMs: number;
  instance: bigint;
  until: number;
}

const US = 1000;
const NS = 1e6;
/** As OWNER_SILENCE_NS of beat-thread.cpp: a main thread that has called nothing for so long hangs, and is not spoken for. */
const OWNER_SILENCE_MS = 500;
/** From an order of the main thread to the wake of this one, and from its news to the main loop. */
const WAKE_MS = [0.005, 0.06] as const;
/** From a send to the call that renews. */
const RENEW_MS = [0.003, 0.03] as const;
const TERM_AT = 16;
const TERM_BYTES = 3;
const ROLE_AT = 19;
const ACTIVE = 3;
const UNHEARD_AT = 22;

export class BeatChannel implements BeatPort {
  /** When the main thread was last told that a peer leads (true time), by peer. */
  readonly heardActive = new Map<number, number>();
  private readonly parts: ChannelParts;
  private readonly peers: BeatPeers;
  private readonly inbox: Datagram[] = [];
  /** In the socket, or still under way: when it comes (true time). */
  private readonly left: { beat: Datagram; at: number }[] = [];
  private orders: (() => void)[] = [];
  private orderAt = 0;
  private mailbox = new Map<string, { event: BeatEvent; terms: number }>();
  private readonly key: string;
  private isCollecting = false;
  private isOver = false;
  private isBeating = false;
  private payload: Buffer = Buffer.alloc(0);
  private intervalUs: number;
  private promiseUs = 0;
  private sequence: number;
  private beatAt = 0;
  private isSaidNew = false;
  /** When it means to wake (local); what is armed may be earlier. */
  private planned = Number.POSITIVE_INFINITY;
  private armed: { at: number; cancel: () => void } | null = null;
  private terms: Terms = { number: 0, slots: [], lifeMs: 0, drainMs: 0, instance: 0n, until: 0 };
  private lateMaxUs = 0;
  private sent = 0;
  private silenced = 0;
  private isSilenced = false;
  /** Its last sign of life (local). */
  private ownerAt: number;
  private received = 0;

  constructor(parts: ChannelParts) {
    const { options } = parts;
    this.parts = parts;
    this.intervalUs = options.intervalUs;
    this.key = options.key.toString('hex');
    this.sequence = Number(this.nowNs());
    this.ownerAt = this.now();
    const ids = options.peers.map(({ id }) => id);
    this.peers = new BeatPeers(ids, options.paths.length, {
      heard: (peer, beat, isFirst) =>
        this.post(`heard ${peer}`, { type: 'heard', atNs: this.nowNs(), peer, isFirst, ...news(beat, this.payload, parts.mutant) }),
      silent: (peer, silentMs) => this.post(`silent ${peer}`, { type: 'silent', peer, silentUs: Math.floor(silentMs * US) }),
      path: (peer, path, isHeard) => this.post(`path ${peer} ${path}`, { type: 'path', peer, path, isHeard }),
    });
  }

  // --- orders of the main thread ------------------------------------------------------------------------------------------------------

  say(payload: Buffer): void {
    const said = Buffer.from(payload);
    this.order(() => {
      this.payload = said;
      if (!this.isBeating) this.beatAt = this.now() + this.intervalUs / US;
      this.isBeating = true;
      this.isSaidNew = true;
    });
  }

  setPeerKey(peerId: number, key: Buffer | null): void {
    const text = key === null ? null : key.toString('hex');
    this.order(() => this.peers.setKey(peerId, text));
  }

  setIntervalUs(us: number): void {
    this.order(() => {
      if (us !== this.intervalUs) this.beatAt = this.now() + us / US;
      this.intervalUs = us;
      this.isSaidNew = true;
    });
  }

  promise(us: number): void {
    this.order(() => {
      this.promiseUs = us;
      this.isSaidNew = true;
    });
  }

  watch(peerId: number, silentAfterUs: number): void {
    this.order(() => this.peers.watch(peerId, silentAfterUs / US, this.now()));
  }

  /** Under the thread's lock: there at once. */
  hold(slots: number[], lifeUs: number, drainNs: bigint, instance: bigint, untilNs: bigint): void {
    const { agenda, main } = this.parts;
    const rest = { slots: [...slots], lifeMs: lifeUs / US, drainMs: Number(drainNs) / NS, instance, until: Number(untilNs) / NS };
    const set = (): void => {
      this.ownerAt = this.now();
      this.terms = { number: this.terms.number + 1, ...rest };
    };
    if (main.time() > agenda.now) agenda.add(main.time(), set);
    else set();
  }

  stats(): ReturnType<BeatPort['stats']> {
    const { lateMaxUs, silenced, sent, received } = this;
    const { agenda, main } = this.parts;
    this.lateMaxUs = 0;
    const see = (): void => {
      this.ownerAt = this.now();
    };
    if (main.time() > agenda.now) agenda.add(main.time(), see);
    else see();
    return { sent, received, sendErrors: 0, rejected: {}, lateMaxUs, silenced, realtime: true };
  }

  close(): void {
    this.isOver = true;
    this.armed?.cancel();
  }

  private order(change: () => void): void {
    const { agenda, random, main, thread } = this.parts;
    // What was said last counts: orders never overtake each other.
    this.orderAt = Math.max(this.orderAt, main.time() + random.between(...WAKE_MS));
    agenda.add(this.orderAt, () => {
      if (this.isOver) return;
      this.ownerAt = this.now();
      this.orders.push(change);
      thread.run(() => this.wake());
    });
  }

  // --- thread -------------------------------------------------------------------------------------------------------------------------

  private nowNs(): bigint {
    return BigInt(Math.floor(this.now() * NS));
  }

  private now(): number {
    return this.parts.clock.local(this.parts.agenda.now);
  }

  /** A datagram is in the socket. */
  arrive(beat: Datagram): void {
    this.inbox.push(beat);
    this.parts.thread.run(() => this.wake());
  }

  /** One that says nothing new waits until the thread wakes anyway, which is at the latest for its own next beat. */
  leave(beat: Datagram, at: number): void {
    this.left.push({ beat, at });
  }

  isRoutine(beat: Datagram, at: number): boolean {
    return this.isBeating && this.peers.isRoutine(beat, at);
  }

  expectNews(peer: number, until: number): void {
    this.peers.expectNews(peer, until);
  }

  /** As if each had been read when it came, or when the thread could run again. */
  private readLeft(): void {
    if (this.left.length === 0) return;
    const { clock, thread, agenda } = this.parts;
    const stoppedUntil = Math.max(thread.stalls.at(-1)?.to ?? 0, clock.runsFrom);
    let kept = 0;
    for (const entry of this.left) {
      if (entry.at > agenda.now) this.left[kept++] = entry;
      else if (this.peers.receive(entry.beat, clock.local(Math.max(entry.at, stoppedUntil)))) this.received += 1;
    }
    this.left.length = kept;
  }

  private wake(): void {
    if (this.isOver) return;
    const now = this.now();
    const isLateJudge = this.parts.mutant === 'judgesBeforeReading';
    if (now > this.planned && !isLateJudge) this.peers.wokeLate(now - this.planned, this.intervalUs / US, now);
    if (isLateJudge) this.peers.judge(now);
    if (this.orders.length > 0) for (const change of this.orders.splice(0)) change();
    if (this.isSaidNew && this.isBeating) this.beat(now);
    this.isSaidNew = false;
    this.beatOnTime(now);
    this.readLeft();
    if (this.inbox.length > 0) for (const beat of this.inbox.splice(0)) if (this.peers.receive(beat, now)) this.received += 1;
    if (now >= this.planned) this.peers.judge(now);
    this.arm();
  }

  private beatOnTime(now: number): void {
    if (!this.isBeating || now < this.beatAt) return;
    const intervalMs = this.intervalUs / US;
    const lateMs = now - this.beatAt;
    this.lateMaxUs = Math.max(this.lateMaxUs, Math.floor(lateMs * US));
    this.beatAt += (Math.floor(lateMs / intervalMs) + 1) * intervalMs;
    if (this.hearsOwner(lateMs <= intervalMs, now)) this.beat(now);
  }

  private hearsOwner(isPunctual: boolean, now: number): boolean {
    const isHeard = now < this.ownerAt + OWNER_SILENCE_MS;
    if (!isHeard && !this.isSilenced && isPunctual) this.silenced += 1;
    this.isSilenced = !isHeard && (this.isSilenced || isPunctual);
    return isHeard;
  }

  private beat(now: number): void {
    const { options, agenda, thread, random, send, onBeat } = this.parts;
    this.sequence += 1;
    let accepted = 0;
    let refused = 0;
    const { sequence, intervalUs, promiseUs, payload } = this;
    const { key } = this;
    for (const path of options.paths.keys()) {
      const beat: Datagram = { node: options.nodeId, path, key, sequence, instance: options.instance, intervalUs, promiseUs, payload };
      for (const peer of options.peers) {
        if (peer.addresses[path] === null) continue;
        if (send(peer.id, beat, agenda.now)) accepted += 1;
        else refused += 1;
      }
    }
    const { slots } = this.terms;
    if (accepted === 0 && refused > 0) {
      if (slots.length > 0) this.look();
      return;
    }
    this.sent += 1;
    onBeat(promiseUs / US, now, isActive(payload));
    if (slots.length > 0) thread.later(random.between(...RENEW_MS), () => this.renew(now));
  }

  private renew(sentAt: number): void {
    if (this.isOver) return;
    const { slots, lifeMs, until, drainMs, instance } = this.terms;
    const lifeEnds = this.parts.mutant === 'breaksItsPromise' ? until : Math.min(sentAt + lifeMs, until);
    this.keep(slots.filter((slot) => this.parts.leases.renewUntil(slot, lifeEnds, drainMs, instance)));
  }

  private look(): void {
    const { slots, instance } = this.terms;
    this.keep(slots.filter((slot) => this.parts.leases.isOurs(slot, instance)));
  }

  private keep(left: number[]): void {
    const { slots } = this.terms;
    if (left.length === slots.length) return;
    this.terms.slots = left;
    for (const slot of slots) if (!left.includes(slot)) this.post(`lapsed ${slot}`, { type: 'lapsed', slot });
  }

  /** Moving the timer costs more than a wake that finds nothing: an earlier one stays. */
  private arm(): void {
    this.planned = Math.min(this.peers.nextDeadline(), this.isBeating ? this.beatAt : Number.POSITIVE_INFINITY);
    if (this.planned === Number.POSITIVE_INFINITY || (this.armed !== null && this.armed.at <= this.planned)) return;
    this.armed?.cancel();
    const at = this.planned;
    const cancel = this.parts.thread.at(at, () => {
      this.armed = null;
      this.wake();
    });
    this.armed = { at, cancel };
  }

  // --- mailbox ------------------------------------------------------------------------------------------------------------------------

  private post(place: string, event: BeatEvent): void {
    this.mailbox.delete(place);
    this.mailbox.set(place, { event, terms: this.terms.number });
    if (this.isCollecting) return;
    this.isCollecting = true;
    const { agenda, random, main } = this.parts;
    agenda.add(agenda.now + random.between(...WAKE_MS), () => {
      if (!this.isOver) main.run(() => this.collect());
    });
  }

  private collect(): void {
    this.isCollecting = false;
    if (this.isOver) return;
    const news = [...this.mailbox.values()].filter(({ event, terms }) => event.type !== 'lapsed' || terms === this.terms.number);
    this.mailbox = new Map();
    // What waits in the sockets is read before these news anyway (beats.ts), and answered without knowing them.
    this.parts.readFirst();
    for (const { event } of news) {
      if (event.type !== 'heard') continue;
      if (isActive(event.payload)) this.heardActive.set(event.peer, this.parts.agenda.now);
      else this.heardActive.delete(event.peer);
    }
    if (news.length > 0) this.parts.onEvents(news.map(({ event }) => event));
  }
}

const isActive = (payload: Buffer): boolean => ((payload[ROLE_AT] ?? 0) & 3) === ACTIVE;

function news(beat: Datagram, own: Buffer, mutant: Mutant | null) {
  const { instance, intervalUs, promiseUs, path } = beat;
  const payload = Buffer.from(beat.payload);
  if (mutant === 'sharesTerms') own.copy(payload, TERM_AT, TERM_AT, TERM_AT + TERM_BYTES);
  if (mutant === 'hearsNoComplaint') payload.fill(0, UNHEARD_AT, UNHEARD_AT + 1);
  return { instance, intervalUs, promiseUs, path, payload };
}
