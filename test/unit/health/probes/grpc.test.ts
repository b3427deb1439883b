/**
 * The health service of gRPC, with and without TLS.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import t from 'tap';
import { initPki } from '../../../../src/control/pki.js';
import { probe } from '../../../../src/health/probe.js';
import { decodeResponse, encodeRequest, SERVING_STATUSES } from '../../../../src/health/probes/grpc-codec.js';
import { type HealthAnswer, healthServer } from '../../../support/grpc-health.js';
import { ask, checkOf, closedPort, FAMILIES, targetOf, tcp } from '../../../support/probe-bench.js';

/** Statuses by the name of the service. */
const byService: HealthAnswer = (service, reply) => {
  const bytes: Record<string, number[]> = {
    '': [8, 1],
    'shop.Orders': [8, 2],
    empty: [],
    later: [8, 9],
    broken: [8],
    large: Array(5000).fill(0),
  };
  const known = bytes[service];
  if (known === undefined) reply({ code: grpc.status.NOT_FOUND, details: 'unknown service' });
  else reply(null, Buffer.from(known));
};

for (const address of FAMILIES) {
  t.test(`${address}: what the service says`, async (t) => {
    const port = await healthServer(t, byService, address);
    t.same(await ask(port, { type: 'grpc' }, address), { ok: true, reason: 'SERVING' });
    t.same(await ask(port, { type: 'grpc', service: 'shop.Orders' }, address), { ok: false, reason: 'NOT_SERVING' });
    t.same(await ask(port, { type: 'grpc', service: 'empty' }, address), { ok: false, reason: 'UNKNOWN' });
    t.same(await ask(port, { type: 'grpc', service: 'later' }, address), { ok: false, reason: 'status 9' });
    t.same(await ask(port, { type: 'grpc', service: 'broken' }, address), { ok: false, reason: 'not an answer of grpc.health.v1' });
    t.match(await ask(port, { type: 'grpc', service: 'large' }, address), { ok: false, reason: /RESOURCE_EXHAUSTED/ });
    t.same(await ask(port, { type: 'grpc', service: 'nobody' }, address), {
      ok: false,
      reason: 'the server does not know the service "nobody"',
    });
    t.match(await ask(await closedPort(address), { type: 'grpc' }, address), { ok: false, reason: /refused/ });
  });
}

t.test('TLS: the certificate must be trusted and have the name', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'tandem-grpc-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const nodes = [{ name: 'shop.example', address: '127.0.0.1' }];
  const pki = await initPki({ directory, cluster: 'servers', nodes, force: false, nowMs: Date.now() });
  const own = pki.nodes[0];
  const pair = { cert_chain: readFileSync(own?.cert ?? ''), private_key: readFileSync(own?.key ?? '') };
  const port = await healthServer(t, byService, '127.0.0.1', grpc.ServerCredentials.createSsl(null, [pair]));
  const check = { type: 'grpc', tls: true, ca: pki.ca };
  t.same(await ask(port, check), { ok: true, reason: 'SERVING' }, 'it names the address');
  t.same(await ask(port, { ...check, serverName: 'shop.example' }), { ok: true, reason: 'SERVING' });
  t.equal((await ask(port, { ...check, serverName: 'other.example' })).ok, false);
  t.equal((await ask(port, { type: 'grpc', tls: true })).ok, false, 'nobody knows this CA');
  t.same(await ask(port, { type: 'grpc', tls: true, verify: false }), { ok: true, reason: 'SERVING' });
  t.equal((await ask(port, { type: 'grpc' })).ok, false, 'no TLS towards a server that wants it');
  t.match(await ask(port, { ...check, ca: '/no/such.pem' }), { ok: false, reason: /cannot read the CA file/ });
});

t.test('a server without the service, or of another protocol', async (t) => {
  const bare = new grpc.Server();
  t.teardown(() => bare.forceShutdown());
  const port = await new Promise<number>((resolve) => {
    bare.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_error, bound) => resolve(bound));
  });
  t.same(await ask(port, { type: 'grpc' }), { ok: false, reason: 'the server has no grpc.health.v1' });
  const other = await tcp(t, (socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
  t.same(await ask(other, { type: 'grpc' }), { ok: false, reason: 'UNAVAILABLE: Protocol error' }, 'the same each time');
  const plain = await tcp(t, (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n')));
  t.same(await ask(plain, { type: 'grpc', tls: true, verify: false }), { ok: false, reason: 'UNAVAILABLE: TLS: wrong version number' });
});

t.test('a cancelled call does not answer', async (t) => {
  let answers = 0;
  let asked = (): void => undefined;
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const port = await healthServer(t, () => asked());
  const cancel = probe(targetOf(port), checkOf({ type: 'grpc' }), () => answers++);
  await isAsked;
  cancel();
  cancel();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(answers, 0);
});

t.test('messages', async (t) => {
  t.same(encodeRequest(''), Buffer.alloc(0));
  t.same(encodeRequest('a.B'), Buffer.from('\x0a\x03a.B'));
  t.same(encodeRequest('x'.repeat(200)).subarray(0, 3), Buffer.from([0x0a, 0xc8, 1]));
  const unknownFields = Buffer.from([0x12, 1, 65, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0x28, 0x80, 1, 8, 1]);
  t.equal(decodeResponse(unknownFields), 'SERVING');
  for (const broken of [[8], [0], [8, 0x80], [0x12, 5, 1], [0x13], [0x19, 1], [8, ...Array(11).fill(0x80), 0]])
    t.equal(decodeResponse(Uint8Array.from(broken)), null, String(broken));
});

t.test('any bytes are a status or none', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const status = decodeResponse(bytes);
      return status === null || (SERVING_STATUSES as readonly string[]).includes(status) || /^status \d+$/.test(status);
    }),
    { seed: 20261126, numRuns: 2000 },
  );
});
