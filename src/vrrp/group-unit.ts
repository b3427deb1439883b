/**
 * One group in the shell: virtual routers that move together, under one election machine. Feeds the machine, executes its effects in
 * order on every member.
 *
 * Everything here is synchronous, so an effect and its answer (sent, acquired, lapsed) never have another event between them. What one
 * member cannot do (send, hold its lease) the group cannot do: its leases are acquired, renewed and given up together.
 */

import type { Monotonic } from '../system/clock.js';
import { nameHash } from '../system/name-hash.js';
import type { GroupBeat } from './beat-codec.js';
import type { Advert, ChecksumForm } from './codec/advert.js';
import { isEligible } from './common.js';
import type { HeartbeatGroup, RouterStatus, Tracked } from './heartbeat-api.js';
import type { GroupLegacy } from './legacy.js';
import { initialState, step } from './machine.js';
import { Member, type UnitContext } from './member.js';
import { livingHolder } from './peer-view.js';
import type { RouterEffect, RouterEvent, RouterSettings, RouterState } from './state.js';
import { nextDeadline, roleOf } from './state.js';
import { latest } from './timing.js';
import { effectivePriority, isOwner, judgeTracked, nothingTracked, type TrackVerdict } from './tracked.js';

/** What fits into a beat. */
const ADVERT_COUNTS = 256;

export class GroupUnit {
  config: HeartbeatGroup;
  state: RouterState;
  members: readonly Member[];
  private readonly context: UnitContext;
  private readonly queue: RouterEvent[] = [];
  private isRunning = false;
  private reason = 'notStarted';
  private sinceWallMs: number;
  private verdict: TrackVerdict = nothingTracked;
  /** When the machine decided to become active, for the timings of the transition. */
  private decidedAt: Monotonic | null = null;
  private leasedAt: Monotonic | null = null;
  private announcedAt: Monotonic | null = null;
  private adverts = 0;

  constructor(config: HeartbeatGroup, context: UnitContext) {
    this.config = config;
    this.context = context;
    this.state = initialState(this.settings());
    this.members = config.members.map((member) => new Member(member, this.settings(), context));
    this.sinceWallMs = context.ports.clock.wallMs();
  }

  get deadline(): Monotonic | null {
    return nextDeadline(this.state);
  }

  reconfigure(config: HeartbeatGroup): void {
    this.config = config;
    this.members.forEach((member, index) => {
      const wanted = config.members[index];
      if (wanted !== undefined) member.reconfigure(wanted, this.settings());
    });
    this.feed({ type: 'configure', settings: this.settings() });
  }

  private settings(): RouterSettings {
    const { priority, preempt, advertIntervalMs, leaseIntervalMs, skewIntervalMs, preemptDelayMs, announce } = this.config;
    const effective = effectivePriority(priority, this.verdict.priorityDelta);
    // RFC 9568 section 6.1: the owner of the addresses always pre-empts.
    const always = { preempt: preempt || isOwner(effective), skewIntervalMs: skewIntervalMs ?? null };
    return { priority: effective, advertIntervalMs, leaseIntervalMs, preemptDelayMs, announce, ...always };
  }

  start(): void {
    const lease = this.context.lease();
    const remaining = this.members.map((member) => lease?.ownRemainingMs(member.config.slot) ?? 0);
    const leaseRemainingMs = Math.min(...remaining);
    // One that has lost its lease alone takes the others with it.
    if (leaseRemainingMs <= 0 && remaining.some((ms) => ms > 0)) this.release(0);
    this.feed({ type: 'start', leaseRemainingMs });
  }

  /** What the process that goes on in our place must know. */
  legacy(): GroupLegacy {
    const { config, state, reason, sinceWallMs } = this;
    return { name: config.name, state, reason, sinceWallMs, counters: this.members.map((member) => member.counters) };
  }

