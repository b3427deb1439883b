/**
 * The greeting of a mail server (RFC 5321): 220, EHLO answered with 250, QUIT. A server that greets with 554 or 421 takes no mail. Pure.
 */
import { bad, good, type ProbeResult, said } from './answer.js';
import { type Dialogue, firstLine, type Reading } from './dialogue.js';

export type SmtpState = 'greeting' | 'ehlo';

/** Code 220 or 250 of the step, by which its reply is good. */
const WANTED: Record<SmtpState, number> = { greeting: 220, ehlo: 250 };

interface Reply {
  code: number;
  used: number;
  last: Uint8Array;
}

const BROKEN = { code: 0 };

/** A whole reply: lines `250-...` up to one that is `250 ...`. Code 0: not SMTP. Null: not complete. */
export function readReply(bytes: Uint8Array): Reply | null {
  let used = 0;
  let code: number | null = null;
  for (;;) {
    const next = firstLine(bytes.subarray(used));
    if (next === null) return null;
    used += next.used;
    const match = /^([2-5][0-9]{2})([ -].*)?$/s.exec(Buffer.from(next.line).toString('latin1'));
    const own = Number(match?.[1]);
    if (match === null || (code !== null && own !== code)) return { ...BROKEN, used, last: next.line };
    code = own;
    if (match[2]?.startsWith('-') !== true) return { code, used, last: next.line };
  }
}

/** `name`: how we introduce ourselves. */
export function smtpDialogue(name: string): Dialogue<SmtpState> {
  const ehlo = Buffer.from(`EHLO ${name}\r\n`);
  const quit = Buffer.from('QUIT\r\n');
  const step = (state: SmtpState, { code, used, last }: Reply): Reading<SmtpState> => {
    if (code === 0) return { state, used, verdict: bad(`not SMTP: ${said(last)}`) };
    if (code !== WANTED[state]) return { state, used, say: quit, verdict: refusal(state, last) };
    if (state === 'greeting') return { state: 'ehlo', used, say: ehlo };
    return { state, used, say: quit, verdict: good('220 and 250') };
  };
  return {
    start: 'greeting',
    opening: null,
    read(state, bytes) {
      const reply = readReply(bytes);
      return reply === null ? null : step(state, reply);
    },
    ended: (state) => bad(state === 'greeting' ? 'closed before a greeting' : 'closed before it answered EHLO'),
  };
}

const refusal = (state: SmtpState, line: Uint8Array): ProbeResult =>
  bad(`${state === 'greeting' ? 'greeting' : 'answer to EHLO'} ${said(line)}`);
