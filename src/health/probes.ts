/**
 * One probe of one server: a TCP connection, or an HTTP request whose status and body are looked at. A probe never throws and answers at
 * most once; the time limit is the machine's (it cancels).
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { createConnection } from 'node:net';
import type { HealthCheckConfig } from '../config/model.js';

/** Bytes of an HTTP body that are searched for the wanted text. */
export const MAX_BODY_BYTES = 64 * 1024;

export interface ProbeTarget {
  address: string;
  port: number;
}

export interface ProbeResult {
  ok: boolean;
  /** For people, e.g. `connection refused` or `status 503`. */
  reason: string;
}

/** Ends the probe; no answer comes afterwards. */
export type CancelProbe = () => void;
export type Probe = (target: ProbeTarget, check: HealthCheckConfig, onResult: (result: ProbeResult) => void) => CancelProbe;

export const probe: Probe = (target, check, onResult) => {
  const where = { address: target.address, port: check.port ?? target.port };
  return check.type === 'tcp' ? probeTcp(where, onResult) : probeHttp(where, check, onResult);
};

function probeTcp(target: ProbeTarget, onResult: (result: ProbeResult) => void): CancelProbe {
  const socket = createConnection({ host: target.address, port: target.port });
  const answer = once(onResult, () => socket.destroy());
  socket.on('connect', () => answer({ ok: true, reason: 'connected' }));
  socket.on('error', (error: NodeJS.ErrnoException) => answer({ ok: false, reason: describe(error) }));
  return answer.cancel;
}

function probeHttp(target: ProbeTarget, check: HealthCheckConfig, onResult: (result: ProbeResult) => void): CancelProbe {
  let outgoing: ClientRequest | null = null;
  const answer = once(onResult, () => outgoing?.destroy());
  outgoing = request({
    host: target.address,
    port: target.port,
    path: check.path,
    // Its own connection each time: an idle kept one would prove nothing about new ones.
    agent: false,
    headers: { Host: check.host ?? target.address, 'User-Agent': 'tandem-health-check', Connection: 'close' },
  });
  outgoing.on('response', (response) => judgeResponse(response, check, answer));
  outgoing.on('error', (error: NodeJS.ErrnoException) => answer({ ok: false, reason: describe(error) }));
  outgoing.end();
  return answer.cancel;
}

function judgeResponse(response: IncomingMessage, check: HealthCheckConfig, answer: (result: ProbeResult) => void): void {
  const status = response.statusCode ?? 0;
  // What comes after the answer (an early end, say) is of no interest, but must not be thrown.
  response.on('error', (error: NodeJS.ErrnoException) => answer({ ok: false, reason: describe(error) }));
  if (!check.status.includes(status)) answer({ ok: false, reason: `status ${status}` });
  else if (check.body === null) answer({ ok: true, reason: `status ${status}` });
  else searchBody(response, check.body, answer);
}

function searchBody(response: IncomingMessage, wanted: string, answer: (result: ProbeResult) => void): void {
  const text = Buffer.from(wanted);
  let body = Buffer.alloc(0);
  const missing = (): void => answer({ ok: false, reason: `body does not contain ${JSON.stringify(wanted)}` });
  response.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk.subarray(0, MAX_BODY_BYTES - body.length)]);
    if (body.includes(text)) answer({ ok: true, reason: `status ${response.statusCode}, body matches` });
    else if (body.length >= MAX_BODY_BYTES) missing();
  });
  response.on('end', missing);
}

interface Answer {
  (result: ProbeResult): void;
  cancel: CancelProbe;
}

/** The first answer counts; with it, and with a cancel, the connection goes. */
function once(onResult: (result: ProbeResult) => void, close: () => void): Answer {
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
  return Object.assign(answer, { cancel: () => void finish() });
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset or closed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
};

const describe = (error: NodeJS.ErrnoException): string => WORDS[error.code ?? ''] ?? error.message;
