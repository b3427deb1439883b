/**
 * One machine of the cluster: clock, kernel, heartbeat and daemon, and everything that can happen to it. Whoever dies is started again
 * unless a fault still holds it down: the heartbeat by its daemon, the daemon by the service manager.
 */
import { knownBefore } from '../../../src/control/known-before.js';
import type { PoolGeneration } from '../../../src/l4/api.js';
import { LAPSE_HOLD_DOWN_MS } from '../../../src/vrrp/active.js';
import type { FromHeartbeat, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import { takeOverValidMs } from '../../../src/vrrp/timing.js';
import type { Datagram } from './beat-peers.js';
import { SimDaemon } from './daemon.js';
import { storeFor, WordSource } from './daemon-parts.js';
import { SimHeartbeat } from './heartbeat.js';
import { Kernel, type KernelSnapshot } from './kernel.js';
import { Link } from './link.js';
import { NodeClock } from './node-clock.js';
import type { NodeParts, Span, Transition } from './node-parts.js';
import { REALTIME, SimProcess } from './process.js';
import { addressOf, beatKeyOf, heartbeatConfig, nameOf, priorityOf, ROUTER } from './shape.js';

/** Start of a heartbeat: from a spare, or from nothing. */
const HEARTBEAT_START_MS = [5, 60] as const;
const DAEMON_START_MS = [80, 400] as const;
/** Time from a message of the heartbeat to the daemon's answer, within which a node may act on what it was told last. */
const TOLD_WITHIN_MS = 5;
/** Less than the margin that peers add to a promise. */
const PROMISE_SLACK_MS = 0.9;
/** How long a node that was not heard leaves its peers alone (active.ts). */
const UNHEARD_HOLD_DOWN_MS = 10_000;

export class SimNode {
  readonly index: number;
  readonly clock: NodeClock;
  readonly kernel: Kernel;
  readonly heartbeat: SimHeartbeat;
  readonly daemonProcess: SimProcess;
  readonly beatThread: SimProcess;
  readonly transitions: Transition[] = [];
  /** What this node did that it must never do, whatever the others do. */
  readonly sins: string[] = [];
  /** When its table was lost last. */
  tableLostAt = Number.NEGATIVE_INFINITY;
  /** When the whole machine stood still, or came back from a snapshot (then a span without length). */
  readonly frozen: Span[] = [];
  daemon: SimDaemon | null = null;
  isPowered = false;
  isLinkUp = true;
  isAttached = true;
  sendFails = false;
  /** Faults that keep a process from being started again. */
  heartbeatHeldDown = 0;
  daemonHeldDown = 0;
  /** Told to give way until somebody asks: does not pre-empt, and need not. */
  isHeldDown = false;
  /** Lost its role in a way that costs it the right to pre-empt for a while. */
  givesWayUntil = 0;
  /** When it gave way to one whose lease was the older belief, though it had heard that from its beats. */
  yieldedToStale: number | null = null;
  private readonly parts: NodeParts;
  private readonly link: Link;
  private instance = 0n;
  /** Random words of the stream instance of this daemon: the same again after a restored snapshot. */
  private streamSeed = 0;
  private handedOverBy: number | null = null;
  /** What its last beat promised, and when that was (local). */
  promise: { ms: number; sentAt: number } | null = null;
  private isPolling = false;
  private isStopping = false;
  private isWanted = true;
  private saved: { kernel: KernelSnapshot; instance: bigint; streamSeed: number } | null = null;

  constructor(parts: NodeParts) {
    const { index, shape, agenda, random, hooks, mutant } = parts;
    this.parts = parts;
    this.index = index;
    const rate = (shape.rates[index] ?? 1) * (mutant === 'clockRuns' && index === 1 ? 1.6 : 1);
    this.clock = new NodeClock(agenda, shape.startsAt[index] ?? 0, rate);
    const heartbeatProcess = new SimProcess(agenda, this.clock, random);
    this.daemonProcess = new SimProcess(agenda, this.clock, random);
    this.beatThread = new SimProcess(agenda, this.clock, random, REALTIME);
    this.kernel = new Kernel({
      node: index,
      now: () => this.clock.local(this.trueNow()),
      toTrue: (local) => this.clock.trueTimeOf(local),
      trueNow: () => this.trueNow(),
      newGeneration: () => hooks.newGeneration(),
      ringRecords: shape.ringRecords,
      hooks: {
        onPut: (flow, record) => hooks.onPut(index, flow, record),
        onRemove: (flow, cause) => hooks.onRemove(index, flow, cause),
        onEvents: () => this.pollSoon(),
      },
      isAttached: () => this.isAttached,
      handedOverBy: () => this.handedOverBy,
      lastWords: () => this.heartbeat.lastWords(),
      at: (trueAt, act) => {
        if (trueAt > agenda.now) agenda.add(trueAt, heartbeatProcess.whileAlive(act));
      },
      // Promises were about the leases of their time; this one was taken by the rules of the RFC.
      onAcquired: () => {
        this.promise = null;
      },
      onRenewed: (deadline) => this.watchPromise(deadline),
      mutant,
    });
    this.heartbeat = new SimHeartbeat({
      process: heartbeatProcess,
      beatThread: this.beatThread,
      beats: () => this.beatParts(),
      ping: () => hooks.ping(index),
      echo: () => heartbeatProcess.asItRuns(() => hooks.echo(index)),
      config: () => heartbeatConfig(shape, index, this.instance),
      leases: this.kernel.leasePort(),
      known: () => knownBefore(this.kernel.peerKeys, this.kernel.terms),
      address: addressOf(index),
      mac: Buffer.alloc(6, index + 1),
      isLinkUp: () => this.isLinkUp && this.isPowered,
      sendFails: () => this.sendFails && mutant !== 'ignoresFailedSends',
      hearsAnswers: mutant !== 'judgesBeforeReading',
      sendVrrp: (packet, destination) => this.sendVrrp(packet, destination),
      announce: () => heartbeatProcess.asItRuns(() => hooks.announce(index)),
      onSaid: (message) => this.said(message),
      onStopped: () => undefined,
    });
    this.link = new Link({
      agenda,
      random,
      heartbeat: heartbeatProcess,
      daemon: this.daemonProcess,
      onHeartbeat: (message) => this.command(message),
      onDaemon: (message) => this.daemon?.receive(message),
    });
  }

  get name(): string {
    return nameOf(this.index);
  }

  get priority(): number {
    return priorityOf(this.index);
  }

  get holds(): boolean {
    return this.isPowered && this.kernel.isLeaseFresh;
  }

  /** Nothing has to be started or joined. */
  get isIdle(): boolean {
    return this.isPowered && !this.isStopping && this.link.isConnected && this.heartbeat.process.isAlive;
  }

  get role(): string {
    return this.heartbeat.status()?.routers[0]?.role ?? 'none';
  }

  /** It has told its heartbeat so, which is nobody's successor otherwise. */
  get maySucceed(): boolean {
    return this.daemon?.unsyncedSince === null;
  }

  get isFrozen(): boolean {
    return this.clock.runsFrom > this.parts.agenda.now;
  }

  /** Time of the instruction that runs now on this machine. */
  private trueNow(): number {
    // The beat thread has no time of its own: it stops between its steps only.
    return Math.max(this.parts.agenda.now, this.heartbeat?.process.time() ?? 0);
  }

  private note(text: string): void {
    this.parts.hooks.note(this.index, text, this.parts.agenda.now);
  }

  // --- machine ------------------------------------------------------------------------------------------------------------------------

  powerOn(): void {
    if (this.isPowered) return;
    this.isPowered = true;
    this.isStopping = false;
    this.isWanted = true;
    this.instance = BigInt(this.parts.random.below(2 ** 31)) + 1n;
    this.parts.hooks.streams().machineBack(this.index);
    this.startDaemon();
  }

  powerOff(): void {
    if (!this.isPowered) return;
    this.isPowered = false;
    this.promise = null;
    this.endProcesses();
    this.parts.hooks.streams().machineGone(this.index);
    this.kernel.clear();
    this.saved = null;
    this.loseTable();
  }

  /** The hypervisor stops the whole machine; its clock stands still. */
  freeze(until: number): void {
    if (!this.isPowered) return;
    this.frozen.push({ from: this.parts.agenda.now, to: until });
    this.clock.freeze(until);
    this.kernel.clockChanged();
  }

  takeSnapshot(): void {
    if (!this.isPowered || this.daemon === null) return;
    this.saved = { kernel: this.kernel.snapshot(), instance: this.instance, streamSeed: this.streamSeed };
  }

  /** Back to the state of the snapshot, clock and all; the processes go on from what they find in their kernel. */
  restoreSnapshot(): void {
    const { saved } = this;
    if (saved === null || !this.isPowered) return;
    const { now } = this.parts.agenda;
    this.endProcesses();
    this.parts.hooks.streams().machineGone(this.index);
    this.parts.hooks.streams().machineBack(this.index);
    this.loseTable();
    this.frozen.push({ from: now, to: now });
    this.clock.setBack(saved.kernel.local);
    this.instance = saved.instance;
    this.kernel.restore(saved.kernel);
    this.launchHeartbeat();
    this.launchDaemon(saved.streamSeed);
  }

  private loseTable(): void {
    this.tableLostAt = this.parts.agenda.now;
    this.parts.hooks.onTableLost(this.index);
  }

  private endProcesses(): void {
    this.killHeartbeat();
    this.killDaemon();
  }

  // --- heartbeat ----------------------------------------------------------------------------------------------------------------------

  /** kill -9: the lease runs on. */
  killHeartbeat(): void {
    this.heartbeat.kill();
    this.isHeldDown = false;
    this.givesWayUntil = 0;
    this.unlink();
  }

  private launchHeartbeat(): void {
    if (!this.isPowered || this.heartbeat.process.isAlive || this.heartbeatHeldDown > 0) return;
    this.isHeldDown = false;
    this.heartbeat.start();
    this.linkSoon();
  }

  setLink(isUp: boolean): void {
    this.isLinkUp = isUp;
    this.heartbeat.linkChanged();
  }

  /** What the daemon does when nobody answers on the heartbeat's socket. */
  reviveHeartbeat(): void {
    if (this.isStopping || this.heartbeat.process.isAlive) return;
    this.daemonProcess.later(this.parts.random.between(...HEARTBEAT_START_MS), () => {
      if (!this.isStopping) this.launchHeartbeat();
    });
  }

  private command(message: ToHeartbeat): void {
    if (message.type === 'takeOver') {
      this.handedOverBy = Number(message.reason.split(' ').at(-1)) - 1;
      const ageMs = this.clock.local(this.trueNow()) - (message.atMs ?? 0);
      const isHeeded = this.heartbeat.status()?.routers[0]?.role !== 'initialize' && ageMs <= takeOverValidMs(this.parts.shape.intervalMs);
      if (isHeeded) this.isHeldDown = false;
    }
    if (message.type === 'yield') this.isHeldDown = true;
    this.heartbeat.receive(message);
    this.handedOverBy = null;
  }

  private said(message: FromHeartbeat): void {
    const at = this.parts.agenda.now;
    if (message.type === 'transition') {
      this.transitions.push({ at, to: message.to, reason: message.reason });
      this.parts.hooks.note(this.index, `${message.from} -> ${message.to} (${message.reason})`, at);
      if (message.reason === 'preempt') this.watchPreemption(at);
      if (message.reason === 'betterActive' && message.from === 'active' && this.parts.hooks.isLedByStale(this.index))
        this.yieldedToStale ??= at;
      if (message.reason === 'leaseLapsed' || message.reason === 'staleTerm') this.givesWay(at + LAPSE_HOLD_DOWN_MS);
      if (message.reason === 'unheard') this.givesWay(at + UNHEARD_HOLD_DOWN_MS);
    } else if (message.type === 'log') {
      if (message.event === 'flapDamped') this.givesWay(at + Number(message.fields.holdMs));
      this.parts.hooks.note(this.index, `${message.event} ${JSON.stringify(message.fields)}`, at);
    }
  }

  /** Does not pre-empt before this. */
  private givesWay(until: number): void {
    this.givesWayUntil = Math.max(this.givesWayUntil, until);
    this.parts.hooks.onGivesWay(until);
  }

  private watchPreemption(at: number): void {
    const since = this.daemon?.unsyncedSince ?? null;
    if (since === null) return;
    const sinceTrue = Math.max(this.clock.trueTimeOf(since), this.stillUntil());
    if (at - sinceTrue > TOLD_WITHIN_MS) this.sins.push(`pre-empted without being in sync at ${at.toFixed(3)} ms`);
  }

  /** When any process of this machine stood still last. */
  private stillUntil(): number {
    const stalls = [...this.heartbeat.process.stalls, ...this.daemonProcess.stalls, ...this.frozen];
    return stalls.reduce((last, stall) => Math.max(last, stall.to), 0);
  }

  private beatParts(): ReturnType<ConstructorParameters<typeof SimHeartbeat>[0]['beats']> {
    const { agenda, random, mutant, hooks } = this.parts;
    const leases = this.kernel.beatLeases();
    const send = (peer: number, beat: Datagram, at: number): boolean => hooks.sendBeat(this.index, peer - 1, beat, at);
    const onBeat = (promiseMs: number, sentAt: number, saysActive: boolean): void => {
      // Nobody waits for the end of a lease that nobody has been told of.
      this.promise = { ms: saysActive ? promiseMs : 0, sentAt };
    };
    return { agenda, random, clock: this.clock, leases, send, onBeat, mutant };
  }

  private sendVrrp(packet: Buffer, destination: string): void {
    if (this.sendFails) return;
    const { process } = this.heartbeat;
    this.watchSend(process.time());
    process.asItRuns(() => this.parts.hooks.sendVrrp(this.index, packet, destination));
  }

  /** Peers that hear nothing for the length of a promise take over. */
  private watchPromise(deadline: number): void {
    if (this.promise === null || this.promise.ms === 0 || this.heartbeat.process.stallChance > 0) return;
    const beyondMs = deadline - this.promise.sentAt - this.promise.ms;
    if (beyondMs > PROMISE_SLACK_MS)
      this.sins.push(`held a lease ${beyondMs.toFixed(3)} ms longer than promised at ${this.trueNow().toFixed(3)} ms`);
  }

  /** After its lease has ended a node may say anything but that it is active. */
  private watchSend(at: number): void {
    if (this.kernel.isLeaseFresh || this.heartbeat.process.stallChance > 0) return;
    if (this.heartbeat.status()?.routers[0]?.role === 'active')
      this.sins.push(`advertised as active without a lease at ${at.toFixed(3)} ms`);
  }

  // --- daemon -------------------------------------------------------------------------------------------------------------------------

  startDaemon(): void {
    if (!this.isPowered || this.daemonProcess.isAlive || this.daemonHeldDown > 0) return;
    const seed = this.parts.random.below(2 ** 31);
    this.daemonProcess.start();
    const { parts, daemonProcess } = this;
    daemonProcess.later(parts.random.between(...DAEMON_START_MS), () => this.bootDaemon(seed));
  }

  private launchDaemon(seed: number): void {
    this.daemonProcess.start();
    this.daemonProcess.run(() => this.bootDaemon(seed));
  }

  private bootDaemon(seed: number): void {
    const { parts, daemonProcess } = this;
    const { hooks, shape, mutant } = parts;
    const words = new WordSource(seed);
    this.streamSeed = seed;
    const wasReady = this.kernel.isReady;
    const daemon: SimDaemon = new SimDaemon({
      index: this.index,
      shape,
      clock: daemonProcess.clock(),
      kernel: this.kernel,
      store: storeFor(this.kernel.table, mutant),
      transport: hooks.streams().transport(this.index),
      random: () => words.next(),
      beatKey: beatKeyOf(this.instance),
      setTurns: (turns) => {
        daemonProcess.turns = turns;
      },
      isServerUp: (server) => hooks.isServerUp(server),
      toHeartbeat: (message) => this.daemon === daemon && this.link.toHeartbeat(message),
      isAlive: () => this.daemon === daemon,
      note: (text) => this.note(text),
      liesInSync: mutant === 'liesInSync',
      neverReady: mutant === 'neverReadyAgain' && !wasReady && parts.agenda.now > 1000,
    });
    this.daemon = daemon;
    daemon.start();
    if (this.heartbeat.process.isAlive) this.linkSoon();
    else this.reviveHeartbeat();
  }

  killDaemon(): void {
    this.daemonProcess.kill();
    this.isStopping = false;
    this.unlink();
    const { daemon } = this;
    this.daemon = null;
    daemon?.dispose();
    if (this.isPowered) this.parts.hooks.streams().processGone(this.index);
  }

  /** SIGTERM: hands over, ends the heartbeat, ends. */
  async stopGracefully(): Promise<void> {
    const { daemon } = this;
    if (daemon === null || !this.isPowered) return;
    this.isStopping = true;
    this.isWanted = false;
    if (daemon.roles.held().has(ROUTER)) await daemon.switchover({ reason: `stop by ${this.index + 1}` });
    if (this.daemon !== daemon) return;
    this.link.toHeartbeat({ type: 'stop', reason: 'stop' });
    this.daemonProcess.later(5, () => {
      this.endProcesses();
      this.isStopping = true;
      if (this.isWanted) this.startAgain();
    });
  }

  /** As soon as it has ended. */
  startAgain(): void {
    this.isWanted = true;
    if (this.daemonProcess.isAlive) return;
    this.isStopping = false;
    this.startDaemon();
  }

  switchover(): void {
    if (this.daemonProcess.isRunning) void this.daemon?.switchover({ reason: `operator by ${this.index + 1}` });
  }

  private pollSoon(): void {
    if (this.isPolling) return;
    this.isPolling = true;
    this.parts.agenda.add(this.parts.agenda.now + this.parts.random.between(0.02, 0.5), () => {
      this.isPolling = false;
      this.daemonProcess.run(() => this.kernel.table.poll());
    });
  }

  serversChanged(): void {
    this.daemonProcess.later(this.parts.random.between(1, 300), () => this.daemon?.reviewPools());
  }

  generation(): PoolGeneration | null {
    return this.kernel.generations[0] ?? null;
  }

  // --- the socket between the two -----------------------------------------------------------------------------------------------------

  private linkSoon(): void {
    this.daemonProcess.later(this.parts.random.between(0.5, 6), () => {
      const { daemon } = this;
      if (this.link.isConnected || daemon === null || !this.heartbeat.process.isAlive) return;
      this.link.connect();
      this.heartbeat.process.run(() => {
        const status = this.heartbeat.status();
        if (status !== null) this.read(status);
        this.heartbeat.outbox.attach(this.read, 0);
      });
      daemon.connected();
    });
  }

  private readonly read = (message: FromHeartbeat): void => this.link.toDaemon(message);

  private unlink(): void {
    this.link.disconnect();
    this.heartbeat.outbox.detach(this.read);
    if (this.daemonProcess.isAlive) this.reviveHeartbeat();
  }
}
