/**
 * Startup packets of PostgreSQL: answers as the server and pg_isready know them.
 */
import t from 'tap';
import { errorFields, postgresDialogue } from '../../../../src/health/probes/postgres.js';
import { ask, byteByByte, FAMILIES, fuzzDialogue, script, tcp } from '../../../support/probe-bench.js';

const message = (type: string, payload: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length + 4);
  return Buffer.concat([Buffer.from(type), length, payload]);
};
const error = (state: string, text: string): Buffer => message('E', Buffer.from(`SFATAL\0VFATAL\0C${state}\0M${text}\0\0`));
const PASSWORD = message('R', Buffer.from([0, 0, 0, 10]));
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
    t.same(await ask(port, { type: 'postgres', user: 'monitor' }, address), { ok: true, reason: 'accepts connections' });
    const [startup = Buffer.alloc(0)] = heard;
    t.equal(startup.readUInt32BE(0), startup.length);
    t.equal(startup.readUInt32BE(4), 3 << 16, 'protocol 3.0');
    t.equal(startup.toString('latin1', 8), 'user\0monitor\0\0');
  });
}

t.test('what the answers mean', async (t) => {
  const rows: [answer: Buffer | string | null, ok: boolean, reason: RegExp][] = [
    [Buffer.concat([NOTICE, PASSWORD]), true, /accepts connections/],
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
  t.equal((await ask(await tcp(t, byteByByte(Buffer.concat([NOTICE, PASSWORD]))), { type: 'postgres' })).ok, true);
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
  NOTICE,
  Buffer.concat([NOTICE, PASSWORD]),
  error('57P03', 'starting up'),
  error('28000', 'x'),
]);
