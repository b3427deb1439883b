/**
 * HTTPS: whose certificate is believed under which name.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { initPki } from '../../../../src/control/pki.js';
import { nameForTls } from '../../../../src/health/probes/tls.js';
import { ask, closedPort, FAMILIES, listening, script, tcp } from '../../../support/probe-bench.js';

const directory = mkdtempSync(path.join(tmpdir(), 'tandem-https-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const NAMES = [
  { name: 'v4.example', address: '127.0.0.1' },
  { name: 'v6.example', address: '::1' },
];
const pki = await initPki({ directory, cluster: 'servers', nodes: NAMES, force: false, nowMs: Date.now() });

/** Tells under which names it was asked. */
async function https(t: Test, address: string): Promise<{ port: number; names: (string | false | undefined)[] }> {
  const own = pki.nodes[address === '::1' ? 1 : 0];
  const names: (string | false | undefined)[] = [];
  const server = createServer({ cert: readFileSync(own?.cert ?? ''), key: readFileSync(own?.key ?? '') }, (request, response) => {
    names.push((request.socket as TLSSocket & { servername?: string | false }).servername);
    response.statusCode = request.url === '/health' ? 200 : 503;
    response.end(`healthy ${request.headers.host}`);
  });
  return { port: await listening(t, server as unknown as Server, address), names };
}

for (const [index, address] of FAMILIES.entries()) {
  t.test(`${address}: the certificate must be trusted and have the name`, async (t) => {
    const { port, names } = await https(t, address);
    const name = NAMES[index]?.name ?? '';
    const check = { type: 'https', path: '/health', ca: pki.ca };
    t.same(await ask(port, check, address), { ok: true, reason: 'status 200' }, 'it names the address');
    t.same(await ask(port, { ...check, host: name, body: `healthy ${name}` }, address), { ok: true, reason: 'status 200, body matches' });
    t.same(await ask(port, { ...check, serverName: name, host: 'other.example' }, address), { ok: true, reason: 'status 200' });
    t.match(await ask(port, { ...check, host: 'other.example' }, address), { ok: false, reason: /altnames/ });
    t.match(await ask(port, { ...check, ca: undefined }, address), { ok: false, reason: /certificate/ });
    t.same(await ask(port, { ...check, ca: undefined, verify: false, host: 'other.example' }, address), { ok: true, reason: 'status 200' });
    t.same(await ask(port, { ...check, path: '/' }, address), { ok: false, reason: 'status 503' });
    t.same(names, [false, name, name, 'other.example', false], 'SNI of those that got an answer');
  });
}

t.test('no file of a CA, no TLS, nobody there', async (t) => {
  const { port } = await https(t, '127.0.0.1');
  t.match(await ask(port, { type: 'https', ca: '/no/such.pem' }), { ok: false, reason: /cannot read the CA file: .*no such file/ });
  const plain = await tcp(t, (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n')));
  t.same(await ask(plain, { type: 'https', verify: false }), { ok: false, reason: 'TLS: wrong version number' }, 'the same each time');
  const hangsUp = await tcp(t, script([null], { speaksFirst: false }));
  t.equal((await ask(hangsUp, { type: 'https', verify: false })).ok, false);
  t.same(await ask(await closedPort(), { type: 'https' }), { ok: false, reason: 'connection refused' });
});

t.test('names for TLS', async (t) => {
  t.equal(nameForTls('a.example', 'b.example'), 'a.example');
  t.equal(nameForTls(null, 'b.example:8443'), 'b.example');
  for (const [name, host] of [
    [null, null],
    [null, '10.2.0.21'],
    [null, '10.2.0.21:8443'],
    [null, '::1'],
    ['10.2.0.21', 'b.example'],
  ] as const)
    t.equal(nameForTls(name, host), undefined);
});
