/** State, events and effects of the machine in sender.ts. Pure. */
import type { Monotonic } from '../system/clock.js';
import type { ControlMessage } from './api.js';
import type { ChunkMode, Frame, Hello, RouterDigest } from './frames.js';
import { emptyQueue, type OutQueue } from './out-queue.js';

export interface Held {
  slot: number;
  name: string;
}

export type SenderPhase =
  | { name: 'stopped' }
  | { name: 'waiting'; until: Monotonic }
  | { name: 'connecting'; until: Monotonic }
  | { name: 'hello'; until: Monotonic; isAccepted: boolean }
  | { name: 'streaming'; silentAt: Monotonic; pingAt: Monotonic; hasGrace: boolean }
  | { name: 'incompatible'; until: Monotonic };

export interface Bulk {
  id: number;
  cursor: Buffer | null;
  /** Index of the next chunk. */
  index: number;
  /** Routers held from the beginning on. */
  held: Held[];
  stage: 'reading' | 'chunkAsked' | 'sent';
  /** Number of its last frame; 0 before that was given. */
  endSequence: number;
}

export interface SenderConfig {
  own: Hello;
  peer: string;
  /** Live records queued before a gap is declared. */
  queueRecords: number;
  /** Bytes sent and not yet acknowledged. */
  windowBytes: number;
  /** 0 (inclusive) to 1: spreads reconnects. */
  random: () => number;
}

export interface SenderState {
  config: SenderConfig;
  phase: SenderPhase;
  /** Why it is in this phase, for people. */
  reason: string;
  attempt: number;
  peerHello: Hello | null;
  queue: OutQueue;
  /** Last number given. */
  sequence: number;
  acked: number;
  /** Last number sent on any stream. */
  sentThrough: number;
  isWritable: boolean;
  /** Why the stream cannot simply go on; live records are not queued then, the coming bulk contains them. */
  gap: string | null;
  bulk: Bulk | null;
  bulks: number;
  held: Held[];
  /** Slots of routers held since the peer last had everything of ours, or to be handed over for another reason. */
  owed: ReadonlySet<number>;
  /** When this is acknowledged, only the routers held now are owed. */
  settlesAt: number | null;
  digestMatch: boolean | null;
  gaps: number;
  resyncs: number;
  recordsSent: number;
}

export interface ChunkPart {
  mode: ChunkMode;
  records: Buffer;
}

export type SenderEvent =
  | { type: 'start' }
  | { type: 'stop' }
  /** The peer has dialled us and was accepted: it is there, and can be talked to. */
  | { type: 'dialled' }
  | { type: 'opened' }
  | { type: 'frame'; frame: Frame }
  | { type: 'closed'; reason: string }
  | { type: 'blocked' }
  | { type: 'writable' }
  | { type: 'records'; records: Buffer; count: number }
  /** Our table changed in a way that no record told of. */
  | { type: 'lost'; reason: string }
  | { type: 'control'; message: ControlMessage; expiresAt: Monotonic }
  | { type: 'holding'; held: Held[] }
  /** The peer has begun to hold these, and may lack what is here. */
  | { type: 'handOver'; slots: number[] }
  | { type: 'digests'; routers: RouterDigest[] }
  | { type: 'chunk'; bulk: number; parts: ChunkPart[]; cursor: Buffer | null }
  | { type: 'tick' };

export type SenderEffect =
  | { type: 'dial' }
  | { type: 'hangUp' }
  | { type: 'send'; frame: Frame }
  /** Answer with a chunk event. `bulk` and `merge` are slots; records of other routers are left out. */
  | { type: 'readChunk'; bulk: number; cursor: Buffer | null; slots: { bulk: ReadonlySet<number>; merge: ReadonlySet<number> } }
  | { type: 'acked' }
  | { type: 'changed' };

export interface SenderStep {
  state: SenderState;
  effects: SenderEffect[];
}

export const initialSender = (config: SenderConfig): SenderState => ({
  config,
  phase: { name: 'stopped' },
  reason: 'not started',
  attempt: 0,
  peerHello: null,
  queue: emptyQueue(),
  sequence: 0,
  acked: 0,
  sentThrough: 0,
  isWritable: false,
  gap: 'new stream',
  bulk: null,
  bulks: 0,
  held: [],
  owed: new Set(),
  settlesAt: null,
  digestMatch: null,
  gaps: 0,
  resyncs: 0,
  recordsSent: 0,
});

export function senderDeadline(state: SenderState): Monotonic | null {
  const { phase } = state;
  switch (phase.name) {
    case 'stopped':
      return null;
    case 'streaming':
      return Math.min(phase.silentAt, phase.pingAt) as Monotonic;
    default:
      return phase.until;
  }
}

/** The peer has everything, but for what is on its way. */
export const isLive = (state: SenderState): boolean => state.phase.name === 'streaming' && state.gap === null && state.bulk === null;
