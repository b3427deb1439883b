/**
 * HTTP against real servers on loopback.
 */
import { createServer, type RequestListener } from 'node:http';
import t, { type Test } from 'tap';
import type { PoolConfig } from '../../../../src/config/model.js';
import { createHealthChecker, type HealthChange } from '../../../../src/health/checker.js';
import { MAX_BODY_BYTES } from '../../../../src/health/probes/http.js';
import { systemClock } from '../../../../src/system/clock.js';
import { ask as askKeys, checkOf, closedPort, listening, tcp } from '../../../support/probe-bench.js';
import { samplePool, sampleServer } from '../../../support/sample-config.js';

const KEYS = { type: 'http', interval: '100ms', timeout: '80ms', path: '/health', status: [200, 204] };

const http = (t: Test, answer: RequestListener, address?: string): Promise<number> => listening(t, createServer(answer), address);
const ask = (port: number, changes: object = {}, address?: string) => askKeys(port, { ...KEYS, ...changes }, address);

t.test('http: what is asked', async (t) => {
  const seen: unknown[] = [];
  const port = await http(t, (request, response) => {
    seen.push([request.method, request.url, request.headers.host, request.headers['user-agent'], request.headers.connection]);
    response.end();
  });
  await ask(port);
  await ask(port, { host: 'shop.example', path: '/a?b=c' });
  t.same(seen, [
    ['GET', '/health', '127.0.0.1', 'tandem-health-check', 'close'],
    ['GET', '/a?b=c', 'shop.example', 'tandem-health-check', 'close'],
  ]);
});

t.test('http: status', async (t) => {
  const port = await http(t, (request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    response.end();
  });
  t.same(await ask(port, { path: '/204' }), { ok: true, reason: 'status 204' });
  t.same(await ask(port, { path: '/503' }), { ok: false, reason: 'status 503' });
  t.same(await ask(await closedPort()), { ok: false, reason: 'connection refused' });
});

t.test('http: body', async (t) => {
  const filler = 'x'.repeat(MAX_BODY_BYTES - 3);
  const bodies: Record<string, string[]> = {
    '/good': ['all is ', 'hea', 'lthy here'],
    '/bad': ['all is lost'],
    '/empty': [],
    '/edge': [`${filler}end`],
    '/beyond': [`${filler}..end`],
  };
  const port = await http(t, (request, response) => {
    for (const part of bodies[request.url ?? ''] ?? []) response.write(part);
    response.end();
  });
  t.same(await ask(port, { path: '/good', body: 'healthy' }), { ok: true, reason: 'status 200, body matches' });
  t.same(await ask(port, { path: '/bad', body: 'healthy' }), { ok: false, reason: 'body does not contain "healthy"' });
  t.same(await ask(port, { path: '/empty', body: 'healthy' }), { ok: false, reason: 'body does not contain "healthy"' });
  t.equal((await ask(port, { path: '/edge', body: 'end' })).ok, true, 'the last bytes that are searched');
  t.equal((await ask(port, { path: '/beyond', body: 'end' })).ok, false, 'beyond them nothing is');
});

t.test('http: a body without an end is judged by what came', async (t) => {
  const port = await http(t, (request, response) => {
    if (request.url === '/match') response.write('healthy');
    else response.write('x'.repeat(2 * MAX_BODY_BYTES));
  });
  t.equal((await ask(port, { path: '/match', body: 'healthy' })).ok, true);
  t.equal((await ask(port, { path: '/endless', body: 'healthy' })).ok, false);
});

t.test('http: a server that speaks something else, or hangs up', async (t) => {
  const garbage = await tcp(t, (socket) => socket.end('SSH-2.0-nonsense\r\n'));
  t.match(await ask(garbage), { ok: false, reason: /Parse Error/ });
  const hangsUp = await tcp(t, (socket) => socket.once('data', () => socket.end()));
  t.match(await ask(hangsUp), { ok: false, reason: 'connection reset or closed' });
  const cutShort = await tcp(t, (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nheal')));
  t.equal((await ask(cutShort, { body: 'healthy' })).ok, false);
});

t.test('http: of IPv6', async (t) => {
  const port = await http(t, (request, response) => response.end(request.headers.host), '::1');
  t.same(await ask(port, { body: '[::1]' }, '::1'), { ok: true, reason: 'status 200, body matches' });
});

t.test('with real time: silent and slow servers are down, a good one is up', async (t) => {
  const good = await http(t, (_request, response) => response.end('healthy'));
  const silent = await tcp(t, () => undefined);
  const slowBody = await http(t, (_request, response) => void response.write('heal'));
  const servers = Object.entries({ good, silent, slowBody }).map(([name, port]) => sampleServer({ name, address: '127.0.0.1', port }));
  const pool: PoolConfig = { ...samplePool, servers, healthCheck: checkOf({ ...KEYS, body: 'healthy', interval: '1s', timeout: '500ms' }) };
  const seen: HealthChange[] = [];
  const logged: string[] = [];
  await new Promise<void>((resolve) => {
    const checker = createHealthChecker({
      pools: [pool],
      clock: systemClock,
      log: { event: (name) => logged.push(name) },
      onChange(change) {
        seen.push(change);
        if (seen.length === 3) resolve();
      },
    });
    checker.start();
    t.teardown(() => checker.stop());
  });
  t.same(
    seen.sort((a, b) => (a.server < b.server ? -1 : 1)).map(({ server, from, to, reason }) => [server, from, to, reason]),
    [
      ['good', 'unknown', 'up', 'status 200, body matches'],
      ['silent', 'unknown', 'down', 'no answer within 500 ms'],
      ['slowBody', 'unknown', 'down', 'no answer within 500 ms'],
    ],
  );
  t.same(logged.sort(), ['server.down', 'server.down', 'server.up']);
});
