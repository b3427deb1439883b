/** The shell around one sender machine: dials, writes its frames, reads chunks of the table for it. Decides nothing. */
import type { Clock } from '../system/clock.js';
import type { FlowStore } from './api.js';
import { splitChunk } from './bulk-split.js';
import { decode, encode } from './codec.js';
import type { DecodeReason } from './frames.js';
import { runMachine } from './machine-runner.js';
import { stepSender } from './sender.js';
import { initialSender, type SenderConfig, type SenderEffect, type SenderEvent, type SenderState, senderDeadline } from './sender-state.js';
import type { PeerStream, StreamHandlers } from './transport.js';

export interface SessionSizes {
  /** Records of the table read at a time. */
  chunkRecords: number;
  /** Bytes sent and not yet acknowledged. */
  windowBytes: number;
}

export interface OutboundParts {
  config: SenderConfig;
  chunkRecords: number;
  clock: Clock;
  store: Pick<FlowStore, 'readFlows'>;
  /** Slots of all configured routers. */
  allSlots: readonly number[];
  dial(handlers: StreamHandlers): PeerStream;
  onChange(): void;
  onAcked(): void;
  onRejected(reason: DecodeReason): void;
}

export interface Outbound {
  feed(event: SenderEvent): void;
  state(): Readonly<SenderState>;
}

export function createOutbound(parts: OutboundParts): Outbound {
  const { clock } = parts;
  let stream: PeerStream | null = null;
  const machine = runMachine<SenderState, SenderEvent, SenderEffect>(
    { initial: initialSender(parts.config), step: stepSender, deadline: senderDeadline, tick: { type: 'tick' } },
    clock,
    run,
  );
  const { feed, state } = machine;

  function run(effect: SenderEffect): void {
    switch (effect.type) {
      case 'dial':
        dial();
        return;
      case 'hangUp':
        stream?.close();
        stream = null;
        return;
      case 'send':
        if (stream !== null && !stream.write(encode(effect.frame))) feed({ type: 'blocked' });
        return;
      case 'readChunk':
        clock.at(clock.now(), () => readChunk(effect));
        return;
      case 'acked':
        parts.onAcked();
        return;
      case 'changed':
        parts.onChange();
        return;
    }
  }

  function dial(): void {
    const isCurrent = (): boolean => stream === opened;
    const opened = parts.dial({
      onOpen: () => isCurrent() && feed({ type: 'opened' }),
      onWritable: () => isCurrent() && feed({ type: 'writable' }),
      onClose: (reason) => {
        if (!isCurrent()) return;
        stream = null;
        feed({ type: 'closed', reason });
      },
      onMessage: (message) => isCurrent() && receive(message),
    });
    stream = opened;
  }

  function receive(message: Buffer): void {
    const decoded = decode(message);
    if (decoded.ok) {
      feed({ type: 'frame', frame: decoded.frame });
      return;
    }
    parts.onRejected(decoded.reason);
    stream?.close();
    stream = null;
    feed({ type: 'closed', reason: `the peer sent a malformed frame (${decoded.reason})` });
  }

  function readChunk(effect: Extract<SenderEffect, { type: 'readChunk' }>): void {
    const { bulk } = state();
    if (bulk?.id !== effect.bulk || bulk.stage !== 'chunkAsked') return;
    const chunk = parts.store.readFlows(effect.cursor, parts.chunkRecords);
    const split = splitChunk(chunk.records, effect.slots, parts.allSlots);
    feed({ type: 'chunk', bulk: effect.bulk, parts: split, cursor: chunk.cursor });
  }

  return {
    feed,
    state,
  };
}
