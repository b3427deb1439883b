/**
 * Each type of health check and the real thing: what it says of a daemon that serves, of one that is there and does not, of one that is
 * stopped, and of none.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { encodeQuestion } from '../../src/health/probes/dns-codec.js';
import { startupPacket } from '../../src/health/probes/postgres.js';
import {
  createPostgres,
  letInto,
  POSTGRES,
  startDnsmasq,
  startMariadb,
  startNginx,
  startPostgres,
  startRedis,
} from '../support/daemons/daemons.js';
import { livesAndDies } from '../support/daemons/watch.js';
import { healthServer } from '../support/grpc-health.js';
import { programsMissing } from '../support/lab/fixture.js';
import { waitFor } from '../support/lab/wait-for.js';
import { ask } from '../support/probe-bench.js';

type Row = [keys: object, ok: boolean, reason: RegExp];

async function says(t: Test, port: number, rows: readonly Row[]): Promise<void> {
  for (const [keys, ok, reason] of rows) t.match(await ask(port, keys), { ok, reason }, JSON.stringify(keys));
}

const saysSoon = (port: number, keys: object, reason: RegExp): Promise<true> =>
  waitFor(String(reason), async () => reason.test((await ask(port, keys)).reason));

/** Others connect and say this, one after the other, until there is no room. Returns how all of them leave. */
async function crowd(t: Test, port: number, opening: Uint8Array, keys: object, reason: RegExp): Promise<() => void> {
  const others: Socket[] = [];
  const leave = (): void => {
    for (const socket of others) socket.destroy();
  };
  t.teardown(leave);
  await waitFor(String(reason), async () => {
    const socket = createConnection({ host: '127.0.0.1', port });
    others.push(socket);
    socket.on('error', () => undefined);
    socket.write(opening);
    await once(socket, 'data');
    return reason.test((await ask(port, keys)).reason);
  });
  await says(t, port, [[keys, false, reason]]);
  return leave;
}

const REDIS = { type: 'redis' };
const command = (line: string): Row => [{ type: 'tcp', send: `${line}\r\n`, expect: '+OK' }, true, /matches/];
const RELOAD = { type: 'tcp', send: 'DEBUG RELOAD\r\n', expect: '+OK' };

