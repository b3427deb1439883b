/** One peer: the machine that sends to it, the machine that receives from it, and those who wait for an acknowledgement. */

import type { ApplyResult } from '../l4/native.js';
import type { Clock, Monotonic } from '../system/clock.js';
import type { ControlMessage, FlowStore, PeerStatus } from './api.js';
import type { DecodeReason, Hello, RouterDigest } from './frames.js';
import { createInbound } from './inbound.js';
import { HAND_OVER_MS } from './limits.js';
import { createOutbound, type SessionSizes } from './outbound.js';
import { type PeerIdentity, peerStatus } from './peer-status.js';
import { type Held, isLive, type SenderState } from './sender-state.js';
import type { PeerStream, StreamHandlers, Transport } from './transport.js';
import { createWaiters } from './waiters.js';

export interface PeerParts {
  identity: PeerIdentity;
  own: Hello;
  routers: readonly Held[];
  queueRecords: number;
  sizes: SessionSizes;
  epochStart: number;
  epochStride: number;
  isFormerHolder: boolean;
  random: () => number;
  clock: Clock;
  store: FlowStore;
  transport: Pick<Transport, 'dial'>;
  onControl(message: ControlMessage): void;
  onChange(): void;
  onRejected(reason: DecodeReason): void;
  onApplied(result: ApplyResult): void;
  /** A bulk of a former holder brought flows that were not here. */
  onMerged(): void;
  /** It has begun or ceased to hold these, or has told of what it held. */
  onHeld(routers: string[]): void;
  /** Another peer says that it holds this router. */
  isDisputed(router: string): boolean;
}

export interface Peer {
  readonly identity: PeerIdentity;
  start(): void;
  stop(): void;
  /** A stream that this peer dialled; its hello was checked. */
  accept(stream: PeerStream, hello: Hello): StreamHandlers;
  records(records: Buffer, count: number): void;
  /** Our table changed in a way that no record told of. */
  lost(reason: string): void;
  hold(held: Held[]): void;
  holds(): boolean;
  /** It says so now. */
  claims(router: string): boolean;
  /** What is here of these, which another peer held, may be new to this one. */
  heldElsewhere(routers: string[]): void;
  /** Our copy of its table is not to be relied on before it was sent anew. */
  distrust(reason: string): void;
  /** True when comparing digests with this peer makes sense now. */
  wantsDigests(): boolean;
  digests(digestOf: (slot: number) => Omit<RouterDigest, 'router'>): void;
  send(message: ControlMessage, timeoutMs: number): Promise<boolean>;
  /** Waits until everything given so far was acknowledged. */
  flush(timeoutMs: number): Promise<boolean>;
  isConnected(): boolean;
  status(): PeerStatus;
}

export function createPeer(parts: PeerParts): Peer {
  const { clock, identity, own } = parts;
  const waiters = createWaiters(clock);
  let hello: Hello | null = null;
  let keepUntil: Monotonic | null = null;

  const outbound = createOutbound({
    config: { own, peer: identity.node, queueRecords: parts.queueRecords, windowBytes: parts.sizes.windowBytes, random: parts.random },
    chunkRecords: parts.sizes.chunkRecords,
    clock,
    store: parts.store,
    allSlots: parts.routers.map((router) => router.slot),
    dial: (handlers) => parts.transport.dial(identity, handlers),
    onChange: () => {
      hello = outbound.state().peerHello ?? hello;
      parts.onChange();
    },
    onAcked: () => waiters.look(),
    onRejected: parts.onRejected,
  });
  const inbound = createInbound({
    config: { own, epochStart: parts.epochStart, epochStride: parts.epochStride, isFormerHolder: parts.isFormerHolder },
    clock,
    store: parts.store,
    slotOf: (name) => parts.routers.find((router) => router.name === name)?.slot,
    mustKeepTable,
    isDisputed: parts.isDisputed,
    handOver,
    onControl: parts.onControl,
    onHeld: (routers) => parts.onHeld(routers ?? parts.routers.map(({ name }) => name)),
    onChange: parts.onChange,
    onRejected: parts.onRejected,
    onApplied: parts.onApplied,
    onMerged: parts.onMerged,
  });

  function handOver(slots: number[]): void {
    outbound.feed({ type: 'handOver', slots });
    void waiters
      .wait(() => isLive(outbound.state()), HAND_OVER_MS)
      .then((isDone) => {
        if (isDone) inbound.feed({ type: 'handedOver' });
      });
  }

  /** Flows of routers that were given up while apart: the peer gets them before they may be purged here. */
  function mustKeepTable(): boolean {
    const keeps = owesUnread(outbound.state());
    if (!keeps) keepUntil = null;
    else keepUntil ??= (clock.now() + HAND_OVER_MS) as Monotonic;
    return keepUntil !== null && clock.now() < keepUntil;
  }

  const isConnected = (): boolean => outbound.state().phase.name === 'streaming';

  return {
    identity,
    start: () => outbound.feed({ type: 'start' }),
    stop() {
      outbound.feed({ type: 'stop' });
      inbound.close();
      waiters.giveUp();
    },
    accept(stream, peerHello) {
      hello = peerHello;
      outbound.feed({ type: 'dialled' });
      return inbound.open(stream, peerHello);
    },
    records: (records, count) => outbound.feed({ type: 'records', records, count }),
    lost: (reason) => outbound.feed({ type: 'lost', reason }),
    heldElsewhere: (routers) => inbound.feed({ type: 'heldElsewhere', routers }),
    distrust: (reason) => inbound.feed({ type: 'distrust', reason }),
    claims: (router) => inbound.state().phase.name === 'streaming' && inbound.state().senderHolds.includes(router),
    holds: () => outbound.state().held.length > 0,
    hold(held) {
      outbound.feed({ type: 'holding', held });
      inbound.feed({ type: 'holding', routers: held.map((router) => router.name) });
    },
    wantsDigests: () => isLive(outbound.state()) && outbound.state().held.length > 0,
    digests(digestOf) {
      const routers = outbound.state().held.map(({ slot, name }) => ({ router: name, ...digestOf(slot) }));
      if (routers.length > 0) outbound.feed({ type: 'digests', routers });
    },
    send(message, timeoutMs) {
      if (!isConnected()) return Promise.resolve(false);
      const expiresAt = message.type === 'takeOver' ? clock.now() + timeoutMs : Number.POSITIVE_INFINITY;
      outbound.feed({ type: 'control', message, expiresAt: expiresAt as Monotonic });
      return waiters.wait(() => !isWaiting(outbound.state(), message), timeoutMs);
    },
    flush(timeoutMs) {
      const through = outbound.state().sequence;
      return waiters.wait(() => isLive(outbound.state()) && outbound.state().acked >= through, timeoutMs);
    },
    isConnected,
    status: () => peerStatus(identity, own, hello, outbound.state(), inbound.state(), clock.now()),
  };
}

function owesUnread({ owed, held, gap, bulk }: Readonly<SenderState>): boolean {
  const isOwing = [...owed].some((slot) => !held.some((router) => router.slot === slot));
  return isOwing && (gap !== null || (bulk !== null && bulk.stage !== 'sent'));
}

/** By identity: a message keeps its object, not its number, when the stream has to start over. */
function isWaiting({ queue }: Readonly<SenderState>, message: ControlMessage): boolean {
  return queue.items.slice(queue.head).some((item) => item.frame.type === 'control' && item.frame.message === message);
}
