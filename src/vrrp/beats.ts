/**
 * The beats of one node around the thread that sends them: what they say, which peer is heard on which path, and whether its leases may be
 * short enough for fast liveness (fast.ts decides). Carries news to the elections; decides nothing about roles.
 */
import type { Monotonic } from '../system/clock.js';
import { decodeBeat, encodeBeat, type GroupBeat, isSameBeat } from './beat-codec.js';
import { type FastState, initialFast, isShort, leaveFast, PROMISE_MARGIN_MS, reviewFast, STABLE_MS, startFast } from './fast.js';
import type { BeatPeer, BeatSettings, BeatStatus, PeerKey } from './heartbeat-api.js';
import type { BeatEvent, BeatPort, BeatStats, HeartbeatPorts } from './ports.js';
import { earliest, plus } from './timing.js';

/** Beats that may be missed, beside half of one for jitter, before a peer counts as out of reach. */
const MISSED_BEATS = 2.5;
/** A way on which beats are later than promised may be so again: for as long the adverts decide. No longer than whoever has just started
 *  takes to promise anything. */
const DOUBT_MS = STABLE_MS;
const US_PER_MS = 1000;
const NS_PER_MS = 1e6;

/** Of a peer on all paths. `isLeaseOver`: by its promise, no lease of it can be alive. `silentMs`: since its last beat. */
export interface Silence {
  isLeaseOver: boolean;
  silentMs: number;
}

export interface BeatListener {
  /** Before any of the others. */
  onBatch(): void;
  /** A peer's beat with something new in it. */
  onBeat(peer: BeatPeer, groups: readonly GroupBeat[], heardAt: Monotonic): void;
  onSilent(peer: BeatPeer, silence: Silence): void;
  onLapsed(slot: number): void;
}

export interface BeatContext {
  settings: BeatSettings;
  ports: HeartbeatPorts;
  instance: bigint;
  pinDir: string;
  drainMs: number;
  realtimePriority: number;
  /** A process before this one may have ended without taking its promise back. */
  isPromisePossible: boolean;
  listener: BeatListener;
}

interface Known {
  peer: BeatPeer;
  /** The last one, hexadecimal; null: there was none yet. */
  key: string | null;
  hasKey: boolean;
  isReachable: boolean;
  intervalUs: number;
  promiseUs: number;
  /** With a promise out. */
  wasSilent: boolean;
  /** Until then its promise is not relied on: it was silent for longer, and there all the same; or it is of an earlier boot. */
  doubtedUntil: Monotonic | null;
  paths: boolean[];
  addresses: ReadonlySet<string>;
}

export class Beats {
  private readonly context: BeatContext;
  private readonly port: BeatPort;
  private readonly peers: Map<number, Known>;
  private said: Buffer = Buffer.alloc(0);
  private saidGroups: readonly GroupBeat[] = [];
  private fast: FastState;
  private lateMaxMs = 0;
  /** Of it what no review has seen yet. */
  private freshLateMs = 0;
  private silenced = 0;
  private askedAt: Monotonic;
  private isRealtime = false;
  /** The thread renews some. */
  private isHolding = false;
  /** This process is about to end: no promise any more. */
  private isLast = false;
  /** RFC ends of the leases held, by slot. */
  private readonly held = new Map<number, Monotonic>();

  constructor(context: BeatContext) {
    this.context = context;
    const { settings, ports } = context;
    this.peers = new Map(settings.peers.map((peer) => [peer.id, unknown(peer, settings.paths.length)]));
    const { fast } = settings;
    const now = ports.clock.now();
    this.askedAt = now;
    this.fast = fast === null || !context.isPromisePossible ? initialFast(now) : startFast(fast, now);
    const options = {
      cluster: BigInt(settings.cluster),
      nodeId: settings.nodeId,
      instance: context.instance,
      key: Buffer.from(settings.key, 'hex'),
      port: settings.port,
      paths: settings.paths.map((address) => ({ address })),
      peers: settings.peers.map(({ id, addresses }) => ({ id, addresses })),
      intervalUs: (fast?.intervalMs ?? settings.intervalMs) * US_PER_MS,
      realtimePriority: threadPriority(context.realtimePriority),
      pinDir: context.pinDir,
    };
    this.port = ports.openBeats(options, (events) => {
      // After a stop these may be old: what else waits to be read comes first, and who leads now before who did once.
      context.listener.onBatch();
      for (const event of [...events.filter(saysActive), ...events.filter((other) => !saysActive(other))]) this.receive(event);
    });
  }

  close(): void {
    this.port.close();
  }

  setPeerKey({ node, key, addresses, latest }: Omit<PeerKey, 'type'>): void {
    const known = [...this.peers.values()].find(({ peer }) => peer.node === node);
    if (known === undefined) return;
    if (known.key !== null && key !== null && key !== known.key) this.forgetPromise(known);
    known.key = key ?? known.key;
    known.hasKey = key !== null;
    known.addresses = new Set([...known.peer.advertAddresses, ...addresses]);
    this.port.setPeerKey(known.peer.id, key === null ? null : Buffer.from(key, 'hex'), latest === undefined ? undefined : BigInt(latest));
  }