  /** Goes on where another process of this node ended, instead of `start`. */
  inherit({ state, reason, sinceWallMs, counters }: GroupLegacy): void {
    this.state = { ...state, settings: this.settings() };
    this.reason = reason;
    this.sinceWallMs = sinceWallMs;
    this.members.forEach((member, index) => {
      Object.assign(member.counters, counters[index]);
    });
    if (state.kind === 'active') this.context.leasesHeld(this.slots, state.leaseUntil);
  }

  /** Advertises now, if it leads: its lease has its full life again. */
  advertise(): void {
    const now = this.context.ports.clock.now();
    if (this.state.kind !== 'active') return;
    this.state = { ...this.state, nextAdvertAt: now };
    this.feed({ type: 'timer', inputAt: now });
  }

  /** What is tracked, by the daemon and here: a fault takes the group out of the election, weights change its priority. */
  track(tracked: readonly Tracked[]): void {
    const names = new Set(this.members.map((member) => member.config.name));
    const interfaces = this.context.interfaces();
    const verdict = judgeTracked(
      tracked.filter((entry) => names.has(entry.router)),
      this.config.trackedInterfaces,
      (name) => interfaces.has(name),
    );
    const before = this.verdict;
    this.verdict = verdict;
    if (verdict.priorityDelta !== before.priorityDelta) this.reconfigure(this.config);
    if (verdict.fault !== this.state.conditions.fault) this.feed({ type: 'fault', reason: verdict.fault });
  }

