/**
 * Bytes that are sent and bytes that the answer must contain, for checks of protocols that have no type of their own. Pure.
 */
import type { Exchange } from '../../config/health-model.js';
import { bad, good, type ProbeResult, said } from './answer.js';
import { type Dialogue, MAX_ANSWER_BYTES } from './dialogue.js';

/** Beginning of an answer that is searched. */
export const MAX_SEARCHED_BYTES = MAX_ANSWER_BYTES;

export const bytesOf = (text: string, encoding: Exchange['encoding']): Buffer => Buffer.from(text, encoding === 'hex' ? 'hex' : 'utf8');

/** Of what was answered: a datagram, or all that a connection brought until now. */
export function judgeAnswer(answer: Uint8Array, { expect, encoding }: Exchange): ProbeResult {
  if (expect === null) return good('answered');
  const searched = Buffer.from(answer.buffer, answer.byteOffset, Math.min(answer.length, MAX_SEARCHED_BYTES));
  if (searched.includes(bytesOf(expect, encoding))) return good('the answer matches');
  return bad(`the answer ${said(answer)} does not contain ${JSON.stringify(expect)}`);
}

/** Of a stream: the answer may come in parts, so it is wrong only when it ended or grew beyond what is searched. */
export function sendExpectDialogue(wanted: Exchange): Dialogue<null> {
  return {
    start: null,
    opening: wanted.send === null ? null : bytesOf(wanted.send, wanted.encoding),
    read(state, bytes) {
      const verdict = judgeAnswer(bytes, wanted);
      return bytes.length > 0 && (verdict.ok || bytes.length >= MAX_SEARCHED_BYTES) ? { state, used: bytes.length, verdict } : null;
    },
    ended: (_state, bytes) => (bytes.length === 0 ? bad('closed without an answer') : judgeAnswer(bytes, wanted)),
  };
}
