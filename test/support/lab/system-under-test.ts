/**
 * What a load balancer has to offer to be put into the lab: Tandem and the peers it is compared with.
 */
import type { Fault } from './faults.js';

/** One process of a load balancer: that which people talk to, and that which keeps the VIP. */
export const PARTS = ['daemon', 'heartbeat'] as const;
export type Part = (typeof PARTS)[number];

/** Faults of the lab, and the ways a load balancer gives up the VIP by itself. */
export const EVENTS = ['crash', 'kill', 'stop', 'cable', 'link', 'daemon', 'heartbeat', 'graceful', 'switchover'] as const;
/**
 * `link`: the cable on the client side is pulled, where the VIP is; the other one stays. `daemon`, `heartbeat`: kill -9 of this process
 * alone. `graceful`: the active node is told to end (SIGTERM). `switchover`: it is told to hand over and goes on as backup.
 */
export type Event = Fault | Part | 'link' | 'graceful' | 'switchover';

export interface SystemUnderTest {
  readonly name: string;
  /** Where the probe's answers come from: an echo on the node that has the VIP, or the servers behind it. */
  readonly probeAnsweredBy: 'node' | 'server';
  /** Starts every node and waits until one is active and all are ready to take over. */
  start(): Promise<void>;
  /** Starts a node that is not running; does not wait. */
  startNode(node: string): Promise<void>;
  /** Waits until exactly one node is active and every node could take over without losing a connection. Returns the active one. */
  waitReady(): Promise<string>;
  /** True when the node, in its own view, owns the VIP. */
  isActive(node: string): Promise<boolean>;
  /** Ends the node's processes in an orderly way; returns the moment it was told. */
  stopGracefully(node: string): Promise<number>;
  /** kill -9 of one process; returns the moment. */
  killPart(node: string, part: Part): Promise<number>;
  /** Moves the VIP away from `node`; returns the moment it was told. Null: it has no such command. */
  switchover: ((node: string) => Promise<number>) | null;
  /** Brings a node back after an event, as an operator would: cables, processes, leftovers. Does not wait until it is ready. */
  recover(node: string, event: Event): Promise<void>;
  /** Ends what runs on all nodes, without ceremony. */
  stop(): Promise<void>;
}

export interface ElectionSettings {
  advertMs: number;
  /** In the order of the nodes. */
  priorities: number[];
  preempt: boolean;
}

/** The same for every system in a comparison. */
export const DEFAULT_ELECTION: ElectionSettings = { advertMs: 100, priorities: [150, 100], preempt: false };

/** Of the node with this index, from 0. */
export const priorityOf = ({ priorities }: Pick<ElectionSettings, 'priorities'>, index: number): number => priorities[index] ?? 100 - index;

/** RFC 9568: 3 x interval + skew of the node that takes over. */
export const activeDownMs = (advertMs: number, priority: number): number => 3 * advertMs + ((256 - priority) * advertMs) / 256;
