/**
 * The monotonic clock of one machine in virtual time: it starts anywhere, drifts, stands still while a virtual machine is paused, and goes
 * back when a snapshot is restored. "True" time is the agenda's, which nobody in the cluster can read.
 */
import type { Agenda } from '../agenda.js';

export class NodeClock {
  private readonly agenda: Agenda;
  /** Local milliseconds per true one. */
  private readonly rate: number;
  private localBase: number;
  private trueBase = 0;
  wallOffsetMs = 0;

  constructor(agenda: Agenda, startsAt: number, rate: number) {
    this.agenda = agenda;
    this.localBase = startsAt;
    this.rate = rate;
  }

  /** Local time at this true time, which is not before the last change of the clock. */
  local(trueAt: number): number {
    return this.localBase + Math.max(0, trueAt - this.trueBase) * this.rate;
  }

  /** When the clock will show this. */
  trueTimeOf(local: number): number {
    return this.trueBase + Math.max(0, local - this.localBase) / this.rate;
  }

  /** Stands still until this true time. */
  freeze(until: number): void {
    this.localBase = this.local(this.agenda.now);
    this.trueBase = Math.max(this.trueBase, until);
  }

  setBack(local: number): void {
    this.localBase = local;
    this.trueBase = this.agenda.now;
  }

  /** True time from which the machine runs; in the past while it does. */
  get runsFrom(): number {
    return this.trueBase;
  }
}
