/**
 * The sending side of one peer: when to dial, what to send next, and what must be sent again. Records are queued until the peer has
 * acknowledged them; when the queue overflows, or the kernel lost events, or the peer has forgotten us, a gap mark and a bulk follow.
 * The state is replaced at every step, except its queue, which belongs to the state and is changed in place. Pure.
 */
import type { Monotonic } from '../system/clock.js';
import type { ControlMessage } from './api.js';
import type { Frame, SequencedFrame } from './frames.js';
import { incompatibility } from './hello.js';
import {
  CONNECT_MS,
  LATE_WAKE_MS,
  MAX_REASON,
  PING_MS,
  RETRY_FIRST_MS,
  RETRY_INCOMPATIBLE_MS,
  RETRY_MAX_MS,
  SILENCE_MS,
} from './limits.js';
import { acknowledge, clear, continues, expire, hasUnsent, hasWordOfHolderAfter, push, type QueueItem, rewind, take } from './out-queue.js';
import {
  type Bulk,
  type Held,
  isLive,
  type SenderEffect,
  type SenderEvent,
  type SenderPhase,
  type SenderState,
  type SenderStep,
} from './sender-state.js';

/** A step in the making: the functions below change `s` and append to `out`. */
interface Draft {
  s: SenderState;
  out: SenderEffect[];
  now: Monotonic;
}

export function stepSender(state: SenderState, event: SenderEvent, now: Monotonic): SenderStep {
  const draft: Draft = { s: { ...state }, out: [], now };
  handle(draft, event);
  return { state: draft.s, effects: draft.out };
}

function handle(draft: Draft, event: SenderEvent): void {
  switch (event.type) {
    case 'start':
      if (draft.s.phase.name === 'stopped') wait(draft, draft.now, 'starting');
      return;
    case 'stop':
      if (isConnected(draft.s)) draft.out.push({ type: 'hangUp' });
      enter(draft, { name: 'stopped' }, 'stopped');
      return;
    case 'dialled':
      draft.s.attempt = 0;
      if (draft.s.phase.name === 'waiting' || draft.s.phase.name === 'incompatible') dial(draft);
      return;
    case 'opened':
      opened(draft);
      return;
    case 'frame':
      heard(draft, event.frame);
      return;
    case 'closed':
      if (isConnected(draft.s)) retry(draft, event.reason);
      return;
    case 'blocked':
      draft.s.isWritable = false;
      return;
    case 'writable':
      draft.s.isWritable = true;
      pump(draft);
      return;
    case 'records':
      records(draft, event.records, event.count);
      return;
    case 'lost':
      breakStream(draft, event.reason);
      return;
    case 'control':
      enqueue(draft, { type: 'control', sequence: 0, message: event.message }, event.expiresAt);
      pump(draft);
      return;
    case 'holding':
      holding(draft, event.held);
      return;
    case 'handOver':
      draft.s.owed = new Set([...draft.s.owed, ...event.slots]);
      breakStream(draft, 'it begins to hold and may lack flows');
      return;
    case 'digests':
      if (!isLive(draft.s)) return;
      enqueue(draft, { type: 'digest', sequence: 0, routers: event.routers });
      pump(draft);
      return;
    case 'chunk':
      chunk(draft, event);
      return;
    case 'tick':
      tick(draft);
      return;
  }
}

const isConnected = ({ phase }: SenderState): boolean =>
  phase.name === 'connecting' || phase.name === 'hello' || phase.name === 'streaming';

const later = (now: Monotonic, ms: number): Monotonic => (now + ms) as Monotonic;
const NEVER = Number.POSITIVE_INFINITY as Monotonic;

function enter(draft: Draft, phase: SenderPhase, reason: string): void {
  draft.s.phase = phase;
  draft.s.reason = reason;
  draft.out.push({ type: 'changed' });
}

function wait(draft: Draft, until: Monotonic, reason: string): void {
  draft.s.isWritable = false;
  enter(draft, { name: 'waiting', until }, reason);
}

function dial(draft: Draft): void {
  draft.s.phase = { name: 'connecting', until: later(draft.now, CONNECT_MS) };
  draft.out.push({ type: 'dial' });
}

/** The stream is gone: dial again, later each time. */
function retry(draft: Draft, reason: string): void {
  const { s } = draft;
  const longest = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** s.attempt);
  s.attempt = Math.min(s.attempt + 1, 16);
  wait(draft, later(draft.now, longest * (0.5 + s.config.random() / 2)), reason);
}

