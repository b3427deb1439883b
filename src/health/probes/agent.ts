/**
 * The line of an agent on the server, as HAProxy's agent-check has it: words between spaces, tabs or commas, up to the first end of line
 * or to the end of the connection. `up` and `down` (`fail`, `stopped`) are the verdict; `drain`, `maint`, `ready`, `NN%` and `maxconn:N` are
 * advice, and what is not said stays as it was. After `#` follows a text for people. Pure.
 */
import { bad, good, type ProbeResult, type ServerAdvice, said } from './answer.js';
import type { Dialogue } from './dialogue.js';

/** A weight beyond would be a mistake; HAProxy's weights end at 256, which is 256 times the least. */
const MAX_WEIGHT_PERCENT = 25_600;
const MAX_CONNECTIONS = 2 ** 31 - 1;
const DOWN_WORDS = new Set(['down', 'fail', 'stopped']);
const ADMIN_WORDS = new Set(['ready', 'drain', 'maint']);

interface Said {
  verdict: 'up' | 'down' | null;
  advice: ServerAdvice;
}

/** Null: a word that no agent says. */
function readWord(word: string, { verdict, advice }: Said): Said | null {
  const lower = word.toLowerCase();
  if (lower === 'up') return { verdict: verdict ?? 'up', advice };
  if (DOWN_WORDS.has(lower)) return { verdict: 'down', advice };
  if (ADMIN_WORDS.has(lower)) return { verdict, advice: { ...advice, admin: lower as 'ready' | 'drain' | 'maint' } };
  const percent = /^([0-9]{1,5})%$/.exec(lower);
  if (percent !== null && Number(percent[1]) <= MAX_WEIGHT_PERCENT)
    return { verdict, advice: { ...advice, weightPercent: Number(percent[1]) } };
  const connections = /^maxconn:(.*)$/.exec(lower)?.[1];
  if (connections !== undefined) return { verdict, advice: withLimit(advice, connections) };
  return null;
}

/** It is shown and does nothing, so one that cannot be read is not worth a failed check. */
function withLimit(advice: ServerAdvice, connections: string): ServerAdvice {
  const isLimit = /^[0-9]{1,10}$/.test(connections) && Number(connections) <= MAX_CONNECTIONS;
  return isLimit ? { ...advice, maxConnections: Number(connections) } : advice;
}

export function judgeAgentLine(line: Uint8Array): ProbeResult {
  const text = Buffer.from(line).toString('latin1');
  const words = text.replace(/#.*$/s, '').split(/[ \t,]+/);
  let all: Said = { verdict: null, advice: {} };
  let isEmpty = true;
  for (const word of words) {
    if (word === '') continue;
    const next = readWord(word, all);
    if (next === null) return bad(`not an agent's line: ${said(line)}`);
    all = next;
    isEmpty = false;
  }
  if (isEmpty) return bad('the agent said nothing');
  const { verdict, advice } = all;
  const reason = `agent: ${said(line)}`;
  const result = verdict === 'down' || advice.admin === 'maint' ? bad(reason) : good(reason);
  return Object.keys(advice).length === 0 ? result : { ...result, advice };
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** `send`: what the agent is told, nothing by default. */
export function agentDialogue(send: string | null): Dialogue<null> {
  return {
    start: null,
    opening: send === null ? null : Buffer.from(send),
    read(state, bytes) {
      const end = bytes.findIndex((byte) => byte === NEWLINE || byte === RETURN);
      return end < 0 ? null : { state, used: end + 1, verdict: judgeAgentLine(bytes.subarray(0, end)) };
    },
    ended: (_state, bytes) => judgeAgentLine(bytes),
  };
}
