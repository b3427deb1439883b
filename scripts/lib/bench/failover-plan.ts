/**
 * What `scripts/bench failover` measures, and the shape of what it found. Pure: constants, selection, and how long it will take.
 */
import type { Event } from '../../../test/support/lab/system-under-test.js';

export const PEERS = ['keepalived', 'conntrackd'] as const;
export type Peer = (typeof PEERS)[number];

/** Who is measured side by side. `tandem fast`: with fast liveness. */
export const SYSTEMS = ['tandem', 'tandem fast', 'keepalived'] as const;
export type SystemName = (typeof SYSTEMS)[number];

/** One event, that happens to the active node in every trial. */
export interface OutageCase {
  name: string;
  event: Event;
  nodes: number;
  /** Advert intervals, milliseconds, at which it is measured unless others are asked for. */
  adverts: readonly number[];
  systems: readonly SystemName[];
  /** In words, for the table of the documentation. */
  title: string;
}

const ALL = SYSTEMS;
const PLAIN: readonly SystemName[] = ['tandem', 'keepalived'];

export const OUTAGE_CASES: readonly OutageCase[] = [
  { name: 'crash', event: 'crash', nodes: 2, adverts: [10, 100], systems: ALL, title: 'crash: kill -9 of everything, cables pulled' },
  { name: 'link', event: 'link', nodes: 2, adverts: [10], systems: PLAIN, title: "the VIP's cable pulled, another path alive" },
  { name: 'daemon', event: 'daemon', nodes: 2, adverts: [10], systems: PLAIN, title: 'kill -9 of the daemon alone' },
  { name: 'heartbeat', event: 'heartbeat', nodes: 2, adverts: [10], systems: PLAIN, title: 'kill -9 of the VRRP process alone' },
  { name: 'graceful', event: 'graceful', nodes: 2, adverts: [10], systems: PLAIN, title: 'graceful stop' },
  { name: 'switchover', event: 'switchover', nodes: 2, adverts: [10], systems: ['tandem'], title: 'switchover by command' },
  { name: 'crash3', event: 'crash', nodes: 3, adverts: [10], systems: PLAIN, title: 'crash of the active one of three' },
  { name: 'crash5', event: 'crash', nodes: 5, adverts: [10], systems: PLAIN, title: 'crash of the active one of five' },
  { name: 'cable', event: 'cable', nodes: 2, adverts: [10], systems: PLAIN, title: 'all cables pulled' },
  { name: 'kill', event: 'kill', nodes: 2, adverts: [10], systems: PLAIN, title: 'kill -9 of everything, cables stay' },
  { name: 'stop', event: 'stop', nodes: 2, adverts: [10], systems: PLAIN, title: 'SIGSTOP of everything' },
];

/** Measured in another way: take-overs without a fault on a busy machine, and connections that survive a crash. */
export const OTHER_CASES = ['busy', 'connections'] as const;
export type OtherCase = (typeof OTHER_CASES)[number];

export const CASE_NAMES: readonly string[] = [...OUTAGE_CASES.map(({ name }) => name), ...OTHER_CASES];
/** The rest differs from these in what is left of the victim, hardly in the outage: only when named. */
export const DEFAULT_CASES: readonly string[] = CASE_NAMES.filter((name) => !['cable', 'kill', 'stop'].includes(name));

export interface FailoverOptions {
  json: boolean;
  /** The tables of docs/figures.md instead of those for a terminal. */
  markdown: boolean;
  /** Repetitions of each event for each system. */
  trials: number;
  cases: readonly string[];
  /** Instead of what each case says, milliseconds. */
  adverts: readonly number[] | null;
  /** Which peers are measured beside Tandem. */
  peers: readonly Peer[];
  /** TCP connections of the survival measurement. */
  connections: number;
  /** Length of the busy measurement. */
  busySeconds: number;
}

export const DEFAULTS: FailoverOptions = {
  json: false,
  markdown: false,
  /** A median of twenty is steady to a few per cent of the advert interval, the phase of the event being random. */
  trials: 20,
  cases: DEFAULT_CASES,
  adverts: null,
  peers: PEERS,
  connections: 1000,
  busySeconds: 60,
};