  feed(event: RouterEvent): void {
    this.queue.push(event);
    if (this.isRunning) return;
    this.isRunning = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      const before = this.state;
      const { state, effects } = step(this.state, next, this.context.ports.clock.now());
      this.state = state;
      if (state.kind === 'claiming' && before.kind !== 'claiming') this.decidedAt = this.context.ports.clock.now();
      for (const effect of effects) this.execute(effect);
      this.tellVerified(before);
    }
    this.isRunning = false;
  }

  /** A decoded advertisement for one of our members. */
  receive(member: Member, advert: Advert, form: ChecksumForm): void {
    const heard = member.receive(advert, form);
    if (heard !== null) this.feed({ type: 'advert', advert: heard });
  }

  /** Of the order to take over: the term that it names for this election. */
  termIn({ routers, terms }: { routers: readonly string[]; terms?: readonly number[] }): number | null {
    const names = this.members.map(({ config }) => config.name);
    const told = routers.flatMap((name, index) => (names.includes(name) ? (terms?.[index] ?? []) : []));
    return told.length === 0 ? null : Math.max(...told);
  }

  canVerify(): boolean {
    return this.members.some((member) => member.targets().length > 0);
  }

  private execute(effect: RouterEffect): void {
    switch (effect.type) {
      case 'sendAdvert':
        return this.send(effect);
      case 'acquireLease':
        return this.acquire(effect.until);
      case 'renewLease':
        return this.renew(effect.until);
      case 'releaseLease':
        return this.release(effect.admitMs);
      case 'announce':
        for (const member of this.members) member.announce();
        this.announcedAt ??= this.context.ports.clock.now();
        return;
      case 'verify':
        return this.verify(effect.attempt, effect.since);
      case 'transition':
        return this.transition(effect);
      case 'count':
        for (const member of this.members) member.counters[effect.counter]++;
        return;
      case 'log':
        return this.members[0]?.log(effect.level, effect.event, effect.fields);
    }
  }

  private send({ priority, to }: Extract<RouterEffect, { type: 'sendAdvert' }>): void {
    if (priority > 0 && this.hasLostShortLease()) {
      this.release(0);
      return this.feed({ type: 'leaseLapsed' });
    }
    const results = this.members.map((member) => member.send(priority, to));
    const failure = results.find((result) => 'failure' in result);
    if (failure !== undefined && 'failure' in failure) return this.feed({ type: 'sendFailed', code: failure.failure });
    const times = results.flatMap((result) => ('at' in result ? [result.at] : []));
    const [first] = times;
    if (first === undefined) return;
    if (priority > 0 && this.state.kind !== 'backup') this.adverts = (this.adverts + 1) % ADVERT_COUNTS;
    this.feed({ type: 'sendDone', at: first });
  }

  /** Nobody has said so yet: a node without a lease must not say that it is active. */
  private hasLostShortLease(): boolean {
    const lease = this.context.lease();
    if (this.state.kind !== 'active' || lease === null || !this.context.areLeasesShort()) return false;
    return this.slots.some((slot) => lease.ownRemainingMs(slot) <= 0);
  }

  private acquire(until: Monotonic): void {
    const lease = this.context.lease();
    if (lease === null) return this.feed({ type: 'leaseRefused', reason: 'the data plane is not there' });
    const end = this.context.leaseUntil(until);
    for (const { config } of this.members) {
      const refusal = lease.acquire(config.slot, end, config.dataInterfaces);
      if (refusal === null) continue;
      this.release(0);
      return this.feed({ type: 'leaseRefused', reason: refusal });
    }
    this.context.leasesHeld(this.slots, until);
    this.leasedAt = this.context.ports.clock.now();
    this.announcedAt = null;
    this.feed({ type: 'leaseAcquired' });
  }

  private renew(until: Monotonic): void {
    const lease = this.context.lease();
    if (lease === null) return this.feed({ type: 'leaseLapsed' });
    let verifiedAt: Monotonic | null = null;
    for (const { config } of this.members) {
      const end = this.context.renewalUntil(until, () => lease.ownRemainingMs(config.slot));
      const result = lease.renew(config.slot, end, config.dataInterfaces);
      if (result.kind === 'ok') {
        if (result.verifiedAt !== null) verifiedAt = verifiedAt === null ? result.verifiedAt : latest(verifiedAt, result.verifiedAt);
        continue;
      }
      this.release(0);
      if (result.kind === 'lapsed') return this.feed({ type: 'leaseLapsed' });
      return this.feed({ type: 'dataPlane', isUsable: false, reason: result.reason });
    }
    this.context.leasesHeld(this.slots, until);
    if (verifiedAt !== null) this.verified(verifiedAt);
  }

  /** Writes the leases anew after the rules of their length have changed. */
  rewriteLeases(): void {
    if (this.state.kind === 'active') this.renew(this.state.leaseUntil);
  }

  private get slots(): number[] {
    return this.members.map((member) => member.config.slot);
  }

  private release(admitMs: number): void {
    this.context.leasesGone(this.slots);
    for (const { config } of this.members) this.context.lease()?.release(config.slot, admitMs);
  }

  private verify(attempt: number, since: Monotonic): void {
    const verifiedAt = this.verifiedAt();
    if (verifiedAt !== null && verifiedAt >= since && attempt > 1) return this.verified(verifiedAt);
    for (const member of this.members) {
      if (attempt > 1) member.announce();
      member.askTargets();
    }
  }

  /** When the last of the members that can be verified was; null as long as one was not. */
  private verifiedAt(): Monotonic | null {
    let last: Monotonic | null = null;
    for (const member of this.members) {
      if (member.targets().length === 0) continue;
      const at = this.context.lease()?.verifiedAt(member.config.slot) ?? null;
      if (at === null) return null;
      last = last === null ? at : latest(last, at);
    }
    return last;
  }

  private verified(at: Monotonic): void {
    const { state } = this;
    if (state.kind !== 'active' || !['pending', 'no'].includes(state.verification.status) || at < state.verification.since) return;
    if (this.members.length > 1 && this.verifiedAt() === null) return;
    this.feed({ type: 'verified', at });
  }

  /** From the feeding itself: a proof is mostly found while effects are executed, and feeding only queues then. */
  private tellVerified(before: RouterState): void {
    const { state } = this;
    if (state.kind !== 'active' || state.verification.status !== 'yes' || state.verification.afterMs === null) return;
    if (before.kind === 'active' && before.verification.status === 'yes') return;
    for (const { config } of this.members)
      this.context.ports.report({ type: 'verified', router: config.name, afterMs: state.verification.afterMs });
  }

  private transition(effect: Extract<RouterEffect, { type: 'transition' }>): void {
    const { clock, report } = this.context.ports;
    const { from, to, reason, heardAt } = effect;
    const now = clock.now();
    const atWallMs = clock.wallMs();
    this.reason = reason;
    this.sinceWallMs = atWallMs;
    const isActive = to === 'active';
    const heardMs = heardAt === null ? null : now - heardAt;
    const claimMs = isActive && this.decidedAt !== null && this.leasedAt !== null ? Math.max(0, this.leasedAt - this.decidedAt) : null;
    const announceMs =
      isActive && this.leasedAt !== null && this.announcedAt !== null ? Math.max(0, this.announcedAt - this.leasedAt) : null;
    this.decidedAt = null;
    this.leasedAt = null;
    for (const { config, counters } of this.members) {
      const key = `${to}:${reason}`;
      counters.transitions[key] = (counters.transitions[key] ?? 0) + 1;
      report({ type: 'transition', router: config.name, from, to, reason, atWallMs, heardMs, claimMs, announceMs });
    }
  }

  /** An advertisement arrived lately: within one and a half of the three intervals that it counts for. */
  hearsSomebody(): boolean {
    const now = this.context.ports.clock.now();
    return this.state.others.some(({ heardAt, until }) => now < until - (until - heardAt) / 2);
  }

  /** What our beats say of this election. */
  beat(): GroupBeat {
    const { state } = this;
    const now = this.context.ports.clock.now();
    const first = this.members[0];
    return {
      nameHash: nameHash(this.config.name),
      rank: first?.rank ?? 0n,
      term: state.term,
      role: state.kind,
      reason: this.reason,
      priority: state.settings.priority,
      isEligible: isEligible(state.conditions),
      inSync: state.conditions.inSync,
      followsActive: livingHolder(state) !== null || state.others.some((other) => other.until > now),
      isPlanned: state.isPlanned,
      unheardId: state.kind === 'backup' && state.unheard !== null ? this.context.nodeIdOf(state.unheard) : 0,
      adverts: this.adverts,
    };
  }

  /** A peer's beat about this election. */
  hearBeat(node: string, beat: GroupBeat, ownId: number, heardAt: Monotonic): void {
    const { nameHash: _, rank, unheardId, ...said } = beat;
    const isGreater = rank > (this.members[0]?.rank ?? 0n);
    this.feed({ type: 'peer', peer: { ...said, node, isGreater, hearsUs: unheardId !== ownId, isReachable: true, heardAt } });
  }

  holds(slot: number): boolean {
    return this.state.kind === 'active' && this.slots.includes(slot);
  }

  status(): RouterStatus[] {
    const now = this.context.ports.clock.now();
    const { state, config } = this;
    const active = state.kind === 'active' ? state : null;
    const latestOther = [...state.others].sort((a, b) => b.heardAt - a.heardAt)[0];
    return this.members.map((member) => ({
      name: member.config.name,
      group: config.name,
      vrid: member.config.vrid,
      slot: member.config.slot,
      role: roleOf(state),
      reason: this.reason,
      sinceWallMs: this.sinceWallMs,
      priority: config.priority,
      effectivePriority: state.settings.priority,
      tracked: this.verdict.reasons,
      leaseRemainingMs: active === null ? 0 : Math.max(0, active.leaseUntil - now),
      leaseAgeMs: active === null ? 0 : now - active.since,
      activePeer:
        latestOther === undefined
          ? null
          : {
              address: member.addressOf(latestOther.from) ?? latestOther.from,
              priority: latestOther.priority,
              heardMsAgo: now - latestOther.heardAt,
            },
      verified: active?.verification.status ?? 'notApplicable',
      verifiedAfterMs: active?.verification.afterMs ?? null,
      term: state.term,
      holdDownMs: state.holdDownUntil !== null && state.holdDownUntil > now ? state.holdDownUntil - now : null,
      peers: state.peers.map(({ node, role, priority, isReachable, isEligible }) => ({ node, role, priority, isReachable, isEligible })),
      counters: member.counters,
    }));
  }
}