  /** A key is made for each boot: whatever the machine promised before, its leases of then are gone, and it may have others by now. Its last
   *  beats of then may still wait to be read. */
  private forgetPromise(known: Known): void {
    known.promiseUs = 0;
    known.doubtedUntil = plus(this.context.ports.clock.now(), DOUBT_MS);
    if (known.isReachable) this.port.watch(known.peer.id, silenceUs(known));
  }

  /** Name of the peer that has this address; null: nobody of the cluster. */
  nodeAt(address: string): string | null {
    for (const { peer, addresses } of this.peers.values()) if (addresses.has(address)) return peer.node;
    return null;
  }

  idOf(node: string): number {
    return [...this.peers.values()].find(({ peer }) => peer.node === node)?.peer.id ?? 0;
  }

  /** Sent at once when it is not what was said last. */
  say(groups: readonly GroupBeat[]): void {
    // Asked after every event of the election, and mostly nothing has changed.
    if (groups.length === this.saidGroups.length && groups.every((group, index) => isSameBeat(group, this.saidGroups[index]))) return;
    this.saidGroups = groups;
    const payload = encodeBeat(groups);
    if (payload.equals(this.said)) return;
    this.said = payload;
    this.port.say(payload);
  }

  private receive(event: BeatEvent): void {
    switch (event.type) {
      case 'heard':
        return this.heard(event);
      case 'silent':
        return this.silent(event);
      case 'path': {
        const known = this.peers.get(event.peer);
        if (known !== undefined) known.paths[event.path] = event.isHeard;
        return;
      }
      case 'lapsed':
        this.held.delete(event.slot);
        return this.context.listener.onLapsed(event.slot);
    }
  }

  private heard(event: Extract<BeatEvent, { type: 'heard' }>): void {
    const known = this.peers.get(event.peer);
    const groups = decodeBeat(event.payload);
    if (known === undefined || groups === null) return;
    const isOtherRhythm = event.intervalUs !== known.intervalUs || event.promiseUs !== known.promiseUs || !known.isReachable;
    if (known.wasSilent && event.promiseUs > 0) known.doubtedUntil = plus(this.context.ports.clock.now(), DOUBT_MS);
    known.wasSilent = false;
    known.isReachable = true;
    known.intervalUs = event.intervalUs;
    known.promiseUs = event.promiseUs;
    if (isOtherRhythm) this.port.watch(event.peer, silenceUs(known));
    this.context.listener.onBeat(known.peer, groups, (Number(event.atNs) / NS_PER_MS) as Monotonic);
  }

  private silent({ peer, silentUs }: Extract<BeatEvent, { type: 'silent' }>): void {
    const known = this.peers.get(peer);
    if (known === undefined || !known.isReachable) return;
    known.isReachable = false;
    known.wasSilent = known.promiseUs > 0;
    this.context.listener.onSilent(known.peer, { isLeaseOver: this.reliedUs(known) > 0, silentMs: silentUs / US_PER_MS });
  }

  /** Its promise, where that is relied on. */
  private reliedUs({ promiseUs, doubtedUntil }: Known): number {
    return doubtedUntil !== null && this.context.ports.clock.now() < doubtedUntil ? 0 : promiseUs;
  }

  // --- fast liveness ------------------------------------------------------------------------------------------------------------------

  /** The end of a lease that is written now: earlier while a promise is out. */
  leaseUntil(until: Monotonic): Monotonic {
    const { fast } = this.context.settings;
    return fast !== null && isShort(this.fast) ? earliest(until, plus(this.context.ports.clock.now(), fast.lifeMs)) : until;
  }

  /** The end of one that goes on. Peers count from the last beat, so while a promise is out only beats make it longer. */
  renewalUntil(until: Monotonic, remainingMs: () => number): Monotonic {
    const end = this.leaseUntil(until);
    return isShort(this.fast) ? earliest(end, plus(this.context.ports.clock.now(), remainingMs())) : end;
  }

  /** These leases are held, by the rules of the RFC until then: each beat renews them while a promise is out. */
  leasesHeld(slots: readonly number[], until: Monotonic): void {
    for (const slot of slots) this.held.set(slot, until);
    this.hold();
  }

  /** They end between two advertisements, when beats fail. */
  get areLeasesShort(): boolean {
    return this.isHolding;
  }

  leasesGone(slots: readonly number[]): void {
    if (!slots.some((slot) => this.held.has(slot))) return;
    for (const slot of slots) this.held.delete(slot);
    this.hold();
  }

  private hold(): void {
    const { settings, drainMs, instance } = this.context;
    if (settings.fast === null) return;
    const slots = isShort(this.fast) ? [...this.held.keys()] : [];
    if (slots.length === 0 && !this.isHolding) return;
    this.isHolding = slots.length > 0;
    // Those of a group that cannot advertise end with the rest of its time; the others are named again before they notice.
    const untilMs = Math.min(...[...this.held.values()]);
    const untilNs = slots.length === 0 ? 0n : BigInt(Math.floor(untilMs * NS_PER_MS));
    this.port.hold(slots, settings.fast.lifeMs * US_PER_MS, BigInt(Math.floor(drainMs * NS_PER_MS)), instance, untilNs);
  }

