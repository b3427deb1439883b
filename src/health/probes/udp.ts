/**
 * A datagram and its answer, over a socket that hears this server alone (and, by ICMP, that nobody listens there).
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { bad, type CancelProbe, describeError, type OnResult, once, type ProbeResult, type ProbeTarget } from './answer.js';

/** `judge` says null of a datagram that is not the answer. */
export function probeDatagram(
  { address, port }: ProbeTarget,
  question: Uint8Array,
  judge: (datagram: Buffer) => ProbeResult | null,
  onResult: OnResult,
): CancelProbe {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const answer = once(onResult, () => socket.close());
  socket.on('error', (error) => answer(bad(describeError(error))));
  socket.on('message', (datagram) => {
    const verdict = judge(datagram);
    if (verdict !== null) answer(verdict);
  });
  socket.on('connect', () => {
    if (answer.isOver()) return;
    socket.send(question, (error) => {
      if (error !== null) answer(bad(describeError(error)));
    });
  });
  socket.connect(port, address);
  return answer.cancel;
}
