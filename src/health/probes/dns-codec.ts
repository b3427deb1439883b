/**
 * The part of DNS (RFC 1035, section 4) that a check needs: one question, and what a server answers. Bytes from the network never throw;
 * names are followed backwards only, so a loop of pointers ends. Pure.
 */
import { RCODES, type RecordType } from '../../config/dns-words.js';
import { formatAddress } from '../../system/ip-address.js';

/** IANA, DNS parameters. */
const TYPE_NUMBERS: Record<RecordType, number> = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33 };

const HEADER_BYTES = 12;
const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
const RCODE_MASK = 0x000f;
const POINTER = 0xc0;
const POINTER_MASK = 0x3fff;
/** Type, class, TTL, length. */
const RECORD_BYTES = 10;
/** RFC 1035 section 2.3.4. */
const MAX_NAME = 253;
/** More than any useful answer; the rest is not looked at. */
const MAX_RECORDS = 256;

export interface DnsQuestion {
  name: string;
  type: RecordType;
}

export type DnsAnswer =
  /** `answers`: the data of the records of the wanted type, as text. */
  { ok: true; id: number; rcode: string; isTruncated: boolean; answers: string[] } | { ok: false; reason: string };

export function encodeQuestion(id: number, { name, type }: DnsQuestion): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(RECURSION_DESIRED, 2);
  header.writeUInt16BE(1, 4);
  const labels = name.split('.').filter((label) => label !== '');
  const encoded = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]);
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(TYPE_NUMBERS[type], 1);
  tail.writeUInt16BE(CLASS_IN, 3);
  return Buffer.concat([header, ...encoded, tail]);
}

export function decodeAnswer(bytes: Buffer, asked: DnsQuestion): DnsAnswer {
  if (bytes.length < HEADER_BYTES) return broken('shorter than a header');
  const flags = bytes.readUInt16BE(2);
  if ((flags & RESPONSE) === 0) return broken('a question in place of an answer');
  const question = skipQuestions(bytes, bytes.readUInt16BE(4), asked);
  if (!question.ok) return question;
  const answers = readRecords(bytes, question.end, bytes.readUInt16BE(6), asked.type);
  const isTruncated = (flags & TRUNCATED) !== 0;
  if (answers === null && !isTruncated) return broken('a record that ends too soon');
  const code = flags & RCODE_MASK;
  return { ok: true, id: bytes.readUInt16BE(0), rcode: RCODES[code] ?? `rcode ${code}`, isTruncated, answers: answers ?? [] };
}

const broken = (reason: string): { ok: false; reason: string } => ({ ok: false, reason: `not a DNS answer: ${reason}` });

/** A server that could not read the question (formerr) repeats none. */
function skipQuestions(bytes: Buffer, count: number, asked: DnsQuestion): { ok: true; end: number } | { ok: false; reason: string } {
  if (count === 0) return { ok: true, end: HEADER_BYTES };
  if (count > 1) return broken('more than one question');
  const name = readName(bytes, HEADER_BYTES);
  if (name === null || name.end + 4 > bytes.length) return broken('a question that ends too soon');
  const isAsked = name.text === canonicalName(asked.name) && bytes.readUInt16BE(name.end) === TYPE_NUMBERS[asked.type];
  return isAsked ? { ok: true, end: name.end + 4 } : broken('an answer to another question');
}

function readRecords(bytes: Buffer, start: number, count: number, wanted: RecordType): string[] | null {
  const answers: string[] = [];
  let at = start;
  for (let i = 0; i < Math.min(count, MAX_RECORDS); i++) {
    const name = readName(bytes, at);
    if (name === null || name.end + RECORD_BYTES > bytes.length) return null;
    const data = name.end + RECORD_BYTES;
    const end = data + bytes.readUInt16BE(name.end + 8);
    if (end > bytes.length) return null;
    const text = bytes.readUInt16BE(name.end) === TYPE_NUMBERS[wanted] ? dataText(bytes, data, end, wanted) : null;
    if (text !== null) answers.push(text);
    at = end;
  }
  return answers;
}

/** As people write it: an address, a name, `10 mail.example` for MX, the joined strings of TXT. Null: the data is broken. */
function dataText(bytes: Buffer, at: number, end: number, type: RecordType): string | null {
  switch (type) {
    case 'A':
      return end - at === 4 ? formatAddress(bytes.readUInt32BE(at)) : null;
    case 'AAAA':
      return end - at === 16 ? formatAddress((bytes.readBigUInt64BE(at) << 64n) | bytes.readBigUInt64BE(at + 8)) : null;
    case 'TXT':
      return joinedStrings(bytes, at, end);
    case 'MX':
      return end - at < 3 ? null : numbersAndName(bytes, at, 1);
    case 'SRV':
      return end - at < 7 ? null : numbersAndName(bytes, at, 3);
    default:
      return readName(bytes, at)?.text ?? null;
  }
}

function numbersAndName(bytes: Buffer, at: number, count: number): string | null {
  const numbers = Array.from({ length: count }, (_, i) => bytes.readUInt16BE(at + 2 * i));
  const name = readName(bytes, at + 2 * count);
  return name === null ? null : `${numbers.join(' ')} ${name.text}`;
}

function joinedStrings(bytes: Buffer, start: number, end: number): string | null {
  let text = '';
  for (let at = start; at < end; ) {
    const next = at + 1 + bytes.readUInt8(at);
    if (next > end) return null;
    text += bytes.toString('latin1', at + 1, next);
    at = next;
  }
  return text;
}

/** Lower case, without the dot at the end; `end` is behind the name where it stands. Null: broken. */
function readName(bytes: Buffer, start: number): { text: string; end: number } | null {
  const labels: string[] = [];
  let end: number | null = null;
  let length = 0;
  // A pointer must lead to before the place where this part of the name began.
  let partStart = start;
  for (let at = start; ; ) {
    const size = bytes[at];
    if (size === undefined) return null;
    if (size === 0) return { text: labels.join('.'), end: end ?? at + 1 };
    if (size >= POINTER) {
      if (at + 2 > bytes.length) return null;
      const target = bytes.readUInt16BE(at) & POINTER_MASK;
      if (target >= partStart) return null;
      end ??= at + 2;
      partStart = target;
      at = target;
      continue;
    }
    length += size + 1;
    if (size >= 64 || at + 1 + size > bytes.length || length > MAX_NAME + 1) return null;
    labels.push(bytes.toString('latin1', at + 1, at + 1 + size).toLowerCase());
    at += 1 + size;
  }
}

export const canonicalName = (name: string): string => name.toLowerCase().replace(/\.$/, '');
