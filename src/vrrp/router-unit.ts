/**
 * One virtual router in the shell: feeds the machine, executes its effects in order, keeps its counters.
 *
 * Everything here is synchronous, so an effect and its answer (sent, acquired, lapsed) never have another event between them.
 */

import type { Monotonic } from '../system/clock.js';
import { echoRequest, gratuitousArp } from './announcer.js';
import { type Advert, type ChecksumForm, encodeAdvert, type RejectReason, refreshAdvert, VRRP_GROUP } from './codec.js';
import type { HeartbeatRouter, RouterCounters, RouterStatus } from './heartbeat-api.js';
import { formatIpv4, ipv4 } from './ipv4.js';
import type { LeaseGuard } from './lease-guard.js';
import { initialState, step } from './machine.js';
import type { HeartbeatPorts, InterfaceView } from './ports.js';
import { RateLimit } from './rate-limit.js';
import type { HeardAdvert, RouterEffect, RouterEvent, RouterSettings, RouterState } from './state.js';
import { nextDeadline, roleOf } from './state.js';

/** Smallest step of the advertisement interval on the wire. */
const CENTISECOND_MS = 10;

/** A neighbour that can be asked whether the take-over landed. */
export interface EchoTarget {
  interface: string;
  address: number;
  mac: Buffer;
}

/** What a router shares with the others of its process. */
export interface UnitContext {
  ports: HeartbeatPorts;
  lease(): LeaseGuard | null;
  interfaces(): Map<string, InterfaceView>;
  /** Sends now; throws when the kernel refused, or when the socket is not open. */
  sendVrrp(interfaceName: string, packet: Buffer, destination: string): void;
  sendFrame(interfaceName: string, frame: Buffer): void;
  verifyTargets(): readonly EchoTarget[];
}

const settingsOf = (config: HeartbeatRouter): RouterSettings => ({
  priority: config.priority,
  address: ipv4(config.sourceAddress),
  advertIntervalMs: config.advertIntervalMs,
  leaseIntervalMs: config.leaseIntervalMs,
  preempt: config.preempt,
  preemptDelayMs: config.preemptDelayMs,
  announce: config.announce,
});

const packetOf = (config: HeartbeatRouter): Buffer =>
  encodeAdvert({
    source: ipv4(config.sourceAddress),
    destination: VRRP_GROUP,
    vrid: config.vrid,
    priority: config.priority,
    intervalCs: Math.max(1, Math.round(config.advertIntervalMs / CENTISECOND_MS)),
    addresses: config.addresses.map(ipv4),
  });

const noCounters = (): RouterCounters => ({
  advertsSent: 0,
  advertsReceived: 0,
  advertsRejected: {},
  advertsOldChecksum: 0,
  sendErrors: 0,
  announcementsSent: 0,
  lateWakes: 0,
  leaseLapses: 0,
  conflicts: 0,
  transitions: {},
});

export class RouterUnit {
  config: HeartbeatRouter;
  state: RouterState;
  readonly counters: RouterCounters = noCounters();
  private readonly context: UnitContext;
  private readonly limit = new RateLimit();
  private readonly queue: RouterEvent[] = [];
  private isRunning = false;
  private packet: Buffer;
  private addresses: ReadonlySet<number>;
  private peers: ReadonlySet<number>;
  private reason = 'notStarted';
  private sinceWallMs: number;
  private echoSequence = 0;
  private checksumForm: ChecksumForm;

  constructor(config: HeartbeatRouter, context: UnitContext) {
    this.config = config;
    this.context = context;
    this.state = initialState(settingsOf(config));
    this.packet = packetOf(config);
    this.checksumForm = config.checksum === 'rfc5798' ? 'rfc5798' : 'rfc9568';
    this.addresses = new Set(config.addresses.map(ipv4));
    this.peers = new Set(config.unicastPeers.map(ipv4));
    this.sinceWallMs = context.ports.clock.wallMs();
  }

  get deadline(): Monotonic | null {
    return nextDeadline(this.state);
  }

  get role(): RouterStatus['role'] {
    return roleOf(this.state);
  }

