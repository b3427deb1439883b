/**
 * The start of a PostgreSQL session: a startup packet, and what comes back. A server that asks for a password, or does not know the user,
 * works; one that starts up, shuts down or has no connection left does not. Who needs no password is authenticated before the server
 * looks for a free connection: then its word counts only when it is ready for queries. Pure.
 * PostgreSQL: Frontend/Backend Protocol, message formats; SQLSTATE classes from its appendix A.
 */
import { bad, good, type ProbeResult, said } from './answer.js';
import type { Dialogue, Reading } from './dialogue.js';

const PROTOCOL_3 = 196608;
/** Type and length. */
const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;
/** An error with all its fields is far below; a longer one is something else. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** Invalid authorization, invalid catalog name: "not you", "not that database". */
const ALIVE_CLASSES = new Set(['28', '3D']);
/** No right to connect to the database, and one that takes no connections. */
const ALIVE_STATES = new Set(['42501', '55000']);
/** PgBouncer gives all its errors the same state. */
const ALIVE_TEXT = /^no such (database|user)\b/;
const AUTHENTICATION_OK = 0;
const TERMINATE = Buffer.from([0x58, 0, 0, 0, LENGTH_BYTES]);
/** Every cluster has it, and everybody may connect to it; the default, one named after the user, would have to be made. */
const DATABASE = 'postgres';

/** `session`: authenticated; settings (S), a key (K) and notices come before the server is ready (Z). */
export type PostgresState = 'startup' | 'session';
const KNOWN: Record<PostgresState, RegExp> = { startup: /^[RENv]$/, session: /^[SKNEZ]$/ };

export function startupPacket(user: string): Buffer {
  const parameters = Buffer.from(`user\0${user}\0database\0${DATABASE}\0\0`);
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
  const message = fields.get('M') ?? '';
  const text = `${state} ${said(Buffer.from(message, 'latin1'))}`;
  if (!/^[0-9A-Z]{5}$/.test(state)) return bad(`not a PostgreSQL error: ${said(payload)}`);
  const isAlive = ALIVE_CLASSES.has(state.slice(0, 2)) || ALIVE_STATES.has(state) || ALIVE_TEXT.test(message);
  return isAlive ? good(`alive: ${text}`) : bad(`error ${text}`);
}

export function postgresDialogue(user: string): Dialogue<PostgresState> {
  const onAuthentication = (state: PostgresState, payload: Buffer, used: number): Reading<PostgresState> => {
    if (payload.length < LENGTH_BYTES) return { state, used, verdict: bad(`not PostgreSQL: ${said(payload)}`) };
    if (payload.readUInt32BE(0) === AUTHENTICATION_OK) return { state: 'session', used };
    // No goodbye: in place of a password the server would note it as an error. That the connection ends here is usual.
    return { state, used, verdict: good('alive, wants a password') };
  };
  return {
    start: 'startup',
    opening: startupPacket(user),
    read(state, bytes) {
      if (bytes.length < HEADER_BYTES) return null;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const type = String.fromCharCode(view.readUInt8(0));
      const length = view.readUInt32BE(1);
      const used = 1 + length;
      const isKnown = KNOWN[state].test(type) && length >= LENGTH_BYTES && length <= MAX_MESSAGE_BYTES;
      if (!isKnown) return { state, used: bytes.length, verdict: bad(`not PostgreSQL: ${said(bytes)}`) };
      if (bytes.length < used) return null;
      const payload = view.subarray(HEADER_BYTES, used);
      if (type === 'R') return onAuthentication(state, payload, used);
      if (type === 'E') return { state, used, verdict: judgeError(payload) };
      if (type === 'Z') return { state, used, say: TERMINATE, verdict: good('logged in') };
      // Notices, settings, or another version of the protocol come before the answer.
      return { state, used };
    },
    ended: (state) => bad(state === 'startup' ? 'closed before it answered' : 'closed before it was ready'),
  };
}
