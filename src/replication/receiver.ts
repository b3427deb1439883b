/**
 * The receiving side of one peer: what of its stream was applied, whether it is complete, and what to answer. It outlives streams, so
 * that a sender that reconnects goes on where it was. A hole in the sequence is never applied over: the sender is asked to start over. Pure.
 */

import type { Monotonic } from '../system/clock.js';
import type { Frame, Hello, SequencedFrame } from './frames.js';
import { isSequenced } from './frames.js';
import {
  ACK_DELAY_MS,
  DIGEST_MISMATCHES,
  DIGEST_RESYNC_GAP_MS,
  HAND_OVER_MS,
  LATE_WAKE_MS,
  MAX_REASON,
  PING_MS,
  RECORD_BYTES,
  SILENCE_MS,
} from './limits.js';
import { epochOf, type Purge, type ReceiverEffect, type ReceiverEvent, type ReceiverState, type ReceiverStep } from './receiver-state.js';

interface Draft {
  s: ReceiverState;
  out: ReceiverEffect[];
  now: Monotonic;
}

export function stepReceiver(state: ReceiverState, event: ReceiverEvent, now: Monotonic): ReceiverStep {
  const draft: Draft = { s: { ...state }, out: [], now };
  handle(draft, event);
  return { state: draft.s, effects: draft.out };
}

function handle(draft: Draft, event: ReceiverEvent): void {
  const { s } = draft;
  switch (event.type) {
    case 'opened':
      opened(draft, event.hello);
      return;
    case 'frame':
      heard(draft, event.frame);
      return;
    case 'closed':
      absent(draft, event.reason);
      return;
    case 'holding':
      // What came last under our lease may still be on its way to whoever holds now.
      if (s.ownHolds.some((router) => !event.routers.includes(router))) s.isSuccessor = true;
      s.ownHolds = event.routers;
      askForWhole(draft);
      return;
    case 'heldElsewhere':
      heldElsewhere(s, event.routers);
      return;
    case 'distrust':
      distrust(draft, event.reason);
      return;
    case 'purged':
      purged(draft, event.epoch);
      return;
    case 'handedOver':
      handedOver(draft);
      return;
    case 'handingOver':
      if (s.handOver?.purge?.epoch === event.epoch) s.handOver = { ...s.handOver, isUnderWay: true };
      return;
    case 'allNamed':
      if (s.handOver?.purge?.epoch === event.epoch) endHandOver(draft);
      return;
    case 'compared':
      compared(draft, event.matched);
      return;
    case 'tick':
      tick(draft);
      return;
  }
}

const later = (now: Monotonic, ms: number): Monotonic => (now + ms) as Monotonic;

function absent(draft: Draft, reason: string): void {
  if (draft.s.phase.name === 'absent') return;
  draft.s.phase = { name: 'absent' };
  draft.s.ackDueAt = null;
  draft.s.reason = reason;
  tellHeld(draft, draft.s.senderHolds);
  draft.out.push({ type: 'changed' });
}

/** The shell has checked the hello: say what is here of that sender. */
function opened(draft: Draft, hello: Hello): void {
  const { s, out, now } = draft;
  // A resync that was asked for on a stream that broke may not have arrived: from nothing, the sender cannot but start over.
  if (hello.instance !== s.instance || s.awaitsGap) forget(s, hello.instance);
  s.phase = { name: 'streaming', silentAt: later(now, SILENCE_MS), hasGrace: false };
  s.reason = 'connected';
  s.ackDueAt = null;
  s.awaitsGap = false;
  out.push(
    { type: 'send', frame: { type: 'hello', hello: s.config.own } },
    { type: 'send', frame: { type: 'resume', instance: hello.instance, sequence: s.applied, complete: s.isComplete } },
    { type: 'changed' },
  );
}

function forget(s: ReceiverState, instance: string | null): void {
  s.instance = instance;
  s.applied = 0;
  dropBulk(s);
  s.handOver = null;
  s.hasOnlyFilled = false;
  s.mismatches = 0;
  s.hasMatched = false;
  s.senderHolds = [];
}

/** What was sent so far makes no table; the end of a purge under way must not make it complete, either. */
function dropBulk(s: ReceiverState): void {
  s.isComplete = false;
  s.bulk = null;
  s.purge = null;
  if (s.handOver !== null) s.handOver = s.handOver.isUnderWay ? { ...s.handOver, purge: null } : null;
}

function tick(draft: Draft): void {
  const { s, now } = draft;
  if (s.phase.name === 'absent') return;
  if (s.ackDueAt !== null && now >= s.ackDueAt) sendAck(draft);
  if (s.handOver !== null && now >= s.handOver.until) endHandOver(draft);
  if (now < s.phase.silentAt) return;
  if (s.phase.hasGrace || now - s.phase.silentAt < LATE_WAKE_MS) {
    drop(draft, `silent for ${SILENCE_MS} ms`);
    return;
  }
  s.phase = { ...s.phase, silentAt: later(now, PING_MS), hasGrace: true };
}

