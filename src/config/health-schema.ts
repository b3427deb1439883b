/**
 * How the servers of a pool are checked, as it is written: the keys of all types lie flat beside `type`, as those of tracked things do
 * beside `kind`. Which of them belong together is said by check-health.ts, what comes of them by health-model.ts.
 */
import { z } from 'zod';
import { RCODES, RECORD_TYPES } from './dns-words.js';
import { choice, flag, key, text } from './keys.js';
import { duration, integer, orNull, port } from './scalars.js';

export const HEALTH_TYPES = [
  'tcp',
  'http',
  'https',
  'redis',
  'smtp',
  'mysql',
  'postgres',
  'dns',
  'udp',
  'grpc',
  'script',
  'agent',
] as const;
export type HealthType = (typeof HEALTH_TYPES)[number];

/** Shorter and a check would be load. */
const MIN_INTERVAL_MS = 50;
/** Variables of a command; more is a mistake. */
const MAX_VARIABLES = 64;

const STATUS_ERROR = 'expected a status such as 200 or a range such as 200-399';
const statusSchema = z.union([integer(100, 599), z.string().regex(/^[1-5][0-9]{2}(-[1-5][0-9]{2})?$/, { error: STATUS_ERROR })], {
  error: STATUS_ERROR,
});

const matching = (pattern: RegExp, what: string) => z.string({ error: `expected ${what}` }).regex(pattern, { error: `expected ${what}` });
const hostName = () => matching(/^[A-Za-z0-9.:_-]+$/, 'a host name');

const timingKeys = {
  interval: key(duration({ minMs: MIN_INTERVAL_MS }).prefault('5s'), {
    text: 'Time between two checks of a server.',
    why: 'each node checks each server',
  }),
  fastInterval: key(orNull(duration({ minMs: MIN_INTERVAL_MS })), {
    text: 'Time between two checks while a server is on its way up or down: the last result was not what is known, and `rise` or `fall` decide. Not above `interval`.',
    why: '`interval`',
    example: '1s',
  }),
  downInterval: key(orNull(duration({ minMs: MIN_INTERVAL_MS })), {
    text: 'Time between two checks of a server that is down.',
    why: '`interval`',
    example: '10s',
  }),
  timeout: key(duration({ minMs: 10 }).prefault('3s'), {
    text: 'A check that takes longer has failed; not above `interval`.',
    why: 'below the interval',
  }),
  rise: key(integer(1, 100).prefault(2), { text: 'Good checks in a row that bring a server up.', why: 'one lucky answer is not enough' }),
  fall: key(integer(1, 100).prefault(3), {
    text: 'Failed checks in a row that take a server down.',
    why: 'one lost packet is not enough',
  }),
};

const exchangeKeys = {
  send: key(orNull(text('a text')), { text: 'What is sent (tcp, udp, agent).', why: 'nothing', example: 'STATUS' }),
  expect: key(orNull(text('a text')), {
    text: 'What the first 64 KiB of the answer must contain (tcp, udp).',
    why: 'any answer; for tcp the connection is enough',
    example: 'READY',
  }),
  encoding: key(orNull(choice(['text', 'hex'])), {
    text: 'How `send` and `expect` are written: as `text` or, for bytes that are none, in `hex` (tcp, udp).',
    why: 'text',
    example: 'hex',
  }),
  silence: key(orNull(choice(['up', 'down'])), {
    text: 'What it means that nothing comes back in time: for `up` only a port that is refused, or a wrong answer, is a failure (udp).',
    why: 'down: a server that is silent cannot be told from none',
    example: 'up',
  }),
};

const httpKeys = {
  path: key(orNull(matching(/^\/[\x21-\x7e]*$/, 'a path that starts with /')), {
    text: 'Path of the request (http, https).',
    why: '/, the start page',
    example: '/health',
  }),
  status: key(
    orNull(
      z.array(statusSchema, { error: 'expected a list such as [200, 204] or [200-399]' }).min(1, { error: 'accept at least one status' }),
    ),
    {
      text: 'Accepted statuses, numbers or ranges (http, https).',
      why: '200-399: success and redirects, as HAProxy does',
      example: ['200-299', 401],
    },
  ),
  body: key(orNull(text('a text')), {
    text: 'Text that the first 64 KiB of the body must contain (http, https).',
    why: 'any body',
    example: 'healthy',
  }),
  host: key(orNull(hostName()), {
    text: 'Host header (http, https), or the name in EHLO (smtp).',
    why: "the server's address; for smtp `localhost`",
    example: 'shop.example',
  }),
};

