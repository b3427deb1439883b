/**
 * PING in the protocol of Redis (RESP). A server that only wants a password is alive; one that loads its data, lost its master or has no
 * room for clients is not. Pure.
 */
import { bad, good, type ProbeResult, said } from './answer.js';
import { type Dialogue, firstLine } from './dialogue.js';

const PING = Buffer.from('*1\r\n$4\r\nPING\r\n');
/** Errors of a server that works and does not know us. */
const ALIVE_ERRORS = new Set(['NOAUTH', 'NOPERM', 'WRONGPASS']);

function judge(line: Uint8Array): ProbeResult {
  const text = Buffer.from(line).toString('latin1');
  if (text === '+PONG') return good('PONG');
  const error = /^-([A-Z]+)/.exec(text)?.[1];
  if (error === undefined) return bad(`not an answer to PING: ${said(line)}`);
  return ALIVE_ERRORS.has(error) ? good(`alive, wants a password: ${said(line)}`) : bad(`error: ${said(line)}`);
}

export const redisDialogue: Dialogue<null> = {
  start: null,
  opening: PING,
  read(state, bytes) {
    const first = firstLine(bytes);
    return first === null ? null : { state, used: first.used, verdict: judge(first.line) };
  },
  ended: () => bad('closed before it answered PING'),
};
