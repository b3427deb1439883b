/**
 * What `scripts/bench failover` measures, and the shape of what it found. Types and constants only.
 */
import type { Event } from '../../../test/support/lab/system-under-test.js';

export const PEERS = ['keepalived', 'conntrackd'] as const;
export type Peer = (typeof PEERS)[number];

export interface FailoverOptions {
  json: boolean;
  /** Repetitions of each fault; null: DEFAULTS.rounds. */
  rounds: number | null;
  faults?: readonly Event[];
  /** Advert intervals, milliseconds. */
  adverts?: readonly number[];
  /** Which peers are measured beside Tandem. */
  peers?: readonly Peer[];
  /** TCP connections of the survival measurement; 0 leaves it out. */
  connections?: number;
  /** Tandem itself can be left out, to measure the peers alone. */
  withoutTandem?: boolean;
}

export const DEFAULTS = {
  /** A median of five is steady to about a tenth of the advert interval, the phase of the fault being random. */
  rounds: 5,
  faults: ['crash', 'kill', 'stop', 'cable', 'graceful', 'switchover'] as readonly Event[],
  adverts: [100, 10] as readonly number[],
  connections: 1000,
} as const;

export interface Range {
  median: number;
  min: number;
  max: number;
}

export interface OutageRow {
  system: string;
  advertMs: number;
  fault: Event;
  rounds: number;
  outageMs: Range;
  /** Null: in no round did another node answer. */
  takeoverMs: Range | null;
  lostProbes: Range;
  /** Trials that had to be repeated because the VIP had moved by itself just before the fault. */
  movedBefore: number;
  /** Answers of the victim after the first answer of the other node, over all rounds. */
  lateAnswers: number;
}

export interface SurvivalRow {
  system: string;
  advertMs: number;
  fault: Event;
  rounds: number;
  connections: number;
  survived: Range;
  reset: Range;
  /** Connections established in the last 20 ms before the fault, over all rounds, and how many of them survived. */
  young: { established: number; survived: number };
  /** Medians over the rounds of what the connections of a round saw. */
  gapMs: { median: number; p99: number; max: number };
  bytesVerified: number;
}

export interface FailoverResult {
  benchmark: 'failover';
  kernel: string;
  cpus: number;
  rounds: number;
  outage: OutageRow[];
  survival: SurvivalRow[];
  /** What could not be measured, and why. */
  notes: string[];
}
