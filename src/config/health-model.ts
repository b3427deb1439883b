/**
 * How the servers of a pool are checked, as the rest of the program knows it: each type has its own keys alone, with their defaults.
 */
import type { Rcode, RecordType } from './dns-words.js';
import type { HealthDocument } from './health-schema.js';

const DEFAULT_STATUSES = ['200-399'];
const DEFAULT_USER = 'tandem';

export interface CheckBasics {
  intervalMs: number;
  /** While on the way up or down; null: `intervalMs`. */
  fastIntervalMs: number | null;
  /** While down; null: `intervalMs`. */
  downIntervalMs: number | null;
  timeoutMs: number;
  rise: number;
  fall: number;
  /** Null: the server's own. */
  port: number | null;
}

/** `send` null: nothing is said. `expect` null: any answer. */
export interface Exchange {
  send: string | null;
  expect: string | null;
  encoding: 'text' | 'hex';
}

/** `status`: every accepted one. `body`, `host` null: any body, the server's address. */
interface Request {
  path: string;
  status: number[];
  body: string | null;
  host: string | null;
}

/** `ca` is an absolute file name; null: what Node.js trusts. */
export interface TlsCheck {
  serverName: string | null;
  verify: boolean;
  ca: string | null;
}

export type TcpCheck = CheckBasics & Exchange & { type: 'tcp' };
export type UdpCheck = CheckBasics & Exchange & { type: 'udp'; isSilenceGood: boolean };
export type HttpCheck = CheckBasics & Request & { type: 'http' };
export type HttpsCheck = CheckBasics & Request & TlsCheck & { type: 'https' };
export type RedisCheck = CheckBasics & { type: 'redis' };
/** `host`: how we introduce ourselves. */
export type SmtpCheck = CheckBasics & { type: 'smtp'; host: string };
export type LoginCheck = CheckBasics & { type: 'mysql' | 'postgres'; user: string };
/** `answer` null: any, also none. */
export type DnsCheck = CheckBasics & { type: 'dns'; query: string; recordType: RecordType; rcode: Rcode; answer: string | null };
/** `service` empty: the server as a whole. */
export type GrpcCheck = CheckBasics & TlsCheck & { type: 'grpc'; service: string; tls: boolean };
export type ScriptCheck = CheckBasics & { type: 'script'; command: string[]; environment: Record<string, string> };
export type AgentCheck = CheckBasics & { type: 'agent'; send: string | null };

export type HealthCheckConfig =
  | TcpCheck
  | UdpCheck
  | HttpCheck
  | HttpsCheck
  | RedisCheck
  | SmtpCheck
  | LoginCheck
  | DnsCheck
  | GrpcCheck
  | ScriptCheck
  | AgentCheck;

/** Of the node that reads the file. */
export interface Places {
  /** Makes a file name absolute. */
  locate(file: string): string;
  /** Puts the name of the node into a word. */
  named(word: string): string;
}

export function resolveHealthCheck(document: HealthDocument, { locate, named }: Places): HealthCheckConfig {
  const { type } = document;
  const basics = basicsOf(document);
  switch (type) {
    case 'tcp':
      return { type, ...basics, ...exchangeOf(document) };
    case 'udp':
      return { type, ...basics, ...exchangeOf(document), isSilenceGood: document.silence === 'up' };
    case 'http':
      return { type, ...basics, ...requestOf(document) };
    case 'https':
      return { type, ...basics, ...requestOf(document), ...tlsOf(document, locate) };
    case 'redis':
      return { type, ...basics };
    case 'smtp':
      return { type, ...basics, host: document.host ?? 'localhost' };
    case 'mysql':
    case 'postgres':
      return { type, ...basics, user: document.user ?? DEFAULT_USER };
    case 'dns':
      return { type, ...basics, ...questionOf(document) };
    case 'grpc':
      return { type, ...basics, ...tlsOf(document, locate), service: document.service ?? '', tls: document.tls ?? false };
    case 'script':
      return { type, ...basics, command: (document.command ?? []).map(named), environment: document.environment ?? {} };
    case 'agent':
      return { type, ...basics, send: document.send };
  }
}

const basicsOf = ({ interval, fastInterval, downInterval, timeout, rise, fall, port }: HealthDocument): CheckBasics => ({
  intervalMs: interval,
  fastIntervalMs: fastInterval,
  downIntervalMs: downInterval,
  timeoutMs: timeout,
  rise,
  fall,
  port,
});

const exchangeOf = ({ send, expect, encoding }: HealthDocument): Exchange => ({ send, expect, encoding: encoding ?? 'text' });

const requestOf = ({ path, status, body, host }: HealthDocument): Request => ({
  path: path ?? '/',
  status: expandStatuses(status ?? DEFAULT_STATUSES),
  body,
  host,
});

function expandStatuses(items: (number | string)[]): number[] {
  const all = items.flatMap((item) => {
    const [first = 0, last = first] = String(item).split('-').map(Number);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  });
  return [...new Set(all)].sort((a, b) => a - b);
}

const tlsOf = ({ serverName, verify, ca }: HealthDocument, locate: Places['locate']): TlsCheck => ({
  serverName,
  verify: verify ?? true,
  ca: ca === null ? null : locate(ca),
});

const questionOf = ({ query, recordType, rcode, answer }: HealthDocument) => ({
  query: query ?? '.',
  recordType: recordType ?? 'A',
  rcode: rcode ?? 'noerror',
  answer,
});
