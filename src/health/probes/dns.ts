/**
 * What the answer to a DNS question means for a check. Pure.
 */
import type { DnsCheck } from '../../config/health-model.js';
import { canonicalAddress } from '../../system/ip-address.js';
import { bad, good, type ProbeResult } from './answer.js';
import { canonicalName, decodeAnswer } from './dns-codec.js';

/** Answers that are shown when the wanted one is not among them. */
const MAX_SHOWN = 3;

export type DnsWanted = Pick<DnsCheck, 'query' | 'recordType' | 'rcode' | 'answer'>;

/** Null: not the answer to our question; a better one may come. */
export function judgeDns(datagram: Buffer, id: number, wanted: DnsWanted): ProbeResult | null {
  const answer = decodeAnswer(datagram, { name: wanted.query, type: wanted.recordType });
  if (!answer.ok) return bad(answer.reason);
  if (answer.id !== id) return null;
  if (answer.rcode !== wanted.rcode) return bad(`${answer.rcode} in place of ${wanted.rcode}`);
  if (wanted.answer === null) return good(`${answer.rcode}, ${answer.answers.length} ${wanted.recordType}`);
  const text = comparable(wanted.answer, wanted);
  if (answer.answers.some((each) => comparable(each, wanted) === text)) return good(`${answer.rcode}, ${wanted.answer}`);
  const shown = answer.answers.slice(0, MAX_SHOWN).map((each) => each.replace(/[^\x20-\x7e]/g, ' '));
  const found = shown.length === 0 ? 'nothing' : shown.join(', ');
  return bad(`${found} in place of ${wanted.answer}${answer.isTruncated ? ', in a truncated answer' : ''}`);
}

function comparable(text: string, { recordType }: DnsWanted): string {
  if (recordType === 'TXT') return text;
  return recordType === 'A' || recordType === 'AAAA' ? (canonicalAddress(text) ?? text) : canonicalName(text);
}
