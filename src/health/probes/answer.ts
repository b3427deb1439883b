/**
 * What every probe has in common: whom it asks, what it answers, and that it answers at most once. A probe never throws; the time limit is
 * the machine's (it cancels). Pure.
 */

export interface ProbeTarget {
  pool: string;
  server: string;
  address: string;
  port: number;
}

export interface ProbeResult {
  ok: boolean;
  /** For people, e.g. `connection refused` or `status 503`. */
  reason: string;
  /** What the server asks for beside; only agents say it. */
  advice?: ServerAdvice;
}

/** How much a server wants to get. What is not there was not said. */
export interface ServerAdvice {
  admin?: 'ready' | 'drain' | 'maint';
  /** Of its weight in the configuration. */
  weightPercent?: number;
  maxConnections?: number;
}

/** Ends the probe; no answer comes afterwards. */
export type CancelProbe = () => void;
export type OnResult = (result: ProbeResult) => void;

/** Characters of what a server said that are worth showing as a reason. */
const MAX_SAID = 120;

export interface Answer {
  (result: ProbeResult): void;
  cancel: CancelProbe;
  isOver(): boolean;
}

/** The first answer counts; with it, and with a cancel, the connection goes. */
export function once(onResult: OnResult, close: () => void): Answer {
  let isOver = false;
  const finish = (): boolean => {
    if (isOver) return false;
    isOver = true;
    close();
    return true;
  };
  const answer = (result: ProbeResult): void => {
    if (finish()) onResult(result);
  };
  return Object.assign(answer, { cancel: () => void finish(), isOver: () => isOver });
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset or closed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
  EPIPE: 'connection reset or closed',
};

/** Of an error of OpenSSL, what lies between an address in memory and a line of its source. */
const TLS_REASON = /:SSL routines:[^:]*:([^:\n]+)/;

/** Without what differs each time: the same failure has the same reason. */
export function plainWords(text: string): string {
  const reason = TLS_REASON.exec(text)?.[1];
  return reason === undefined ? text : `TLS: ${reason}`;
}

export const describeError = (error: Error & { code?: string }): string => WORDS[error.code ?? ''] ?? plainWords(error.message);

export const good = (reason: string): ProbeResult => ({ ok: true, reason });
export const bad = (reason: string): ProbeResult => ({ ok: false, reason });

/** What a server said, fit for a log line: no control characters, not long. */
export function said(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, MAX_SAID)).toString('latin1');
  return JSON.stringify(text.replace(/[^\x21-\x7e]+/g, ' ').trim());
}
