/**
 * A conversation with a server over one connection: what is said first, and what each complete piece of the answer means. It may arrive in
 * parts of any size; what is not complete waits, within a limit. Pure: the bytes come in, what is to be said and the verdict come out.
 */
import { bad, type ProbeResult } from './answer.js';

/** More than any greeting or error needs; a server that says more before it comes to the point is not what the check expects. */
export const MAX_ANSWER_BYTES = 64 * 1024;

/** What a complete piece meant. It uses up bytes or is the verdict. */
export interface Reading<S> {
  state: S;
  used: number;
  /** Said in return; with a verdict, as a goodbye. */
  say?: Uint8Array;
  verdict?: ProbeResult;
}

export interface Dialogue<S> {
  start: S;
  /** Said as soon as there is a connection; null: the server speaks first. */
  opening: Uint8Array | null;
  /** Looks at all bytes that are not used yet; null: the piece is not complete. Never throws. */
  read(state: S, bytes: Uint8Array): Reading<S> | null;
  /** What it means that the server closed after these bytes. */
  ended(state: S, bytes: Uint8Array): ProbeResult;
}

export interface Talk<S> {
  state: S;
  /** Bytes of an incomplete piece. */
  rest: Uint8Array;
}

export interface Heard<S> {
  talk: Talk<S>;
  say: Uint8Array[];
  verdict: ProbeResult | null;
}

export const beginTalk = <S>(dialogue: Dialogue<S>): Talk<S> => ({ state: dialogue.start, rest: new Uint8Array() });

export function hear<S>(dialogue: Dialogue<S>, { state, rest: before }: Talk<S>, chunk: Uint8Array): Heard<S> {
  let talk = { state, rest: before.length === 0 ? chunk : Buffer.concat([before, chunk]) };
  const say: Uint8Array[] = [];
  for (;;) {
    const reading = dialogue.read(talk.state, talk.rest);
    if (reading === null) break;
    talk = { state: reading.state, rest: talk.rest.subarray(reading.used) };
    if (reading.say !== undefined) say.push(reading.say);
    if (reading.verdict !== undefined) return { talk, say, verdict: reading.verdict };
  }
  const verdict = talk.rest.length > MAX_ANSWER_BYTES ? bad(`an answer of more than ${MAX_ANSWER_BYTES / 1024} KiB`) : null;
  return { talk, say, verdict };
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** The first line, without its end (LF or CR LF), and how many bytes it took; null: it is not complete. */
export function firstLine(bytes: Uint8Array): { line: Uint8Array; used: number } | null {
  const end = bytes.indexOf(NEWLINE);
  if (end < 0) return null;
  return { line: bytes.subarray(0, end > 0 && bytes[end - 1] === RETURN ? end - 1 : end), used: end + 1 };
}
