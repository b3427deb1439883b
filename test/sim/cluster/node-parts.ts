/** What a simulated machine is made of, and what it tells the world around it. */
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';
import type { Datagram } from './beat-peers.js';
import type { FlowRecord } from './flow-table.js';
import type { Mutant } from './mutants.js';
import type { Shape } from './shape.js';
import type { StreamNetwork } from './streams.js';

export interface Transition {
  at: number;
  to: string;
  reason: string;
}

export interface Span {
  from: number;
  to: number;
}

export interface NodeHooks {
  sendVrrp(from: number, packet: Buffer, destination: string): void;
  announce(from: number): void;
  echo(from: number): void;
  /** Another that leads since before this one, and is known here to do so. */
  isLedByStale(node: number): boolean;
  /** A node does not pre-empt before this. */
  onGivesWay(until: number): void;
  /** False: the kernel refused. */
  sendBeat(from: number, to: number, beat: Datagram, at: number): boolean;
  /** How long the reference takes to answer; null: it does not. */
  ping(from: number): number | null;
  onPut(node: number, flow: number, record: FlowRecord): void;
  onRemove(node: number, flow: number, cause: 'packet' | 'delete' | 'purge'): void;
  /** The table is not what it was: everything this node had may be gone. */
  onTableLost(node: number): void;
  newGeneration(): number;
  isServerUp(server: number): boolean;
  streams(): StreamNetwork;
  note(node: number, text: string, at: number): void;
}

export interface NodeParts {
  index: number;
  shape: Shape;
  agenda: Agenda;
  random: Random;
  mutant: Mutant | null;
  hooks: NodeHooks;
}
