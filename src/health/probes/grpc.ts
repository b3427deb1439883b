/**
 * A call of grpc.health.v1.Health/Check over a connection of its own.
 */
import { isIPv6 } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import type { GrpcCheck } from '../../config/health-model.js';
import { bad, type CancelProbe, good, type OnResult, once, type ProbeTarget, plainWords } from './answer.js';
import { decodeResponse, encodeRequest } from './grpc-codec.js';
import { nameForTls, withAuthorities } from './tls.js';

const METHOD = '/grpc.health.v1.Health/Check';
/** The answer is two bytes long; this leaves room for what a later version adds. */
const MAX_RESPONSE_BYTES = 4096;

/** What the library wraps an error of the connection in, with the time of it. */
const LAST_ERROR = /^No connection established\. Last error: (?:Error: )?(.*?)(?: \([0-9TZ:.-]+\))?\. Resolution note: .*$/s;

const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  // A connection that another probe has open would prove nothing about new ones.
  'grpc.use_local_subchannel_pool': 1,
  // The machine asks again; and never through a proxy of the environment.
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
};

export function probeGrpc(target: ProbeTarget, check: GrpcCheck, onResult: OnResult): CancelProbe {
  let client: grpc.Client | null = null;
  let call: grpc.ClientUnaryCall | null = null;
  const answer = once(onResult, () => {
    call?.cancel();
    client?.close();
  });
  const judge = (error: grpc.ServiceError | null, response?: Response): void => {
    if (error !== null) answer(bad(errorText(error, check)));
    else if (response?.status === 'SERVING') answer(good('SERVING'));
    else answer(bad(response?.status ?? 'not an answer of grpc.health.v1'));
  };
  withAuthorities(check, answer, (ca) => {
    const name = nameForTls(check.serverName, null);
    client = new grpc.Client(whereOf(target), credentialsOf(check, ca), {
      ...CHANNEL_OPTIONS,
      ...(check.tls && name !== undefined ? { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name } : {}),
    });
    call = client.makeUnaryRequest(METHOD, encodeRequest, readResponse, check.service, judge);
  });
  return answer.cancel;
}

/** An object in any case: the library takes null for no answer at all. */
interface Response {
  status: string | null;
}

const readResponse = (bytes: Buffer): Response => ({ status: decodeResponse(bytes) });

const whereOf = ({ address, port }: ProbeTarget): string => (isIPv6(address) ? `ipv6:[${address}]:${port}` : `ipv4:${address}:${port}`);

function credentialsOf({ tls, verify }: GrpcCheck, ca: Buffer | undefined): grpc.ChannelCredentials {
  return tls ? grpc.credentials.createSsl(ca ?? null, null, null, { rejectUnauthorized: verify }) : grpc.credentials.createInsecure();
}

function errorText({ code, details }: grpc.ServiceError, { service }: GrpcCheck): string {
  if (code === grpc.status.UNIMPLEMENTED) return 'the server has no grpc.health.v1';
  if (code === grpc.status.NOT_FOUND) return `the server does not know the service ${JSON.stringify(service)}`;
  if (/ECONNREFUSED/.test(details)) return 'connection refused';
  return `${grpc.status[code] ?? code}: ${plainWords(details.replace(LAST_ERROR, '$1'))}`;
}