function hangUp(draft: Draft, reason: string): void {
  draft.out.push({ type: 'hangUp' });
  retry(draft, reason);
}

function opened(draft: Draft): void {
  if (draft.s.phase.name !== 'connecting') return;
  draft.s.isWritable = true;
  draft.s.peerHello = null;
  enter(draft, { name: 'hello', until: later(draft.now, CONNECT_MS), isAccepted: false }, 'waiting for the hello');
  draft.out.push({ type: 'send', frame: { type: 'hello', hello: draft.s.config.own } });
}

function tick(draft: Draft): void {
  const { phase } = draft.s;
  const { now } = draft;
  switch (phase.name) {
    case 'waiting':
    case 'incompatible':
      if (now >= phase.until) dial(draft);
      return;
    case 'connecting':
    case 'hello':
      if (now >= phase.until) hangUp(draft, phase.name === 'hello' ? 'no answer to the hello' : 'no connection in time');
      return;
    case 'streaming':
      tickStreaming(draft, phase);
      return;
    case 'stopped':
      return;
  }
}

function tickStreaming(draft: Draft, phase: Extract<SenderPhase, { name: 'streaming' }>): void {
  const { now, s } = draft;
  if (now >= phase.silentAt) {
    if (phase.hasGrace || now - phase.silentAt < LATE_WAKE_MS) {
      hangUp(draft, `silent for ${SILENCE_MS} ms`);
      return;
    }
    s.phase = { ...phase, silentAt: later(now, PING_MS), hasGrace: true };
  }
  if (now >= phase.pingAt) {
    if (s.isWritable) draft.out.push({ type: 'send', frame: { type: 'ping' } });
    if (s.phase.name === 'streaming') s.phase = { ...s.phase, pingAt: later(now, PING_MS) };
  }
}

function heard(draft: Draft, frame: Frame): void {
  const { phase } = draft.s;
  if (phase.name === 'hello') {
    heardHello(draft, phase, frame);
    return;
  }
  if (phase.name !== 'streaming') return;
  draft.s.phase = { ...phase, silentAt: later(draft.now, SILENCE_MS), hasGrace: false };
  switch (frame.type) {
    case 'ack':
      acked(draft, frame.sequence);
      return;
    case 'bulkDone':
      bulkDone(draft, frame.bulk);
      return;
    case 'compared':
      if (draft.s.held.length === 0) return;
      if (draft.s.digestMatch !== frame.matched) draft.out.push({ type: 'changed' });
      draft.s.digestMatch = frame.matched;
      return;
    case 'resync':
      // It ignores everything before the gap mark, so nothing that is on its way will be acknowledged.
      draft.s.sentThrough = draft.s.acked;
      if (draft.s.gap !== null) {
        pump(draft);
        return;
      }
      breakStream(draft, `the peer asked: ${frame.reason}`);
      return;
    case 'refuse':
      refused(draft, `refused by the peer: ${frame.reason}`);
      return;
    default:
      hangUp(draft, `unexpected ${frame.type} from the peer`);
      return;
  }
}

function heardHello(draft: Draft, phase: Extract<SenderPhase, { name: 'hello' }>, frame: Frame): void {
  const { s } = draft;
  if (frame.type === 'refuse') {
    refused(draft, `refused by the peer: ${frame.reason}`);
    return;
  }
  if (frame.type === 'hello' && !phase.isAccepted) {
    const problem = incompatibility(s.config.own, frame.hello, s.config.peer);
    s.peerHello = frame.hello;
    if (problem !== null) {
      refused(draft, problem);
      return;
    }
    s.phase = { ...phase, isAccepted: true };
    return;
  }
  if (frame.type === 'resume' && phase.isAccepted) {
    resume(draft, frame);
    return;
  }
  hangUp(draft, `unexpected ${frame.type} instead of a hello`);
}

function refused(draft: Draft, reason: string): void {
  draft.s.isWritable = false;
  draft.out.push({ type: 'hangUp' });
  enter(draft, { name: 'incompatible', until: later(draft.now, RETRY_INCOMPATIBLE_MS) }, reason);
}

