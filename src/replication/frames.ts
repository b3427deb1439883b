/**
 * The frames of the replication stream, as data. The dialling side sends the sequenced ones, in order; the accepting side answers.
 * Types only.
 */
import type { ControlMessage } from './api.js';

/** First frame in both directions. */
export interface Hello {
  versionMin: number;
  versionMax: number;
  capabilities: number;
  node: string;
  cluster: string;
  configDigest: string;
  /** Random per process: a peer with another instance has forgotten everything. */
  instance: string;
  /** Version of the shared layout and size of one record. */
  abi: number;
  recordBytes: number;
  byteOrder: 'little' | 'big';
  /** Of the software; for people. */
  software: string;
}

export interface RouterDigest {
  router: string;
  /** 16 hex digits. */
  digest: string;
  flows: number;
}

/** How a chunk of the table is applied: the holder's word counts, a former holder's only fills holes. */
export type ChunkMode = 'bulk' | 'merge';

/** Numbered without holes; only a gap mark may skip numbers. */
export type SequencedFrame =
  | { type: 'records'; sequence: number; records: Buffer }
  | { type: 'control'; sequence: number; message: ControlMessage }
  /** Stands for a control message that is no longer wanted. */
  | { type: 'skip'; sequence: number }
  /** Everything between the last frame and this one is lost; a bulk follows. */
  | { type: 'gap'; sequence: number; reason: string }
  | { type: 'bulkBegin'; sequence: number; bulk: number }
  | { type: 'bulkChunk'; sequence: number; bulk: number; index: number; mode: ChunkMode; records: Buffer }
  /** `routers`: those the sender held during the whole bulk; the receiver drops their records that were not confirmed. */
  | { type: 'bulkEnd'; sequence: number; bulk: number; chunks: number; routers: string[] }
  /** The sender's digests after everything before this frame. */
  | { type: 'digest'; sequence: number; routers: RouterDigest[] };

export type Frame =
  | SequencedFrame
  | { type: 'hello'; hello: Hello }
  | { type: 'ping' }
  /** Answer to a hello: what the receiver has of the named instance of the sender. */
  | { type: 'resume'; instance: string; sequence: number; complete: boolean }
  /** Everything up to and including `sequence` was applied. */
  | { type: 'ack'; sequence: number }
  /** The bulk was applied and the table was purged of what it did not confirm. */
  | { type: 'bulkDone'; bulk: number }
  | { type: 'compared'; matched: boolean }
  /** The receiver asks for a gap mark and a bulk. */
  | { type: 'resync'; reason: string }
  /** The receiver does not talk to this peer. */
  | { type: 'refuse'; reason: string };

export type FrameType = Frame['type'];

export type DecodeReason =
  | 'short'
  | 'long'
  | 'unknownType'
  | 'badReserved'
  | 'badLength'
  | 'badSequence'
  | 'badFlags'
  | 'badRecords'
  | 'badJson'
  | 'badShape';

export type Decoded = { ok: true; frame: Frame } | { ok: false; reason: DecodeReason };

export const isSequenced = (frame: Frame): frame is SequencedFrame =>
  'sequence' in frame && frame.type !== 'ack' && frame.type !== 'resume';