  reconfigure(config: HeartbeatRouter): void {
    this.config = config;
    this.packet = packetOf(config);
    if (config.checksum !== 'auto') this.checksumForm = config.checksum ?? 'rfc9568';
    this.addresses = new Set(config.addresses.map(ipv4));
    this.peers = new Set(config.unicastPeers.map(ipv4));
    this.feed({ type: 'configure', settings: settingsOf(config) });
  }

  start(): void {
    this.feed({ type: 'start', leaseRemainingMs: this.context.lease()?.ownRemainingMs(this.config.slot) ?? 0 });
  }

  feed(event: RouterEvent): void {
    this.queue.push(event);
    if (this.isRunning) return;
    this.isRunning = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      const { state, effects } = step(this.state, next, this.context.ports.clock.now());
      this.state = state;
      for (const effect of effects) this.execute(effect);
    }
    this.isRunning = false;
  }

  /** A decoded advertisement of our VRID on our interface. */
  receive(advert: Advert, form: ChecksumForm): void {
    if (advert.source === this.state.settings.address) return this.reject('ownSource');
    if (this.peers.size > 0 && !this.peers.has(advert.source)) return this.reject('unknownPeer', advert.source);
    this.counters.advertsReceived++;
    if (this.config.checksum === 'auto') this.checksumForm = form;
    if (form === 'rfc5798') this.counters.advertsOldChecksum = (this.counters.advertsOldChecksum ?? 0) + 1;
    if (advert.addresses.length !== this.addresses.size || !advert.addresses.every((address) => this.addresses.has(address))) {
      this.log('warn', 'addressesDiffer', { from: formatIpv4(advert.source), heard: advert.addresses.map(formatIpv4) });
    }
    const heard: HeardAdvert = { address: advert.source, priority: advert.priority, intervalMs: advert.intervalCs * CENTISECOND_MS };
    this.feed({ type: 'advert', advert: heard });
  }

  reject(reason: RejectReason, source?: number): void {
    this.counters.advertsRejected[reason] = (this.counters.advertsRejected[reason] ?? 0) + 1;
    if (reason !== 'ownSource')
      this.log('warn', 'advertRejected', source === undefined ? { reason } : { reason, from: formatIpv4(source) });
  }

  private execute(effect: RouterEffect): void {
    switch (effect.type) {
      case 'sendAdvert':
        return this.send(effect.priority, effect.to);
      case 'acquireLease':
        return this.acquire(effect.until);
      case 'renewLease':
        return this.renew(effect.until);
      case 'releaseLease':
        return this.context.lease()?.release(this.config.slot, effect.admitMs);
      case 'announce':
        return this.announce();
      case 'verify':
        return this.verify(effect.attempt);
      case 'transition':
        return this.transition(effect);
      case 'count':
        this.counters[effect.counter]++;
        return;
      case 'log':
        return this.log(effect.level, effect.event, effect.fields);
    }
  }

  private send(priority: number, to: number | null): void {
    const { interface: name, unicastPeers } = this.config;
    const at = this.context.ports.clock.now();
    const destinations = to !== null ? [formatIpv4(to)] : unicastPeers.length > 0 ? unicastPeers : [formatIpv4(VRRP_GROUP)];
    let failure: unknown = null;
    let sent = 0;
    for (const destination of destinations) {
      try {
        refreshAdvert(this.packet, priority, ipv4(destination), this.checksumForm);
        this.context.sendVrrp(name, this.packet, destination);
        sent++;
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== null) this.counters.sendErrors++;
    if (sent === 0) return this.feed({ type: 'sendFailed', code: failure instanceof Error ? failure.message : String(failure) });
    this.counters.advertsSent++;
    this.feed({ type: 'sendDone', at });
  }

  private acquire(until: Monotonic): void {
    const lease = this.context.lease();
    const refusal = lease === null ? 'the data plane is not there' : lease.acquire(this.config.slot, until, this.config.dataInterfaces);
    this.feed(refusal === null ? { type: 'leaseAcquired' } : { type: 'leaseRefused', reason: refusal });
  }

  private renew(until: Monotonic): void {
    const lease = this.context.lease();
    if (lease === null) return this.feed({ type: 'leaseLapsed' });
    const result = lease.renew(this.config.slot, until, this.config.dataInterfaces);
    if (result.kind === 'lapsed') return this.feed({ type: 'leaseLapsed' });
    if (result.kind === 'unusable') return this.feed({ type: 'dataPlane', isUsable: false, reason: result.reason });
    if (result.verifiedAt !== null) this.verified(result.verifiedAt);
  }

  private announce(): void {
    const interfaces = this.context.interfaces();
    for (const { address, interface: name } of this.config.announced) {
      const view = interfaces.get(name);
      if (view === undefined) continue;
      if (this.sendFrame(name, gratuitousArp(view.mac, ipv4(address)))) this.counters.announcementsSent++;
    }
  }

  private verify(attempt: number): void {
    const verifiedAt = this.context.lease()?.verifiedAt(this.config.slot) ?? null;
    if (verifiedAt !== null && attempt > 1) return this.verified(verifiedAt);
    if (attempt > 1) this.announce();
    const interfaces = this.context.interfaces();
    for (const target of this.targets()) {
      const view = interfaces.get(target.interface);
      const source = this.config.announced.find((entry) => entry.interface === target.interface);
      if (view === undefined || source === undefined) continue;
      const { address, mac } = target;
      this.echoSequence = (this.echoSequence + 1) & 0xffff;
      const identifier = this.context.ports.verifyEchoId;
      const echo = {
        sourceMac: view.mac,
        targetMac: mac,
        source: ipv4(source.address),
        target: address,
        identifier,
        sequence: this.echoSequence,
      };
      this.sendFrame(target.interface, echoRequest(echo));
    }
  }

  private verified(at: Monotonic): void {
    const isOpen = this.state.kind === 'active' && ['pending', 'no'].includes(this.state.verification.status);
    if (isOpen) this.feed({ type: 'verified', at });
  }

  private sendFrame(interfaceName: string, frame: Buffer): boolean {
    try {
      this.context.sendFrame(interfaceName, frame);
      return true;
    } catch (error) {
      this.log('warn', 'announcementFailed', { interface: interfaceName, error: error instanceof Error ? error.message : String(error) });
      return false;
    }
  }

  /** Neighbours on an interface where this router announces an address. */
  targets(): EchoTarget[] {
    const names = new Set(this.config.announced.map((entry) => entry.interface));
    return this.context.verifyTargets().filter((target) => names.has(target.interface));
  }

  private transition(effect: Extract<RouterEffect, { type: 'transition' }>): void {
    const { clock } = this.context.ports;
    const { from, to, reason, heardAt } = effect;
    const atWallMs = clock.wallMs();
    this.reason = reason;
    this.sinceWallMs = atWallMs;
    const key = `${to}:${reason}`;
    this.counters.transitions[key] = (this.counters.transitions[key] ?? 0) + 1;
    const heardMs = heardAt === null ? null : clock.now() - heardAt;
    this.context.ports.report({ type: 'transition', router: this.config.name, from, to, reason, atWallMs, heardMs });
  }

  log(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown>): void {
    const { clock, report } = this.context.ports;
    const suppressed = this.limit.take(event, clock.now());
    if (suppressed === null) return;
    const all = { router: this.config.name, ...fields, ...(suppressed > 0 ? { suppressed } : {}) };
    report({ type: 'log', level, event, fields: all, atWallMs: clock.wallMs() });
  }

  status(): RouterStatus {
    const now = this.context.ports.clock.now();
    const { state, config } = this;
    const active = state.kind === 'active' ? state : null;
    const latestOther = [...state.others].sort((a, b) => b.heardAt - a.heardAt)[0];
    return {
      name: config.name,
      vrid: config.vrid,
      slot: config.slot,
      role: roleOf(state),
      reason: this.reason,
      sinceWallMs: this.sinceWallMs,
      priority: config.priority,
      leaseRemainingMs: active === null ? 0 : Math.max(0, active.leaseUntil - now),
      leaseAgeMs: active === null ? 0 : now - active.since,
      activePeer:
        latestOther === undefined
          ? null
          : { address: formatIpv4(latestOther.address), priority: latestOther.priority, heardMsAgo: now - latestOther.heardAt },
      verified: active?.verification.status ?? 'notApplicable',
      verifiedAfterMs: active?.verification.afterMs ?? null,
      counters: this.counters,
    };
  }
}
