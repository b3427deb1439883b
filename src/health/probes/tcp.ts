/**
 * Probes over one TCP connection of their own: that it can be made, or a dialogue on it.
 */
import { createConnection } from 'node:net';
import { bad, type CancelProbe, describeError, good, type OnResult, once, type ProbeTarget } from './answer.js';
import { beginTalk, type Dialogue, hear } from './dialogue.js';

export function probeConnection({ address, port }: ProbeTarget, onResult: OnResult): CancelProbe {
  const socket = createConnection({ host: address, port });
  const answer = once(onResult, () => socket.destroy());
  socket.on('connect', () => answer(good('connected')));
  socket.on('error', (error) => answer(bad(describeError(error))));
  return answer.cancel;
}

export function probeDialogue<S>({ address, port }: ProbeTarget, dialogue: Dialogue<S>, onResult: OnResult): CancelProbe {
  const socket = createConnection({ host: address, port });
  let goodbye: Uint8Array | null = null;
  const answer = once(onResult, () => (goodbye === null ? socket.destroy() : socket.end(goodbye, () => socket.destroy())));
  let talk = beginTalk(dialogue);
  socket.on('connect', () => {
    if (dialogue.opening !== null) socket.write(dialogue.opening);
  });
  socket.on('data', (chunk) => {
    // What comes after the verdict is of no interest.
    if (answer.isOver()) return;
    const { talk: next, say, verdict } = hear(dialogue, talk, chunk);
    talk = next;
    goodbye = verdict === null ? null : (say.pop() ?? null);
    for (const bytes of say) socket.write(bytes);
    if (verdict !== null) answer(verdict);
  });
  socket.on('end', () => answer(dialogue.ended(talk.state, talk.rest)));
  socket.on('error', (error) => answer(bad(describeError(error))));
  return answer.cancel;
}
