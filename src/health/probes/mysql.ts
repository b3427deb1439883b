/**
 * A login to MySQL or MariaDB without a password: handshake packet, login, answer. "Access denied" comes from a server that works; "host is
 * blocked" or "too many connections", in place of the handshake too, from one that serves nobody. The login is not left out: to a server
 * a connection that ends after the handshake is an error of our host, and after `max_connect_errors` of them it blocks us. Pure.
 * MySQL Internals: Protocol::HandshakeV10, HandshakeResponse41, ERR_Packet, AuthSwitchRequest.
 */
import { bad, good, said } from './answer.js';
import type { Dialogue, Reading } from './dialogue.js';

const HEADER_BYTES = 4;
/** Handshakes and errors are far below; a longer one is something else. */
const MAX_PACKET_BYTES = 4096;
const OK = 0x00;
const AUTH_MORE = 0x01;
const AUTH_SWITCH = 0xfe;
const ERR = 0xff;
const PROTOCOL_10 = 10;
/** After the version: thread id (4), salt (8), filler (1). */
const CAPABILITIES_OFFSET = 13;

const CLIENT_LONG_PASSWORD = 0x1;
const CLIENT_PROTOCOL_41 = 0x200;
const CLIENT_SECURE_CONNECTION = 0x8000;
const CLIENT_PLUGIN_AUTH = 0x80000;
const UTF8 = 33;
const QUIT = 0x01;
/** Of other ways to log in; a server asks for one at most. */
const MAX_SWITCHES = 2;

/** Errors that say "not you", from a server that serves others. 4151: an account that is locked, of MariaDB. */
const LOGIN_ERRORS = new Set([1044, 1045, 1049, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 3159, 3955, 4151]);

export type MysqlState = { phase: 'handshake' } | { phase: 'login'; switches: number };

const packet = (sequence: number, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntLE(payload.length, 0, 3);
  header.writeUInt8(sequence & 0xff, 3);
  return Buffer.concat([header, payload]);
};

function loginPacket(user: string): Buffer {
  const fixed = Buffer.alloc(32);
  fixed.writeUInt32LE(CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH, 0);
  fixed.writeUInt32LE(MAX_PACKET_BYTES, 4);
  fixed.writeUInt8(UTF8, 8);
  // Then, each ended by a zero: the user, no password (a length of 0), how it would be sent.
  return packet(1, Buffer.concat([fixed, Buffer.from(`${user}\0\0mysql_native_password\0`)]));
}

/** Code and text of an error; before the login there is no SQLSTATE in it. */
function errorOf(payload: Buffer): { code: number; text: string } | null {
  if (payload.length < 3) return null;
  const text = payload.subarray(3);
  return { code: payload.readUInt16LE(1), text: said(text[0] === 0x23 && text.length >= 6 ? text.subarray(6) : text) };
}

export function mysqlDialogue(user: string): Dialogue<MysqlState> {
  const onHandshake = (state: MysqlState, payload: Buffer, used: number): Reading<MysqlState> => {
    const versionEnd = payload.indexOf(0, 1);
    const capabilities = versionEnd + 1 + CAPABILITIES_OFFSET;
    const isHandshake = payload[0] === PROTOCOL_10 && versionEnd > 1 && payload.length >= capabilities + 2;
    if (!isHandshake) return { state, used, verdict: bad(`not a MySQL handshake: ${said(payload)}`) };
    if ((payload.readUInt16LE(capabilities) & CLIENT_PROTOCOL_41) === 0)
      return { state, used, verdict: bad('a MySQL server older than 4.1') };
    return { state: { phase: 'login', switches: 0 }, used, say: loginPacket(user) };
  };

  const onLogin = (state: MysqlState & { phase: 'login' }, payload: Buffer, sequence: number, used: number): Reading<MysqlState> => {
    const first = payload[0];
    if (first === OK) return { state, used, say: packet(0, Buffer.from([QUIT])), verdict: good('logged in') };
    if (first === AUTH_MORE) return { state, used, verdict: good('alive, wants a password') };
    if (first === AUTH_SWITCH && state.switches < MAX_SWITCHES)
      return { state: { phase: 'login', switches: state.switches + 1 }, used, say: packet(sequence + 1, Buffer.alloc(0)) };
    return { state, used, verdict: bad(`not an answer to a login: ${said(payload)}`) };
  };

  return {
    start: { phase: 'handshake' },
    opening: null,
    read(state, bytes) {
      if (bytes.length < HEADER_BYTES) return null;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const length = view.readUIntLE(0, 3);
      if (length === 0 || length > MAX_PACKET_BYTES) return { state, used: bytes.length, verdict: bad(`not MySQL: ${said(bytes)}`) };
      const used = HEADER_BYTES + length;
      if (bytes.length < used) return null;
      const payload = view.subarray(HEADER_BYTES, used);
      if (payload[0] === ERR) {
        const error = errorOf(payload);
        if (error === null) return { state, used, verdict: bad(`not MySQL: ${said(bytes)}`) };
        const isAlive = state.phase === 'login' && LOGIN_ERRORS.has(error.code);
        return { state, used, verdict: isAlive ? good(`alive: error ${error.code}`) : bad(`error ${error.code}: ${error.text}`) };
      }
      return state.phase === 'handshake' ? onHandshake(state, payload, used) : onLogin(state, payload, view.readUInt8(3), used);
    },
    ended: ({ phase }) => bad(phase === 'handshake' ? 'closed before a handshake' : 'closed before it answered the login'),
  };
}