async function redis(t: Test): Promise<void> {
  const daemon = await startRedis(t);
  const { port } = daemon;
  await saysSoon(port, REDIS, /^PONG$/);
  await says(t, port, [
    command('CONFIG SET requirepass secret'),
    [REDIS, true, /^alive, wants a password: "-NOAUTH/],
    command('AUTH secret\r\nCONFIG SET requirepass ""'),
    command('CONFIG SET replica-serve-stale-data no'),
    command('REPLICAOF 127.0.0.1 1'),
    [REDIS, false, /^error: "-MASTERDOWN/],
    command('REPLICAOF NO ONE'),
    [REDIS, true, /^PONG$/],
    [{ type: 'http' }, false, /^(Parse Error|connection reset)/],
    command('CONFIG SET key-load-delay 2000'),
    command('CONFIG SET loading-process-events-interval-bytes 1024'),
    command('DEBUG POPULATE 5000'),
  ]);
  const loaded = ask(port, RELOAD);
  await saysSoon(port, REDIS, /^error: "-LOADING/);
  await says(t, port, [command('CONFIG SET key-load-delay 0')]);
  t.match(await loaded, { ok: true });
  daemon.signal('SIGSTOP');
  await says(t, port, [[{ type: 'tcp' }, true, /^connected$/]]);
  daemon.signal('SIGCONT');
  await livesAndDies(t, daemon, {
    redis: { port, keys: REDIS },
    tcp: { port, keys: { type: 'tcp', send: 'PING\r\n', expect: '+PONG' } },
  });
}

const DNS = { type: 'dns', query: 'shop.test' };
const QUESTION = encodeQuestion(7, { name: 'shop.test', type: 'A' }).toString('hex');
/** As an address in the answer. */
const FOUND = 'c0000201';

async function dnsmasq(t: Test): Promise<void> {
  const daemon = await startDnsmasq(t);
  const { port } = daemon;
  await saysSoon(port, DNS, /^noerror/);
  await says(t, port, [
    [{ ...DNS, answer: '192.0.2.1' }, true, /^noerror, 192\.0\.2\.1$/],
    [{ ...DNS, query: 'SHOP.test.', recordType: 'AAAA', answer: '2001:DB8:0::80' }, true, /^noerror, /],
    [{ ...DNS, recordType: 'MX', answer: '10 mail.test' }, true, /^noerror, 10 mail\.test$/],
    [{ ...DNS, answer: '192.0.2.2' }, false, /^192\.0\.2\.1 in place of 192\.0\.2\.2$/],
    [{ ...DNS, query: 'none.test' }, false, /^nxdomain in place of noerror$/],
    [{ ...DNS, query: 'none.test', rcode: 'nxdomain' }, true, /^nxdomain, 0 A$/],
    [{ ...DNS, query: 'shop.example' }, false, /^refused in place of noerror$/],
    [{ type: 'udp', encoding: 'hex', send: QUESTION, expect: FOUND }, true, /matches/],
    [{ type: 'udp', encoding: 'hex', send: QUESTION, expect: 'c0000202' }, false, /does not contain/],
  ]);
  await livesAndDies(t, daemon, { dns: { port, keys: DNS }, udp: { port, keys: { type: 'udp', encoding: 'hex', send: QUESTION } } });
}

async function nginx(t: Test): Promise<void> {
  const healthPort = await healthServer(t, (service, reply) => {
    const status = { '': 1, 'shop.Orders': 2 }[service];
    if (status === undefined) reply({ code: 5, details: 'unknown service' });
    else reply(null, Buffer.from([8, status]));
  });
  const { daemon, ports, ca } = await startNginx(t, healthPort);
  const { http, https, smtp, grpc, grpcGone } = ports;
  const url = `http://127.0.0.1:${http}`;
  await saysSoon(http, { type: 'http' }, /^status 200$/);
  await says(t, http, [
    [{ type: 'http', status: ['200-299'], body: 'healthy' }, true, /^status 200, body matches$/],
    [{ type: 'http', body: 'sick' }, false, /^body does not contain "sick"$/],
    [{ type: 'http', status: [204] }, false, /^status 200$/],
    [{ type: 'http', path: '/down' }, false, /^status 503$/],
    [{ type: 'http', port: https }, false, /^status 400$/],
    [{ type: 'script', command: ['/usr/bin/curl', '-fsS', url] }, true, /^exit status 0: healthy$/],
    [{ type: 'script', command: ['/usr/bin/curl', '-fsS', `${url}/down`] }, false, /^exit status 22: .*503/],
    [{ type: 'redis' }, false, /^not an answer to PING: "HTTP/],
    [{ type: 'postgres' }, false, /^not PostgreSQL: "HTTP/],
  ]);
  await says(t, https, [
    [{ type: 'https', ca }, true, /^status 200$/],
    [{ type: 'https', ca, host: 'shop.example' }, true, /^status 200$/],
    [{ type: 'https', ca, host: 'other.example' }, false, /altnames/],
    [{ type: 'https' }, false, /certificate/],
    [{ type: 'https', verify: false }, true, /^status 200$/],
    [{ type: 'https', verify: false, port: http }, false, /^TLS: wrong version number$/],
  ]);
  await says(t, grpc, [
    [{ type: 'grpc' }, true, /^SERVING$/],
    [{ type: 'grpc', service: 'shop.Orders' }, false, /^NOT_SERVING$/],
    [{ type: 'grpc', service: 'nobody' }, false, /does not know the service "nobody"$/],
    [{ type: 'grpc', port: grpcGone }, false, /^UNAVAILABLE: .*502/],
    [{ type: 'grpc', port: http }, false, /^UNAVAILABLE: Protocol error$/],
  ]);
  await says(t, smtp, [
    [{ type: 'smtp' }, true, /^220 and 250$/],
    [{ type: 'mysql' }, false, /^not MySQL: "220/],
  ]);
  await livesAndDies(t, daemon, {
    http: { port: http, keys: { type: 'http' } },
    https: { port: https, keys: { type: 'https', ca } },
    grpc: { port: grpc, keys: { type: 'grpc' } },
    smtp: { port: smtp, keys: { type: 'smtp' } },
  });
}

const MYSQL = { type: 'mysql' };
const NOTHING = Buffer.alloc(0);

async function mariadb(t: Test): Promise<void> {
  const daemon = await startMariadb(t);
  const { port } = daemon;
  await saysSoon(port, MYSQL, /^alive: error 1045$/);
  await says(t, port, [
    [{ ...MYSQL, user: 'quiet' }, true, /^logged in$/],
    [{ ...MYSQL, user: 'locked' }, true, /^alive: error 4151$/],
    [{ type: 'postgres' }, false, /^not PostgreSQL/],
  ]);
  const leave = await crowd(t, port, NOTHING, MYSQL, /^error 1040: "Too many connections"$/);
  leave();
  await livesAndDies(t, daemon, { mysql: { port, keys: MYSQL } });
}

const MONITOR = { type: 'postgres', user: 'monitor' };

async function postgres(t: Test): Promise<void> {
  const daemon = await createPostgres(t);
  const { port } = daemon;
  await saysSoon(port, MONITOR, /^logged in$/);
  await says(t, port, [[{ type: 'postgres' }, true, /^alive: 28000 /]]);
  const leave = await crowd(t, port, startupPacket('monitor'), MONITOR, /^error 53300 /);
  leave();
  await saysSoon(port, MONITOR, /^logged in$/);
  letInto(daemon, 'scram-sha-256');
  await saysSoon(port, MONITOR, /^alive, wants a password$/);
  await livesAndDies(t, daemon, { postgres: { port, keys: MONITOR } });
  t.notMatch(daemon.words(), /expected .* response/, 'that it hears no password is nothing to be noted');
  daemon.write('data/standby.signal', '');
  startPostgres(daemon, { hot_standby: 'off' });
  await saysSoon(port, MONITOR, /^error 57P03 .*not accepting connections/);
}

const DAEMONS: Record<string, [run: (t: Test) => Promise<void>, ...programs: string[]]> = {
  redis: [redis, 'redis-server'],
  dnsmasq: [dnsmasq, 'dnsmasq'],
  nginx: [nginx, 'nginx', 'curl'],
  mariadb: [mariadb, 'mariadbd'],
  postgres: [postgres],
};

const postgresMissing = existsSync(POSTGRES) ? null : `not installed: ${POSTGRES} (scripts/setup --test)`;

// They wait most of their time.
t.jobs = Object.keys(DAEMONS).length;
for (const [name, [run, ...programs]] of Object.entries(DAEMONS)) {
  const missing = name === 'postgres' ? postgresMissing : programsMissing(...programs);
  t.test(name, { buffered: true, skip: missing ?? false }, run);
}
