/** State, events and effects of the machine in receiver.ts. Pure. */
import type { ApplyMode } from '../l4/native.js';
import type { Monotonic } from '../system/clock.js';
import type { ControlMessage } from './api.js';
import type { Frame, Hello, RouterDigest } from './frames.js';
import { DIGEST_MISMATCHES, EPOCH_COUNT } from './limits.js';

export interface ReceiverConfig {
  own: Hello;
  /** Epochs of different peers never meet: each takes every `epochStride`-th. */
  epochStart: number;
  epochStride: number;
  /** This node held until lately, and what its process knew of the sender is gone with it. */
  isFormerHolder: boolean;
}

export interface Purge {
  bulk: number;
  epoch: number;
  routers: string[];
}

export interface ReceiverState {
  config: ReceiverConfig;
  phase: { name: 'absent' } | { name: 'streaming'; silentAt: Monotonic; hasGrace: boolean };
  reason: string;
  /** Of the sender whose records were applied last. */
  instance: string | null;
  /** Last number applied. */
  applied: number;
  /** Everything up to `applied` is here: a bulk ended and its purge is done. */
  isComplete: boolean;
  /** The sender was asked to start over; everything before its gap mark is ignored. */
  awaitsGap: boolean;
  bulk: { id: number; nextIndex: number } | null;
  bulks: number;
  epoch: number;
  purge: Purge | null;
  /** Routers that the sender says it holds. */
  senderHolds: string[];
  /** The same, over its restarts; null: it has never said so. */
  lastHolds: string[] | null;
  /** It has begun to hold, or we have ceased to, or another has held, since the two tables were last known to be equal: what it lacks it
   *  may never have had. */
  isSuccessor: boolean;
  /** Routers that others held as far as is known here, before this sender ever said what it holds. */
  heldElsewhere: string[];
  /**
   * A bulk of such a sender has ended: it gets what it did not name, and sends its table once more, before anything is purged. Once under
   * way that happens only once, whatever comes of its stream meanwhile: with each hand-over it gets anew what has ended there since the
   * last one. `purge`: of the bulk that ended last.
   */
  handOver: { until: Monotonic; purge: Purge | null; isUnderWay: boolean } | null;
  /** Its last bulk only filled holes, because we said that we hold the same: what both have may differ. */
  hasOnlyFilled: boolean;
  /** Routers that this node holds. */
  ownHolds: string[];
  ackedAt: Monotonic;
  ackDueAt: Monotonic | null;
  mismatches: number;
  /** The last comparison since the last bulk was a match. */
  hasMatched: boolean;
  digestResyncAt: Monotonic;
  recordsReceived: number;
  gaps: number;
}

export type ReceiverEvent =
  | { type: 'opened'; hello: Hello }
  | { type: 'frame'; frame: Frame }
  | { type: 'closed'; reason: string }
  | { type: 'holding'; routers: string[] }
  /** Another peer has begun or ceased to hold these, or has told what it had of them: that may be new to this sender. */
  | { type: 'heldElsewhere'; routers: string[] }
  /** What is here may be old, whatever the numbers say: it is had anew before anybody relies on it. */
  | { type: 'distrust'; reason: string }
  | { type: 'purged'; epoch: number }
  /** What was here of the routers of a `handOver` is at the sender, too. */
  | { type: 'handedOver' }
  /** Nothing is here that the bulk before the `handOver` did not name. */
  | { type: 'allNamed'; epoch: number }
  /** Something is, and is being sent. */
  | { type: 'handingOver'; epoch: number }
  /** Answer to `compare`; null when the digests say nothing just now. */
  | { type: 'compared'; matched: boolean | null }
  | { type: 'tick' };

export type ReceiverEffect =
  | { type: 'send'; frame: Frame }
  | { type: 'hangUp' }
  | { type: 'apply'; records: Buffer; mode: ApplyMode; epoch: number }
  | { type: 'purge'; epoch: number; routers: string[] }
  /** Answer with `allNamed`, or with `handingOver` and then `handedOver`. */
  | { type: 'handOver'; epoch: number; routers: string[] }
  | { type: 'control'; message: ControlMessage }
  | { type: 'compare'; routers: RouterDigest[] }
  /** The sender has begun or ceased to hold these: others may not know what it told or will tell. */
  | { type: 'held'; routers: string[] }
  | { type: 'changed' };

export interface ReceiverStep {
  state: ReceiverState;
  effects: ReceiverEffect[];
}

export const initialReceiver = (config: ReceiverConfig): ReceiverState => ({
  config,
  phase: { name: 'absent' },
  reason: 'not connected',
  instance: null,
  applied: 0,
  isComplete: false,
  awaitsGap: false,
  bulk: null,
  bulks: 0,
  epoch: epochOf(config, 0),
  purge: null,
  senderHolds: [],
  lastHolds: null,
  isSuccessor: config.isFormerHolder,
  heldElsewhere: [],
  handOver: null,
  hasOnlyFilled: false,
  ownHolds: [],
  ackedAt: Number.NEGATIVE_INFINITY as Monotonic,
  ackDueAt: null,
  mismatches: 0,
  hasMatched: false,
  digestResyncAt: Number.NEGATIVE_INFINITY as Monotonic,
  recordsReceived: 0,
  gaps: 0,
});

/** 1 to EPOCH_COUNT: 0 means "born here". */
export const epochOf = (config: ReceiverConfig, bulks: number): number =>
  ((config.epochStart + bulks * config.epochStride) % EPOCH_COUNT) + 1;

export function receiverDeadline({ phase, ackDueAt, handOver }: ReceiverState): Monotonic | null {
  if (phase.name === 'absent') return null;
  return Math.min(ackDueAt ?? phase.silentAt, handOver?.until ?? phase.silentAt, phase.silentAt) as Monotonic;
}

/** Everything the peer has sent us is here, and nothing says that it differs. */
export const isReceivedInSync = (state: ReceiverState): boolean =>
  state.phase.name === 'streaming' && state.isComplete && state.mismatches < DIGEST_MISMATCHES;
