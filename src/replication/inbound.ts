/** The shell around one receiver machine: applies records, purges and compares for it, writes its answers. Decides nothing. */

import type { ApplyMode, ApplyResult } from '../l4/native.js';
import type { Clock, Monotonic } from '../system/clock.js';
import type { ControlMessage, FlowStore } from './api.js';
import { hasUnnamed } from './bulk-split.js';
import { decode, encode } from './codec.js';
import type { DecodeReason, Hello, RouterDigest } from './frames.js';
import { PURGE_RECORDS, PURGE_RETRY_MS } from './limits.js';
import { runMachine } from './machine-runner.js';
import { stepReceiver } from './receiver.js';
import {
  initialReceiver,
  type ReceiverConfig,
  type ReceiverEffect,
  type ReceiverEvent,
  type ReceiverState,
  receiverDeadline,
} from './receiver-state.js';
import type { PeerStream, StreamHandlers } from './transport.js';

export interface InboundParts {
  config: ReceiverConfig;
  clock: Clock;
  store: Pick<FlowStore, 'apply' | 'purge' | 'digests' | 'readFlows'>;
  slotOf(router: string): number | undefined;
  /** True while this node's own table must still be read out before records may be purged. */
  mustKeepTable(): boolean;
  /** Another peer says that it holds this router, too. */
  isDisputed(router: string): boolean;
  /** Sends our records of these slots to the peer, then feeds `handedOver`. */
  handOver(slots: number[]): void;
  onControl(message: ControlMessage): void;
  /** The peer has begun or ceased to hold these, or sent what it had of routers held before (null: nobody says which). */
  onHeld(routers: string[] | null): void;
  onChange(): void;
  onRejected(reason: DecodeReason): void;
  onApplied(result: ApplyResult): void;
  /** A bulk of a former holder brought flows that were not here. */
  onMerged(): void;
}

export interface Inbound {
  /** A stream whose hello was checked; the previous one of this peer is closed. */
  open(stream: PeerStream, hello: Hello): StreamHandlers;
  feed(event: ReceiverEvent): void;
  state(): Readonly<ReceiverState>;
  close(): void;
}

export const digestHex = (digest: bigint): string => BigInt.asUintN(64, digest).toString(16).padStart(16, '0');

export function createInbound(parts: InboundParts): Inbound {
  const { clock, store } = parts;
  let stream: PeerStream | null = null;
  let merged = 0;
  const machine = runMachine<ReceiverState, ReceiverEvent, ReceiverEffect>(
    { initial: initialReceiver(parts.config), step: stepReceiver, deadline: receiverDeadline, tick: { type: 'tick' } },
    clock,
    run,
  );
  const { feed, state } = machine;

  function run(effect: ReceiverEffect): void {
    switch (effect.type) {
      case 'send':
        stream?.write(encode(effect.frame));
        return;
      case 'hangUp':
        hangUp();
        return;
      case 'apply':
        apply(effect.records, effect.mode, effect.epoch);
        return;
      case 'purge':
        purge(effect.epoch, effect.routers, null);
        return;
      case 'handOver':
        handOver(effect.epoch, slotsOf(effect.routers), null);
        return;
      case 'control':
        parts.onControl(effect.message);
        return;
      case 'held':
        parts.onHeld(effect.routers);
        return;
      case 'compare':
        feed({ type: 'compared', matched: compare(effect.routers) });
        return;
      case 'changed':
        parts.onChange();
        return;
    }
  }

  function apply(records: Buffer, mode: ApplyMode, epoch: number): void {
    const result = store.apply(records, mode, epoch);
    if (mode === 'merge') {
      merged += result.applied;
      parts.onHeld(null);
    }
    parts.onApplied(result);
  }

  function purged(epoch: number): void {
    feed({ type: 'purged', epoch });
    if (merged > 0) parts.onMerged();
    merged = 0;
  }

  function hangUp(): void {
    stream?.close();
    stream = null;
  }

  /** One step of the purge, then the next one after whatever waits. A router that became ours meanwhile is left alone. */
  function purge(epoch: number, routers: readonly string[], cursor: Buffer | null): void {
    const go = (at: Monotonic, from: Buffer | null): void => void clock.at(at, () => purge(epoch, routers, from));
    if (state().purge?.epoch !== epoch) return;
    if (parts.mustKeepTable()) {
      go((clock.now() + PURGE_RETRY_MS) as Monotonic, cursor);
      return;
    }
    const slots = foreign(routers);
    if (slots.length === 0) {
      purged(epoch);
      return;
    }
    const step = store.purge(cursor, PURGE_RECORDS, epoch, slots);
    if (step.cursor === null) {
      purged(epoch);
      return;
    }
    go(clock.now(), step.cursor);
  }

  /** Looks step by step for a record that the bulk did not name: a table that is equal is not sent. */
  function handOver(epoch: number, slots: number[], cursor: Buffer | null): void {
    if (state().handOver?.purge?.epoch !== epoch) return;
    const chunk = store.readFlows(cursor, PURGE_RECORDS);
    if (hasUnnamed(chunk.records, epoch, slots)) {
      feed({ type: 'handingOver', epoch });
      parts.handOver(slots);
    } else if (chunk.cursor === null) feed({ type: 'allNamed', epoch });
    else clock.at(clock.now(), () => handOver(epoch, slots, chunk.cursor));
  }

  const isForeign = (router: string): boolean => !state().ownHolds.includes(router);

  /** Of two that say so, one has not noticed yet that it does not hold any more: neither is purged for. Digests find what is left. */
  const foreign = (routers: readonly string[]): number[] =>
    slotsOf(routers.filter((router) => isForeign(router) && !parts.isDisputed(router)));

  const slotsOf = (routers: readonly string[]): number[] =>
    routers.flatMap((router) => {
      const slot = parts.slotOf(router);
      return slot === undefined ? [] : [slot];
    });

  function compare(routers: readonly RouterDigest[]): boolean | null {
    const own = store.digests();
    const comparable = routers.filter((router) => isForeign(router.router) && parts.slotOf(router.router) !== undefined);
    if (comparable.length === 0) return null;
    return comparable.every(({ router, digest, flows }) => {
      const mine = own[parts.slotOf(router) ?? -1];
      return digest === digestHex(mine?.digest ?? 0n) && flows === Number(mine?.flows ?? 0n);
    });
  }

  function receive(message: Buffer): void {
    const decoded = decode(message);
    if (decoded.ok) {
      feed({ type: 'frame', frame: decoded.frame });
      return;
    }
    parts.onRejected(decoded.reason);
    hangUp();
    feed({ type: 'closed', reason: `the peer sent a malformed frame (${decoded.reason})` });
  }

  return {
    open(opened, hello) {
      const isCurrent = (): boolean => stream === opened;
      if (stream !== null) {
        hangUp();
        feed({ type: 'closed', reason: 'replaced by a new stream' });
      }
      stream = opened;
      feed({ type: 'opened', hello });
      return {
        onOpen: () => undefined,
        onWritable: () => undefined,
        onMessage: (message) => isCurrent() && receive(message),
        onClose: (reason) => {
          if (!isCurrent()) return;
          stream = null;
          feed({ type: 'closed', reason });
        },
      };
    },
    feed,
    state,
    close() {
      hangUp();
      feed({ type: 'closed', reason: 'stopped' });
      machine.cancel();
    },
  };
}
