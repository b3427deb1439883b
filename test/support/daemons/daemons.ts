/**
 * The daemons behind the types of health checks, as small as they go.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';
import { initPki } from '../../../src/control/pki.js';
import { closedPort } from '../probe-bench.js';
import { Daemon } from './daemon.js';

const HOST = '127.0.0.1';

/** Commands that slow it down or break it are allowed. */
export async function startRedis(t: Test): Promise<Daemon> {
  const redis = await Daemon.create(t, 'redis');
  const settings = { bind: HOST, port: String(redis.port), save: '', 'enable-debug-command': 'local' };
  return redis.start(['redis-server', ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value])]);
}

/** It knows `shop.test` and that nothing else is in `test`; of the rest of the world nothing. */
export async function startDnsmasq(t: Test): Promise<Daemon> {
  const dnsmasq = await Daemon.create(t, 'dnsmasq');
  const zone = ['--local=/test/', '--host-record=shop.test,192.0.2.1,2001:db8::80', '--mx-host=shop.test,mail.test,10'];
  const alone = ['--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file=', '--log-facility=-'];
  const where = [`--port=${dnsmasq.port}`, `--listen-address=${HOST}`, '--bind-interfaces'];
  return dnsmasq.start(['dnsmasq', '--keep-in-foreground', ...alone, ...where, ...zone]);
}

export interface Nginx {
  daemon: Daemon;
  /** `http` has `/` and, with status 503, `/down`; `grpc` goes on to another server, `grpcGone` to none. */
  ports: Record<'http' | 'https' | 'smtp' | 'grpc' | 'grpcGone', number>;
  /** Of the CA that signed the certificate of shop.example. */
  ca: string;
}

export async function startNginx(t: Test, grpcServerPort: number): Promise<Nginx> {
  const daemon = await Daemon.create(t, 'nginx');
  const [https, smtp, grpc, grpcGone, nobody] = [
    await closedPort(),
    await closedPort(),
    await closedPort(),
    await closedPort(),
    await closedPort(),
  ];
  const ports = { http: daemon.port, https, smtp, grpc, grpcGone };
  const nodes = [{ name: 'shop.example', address: HOST }];
  const { directory } = daemon;
  const pki = await initPki({ directory: path.join(directory, 'pki'), cluster: 'servers', nodes, force: false, nowMs: Date.now() });
  daemon.write('cert.pem', readFileSync(pki.nodes[0]?.cert ?? '', 'utf8'));
  daemon.write('key.pem', readFileSync(pki.nodes[0]?.key ?? '', 'utf8'));
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path temp-${kind};`).join(' ');
  daemon.write(
    'nginx.conf',
    `load_module /usr/lib/nginx/modules/ngx_mail_module.so;
    daemon off; master_process off; pid nginx.pid; error_log stderr;
    events { }
    mail { server { listen ${HOST}:${ports.smtp}; protocol smtp; smtp_auth none; server_name mail.test; auth_http ${HOST}:${nobody}/; } }
    http {
      access_log off; ${places}
      server { listen ${HOST}:${ports.http}; location / { return 200 healthy; } location /down { return 503; } }
      server { listen ${HOST}:${ports.https} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem; location / { return 200 healthy; } }
      server { listen ${HOST}:${ports.grpc} http2; location / { grpc_pass grpc://${HOST}:${grpcServerPort}; } }
      server { listen ${HOST}:${ports.grpcGone} http2; location / { grpc_pass grpc://${HOST}:${nobody}; } }
    }`,
  );
  return { daemon: daemon.start(['nginx', '-e', 'stderr', '-p', directory, '-c', 'nginx.conf']), ports, ca: pki.ca };
}

/** The least that MariaDB takes. */
const MARIADB_MAX_CONNECTIONS = 10;
/** `quiet` may log in, `locked` may not. Without InnoDB it starts at once. */
const MARIADB_USERS = `INSERT INTO global_priv VALUES ('%', 'quiet', '{}'), ('%', 'locked', '{"account_locked": true}');`;
const MARIADB_TABLES = '/usr/share/mysql/mysql_system_tables.sql';

export async function startMariadb(t: Test): Promise<Daemon> {
  const mariadb = await Daemon.create(t, 'mariadb');
  const place = ['--no-defaults', '--datadir=.', '--tmpdir=.', '--skip-innodb', '--default-storage-engine=Aria'];
  const tables = ['CREATE DATABASE mysql;', 'USE mysql;', readFileSync(MARIADB_TABLES, 'utf8'), MARIADB_USERS].join('\n');
  await mariadb.run(['mariadbd', ...place, '--bootstrap', '--skip-networking'], tables);
  const limits = [`--max-connections=${MARIADB_MAX_CONNECTIONS}`, '--skip-name-resolve'];
  return mariadb.start(['mariadbd', ...place, ...limits, `--bind-address=${HOST}`, `--port=${mariadb.port}`, '--socket=mariadb.sock']);
}

export const POSTGRES = '/usr/lib/postgresql/15/bin/postgres';

/** Whom it asks for a password: nobody, or everybody. */
export type PostgresTrust = 'trust' | 'scram-sha-256';
const POSTGRES_ACCESS = 'data/pg_hba.conf';

/** All but one of its few connections are left for superusers; `monitor` is none. */
export async function createPostgres(t: Test): Promise<Daemon> {
  const postgres = await Daemon.create(t, 'postgres', 'SIGQUIT');
  const initdb = path.join(path.dirname(POSTGRES), 'initdb');
  await postgres.run([initdb, '-D', 'data', '--username=admin', '--auth=trust', '--no-sync', '--no-locale', '--no-instructions']);
  await postgres.run([POSTGRES, '--single', '-D', 'data', 'postgres'], 'CREATE ROLE monitor LOGIN\n');
  return startPostgres(postgres);
}

export function startPostgres(postgres: Daemon, settings: Readonly<Record<string, string>> = {}): Daemon {
  const all = {
    listen_addresses: HOST,
    port: String(postgres.port),
    unix_socket_directories: '',
    fsync: 'off',
    max_connections: '4',
    superuser_reserved_connections: '3',
    max_wal_senders: '0',
    ...settings,
  };
  return postgres.start([POSTGRES, '-D', 'data', ...Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`])]);
}

export function letInto(postgres: Daemon, trust: PostgresTrust): void {
  postgres.write(POSTGRES_ACCESS, `host all all ${HOST}/32 ${trust}\n`);
  postgres.signal('SIGHUP');
}
