/**
 * What the judge of a round is given: the faults as they really happened, and what was seen on the wire and by the clients.
 * All times are milliseconds of CLOCK_MONOTONIC.
 */
import type { LoadReport } from '../lab/workload-api.js';
import type { FaultKind } from './schedule.js';

/** The group of connections that are opened while faults go on. */
export const YOUNG = 'young';

/** Frames between nodes that do not pass (or, by chance, may not). */
export interface Cut {
  from: string;
  to: string;
  side: 'client' | 'server';
  /** Everything else passes. */
  only?: 'adverts' | 'beats';
}

export interface AppliedFault {
  kind: FaultKind;
  /** In words: whom it hit, and how hard. */
  what: string;
  /** Just before its first effect. */
  fromMs: number;
  /** When its last effect was over. */
  toMs: number;
  /** Nodes that cannot be expected to own the VIP or to take it over, and for how long after the end (a process has to start). */
  unable: readonly string[];
  afterwardsMs: number;
  cuts: readonly Cut[];
  /** Nodes any of whose frames on the client side may be lost by chance. */
  lossy: readonly string[];
  /** Nodes that lost their flow table. */
  lostTable: readonly string[];
  /** The machine itself is late: frames are delayed by other work than forwarding. */
  isMachineLate: boolean;
}

/**
 * A sign of ownership. `claim`: a gratuitous ARP request, or an unsolicited Neighbour Advertisement. `answer`: to who asks for an address.
 * `admitted`: a new flow was forwarded to a server.
 */
export interface Sign {
  atMs: number;
  node: string;
  kind: 'claim' | 'answer' | 'admitted';
  family: 'ipv4' | 'ipv6';
  /** When what it answers entered the switch: the node decided after that. What nobody asked for was decided when it was seen. */
  askedMs: number;
}

/** A node tells the others that it lets go: an advert with priority 0. */
export interface Farewell {
  atMs: number;
  node: string;
}

export interface Reset {
  atMs: number;
  port: string;
  from: string;
  to: string;
}

export interface Transition {
  atMs: number;
  node: string;
  from: string;
  to: string;
  reason: string;
}

export interface Pause {
  fromMs: number;
  toMs: number;
}

export interface RoundEvidence {
  nodes: readonly string[];
  advertMs: number;
  /** By node, each another one. */
  priorities: Readonly<Record<string, number>>;
  /** Which paths between nodes count when it is asked whether they can hear each other. */
  paths: 'vrrp' | 'any';
  fromMs: number;
  toMs: number;
  faults: readonly AppliedFault[];
  signs: readonly Sign[];
  farewells: readonly Farewell[];
  /** When the machine stood still: not even clients asked, who are no part of any fault. */
  pauses: readonly Pause[];
  resets: readonly Reset[];
  /** Answers to the following client's probes. */
  answersMs: readonly number[];
  connections: Readonly<Record<string, LoadReport>>;
  /** When the last fault was over. */
  healedMs: number;
  /** When one node was active and all were in sync again; null: not within the limit. */
  readyMs: number | null;
  notReadyBecause: string;
  /** Processes that ended although no fault hit them. */
  died: readonly string[];
}

export interface Violation {
  rule: 'twoOwners' | 'noOwner' | 'reset' | 'corrupted' | 'lostConnections' | 'notRecovered' | 'died' | 'broken';
  atMs: number;
  text: string;
}