function drop(draft: Draft, reason: string): void {
  draft.out.push({ type: 'hangUp' });
  absent(draft, reason);
}

function heard(draft: Draft, frame: Frame): void {
  const { s, now } = draft;
  if (s.phase.name === 'absent') return;
  s.phase = { name: 'streaming', silentAt: later(now, SILENCE_MS), hasGrace: false };
  if (frame.type === 'ping') {
    sendAck(draft);
    return;
  }
  if (!isSequenced(frame)) {
    drop(draft, `unexpected ${frame.type} from the peer`);
    return;
  }
  if (frame.type === 'gap') {
    gap(draft, frame);
    return;
  }
  if (s.awaitsGap) return;
  if (frame.sequence <= s.applied) {
    oweAck(draft);
    return;
  }
  if (frame.sequence !== s.applied + 1) {
    askResync(draft, `frame ${frame.sequence} came after ${s.applied}`);
    return;
  }
  if (!apply(draft, frame)) return;
  s.applied = frame.sequence;
  oweAck(draft);
}

function gap(draft: Draft, frame: Extract<SequencedFrame, { type: 'gap' }>): void {
  const { s } = draft;
  if (frame.sequence <= s.applied) {
    oweAck(draft);
    return;
  }
  s.applied = frame.sequence;
  s.gaps += 1;
  s.awaitsGap = false;
  dropBulk(s);
  s.hasOnlyFilled = false;
  s.mismatches = 0;
  s.hasMatched = false;
  s.reason = frame.reason;
  draft.out.push({ type: 'changed' });
  oweAck(draft);
}

/** False when the frame makes no sense here; then nothing was applied. */
function apply(draft: Draft, frame: Exclude<SequencedFrame, { type: 'gap' }>): boolean {
  const { s, out } = draft;
  switch (frame.type) {
    case 'records':
      out.push({ type: 'apply', records: frame.records, mode: 'live', epoch: s.epoch });
      s.recordsReceived += frame.records.length / RECORD_BYTES;
      return true;
    case 'control':
      out.push({ type: 'control', message: frame.message });
      if (frame.message.type === 'holding') {
        senderHolds(draft, frame.message.routers);
        askForWhole(draft);
      }
      return true;
    case 'skip':
      return true;
    case 'bulkBegin':
      s.bulks += 1;
      s.epoch = epochOf(s.config, s.bulks);
      s.bulk = { id: frame.bulk, nextIndex: 0 };
      s.hasOnlyFilled = false;
      return true;
    case 'bulkChunk':
      return applyChunk(draft, frame);
    case 'bulkEnd':
      return endBulk(draft, frame);
    case 'digest':
      if (s.isComplete) out.push({ type: 'compare', routers: frame.routers });
      return true;
  }
}

function senderHolds(draft: Draft, routers: string[]): void {
  const { s } = draft;
  const { lastHolds, heldElsewhere } = s;
  const hasBegun = (router: string): boolean => (lastHolds === null ? heldElsewhere.includes(router) : !lastHolds.includes(router));
  if (routers.some(hasBegun)) s.isSuccessor = true;
  tellHeld(draft, [
    ...s.senderHolds.filter((router) => !routers.includes(router)),
    ...routers.filter((router) => !s.senderHolds.includes(router)),
  ]);
  s.lastHolds = routers;
  s.senderHolds = routers;
  s.mismatches = 0;
  s.hasMatched = false;
}

function tellHeld(draft: Draft, routers: string[]): void {
  if (routers.length > 0) draft.out.push({ type: 'held', routers });
}

/** Of two that held, each lacks what only the other one was told; and one that was never heard before may have held by itself for long. */
function heldElsewhere(s: ReceiverState, routers: string[]): void {
  if (s.lastHolds === null) s.heldElsewhere = [...new Set([...s.heldElsewhere, ...routers])];
  else if (s.lastHolds.some((router) => routers.includes(router))) s.isSuccessor = true;
}

function applyChunk(draft: Draft, frame: Extract<SequencedFrame, { type: 'bulkChunk' }>): boolean {
  const { s, out } = draft;
  if (s.bulk?.id !== frame.bulk || s.bulk.nextIndex !== frame.index) {
    askResync(draft, `chunk ${frame.index} of bulk ${frame.bulk} is not the next one`);
    return false;
  }
  // Two nodes that both believe to be holder: the other's table only fills holes until one of them yields.
  const mode = conflicts(s, s.senderHolds) ? 'merge' : frame.mode;
  if (mode !== frame.mode) s.hasOnlyFilled = true;
  out.push({ type: 'apply', records: frame.records, mode, epoch: s.epoch });
  s.recordsReceived += frame.records.length / RECORD_BYTES;
  s.bulk = { id: frame.bulk, nextIndex: frame.index + 1 };
  return true;
}

const conflicts = (s: ReceiverState, routers: string[]): boolean => routers.some((router) => s.ownHolds.includes(router));

