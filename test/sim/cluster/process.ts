/**
 * One process on a machine: its code runs only while neither the process is stopped nor the machine paused; whatever happens meanwhile
 * waits. A stall inside of a step is a reading of the clock after which the code goes on later than the agenda says.
 */
import type { Clock, Monotonic } from '../../../src/system/clock.js';
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';
import type { NodeClock } from './node-clock.js';

export interface Stall {
  from: number;
  to: number;
  isInside: boolean;
}

/** Lateness of timers: mostly a scheduling delay, sometimes a loaded machine's. */
export interface Lateness {
  usualMs: number;
  rareMs: number;
  rareChance: number;
}
const MAIN_THREAD: Lateness = { usualMs: 0.2, rareMs: 1.5, rareChance: 0.02 };
/** Of a thread with a real-time priority. */
export const REALTIME: Lateness = { usualMs: 0.08, rareMs: 0.5, rareChance: 0.005 };

export class SimProcess {
  readonly stalls: Stall[] = [];
  isAlive = false;
  /** Probability that any reading of the clock is followed by a stop. */
  stallChance = 0;
  stallMs = 0;
  /** How far its code goes on in promises (agenda.ts). */
  turns = 0;
  private readonly agenda: Agenda;
  private readonly machineClock: NodeClock;
  private readonly random: Random;
  private readonly lateness: Lateness;
  /** Grows with every start: timers of a dead process are void. */
  private incarnation = 0;
  private busyUntil = 0;
  private isInside = false;

  constructor(agenda: Agenda, machineClock: NodeClock, random: Random, lateness = MAIN_THREAD) {
    this.agenda = agenda;
    this.lateness = lateness;
    this.machineClock = machineClock;
    this.random = random;
  }

  start(): void {
    this.incarnation++;
    this.isAlive = true;
    this.busyUntil = 0;
  }

  kill(): void {
    this.incarnation++;
    this.isAlive = false;
  }

  /** SIGSTOP until then. */
  pause(until: number): void {
    if (!this.isAlive) return;
    this.stalls.push({ from: this.agenda.now, to: until, isInside: false });
    this.busyUntil = Math.max(this.busyUntil, until);
  }

  /** True time at which its code can run next. */
  get runsFrom(): number {
    return Math.max(this.busyUntil, this.machineClock.runsFrom);
  }

  get isRunning(): boolean {
    return this.isAlive && this.runsFrom <= this.agenda.now;
  }

  /** The true time at which its present instruction runs. */
  time(): number {
    return Math.max(this.agenda.now, this.isInside ? this.busyUntil : 0);
  }

  /** Runs code of this process now, or when it can run again, or never if it dies before. */
  run(act: () => void): void {
    if (!this.isAlive) return;
    if (this.runsFrom > this.agenda.now) {
      this.agenda.add(
        this.runsFrom,
        this.whileAlive(() => this.run(act)),
      );
      return;
    }
    if (this.isInside) return act();
    this.isInside = true;
    this.busyUntil = this.agenda.now;
    act();
    this.isInside = false;
    // Also what this step began with.
    if (this.turns > 0) this.agenda.goesOn(this.turns);
  }

  /** What an instruction of this process does, unless the process dies before it gets there. */
  whileAlive(act: () => void): () => void {
    const { incarnation } = this;
    return () => {
      if (incarnation === this.incarnation) act();
    };
  }

  /** What the present instruction does to the world: after a stall inside of a step not yet, and never if the process dies before. */
  asItRuns(act: () => void): void {
    const at = this.time();
    if (at <= this.agenda.now) act();
    else this.agenda.add(at, this.whileAlive(act));
  }

  /** Runs code of this process after a delay in true time. */
  later(delayMs: number, act: () => void): void {
    this.agenda.add(
      this.time() + delayMs,
      this.whileAlive(() => this.run(act)),
    );
  }

  /** A timer of the machine's clock: never early, mostly a little late. */
  at(at: number, fire: () => void): () => void {
    const { incarnation, machineClock, agenda, random } = this;
    const { usualMs, rareMs, rareChance } = this.lateness;
    let isCancelled = false;
    const lateMs = random.between(0, random.chance(rareChance) ? rareMs : usualMs);
    const due = (): void => {
      if (isCancelled || incarnation !== this.incarnation) return;
      // The machine stood still meanwhile, so its clock does not show this yet.
      if (machineClock.local(agenda.now) < at) return void agenda.add(machineClock.trueTimeOf(at) + lateMs, due);
      this.run(() => {
        if (!isCancelled) fire();
      });
    };
    agenda.add(Math.max(machineClock.trueTimeOf(at), this.time()) + lateMs, due);
    return () => {
      isCancelled = true;
    };
  }

  clock(): Clock {
    const { machineClock, random } = this;
    return {
      now: () => {
        if (this.stallChance > 0 && this.isInside && random.chance(this.stallChance)) this.stall();
        return machineClock.local(this.time()) as Monotonic;
      },
      wallMs: () => machineClock.local(this.time()) + machineClock.wallOffsetMs,
      at: (at, fire) => this.at(at, fire),
    };
  }

  private stall(): void {
    const from = this.time();
    const to = from + random(this.random, this.stallMs);
    this.stalls.push({ from, to, isInside: true });
    this.busyUntil = to;
  }
}

const random = (source: Random, most: number): number => source.between(0.1, Math.max(0.1, most));
