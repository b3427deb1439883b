/** What the two machines of one peer amount to, for readiness, for the election and for people. Pure. */
import type { Monotonic } from '../system/clock.js';
import type { PeerStatus } from './api.js';
import type { Hello } from './frames.js';
import { oldest } from './out-queue.js';
import { isReceivedInSync, type ReceiverState } from './receiver-state.js';
import { isLive, type SenderState } from './sender-state.js';

export interface PeerIdentity {
  node: string;
  address: string;
}

export function peerStatus(
  peer: PeerIdentity,
  own: Hello,
  hello: Hello | null,
  sender: Readonly<SenderState>,
  receiver: Readonly<ReceiverState>,
  now: Monotonic,
): PeerStatus {
  const isSending = sender.phase.name === 'streaming';
  const isReceiving = receiver.phase.name === 'streaming';
  const waiting = oldest(sender.queue);
  return {
    node: peer.node,
    address: peer.address,
    connected: isSending || isReceiving,
    inSync: isLive(sender) && sender.digestMatch !== false,
    receivedInSync: isReceivedInSync(receiver),
    state: stateName(sender),
    reason: reason(sender, receiver),
    sentSequence: sender.sentThrough,
    ackedSequence: sender.acked,
    lagMs: waiting === undefined ? 0 : Math.max(0, now - waiting.at),
    queuedRecords: sender.queue.records,
    gaps: sender.gaps,
    resyncs: sender.resyncs,
    recordsSent: sender.recordsSent,
    recordsReceived: receiver.recordsReceived,
    digestMatch: digestMatch(sender, receiver),
    configDigestMatch: hello === null ? null : hello.configDigest === own.configDigest,
    version: hello?.software ?? null,
    capabilities: hello?.capabilities ?? null,
  };
}

function stateName(sender: Readonly<SenderState>): PeerStatus['state'] {
  switch (sender.phase.name) {
    case 'hello':
      return 'hello';
    case 'incompatible':
      return 'incompatible';
    case 'streaming':
      return isLive(sender) ? 'live' : 'bulk';
    default:
      return 'connecting';
  }
}

/** The trouble, where there is one; else how the sending side is. */
function reason(sender: Readonly<SenderState>, receiver: Readonly<ReceiverState>): string {
  if (!isLive(sender) || isReceivedInSync(receiver)) return sender.reason;
  return receiver.phase.name === 'absent' ? `it does not send: ${receiver.reason}` : `receiving: ${receiver.reason}`;
}

/** False when either direction differs; null before the first comparison. */
function digestMatch(sender: Readonly<SenderState>, receiver: Readonly<ReceiverState>): boolean | null {
  if (receiver.mismatches > 0 || sender.digestMatch === false) return false;
  return receiver.hasMatched || sender.digestMatch === true ? true : null;
}