/** The peer has said what it has: go on there if that is possible, else start over. */
function resume(draft: Draft, frame: Extract<Frame, { type: 'resume' }>): void {
  const { s, now } = draft;
  s.attempt = 0;
  enter(draft, { name: 'streaming', silentAt: later(now, SILENCE_MS), pingAt: later(now, PING_MS), hasGrace: false }, 'connected');
  const isKnown = frame.instance === s.config.own.instance;
  const isComplete = frame.complete || s.bulk !== null;
  if (frame.sequence > s.sequence) {
    // This machine went back in time (a restored snapshot): what it numbers from here on must be new to the peer.
    s.gap ??= 'the peer has more than this stream ever sent';
    s.sequence = frame.sequence;
  }
  if (s.gap === null && !(isKnown && isComplete && continues(s.queue, frame.sequence, s.sequence))) {
    s.gap = isKnown ? 'the peer is not complete' : 'the peer does not know this stream';
  }
  // What happened since under another holder must not be overwritten: what is left of our time only fills holes.
  const isFormer = [...s.owed].some((slot) => !s.held.some((router) => router.slot === slot));
  if (isFormer && hasWordOfHolderAfter(s.queue, frame.sequence)) s.gap ??= 'what waited is of a router that was given up since';
  // An order that a stream of before may have lost: whoever gave it has elected itself again, or somebody else has. Overrides are told to
  // every peer that is reached anew, and this one may be an older program by now, which does not know them.
  expire(s.queue, ({ type }) => type === 'takeOver' || type === 'overrides', now);
  if (s.gap !== null) {
    s.sentThrough = s.acked;
    startOver(draft);
    return;
  }
  rewind(s.queue);
  // The receiving daemon forgets what a peer holds when the peer goes away; whoever announces pools does so anew to a peer that is reached
  // again. What waited meanwhile may be the word of a holder that has long given up.
  expire(s.queue, ({ type }) => type === 'holding' || type === 'pools', now);
  enqueue(draft, { type: 'control', sequence: 0, message: holdingMessage(s) });
  acked(draft, frame.sequence);
  if (frame.complete && s.bulk?.stage === 'sent' && frame.sequence >= s.bulk.endSequence) bulkDone(draft, s.bulk.id);
}

function acked(draft: Draft, sequence: number): void {
  const { s } = draft;
  if (sequence > s.sequence) {
    hangUp(draft, 'the peer acknowledged what was never sent');
    return;
  }
  if (sequence > s.acked) {
    s.acked = sequence;
    acknowledge(s.queue, sequence);
    if (s.settlesAt !== null && sequence >= s.settlesAt && isLive(s)) settle(s);
    draft.out.push({ type: 'acked' });
  }
  pump(draft);
}

/** The peer has everything of the routers that were given up. */
function settle(s: SenderState): void {
  s.owed = new Set(s.held.map((router) => router.slot));
  s.settlesAt = null;
}

function bulkDone(draft: Draft, id: number): void {
  const { s } = draft;
  if (s.bulk?.id !== id || s.bulk.stage !== 'sent') return;
  s.bulk = null;
  s.digestMatch = null;
  settle(s);
  s.reason = 'live';
  draft.out.push({ type: 'changed' }, { type: 'acked' });
}

function records(draft: Draft, buffer: Buffer, count: number): void {
  const { s } = draft;
  if (s.gap !== null) return;
  enqueue(draft, { type: 'records', sequence: 0, records: buffer });
  s.recordsSent += count;
  if (s.queue.records > s.config.queueRecords) {
    breakStream(draft, 'the queue overflowed');
    return;
  }
  pump(draft);
}

function holding(draft: Draft, held: Held[]): void {
  const { s } = draft;
  const slots = new Set(held.map((router) => router.slot));
  if (s.held.some((router) => !slots.has(router.slot))) s.settlesAt = s.sequence;
  // Digests speak of routers held: what was found about others is no longer of interest.
  s.digestMatch = null;
  s.held = held;
  s.owed = new Set([...s.owed, ...slots]);
  if (s.bulk !== null) s.bulk = { ...s.bulk, held: s.bulk.held.filter((router) => slots.has(router.slot)) };
  if (s.gap !== null) return;
  enqueue(draft, { type: 'control', sequence: 0, message: holdingMessage(s) });
  pump(draft);
}

const holdingMessage = (s: SenderState): ControlMessage => ({ type: 'holding', routers: s.held.map((router) => router.name) });