  /** Now and then: is the thread punctual, is anybody there? `shorten` renews all leases that are held, to at most `leaseUntil`. */
  review(shorten: () => void): void {
    this.stats();
    const lateMs = this.freshLateMs;
    this.freshLateMs = 0;
    const { fast } = this.context.settings;
    if (fast === null || (this.isLast && this.fast.phase === 'off')) return;
    const hasPeers = this.hasReachable;
    const now = this.context.ports.clock.now();
    this.enter(fast, reviewFast(this.fast, fast, { hasPeers, lateMs, isRealtime: this.isRealtime }, now), shorten);
  }

  /** No promise from now on; one that is out is taken back. False: it still binds, ask again after the next review. */
  renounce(): boolean {
    const { fast } = this.context.settings;
    this.isLast = true;
    if (fast === null) return true;
    this.enter(fast, leaveFast(this.fast, fast, 'replaced', this.context.ports.clock.now()), () => undefined);
    return !isShort(this.fast);
  }

  private enter(fast: NonNullable<BeatSettings['fast']>, next: FastState, shorten: () => void): void {
    const before = this.fast.phase;
    this.fast = next;
    if (next.phase !== before) this.changePhase(fast, shorten);
  }

  /** In an order in which no lease is ever longer than a promise that is out. */
  private changePhase(fast: NonNullable<BeatSettings['fast']>, shorten: () => void): void {
    const { phase } = this.fast;
    this.report(phase);
    if (phase === 'on') {
      shorten();
      this.port.setIntervalUs(fast.intervalMs * US_PER_MS);
      this.port.promise(fast.lifeMs * US_PER_MS);
    } else if (phase === 'leaving') this.port.promise(0);
    else {
      this.hold();
      this.port.setIntervalUs(this.context.settings.intervalMs * US_PER_MS);
      shorten();
    }
  }

  private report(phase: FastState['phase']): void {
    const { report, clock } = this.context.ports;
    const fields = { phase, ...(this.fast.phase === 'leaving' ? { reason: this.fast.reason } : {}) };
    report({ type: 'log', level: phase === 'leaving' ? 'warn' : 'info', event: 'fastLiveness', fields, atWallMs: clock.wallMs() });
  }

  private stats(): BeatStats {
    const stats = this.port.stats();
    this.freshLateMs = Math.max(this.freshLateMs, stats.lateMaxUs / US_PER_MS);
    this.lateMaxMs = Math.max(this.lateMaxMs, this.freshLateMs);
    this.isRealtime = stats.realtime;
    this.tellSilence(stats.silenced);
    return stats;
  }

  /** This process hung: nobody knew it to be alive, so its roles may be gone. */
  private tellSilence(silenced: number): void {
    const { report, clock } = this.context.ports;
    const now = clock.now();
    const fields = { hungMs: Math.round(now - this.askedAt), reason: 'the main thread of the heartbeat did not run' };
    if (silenced > this.silenced) report({ type: 'log', level: 'warn', event: 'beatsSilenced', fields, atWallMs: clock.wallMs() });
    this.silenced = silenced;
    this.askedAt = now;
  }

  /** Does any beat arrive? */
  get hasReachable(): boolean {
    return [...this.peers.values()].some(({ isReachable }) => isReachable);
  }

  status(): Omit<BeatStatus, 'reference'> {
    const { sent, received, sendErrors, rejected } = this.stats();
    return {
      sent,
      received,
      sendErrors,
      rejected,
      lateMaxMs: this.lateMaxMs,
      silenced: this.silenced,
      isRealtime: this.isRealtime,
      fast: this.context.settings.fast === null ? 'disabled' : this.fast.phase,
      peers: [...this.peers.values()].map((known) => ({
        node: known.peer.node,
        isReachable: known.isReachable,
        hasKey: known.hasKey,
        paths: [...known.paths],
        promiseMs: this.reliedUs(known) / US_PER_MS,
      })),
    };
  }
}

/** Above the other threads of this process: a compilation or a collection of garbage on every core must not make a beat late. */
const threadPriority = (processPriority: number): number => (processPriority > 0 ? processPriority + 1 : 0);

const saysActive = (event: BeatEvent): boolean =>
  event.type === 'heard' && (decodeBeat(event.payload)?.some(({ role }) => role === 'active') ?? false);

const unknown = (peer: BeatPeer, paths: number): Known => ({
  peer,
  key: null,
  hasKey: false,
  isReachable: false,
  intervalUs: 0,
  promiseUs: 0,
  wasSilent: false,
  doubtedUntil: null,
  paths: Array.from({ length: paths }, () => false),
  addresses: new Set(peer.advertAddresses),
});

/** After how long a silence says something: with a promise, that no lease is alive. */
const silenceUs = ({ intervalUs, promiseUs }: Known): number =>
  promiseUs > 0 ? promiseUs + PROMISE_MARGIN_MS * US_PER_MS : Math.ceil(MISSED_BEATS * intervalUs);
