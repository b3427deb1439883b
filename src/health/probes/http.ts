/**
 * An HTTP or HTTPS request whose status and body are looked at.
 */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import { isIPv6 } from 'node:net';
import type { HttpCheck, HttpsCheck } from '../../config/health-model.js';
import { type Answer, bad, type CancelProbe, describeError, good, type OnResult, once, type ProbeTarget } from './answer.js';
import { nameForTls, withAuthorities } from './tls.js';

/** Bytes of a body that are searched for the wanted text. */
export const MAX_BODY_BYTES = 64 * 1024;

export function probeHttp(target: ProbeTarget, check: HttpCheck | HttpsCheck, onResult: OnResult): CancelProbe {
  let outgoing: ClientRequest | null = null;
  const answer = once(onResult, () => outgoing?.destroy());
  const ask = (request: ClientRequest): void => {
    outgoing = request;
    request.on('response', (response) => judgeResponse(response, check, answer));
    request.on('error', (error) => answer(bad(describeError(error))));
    request.end();
  };
  const options = optionsOf(target, check);
  if (check.type === 'http') ask(requestHttp(options));
  else withAuthorities(check, answer, (ca) => ask(requestHttps({ ...options, ...tlsOptionsOf(check), ca })));
  return answer.cancel;
}

function optionsOf({ address, port }: ProbeTarget, { path, host }: HttpCheck | HttpsCheck): RequestOptions {
  return {
    host: address,
    port,
    path,
    // Its own connection each time: an idle kept one would prove nothing about new ones.
    agent: false,
    headers: {
      Host: host ?? (isIPv6(address) ? `[${address}]` : address),
      'User-Agent': 'tandem-health-check',
      Connection: 'close',
    },
  };
}

function tlsOptionsOf({ serverName, host, verify }: HttpsCheck): RequestOptions {
  // Not left out: Node would take the Host header.
  return { servername: nameForTls(serverName, host) ?? '', rejectUnauthorized: verify };
}

function judgeResponse(response: IncomingMessage, check: HttpCheck | HttpsCheck, answer: Answer): void {
  const status = response.statusCode ?? 0;
  // What comes after the answer (an early end, say) is of no interest, but must not be thrown.
  response.on('error', (error) => answer(bad(describeError(error))));
  if (!check.status.includes(status)) answer(bad(`status ${status}`));
  else if (check.body === null) answer(good(`status ${status}`));
  else searchBody(response, check.body, answer);
}

function searchBody(response: IncomingMessage, wanted: string, answer: Answer): void {
  const text = Buffer.from(wanted);
  let body = Buffer.alloc(0);
  const missing = (): void => answer(bad(`body does not contain ${JSON.stringify(wanted)}`));
  response.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk.subarray(0, MAX_BODY_BYTES - body.length)]);
    if (body.includes(text)) answer(good(`status ${response.statusCode}, body matches`));
    else if (body.length >= MAX_BODY_BYTES) missing();
  });
  response.on('end', missing);
}
