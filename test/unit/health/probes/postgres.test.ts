/**
 * Startup packets of PostgreSQL: answers as the server and pg_isready know them.
 */
import t from 'tap';
import { errorFields, postgresDialogue } from '../../../../src/health/probes/postgres.js';
import { ask, byteByByte, FAMILIES, fuzzDialogue, listen, script, tcp } from '../../../support/probe-bench.js';

const message = (type: string, payload: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length + 4);
  return Buffer.concat([Buffer.from(type), length, payload]);
};
const error = (state: string, text: string): Buffer => message('E', Buffer.from(`SFATAL\0VFATAL\0C${state}\0M${text}\0\0`));
const PASSWORD = message('R', Buffer.from([0, 0, 0, 10]));
const AUTHENTICATED = message('R', Buffer.alloc(4));
/** Settings, and the key by which a query could be cancelled. */
const SETTINGS = Buffer.concat([message('S', Buffer.from('server_version\x0015.18\0')), message('K', Buffer.alloc(8))]);
const READY = message('Z', Buffer.from('I'));
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);
const NOTICE = message('N', Buffer.from('SNOTICE\0C00000\0Mhello\0\0'));

for (const address of FAMILIES) {
  t.test(`${address}: a startup packet`, async (t) => {
    const heard: Buffer[] = [];
    const port = await tcp(
      t,
      (socket) => {
        socket.on('data', (chunk) => heard.push(chunk));
        script([PASSWORD], { speaksFirst: false })(socket);
      },
      address,
    );
    t.same(await ask(port, { type: 'postgres', user: 'monitor' }, address), { ok: true, reason: 'alive, wants a password' });
    const [startup = Buffer.alloc(0)] = heard;
    t.equal(startup.readUInt32BE(0), startup.length);
    t.equal(startup.readUInt32BE(4), 3 << 16, 'protocol 3.0');
    t.equal(startup.toString('latin1', 8), 'user\0monitor\0database\0postgres\0\0');
  });
}

t.test('a goodbye to who is ready, none in place of a password', async (t) => {
  const dialogue = postgresDialogue('monitor');
  const ready = Buffer.concat([AUTHENTICATED, SETTINGS, NOTICE, READY]);
  t.match(listen(dialogue, [ready]), { said: [TERMINATE.toString('hex')], verdict: { ok: true, reason: 'logged in' } });
  t.match(listen(dialogue, [PASSWORD]), { said: [], verdict: { ok: true } });
  t.match(listen(dialogue, [AUTHENTICATED, SETTINGS]), { said: [], verdict: null }, 'to be authenticated is not enough');
});

t.test('what the answers mean', async (t) => {
  const rows: [answer: Buffer | string | null, ok: boolean, reason: RegExp][] = [
    [Buffer.concat([NOTICE, PASSWORD]), true, /wants a password/],
    [Buffer.concat([AUTHENTICATED, SETTINGS, READY]), true, /^logged in$/],
    [Buffer.concat([AUTHENTICATED, error('28000', 'role "tandem" does not exist')]), true, /^alive: 28000/],
    [error('42501', 'permission denied for database "postgres"'), true, /^alive: 42501/],
    [error('55000', 'database "postgres" is not currently accepting connections'), true, /^alive: 55000/],
    [error('08P01', 'no such database: postgres'), true, /^alive: 08P01 "no such database: postgres"$/],
    [error('08P01', 'pgbouncer cannot connect to server'), false, /^error 08P01/],
    [Buffer.concat([AUTHENTICATED, error('53300', 'remaining connection slots are reserved')]), false, /^error 53300/],
    [Buffer.concat([AUTHENTICATED, SETTINGS]), false, /closed before it was ready/],
    [Buffer.concat([AUTHENTICATED, PASSWORD]), false, /not PostgreSQL/],
    [READY, false, /not PostgreSQL/],
    [error('28000', 'no pg_hba.conf entry for host'), true, /^alive: 28000 "no pg_hba/],
    [error('3D000', 'database "tandem" does not exist'), true, /^alive: 3D000/],
    [error('57P03', 'the database system is starting up'), false, /^error 57P03 "the database system is starting up"$/],
    [error('53300', 'sorry, too many clients already'), false, /^error 53300/],
    [error('nope', 'x'), false, /not a PostgreSQL error/],
    [message('E', Buffer.from('Mno state')), false, /not a PostgreSQL error/],
    [message('R', Buffer.alloc(0)), false, /not PostgreSQL/],
    ['S', false, /closed before it answered/],
    ['SSH-2.0-OpenSSH\r\n', false, /not PostgreSQL: "SSH/],
    ['HTTP/1.1 400 Bad Request\r\n', false, /not PostgreSQL/],
    [PASSWORD.subarray(0, 6), false, /closed before it answered/],
    [null, false, /closed before it answered/],
  ];
  for (const [answer, ok, reason] of rows) {
    const port = await tcp(t, (socket) => socket.once('data', () => (answer === null ? socket.end() : socket.end(answer))));
    t.match(await ask(port, { type: 'postgres' }), { ok, reason }, String(reason));
  }
});

t.test('byte by byte', async (t) => {
  t.equal((await ask(await tcp(t, byteByByte(Buffer.concat([NOTICE, AUTHENTICATED, SETTINGS, READY]))), { type: 'postgres' })).ok, true);
});

t.test('fields of an error', async (t) => {
  t.same(
    [...errorFields(Buffer.from('Ca\0Mb\0\0'))],
    [
      ['C', 'a'],
      ['M', 'b'],
    ],
  );
  t.same([...errorFields(Buffer.from('Ca\0Mb'))], [['C', 'a']], 'one without its end is none');
});

fuzzDialogue(postgresDialogue('tandem'), [
  PASSWORD,
  Buffer.concat([AUTHENTICATED, SETTINGS, READY]),
  NOTICE,
  Buffer.concat([NOTICE, PASSWORD]),
  error('57P03', 'starting up'),
  error('28000', 'x'),
]);
