/**
 * Elections against nobody, before the process is needed. A take-over is made of code that hardly ever runs, and what V8 has never run it
 * has to compile first: that costs more than everything else between the end of the wait and the first frame of the new active router.
 *
 * Runs the heartbeat itself, as it is, on ports that lead nowhere and on a clock of its own. Touches nothing outside, waits for nothing.
 */
import type { Monotonic } from '../system/clock.js';
import { addressOf } from '../system/ip-address.js';
import { nameHash } from '../system/name-hash.js';
import { encodeBeat, type GroupBeat } from './beat-codec.js';
import { VRRP_GROUP } from './codec/advert.js';
import { encodeAdvert } from './codec/codec.js';
import { Heartbeat } from './heartbeat.js';
import type { HeartbeatConfig } from './heartbeat-api.js';
import type { BeatEvent, HeartbeatPorts, LeasePort, LeaseView } from './ports.js';

/** Enough for V8 to keep what it has compiled, and to leave its interpreter where it matters. */
const REPETITIONS = 12;
/** An interval at which nothing rounds. Never passes: the clock of a rehearsal is only counted. */
const INTERVAL_MS = 100;
const PEER = 2;
const GROUP = 'rehearsal';
/** Documentation addresses (RFC 5737). */
const ADDRESS = { own: '192.0.2.1', peer: '192.0.2.2', virtual: '192.0.2.100', neighbour: '192.0.2.9' } as const;
const MAC = '02:00:00:00:00:01';
const PROMISE_US = 5000;
const BEAT_US = 1000;
const US_PER_MS = 1000;
const NS_PER_MS = 1e6;

/** How the one that was active goes, from the point of view of who takes over. */
const ENDINGS = ['silent', 'promised', 'resigned', 'goodbye'] as const;
type Ending = (typeof ENDINGS)[number];

/** Answers how often it took over. */
export function rehearse(repetitions: number = REPETITIONS): number {
  let takeovers = 0;
  for (let count = 0; count < repetitions; count++) for (const ending of ENDINGS) takeovers += new Rehearsal().play(ending);
  return takeovers;
}

/** In one repetition. */
export const REHEARSED = ENDINGS.length;

const CONFIG: HeartbeatConfig = {
  node: 'here',
  instance: '1',
  pinDir: '',
  socketPath: '',
  drainMs: INTERVAL_MS,
  realtimePriority: 0,
  groups: [
    {
      name: GROUP,
      priority: 100,
      advertIntervalMs: INTERVAL_MS,
      leaseIntervalMs: INTERVAL_MS,
      preempt: false,
      preemptDelayMs: 0,
      announce: { repeat: 2, repeatGapMs: INTERVAL_MS, refreshMs: 0 },
      trackedInterfaces: [],
      members: [
        {
          name: GROUP,
          vrid: 1,
          slot: 0,
          interface: 'eth0',
          sourceAddress: ADDRESS.own,
          addresses: [ADDRESS.virtual],
          announced: [{ address: ADDRESS.virtual, interface: 'eth0' }],
          dataInterfaces: ['eth0'],
          unicastPeers: [],
        },
      ],
    },
  ],
  beats: {
    nodeId: 1,
    cluster: '1',
    key: '0'.repeat(32),
    port: 1,
    paths: [ADDRESS.own],
    peers: [{ node: 'there', id: PEER, addresses: [ADDRESS.peer], advertAddresses: [ADDRESS.peer] }],
    intervalMs: BEAT_US / US_PER_MS,
    fast: { intervalMs: BEAT_US / US_PER_MS, lifeMs: PROMISE_US / US_PER_MS },
    references: [],
  },
};

const advertOf = (priority: number): Buffer =>
  encodeAdvert({
    version: 3,
    source: addressOf(ADDRESS.peer),
    destination: VRRP_GROUP,
    vrid: 1,
    priority,
    intervalMs: INTERVAL_MS,
    addresses: [addressOf(ADDRESS.virtual)],
  });

const nothing = (): void => undefined;

interface Timer {
  at: number;
  fire: () => void;
}

class Rehearsal {
  private now = 0;
  private readonly timers = new Set<Timer>();
  private readonly inbox: Buffer[] = [];
  private leaseEndsAt = 0;
  private takeovers = 0;
  private onReadable = nothing;
  private onBeats: (events: BeatEvent[]) => void = nothing;
  private readonly heartbeat: Heartbeat;

  constructor() {
    const config = CONFIG;
    const options = { config, isRealtime: true, pid: 0, readConfig: () => config, onStopped: nothing };
    this.heartbeat = new Heartbeat({ ...options, ports: this.ports() });
  }