/** The survival of a thousand connections hardly spreads: this many rounds at most, at the interval people run. */
export const SURVIVAL_ROUNDS = 5;
export const SURVIVAL_ADVERT_MS = 100;
/** The busy measurement is about the shortest interval. */
export const BUSY_ADVERT_MS = 10;
export const BUSY_LOOPS = 4;

/** Labs that stand side by side, and what happens in them in each round. */
export interface OutageGroup {
  nodes: number;
  advertMs: number;
  systems: readonly SystemName[];
  cases: readonly OutageCase[];
}

/** Cases that can share labs, in the order of the list. */
export function outageGroups({ cases, adverts, peers }: Pick<FailoverOptions, 'cases' | 'adverts' | 'peers'>): OutageGroup[] {
  const groups: OutageGroup[] = [];
  for (const wanted of OUTAGE_CASES.filter(({ name }) => cases.includes(name))) {
    const systems = wanted.systems.filter((name) => name !== 'keepalived' || peers.includes('keepalived'));
    const able = { ...wanted, systems };
    for (const advertMs of adverts ?? wanted.adverts) {
      const known = groups.find((group) => group.nodes === wanted.nodes && group.advertMs === advertMs);
      if (known === undefined) groups.push({ nodes: wanted.nodes, advertMs, systems, cases: [able] });
      else
        Object.assign(known, {
          systems: SYSTEMS.filter((name) => known.systems.includes(name) || systems.includes(name)),
          cases: [...known.cases, able],
        });
    }
  }
  return groups;
}

/** Seconds, as measured on two cores: a trial with the way back, by system; building and starting a lab, per node. */
const TRIAL_SECONDS: Record<SystemName, number> = { tandem: 2.2, 'tandem fast': 5, keepalived: 1.7 };
const LAB_SECONDS_PER_NODE = 2;
const BUSY_SETUP_SECONDS = 20;
const SURVIVAL_ROUND_SECONDS = 9;

export function expectedSeconds(options: Pick<FailoverOptions, 'cases' | 'adverts' | 'peers' | 'trials' | 'busySeconds'>): number {
  let seconds = 0;
  for (const { nodes, systems, cases } of outageGroups(options)) {
    seconds += systems.length * nodes * LAB_SECONDS_PER_NODE;
    for (const { systems } of cases) for (const name of systems) seconds += options.trials * TRIAL_SECONDS[name];
  }
  if (options.cases.includes('busy')) seconds += 2 * (options.busySeconds + BUSY_SETUP_SECONDS);
  const survivors = 1 + (options.peers.includes('conntrackd') ? 1 : 0);
  if (options.cases.includes('connections')) seconds += survivors * Math.min(options.trials, SURVIVAL_ROUNDS) * SURVIVAL_ROUND_SECONDS;
  return Math.round(seconds);
}

export interface Range {
  median: number;
  min: number;
  max: number;
}

export interface OutageRow {
  system: string;
  case: string;
  advertMs: number;
  nodes: number;
  trials: number;
  outageMs: Range;
  /** Null: in no trial did another node answer. */
  takeoverMs: Range | null;
  /** From the victim's last advertisement to the first one of another node, whatever the phase of the event was; null: there was none. */
  silenceMs: Range | null;
  lostProbes: Range;
  /** Of all trials together. */
  lostInAll: number;
  /** Trials that had to be repeated because the VIP had moved by itself just before the event. */
  movedBefore: number;
  /** Answers of the victim after the first answer of the other node, over all trials. */
  lateAnswers: number;
}

export interface BusyRow {
  system: string;
  advertMs: number;
  isRealtime: boolean;
  seconds: number;
  loops: number;
  /** How often a node became active although nothing had happened to the other one. */
  takeovers: number;
  /** Longest time on the wire without an advertisement. */
  longestSilenceMs: number;
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
  trials: number;
  seconds: number;
  outage: OutageRow[];
  busy: BusyRow[];
  survival: SurvivalRow[];
  /** What could not be measured, and why. */
  notes: string[];
}