/** Records were lost on the way: nothing of the queue is of use any more, a bulk replaces it. */
function breakStream(draft: Draft, reason: string): void {
  const { s } = draft;
  if (s.gap !== null) return;
  s.gap = reason;
  s.gaps += 1;
  s.bulk = null;
  s.settlesAt = null;
  s.reason = reason;
  for (const item of clear(s.queue)) push(s.queue, item);
  draft.out.push({ type: 'changed' });
  pump(draft);
}

/** Gap mark, what the peer must know first, then the table. */
function startOver(draft: Draft): void {
  const { s } = draft;
  const reason = (s.gap ?? 'new stream').slice(0, MAX_REASON);
  const kept = clear(s.queue);
  s.gap = null;
  s.digestMatch = null;
  s.settlesAt = null;
  s.resyncs += 1;
  s.bulks += 1;
  enqueue(draft, { type: 'gap', sequence: 0, reason });
  enqueue(draft, { type: 'control', sequence: 0, message: holdingMessage(s) });
  for (const item of kept) {
    if (item.frame.type === 'control' && item.frame.message.type !== 'holding') enqueue(draft, item.frame, item.expiresAt);
  }
  enqueue(draft, { type: 'bulkBegin', sequence: 0, bulk: s.bulks });
  s.bulk = { id: s.bulks, cursor: null, index: 0, held: s.held, stage: 'reading', endSequence: 0 };
  s.reason = `bulk: ${reason}`;
  if (s.owed.size === 0) endBulk(draft, s.bulk);
  draft.out.push({ type: 'changed' });
  pump(draft);
}

function chunk(draft: Draft, event: Extract<SenderEvent, { type: 'chunk' }>): void {
  const { s } = draft;
  const { bulk } = s;
  if (bulk === null || bulk.id !== event.bulk || bulk.stage !== 'chunkAsked') return;
  let { index } = bulk;
  for (const { mode, records } of event.parts) {
    enqueue(draft, { type: 'bulkChunk', sequence: 0, bulk: bulk.id, index, mode, records });
    index += 1;
  }
  s.bulk = { ...bulk, index, cursor: event.cursor, stage: 'reading' };
  if (event.cursor === null) endBulk(draft, s.bulk);
  pump(draft);
}

function endBulk(draft: Draft, bulk: Bulk): void {
  const routers = bulk.held.map((router) => router.name);
  enqueue(draft, { type: 'bulkEnd', sequence: 0, bulk: bulk.id, chunks: bulk.index, routers });
  draft.s.bulk = { ...bulk, stage: 'sent', endSequence: draft.s.sequence };
}

function enqueue(draft: Draft, frame: SequencedFrame, expiresAt: Monotonic = NEVER): void {
  const { s } = draft;
  s.sequence += 1;
  push(s.queue, { frame: { ...frame, sequence: s.sequence }, at: draft.now, expiresAt });
}

/** Sends what may be sent, and asks for the next piece of the table when there is room for it. */
function pump(draft: Draft): void {
  const { s, out } = draft;
  if (s.phase.name !== 'streaming' || !s.isWritable) return;
  if (s.gap !== null) {
    if (s.acked >= s.sentThrough) startOver(draft);
    return;
  }
  let hasSent = false;
  while (s.queue.bytesInFlight < s.config.windowBytes) {
    const item = take(s.queue);
    if (item === undefined) break;
    out.push({ type: 'send', frame: wanted(item, draft.now) });
    s.sentThrough = item.frame.sequence;
    hasSent = true;
  }
  if (hasSent) s.phase = { ...s.phase, pingAt: later(draft.now, PING_MS) };
  if (s.bulk?.stage === 'reading' && !hasUnsent(s.queue) && s.queue.bytesInFlight < s.config.windowBytes) askChunk(draft, s.bulk);
}

const wanted = (item: QueueItem, now: Monotonic): SequencedFrame =>
  now < item.expiresAt ? item.frame : { type: 'skip', sequence: item.frame.sequence };

function askChunk(draft: Draft, bulk: Bulk): void {
  const { s } = draft;
  s.bulk = { ...bulk, stage: 'chunkAsked' };
  const isHeld = new Set(s.held.map((router) => router.slot));
  const merge = new Set([...s.owed].filter((slot) => !isHeld.has(slot)));
  draft.out.push({ type: 'readChunk', bulk: bulk.id, cursor: bulk.cursor, slots: { bulk: isHeld, merge } });
}
