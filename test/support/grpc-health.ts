/**
 * A gRPC server with the health service alone.
 */
import * as grpc from '@grpc/grpc-js';
import type { Test } from 'tap';

const same = (bytes: Buffer): Buffer => bytes;
const HEALTH = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
} as const;

/** By the name of the service: a status or the bytes of a response. */
export type HealthAnswer = (service: string, reply: (error: Partial<grpc.StatusObject> | null, bytes?: Buffer) => void) => void;

/** Its port. Ends with the test. */
export function healthServer(
  t: Test,
  answer: HealthAnswer,
  address = '127.0.0.1',
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<number> {
  const server = new grpc.Server();
  server.addService(HEALTH, {
    check: (call: { request: Buffer }, callback: grpc.sendUnaryData<Buffer>) =>
      answer(call.request.subarray(2).toString(), (error, bytes) => callback(error, bytes)),
  });
  t.teardown(() => server.forceShutdown());
  const where = address.includes(':') ? `[${address}]:0` : `${address}:0`;
  return new Promise((resolve, reject) => {
    server.bindAsync(where, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
}
