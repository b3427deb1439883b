/**
 * The start of a PostgreSQL session, as pg_isready does it: a startup packet, and what comes back. A server that asks for a password, or
 * does not know the user, works; one that starts up, shuts down or has no connection left does not. Pure.
 * PostgreSQL: Frontend/Backend Protocol, message formats; SQLSTATE classes from its appendix A.
 */
import { bad, good, type ProbeResult, said } from './answer.js';
import type { Dialogue } from './dialogue.js';

const PROTOCOL_3 = 196608;
/** Type and length. */
const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;
/** An error with all its fields is far below; a longer one is something else. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** Invalid authorization, invalid catalog name: "not you", "not that database". */
const ALIVE_CLASSES = new Set(['28', '3D']);
const TERMINATE = Buffer.from([0x58, 0, 0, 0, LENGTH_BYTES]);

export function startupPacket(user: string): Buffer {
  const parameters = Buffer.from(`user\0${user}\0\0`);
  const head = Buffer.alloc(2 * LENGTH_BYTES);
  head.writeUInt32BE(head.length + parameters.length, 0);
  head.writeUInt32BE(PROTOCOL_3, LENGTH_BYTES);
  return Buffer.concat([head, parameters]);
}

/** Fields of an error by their letter: `C` SQLSTATE, `M` message. */
export function errorFields(payload: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < payload.length && payload[at] !== 0) {
    const end = payload.indexOf(0, at + 1);
    if (end < 0) break;
    fields.set(String.fromCharCode(payload.readUInt8(at)), payload.toString('latin1', at + 1, end));
    at = end + 1;
  }
  return fields;
}

function judgeError(payload: Buffer): ProbeResult {
  const fields = errorFields(payload);
  const state = fields.get('C') ?? '';
  const text = `${state} ${said(Buffer.from(fields.get('M') ?? '', 'latin1'))}`;
  if (!/^[0-9A-Z]{5}$/.test(state)) return bad(`not a PostgreSQL error: ${said(payload)}`);
  return ALIVE_CLASSES.has(state.slice(0, 2)) ? good(`alive: ${text}`) : bad(`error ${text}`);
}

export function postgresDialogue(user: string): Dialogue<null> {
  return {
    start: null,
    opening: startupPacket(user),
    read(state, bytes) {
      if (bytes.length < HEADER_BYTES) return null;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const type = String.fromCharCode(view.readUInt8(0));
      const length = view.readUInt32BE(1);
      const used = 1 + length;
      const isKnown = /^[RENv]$/.test(type) && length >= LENGTH_BYTES && length <= MAX_MESSAGE_BYTES;
      if (!isKnown) return { state, used: bytes.length, verdict: bad(`not PostgreSQL: ${said(bytes)}`) };
      if (bytes.length < used) return null;
      if (type === 'R')
        return length < 2 * LENGTH_BYTES
          ? { state, used, verdict: bad(`not PostgreSQL: ${said(bytes)}`) }
          : { state, used, say: TERMINATE, verdict: good('accepts connections') };
      // A notice, or another version of the protocol, comes before the answer.
      return type === 'E' ? { state, used, verdict: judgeError(view.subarray(HEADER_BYTES, used)) } : { state, used };
    },
    ended: () => bad('closed before it answered'),
  };
}