/** We have yielded to it: now its word counts where the two tables differ. */
function askForWhole(draft: Draft): void {
  const { s } = draft;
  if (!s.hasOnlyFilled || s.senderHolds.length === 0 || conflicts(s, s.senderHolds)) return;
  s.hasOnlyFilled = false;
  askResync(draft, 'its table only filled holes while both held');
}

function endBulk(draft: Draft, frame: Extract<SequencedFrame, { type: 'bulkEnd' }>): boolean {
  const { s, out, now } = draft;
  if (s.bulk?.id !== frame.bulk || s.bulk.nextIndex !== frame.chunks) {
    askResync(draft, `bulk ${frame.bulk} ended after ${frame.chunks} chunks, ${s.bulk?.nextIndex ?? 0} were seen`);
    return false;
  }
  s.bulk = null;
  const purge: Purge = { bulk: frame.bulk, epoch: s.epoch, routers: frame.routers };
  const foreign = frame.routers.filter((router) => !s.ownHolds.includes(router));
  if (s.handOver?.isUnderWay) s.handOver = { ...s.handOver, purge };
  else if (s.isSuccessor && foreign.length > 0) {
    s.handOver = { until: later(now, HAND_OVER_MS), purge, isUnderWay: false };
    s.reason = 'handing over what the new holder may lack';
    out.push({ type: 'handOver', epoch: s.epoch, routers: foreign }, { type: 'changed' });
  } else startPurge(draft, purge);
  return true;
}

function startPurge(draft: Draft, purge: Purge): void {
  draft.s.purge = purge;
  draft.out.push({ type: 'purge', epoch: purge.epoch, routers: purge.routers });
}

/** All was named, or the sender cannot be reached or takes too long: its table is the one that counts. */
function endHandOver(draft: Draft): void {
  const { s } = draft;
  const purge = s.handOver?.purge ?? null;
  s.handOver = null;
  s.isSuccessor = false;
  if (purge !== null) startPurge(draft, purge);
}

/** What was read of the sender's table before it had what it now has is no reason to purge; what is read next is. Without a stream the
 *  question is in vain, and the next hello asks it. */
function handedOver(draft: Draft): void {
  const { s } = draft;
  if (s.handOver === null) return;
  s.handOver = null;
  s.isSuccessor = false;
  askResync(draft, 'it was handed over what it may have lacked');
}

function purged(draft: Draft, epoch: number): void {
  const { s, out } = draft;
  if (s.purge?.epoch !== epoch) return;
  const { bulk, routers } = s.purge;
  s.purge = null;
  s.isComplete = true;
  if (routers.some((router) => !s.ownHolds.includes(router))) s.isSuccessor = false;
  s.reason = 'complete';
  if (s.phase.name === 'streaming') out.push({ type: 'send', frame: { type: 'bulkDone', bulk } });
  out.push({ type: 'changed' });
}

function compared(draft: Draft, matched: boolean | null): void {
  const { s, out, now } = draft;
  if (matched === null || s.phase.name === 'absent' || !s.isComplete) return;
  const before = s.mismatches;
  s.mismatches = matched ? 0 : before + 1;
  s.hasMatched = matched;
  if (matched) s.isSuccessor = false;
  out.push({ type: 'send', frame: { type: 'compared', matched } });
  if (isMismatch(before) !== isMismatch(s.mismatches)) out.push({ type: 'changed' });
  if (!isMismatch(s.mismatches) || now < s.digestResyncAt) return;
  s.digestResyncAt = later(now, DIGEST_RESYNC_GAP_MS);
  askResync(draft, `the digests differed ${s.mismatches} times in a row`);
}

const isMismatch = (mismatches: number): boolean => mismatches >= DIGEST_MISMATCHES;

function askResync(draft: Draft, reason: string): void {
  const { s, out } = draft;
  s.awaitsGap = true;
  dropBulk(s);
  s.reason = reason;
  out.push({ type: 'send', frame: { type: 'resync', reason: reason.slice(0, MAX_REASON) } }, { type: 'changed' });
}

function distrust(draft: Draft, reason: string): void {
  const { s, out } = draft;
  if (s.phase.name === 'streaming') {
    if (!s.awaitsGap) askResync(draft, reason);
    return;
  }
  forget(s, null);
  s.reason = reason;
  out.push({ type: 'changed' });
}

/** At once when the last acknowledgement is a while ago; a burst shares one. */
function oweAck(draft: Draft): void {
  const { s, now } = draft;
  if (now - s.ackedAt >= ACK_DELAY_MS) {
    sendAck(draft);
    return;
  }
  s.ackDueAt ??= later(s.ackedAt, ACK_DELAY_MS);
}

function sendAck(draft: Draft): void {
  const { s, out, now } = draft;
  s.ackedAt = now;
  s.ackDueAt = null;
  out.push({ type: 'send', frame: { type: 'ack', sequence: s.applied } });
}