const tlsKeys = {
  tls: key(orNull(flag()), { text: 'Whether TLS is spoken (grpc).', why: 'false', example: true }),
  serverName: key(orNull(hostName()), {
    text: 'Name in the TLS handshake (SNI), and the name that the certificate must have (https, grpc).',
    why: '`host`; without it the certificate must name the address of the server',
    example: 'shop.example',
  }),
  verify: key(orNull(flag()), {
    text: 'Whether a certificate that is not trusted, is out of date or has another name fails the check (https, grpc).',
    why: 'true: clients would not accept it either',
    example: false,
  }),
  ca: key(orNull(text('a file name')), {
    text: 'Certificates that are trusted (PEM); a relative path starts at the configuration file. It is read for each check (https, grpc).',
    why: 'the authorities that Node.js knows',
    example: 'pki/servers-ca.pem',
  }),
};

const protocolKeys = {
  user: key(orNull(matching(/^[\x21-\x7e]{1,32}$/, 'a user name of at most 32 characters')), {
    text: 'User that logs in without a password; it need not exist (mysql, postgres).',
    why: '`tandem`',
    example: 'monitor',
  }),
  query: key(orNull(matching(/^(\.|(?=.{1,253}$)([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)$/, 'a domain name such as shop.example')), {
    text: 'Name that is asked for (dns).',
    example: 'shop.example',
  }),
  recordType: key(orNull(choice(RECORD_TYPES)), { text: 'Type of the records that are asked for (dns).', why: 'A', example: 'AAAA' }),
  rcode: key(orNull(choice(RCODES)), { text: 'Wanted response code (dns).', why: 'noerror', example: 'nxdomain' }),
  answer: key(orNull(text('the text of a record')), {
    text: 'A record that must be among the answers: an address, a name, for MX and SRV numbers and a name (dns).',
    why: 'any answer, also none',
    example: '192.0.2.1',
  }),
  service: key(orNull(matching(/^[\x21-\x7e]+$/, 'the name of a gRPC service such as shop.Orders')), {
    text: 'Service whose health is asked for (grpc).',
    why: 'the server as a whole',
    example: 'shop.Orders',
  }),
};

const scriptKeys = {
  command: key(
    orNull(
      z
        .array(text('a word of the command'), { error: 'expected a command as a list such as [/usr/local/bin/check, --fast]' })
        .min(1, { error: 'name a program' }),
    ),
    {
      text: 'Program, as an absolute path, and its arguments; it exits with 0 when the server is good. `{node}` stands for the name of the node. `TANDEM_POOL`, `TANDEM_SERVER`, `TANDEM_SERVER_ADDRESS` and `TANDEM_SERVER_PORT` in its environment say which server is meant (script).',
      example: ['/usr/local/bin/check-server'],
    },
  ),
  environment: key(
    orNull(
      z
        .record(matching(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable such as LANG'), z.string({ error: 'expected a text' }), {
          error: 'expected variables by name, such as { LANG: C }',
        })
        .refine((variables) => Object.keys(variables).length <= MAX_VARIABLES, `at most ${MAX_VARIABLES} variables`),
    ),
    { text: 'Variables of its environment, beside those of the daemon (script).', why: 'none', example: { LANG: 'C' } },
  ),
};

export const healthSchema = z.strictObject({
  type: key(choice(HEALTH_TYPES).prefault('tcp'), {
    text: 'What is asked. `tcp`: a connection, or an answer to `send` on it. `http`, `https`: a request for `path`. `redis`: PING. `smtp`: a greeting. `mysql`, `postgres`: a login. `dns`: a question. `udp`: an answer to `send`. `grpc`: the health service. `script`: a `command`. `agent`: a line of an agent on the server. [health.md](health.md) has an example of each.',
    why: 'works for every TCP service',
  }),
  ...timingKeys,
  port: key(orNull(port()), { text: 'Port that is asked.', why: "the server's own; an agent has its own", example: 8081 }),
  ...exchangeKeys,
  ...httpKeys,
  ...tlsKeys,
  ...protocolKeys,
  ...scriptKeys,
});

export type HealthDocument = z.output<typeof healthSchema>;
