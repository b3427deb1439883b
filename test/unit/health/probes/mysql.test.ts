/**
 * Logins to MySQL and MariaDB: packets as those servers send them.
 */
import t from 'tap';
import { mysqlDialogue } from '../../../../src/health/probes/mysql.js';
import { ask, byteByByte, FAMILIES, fuzzDialogue, listen, script, tcp } from '../../../support/probe-bench.js';

const packet = (sequence: number, payload: Buffer): Buffer => {
  const header = Buffer.from([payload.length & 0xff, payload.length >> 8, 0, sequence]);
  return Buffer.concat([header, payload]);
};
/** As MySQL 8.0 sends it, with a salt of zeros. */
const handshakePayload = (capabilities = 0xffff, version = '8.0.36'): Buffer =>
  Buffer.concat([
    Buffer.from([10]),
    Buffer.from(`${version}\0`),
    Buffer.alloc(4 + 8 + 1),
    Buffer.from([capabilities & 0xff, capabilities >> 8, 255, 2, 0, 0xff, 0xdf, 21]),
    Buffer.alloc(10 + 13),
    Buffer.from('caching_sha2_password\0'),
  ]);
const HANDSHAKE = packet(0, handshakePayload());
const error = (sequence: number, code: number, text: string, state = ''): Buffer =>
  packet(sequence, Buffer.concat([Buffer.from([0xff, code & 0xff, code >> 8]), Buffer.from(state), Buffer.from(text)]));
const OK = packet(2, Buffer.from([0, 0, 0, 2, 0, 0, 0]));
const DENIED = error(2, 1045, "Access denied for user 'tandem'", '#28000');
const SWITCH = packet(2, Buffer.concat([Buffer.from([0xfe]), Buffer.from('caching_sha2_password\0'), Buffer.alloc(21)]));

for (const address of FAMILIES) {
  t.test(`${address}: a login without a password, and a goodbye`, async (t) => {
    const heard: Buffer[] = [];
    const port = await tcp(
      t,
      (socket) => {
        socket.on('data', (chunk) => heard.push(chunk));
        script([HANDSHAKE, OK], { speaksFirst: true })(socket);
      },
      address,
    );
    t.same(await ask(port, { type: 'mysql', user: 'monitor' }, address), { ok: true, reason: 'logged in' });
    const [login = Buffer.alloc(0)] = heard;
    t.equal(login.readUIntLE(0, 3), login.length - 4);
    t.equal(login[3], 1, 'the second packet of the handshake');
    t.equal(login.readUInt32LE(4) & 0x8200, 0x8200, 'protocol 4.1');
    t.equal(login.toString('latin1', 36), 'monitor\0\0mysql_native_password\0');
  });
}

t.test('what the answers mean', async (t) => {
  const rows: [answers: (Buffer | null)[], ok: boolean, reason: RegExp][] = [
    [[HANDSHAKE, DENIED], true, /^alive: error 1045$/],
    [[HANDSHAKE, error(2, 4151, 'Access denied, this account is locked', '#HY000')], true, /^alive: error 4151$/],
    [[HANDSHAKE, SWITCH, error(4, 1045, 'Access denied', '#28000')], true, /^alive: error 1045$/],
    [[HANDSHAKE, SWITCH, packet(4, Buffer.from([1, 4]))], true, /wants a password/],
    [[HANDSHAKE, error(2, 1040, 'Too many connections', '#08004')], false, /^error 1040: "Too many connections"$/],
    [[HANDSHAKE, error(2, 1203, 'max_user_connections', '#42000')], false, /1203/],
    [[error(0, 1129, "Host '10.1.0.11' is blocked")], false, /^error 1129: "Host '10.1.0.11' is blocked"$/],
    [[error(0, 1130, "Host '10.1.0.11' is not allowed")], false, /1130/],
    [[error(0, 1045, 'not before a login')], false, /1045/],
    [[packet(0, handshakePayload(0x0100))], false, /older than 4\.1/],
    [[packet(0, Buffer.from('\x0a8.0'))], false, /not a MySQL handshake/],
    [[packet(0, Buffer.from([0xff, 1]))], false, /not MySQL/],
    [[HANDSHAKE, packet(2, Buffer.from([0x33]))], false, /not an answer to a login/],
    [[HANDSHAKE, SWITCH, SWITCH, SWITCH], false, /not an answer to a login/],
    [[Buffer.from('HTTP/1.1 400 Bad Request\r\n')], false, /not MySQL: "HTTP/],
    [[null], false, /closed before a handshake/],
    [[HANDSHAKE, null], false, /closed before it answered the login/],
  ];
  for (const [answers, ok, reason] of rows) {
    const port = await tcp(t, script(answers, { speaksFirst: true }));
    t.match(await ask(port, { type: 'mysql' }), { ok, reason }, String(reason));
  }
});

t.test('byte by byte', async (t) => {
  const port = await tcp(t, (socket) => {
    byteByByte(DENIED)(socket);
    socket.write(HANDSHAKE);
  });
  t.equal((await ask(port, { type: 'mysql' })).ok, true);
});

t.test('a request for another way to log in is answered with an empty packet', async (t) => {
  const { said } = listen(mysqlDialogue('a'), [HANDSHAKE, SWITCH]);
  t.equal(said[1], '00000003');
});

fuzzDialogue(mysqlDialogue('tandem'), [
  HANDSHAKE,
  OK,
  DENIED,
  SWITCH,
  Buffer.concat([HANDSHAKE, SWITCH, DENIED]),
  error(0, 1129, 'blocked'),
]);
