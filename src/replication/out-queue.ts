/**
 * What was sent to one peer and is not yet acknowledged, and what waits to be sent, in order of sequence. It has one owner, which
 * changes it in place: it may hold hundreds of thousands of records and is touched for every batch. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import type { ControlMessage } from './api.js';
import type { SequencedFrame } from './frames.js';
import { RECORD_BYTES } from './limits.js';

export interface QueueItem {
  frame: SequencedFrame;
  /** When the peer should have had it at best: for the lag. */
  at: Monotonic;
  /** A control message is of no use after this. */
  expiresAt: Monotonic;
}

/** Acknowledged items at the front are cut off when there are this many. */
const COMPACT_AT = 512;

export interface OutQueue {
  items: QueueItem[];
  /** Index of the oldest item that is not acknowledged. */
  head: number;
  /** Index of the first item that was not sent on the current stream. */
  next: number;
  /** Live records waiting for their acknowledgement. */
  records: number;
  /** Bytes sent on the current stream and not acknowledged. */
  bytesInFlight: number;
}

export const emptyQueue = (): OutQueue => ({ items: [], head: 0, next: 0, records: 0, bytesInFlight: 0 });

export const recordCount = (frame: SequencedFrame): number => (frame.type === 'records' ? frame.records.length / RECORD_BYTES : 0);

const frameBytes = (frame: SequencedFrame): number => ('records' in frame ? frame.records.length : 64);

export function push(queue: OutQueue, item: QueueItem): void {
  queue.items.push(item);
  queue.records += recordCount(item.frame);
}

export const hasUnsent = (queue: OutQueue): boolean => queue.next < queue.items.length;

export const oldest = (queue: OutQueue): QueueItem | undefined => queue.items[queue.head];

/** The next item to send; counts it as in flight. */
export function take(queue: OutQueue): QueueItem | undefined {
  const item = queue.items[queue.next];
  if (item === undefined) return undefined;
  queue.next += 1;
  queue.bytesInFlight += frameBytes(item.frame);
  return item;
}

/** Forgets everything up to and including `sequence`. */
export function acknowledge(queue: OutQueue, sequence: number): void {
  for (;;) {
    const item = queue.items[queue.head];
    if (item === undefined || item.frame.sequence > sequence) break;
    queue.records -= recordCount(item.frame);
    if (queue.head < queue.next) queue.bytesInFlight -= frameBytes(item.frame);
    queue.head += 1;
  }
  if (queue.next < queue.head) queue.next = queue.head;
  if (queue.head >= COMPACT_AT || queue.head === queue.items.length) {
    queue.items.splice(0, queue.head);
    queue.next -= queue.head;
    queue.head = 0;
  }
}

/** A new stream: everything that is not acknowledged is sent again. */
export function rewind(queue: OutQueue): void {
  queue.next = queue.head;
  queue.bytesInFlight = 0;
}

/** Control messages that are of no use any more: their numbers are sent, not what they say. */
export function expire(queue: OutQueue, isStale: (message: ControlMessage) => boolean, now: Monotonic): void {
  for (const item of queue.items.slice(queue.head)) {
    if (item.frame.type === 'control' && isStale(item.frame.message)) item.expiresAt = now;
  }
}

/** True when a receiver that has everything up to `sequence` can go on with this queue. */
export function continues(queue: OutQueue, sequence: number, lastGiven: number): boolean {
  const first = queue.items[queue.head];
  if (first === undefined) return sequence === lastGiven;
  if (first.frame.type === 'gap') return sequence <= lastGiven;
  return sequence >= first.frame.sequence - 1 && sequence <= lastGiven;
}

/** What overwrites other records at the receiver: live ones, and those of a bulk that was read under a lease. */
const isWordOfHolder = (frame: SequencedFrame): boolean =>
  frame.type === 'records' || (frame.type === 'bulkChunk' && frame.mode === 'bulk');

export const hasWordOfHolderAfter = (queue: OutQueue, sequence: number): boolean =>
  queue.items.slice(queue.head).some(({ frame }) => frame.sequence > sequence && isWordOfHolder(frame));

/** Empties the queue; control messages that were not acknowledged are handed back in order. */
export function clear(queue: OutQueue): QueueItem[] {
  const kept = queue.items.slice(queue.head).filter((item) => item.frame.type === 'control');
  queue.items = [];
  queue.head = 0;
  queue.next = 0;
  queue.records = 0;
  queue.bytesInFlight = 0;
  return kept;
}