  /** Follows another, takes over when that one goes, leads for a while, is outranked, and stops. Answers how often it took over. */
  play(ending: Ending): number {
    this.heartbeat.start();
    const verifyTargets = [{ interface: 'eth0', address: ADDRESS.neighbour, mac: MAC }];
    this.heartbeat.receive({ type: 'track', ready: true, inSync: true, peerInSync: true, verifyTargets });
    this.hearBeat('active', 'other', ending === 'promised' ? PROMISE_US : 0);
    for (let count = 0; count < 3; count++) {
      this.hearAdvert(200);
      this.pass(INTERVAL_MS);
    }
    this.end(ending);
    this.pass(3 * INTERVAL_MS);
    this.hearAdvert(200);
    this.pass(INTERVAL_MS);
    this.heartbeat.stop('rehearsed');
    return this.takeovers;
  }

  private end(ending: Ending): void {
    if (ending === 'resigned') this.hearBeat('backup', 'linkDown', 0);
    else if (ending === 'goodbye') {
      this.hearAdvert(0);
      this.hearBeat('backup', 'signal', 0, true);
    }
    const silentUs = ending === 'promised' ? PROMISE_US : 3 * INTERVAL_MS * US_PER_MS;
    // Heard less long ago than that, it would still count as heard.
    if (ending === 'promised' || ending === 'silent') this.onBeats([{ type: 'silent', peer: PEER, silentUs }]);
    this.pass(4 * INTERVAL_MS);
  }

  private hearAdvert(priority: number): void {
    this.inbox.push(advertOf(priority));
    this.onReadable();
  }

  private hearBeat(role: GroupBeat['role'], reason: string, promiseUs: number, isPlanned = false): void {
    const said = { nameHash: nameHash(GROUP), rank: 0n, term: 1, role, reason, priority: 200, isEligible: role === 'active', inSync: true };
    const payload = encodeBeat([{ ...said, followsActive: false, isPlanned, unheardId: 0, adverts: 0 }]);
    const atNs = BigInt(Math.floor(this.now * NS_PER_MS));
    this.onBeats([{ type: 'heard', atNs, peer: PEER, instance: 1n, intervalUs: BEAT_US, promiseUs, payload, path: 0, isFirst: false }]);
  }

  private pass(ms: number): void {
    const end = this.now + ms;
    for (let timer = this.due(end); timer !== null; timer = this.due(end)) {
      this.timers.delete(timer);
      this.now = Math.max(this.now, timer.at);
      timer.fire();
    }
    this.now = end;
  }

  private due(end: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.timers) if (timer.at <= end && (first === null || timer.at < first.at)) first = timer;
    return first;
  }

  private ports(): HeartbeatPorts {
    const interfaces = new Map([['eth0', { mac: Buffer.from(MAC.replaceAll(':', ''), 'hex'), addresses: [ADDRESS.own] }]]);
    return {
      clock: {
        now: () => this.now as Monotonic,
        wallMs: () => this.now,
        at: (at, fire) => {
          const timer = { at, fire };
          this.timers.add(timer);
          return () => void this.timers.delete(timer);
        },
      },
      openLeases: () => this.leases(),
      openFrames: () => ({ send: nothing, close: nothing }),
      openVrrp: ({ onReadable }) => {
        this.onReadable = onReadable;
        return { send: nothing, drain: (limit, onPacket) => this.drain(limit, onPacket), joinGroup: nothing, close: nothing };
      },
      openBeats: (_options, onEvents) => {
        this.onBeats = onEvents;
        const stats = { sent: 0, received: 0, sendErrors: 0, rejected: {}, lateMaxUs: 0, silenced: 0, realtime: true };
        const deaf = { say: nothing, setPeerKey: nothing, setIntervalUs: nothing, watch: nothing, hold: nothing, promise: nothing };
        return { ...deaf, stats: () => stats, close: nothing };
      },
      ping: () => nothing,
      watchLinks: () => nothing,
      runningInterfaces: () => interfaces,
      verifyEchoId: 0,
      report: (message) => {
        if (message.type === 'transition' && message.to === 'active') this.takeovers++;
      },
    };
  }

  private drain(limit: number, onPacket: (packet: Uint8Array, source: string) => void): number {
    const packets = this.inbox.splice(0, limit);
    for (const packet of packets) onPacket(packet, '');
    return packets.length;
  }

  private leases(): LeasePort {
    const ns = (ms: number): bigint => BigInt(Math.floor(ms * NS_PER_MS));
    const view = (): LeaseView => ({
      result: 'ok',
      nowNs: ns(this.now),
      deadlineNs: ns(this.leaseEndsAt),
      drainUntilNs: 0n,
      startedNs: 1n,
      instance: 1n,
      verifiedNs: 0n,
    });
    const hold = (_slot: number, durationNs: bigint): LeaseView => {
      this.leaseEndsAt = this.now + Number(durationNs) / NS_PER_MS;
      return view();
    };
    const release = (): LeaseView => {
      this.leaseEndsAt = this.now;
      return view();
    };
    return { acquire: hold, renew: hold, release, read: view, isAttached: () => true };
  }
}
