/**
 * DNS and other questions over UDP.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { probe } from '../../../../src/health/probe.js';
import { decodeAnswer, encodeQuestion } from '../../../../src/health/probes/dns-codec.js';
import { ask, checkOf, FAMILIES, targetOf } from '../../../support/probe-bench.js';

async function udp(t: Test, serve: (datagram: Buffer, reply: (answer: Buffer) => void, from: RemoteInfo) => void, address = '127.0.0.1') {
  const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (datagram, from) => serve(datagram, (answer) => socket.send(answer, from.port, from.address), from));
  socket.bind(0, address);
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return socket.address().port;
}

/** A port that nobody listens on. */
async function refusedPort(address: string): Promise<number> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4').bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

const name = (text: string): Buffer =>
  Buffer.concat([...text.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])), Buffer.from([0])]);
const POINTER_TO_QUESTION = Buffer.from([0xc0, 12]);
const record = (type: number, data: Buffer, owner = POINTER_TO_QUESTION): Buffer => {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(300, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fixed, data]);
};
/** As a server that repeats the question. */
function answerTo(question: Buffer, records: readonly Buffer[], { rcode = 0, flags = 0x8180 } = {}): Buffer {
  const answer = Buffer.concat([question, ...records]);
  answer.writeUInt16BE(flags | rcode, 2);
  answer.writeUInt16BE(records.length, 6);
  return answer;
}
const A = record(1, Buffer.from([192, 0, 2, 1]));
const AAAA = record(28, Buffer.from('20010db8000000000000000000000001', 'hex'));
const CNAME = record(5, name('www.shop.example'));
const CHECK = { type: 'dns', query: 'Shop.example' };

for (const address of FAMILIES) {
  t.test(`${address}: the wanted answer, another, none`, async (t) => {
    const port = await udp(t, (question, reply) => reply(answerTo(question, [CNAME, A])), address);
    t.same(await ask(port, CHECK, address), { ok: true, reason: 'noerror, 1 A' });
    t.same(await ask(port, { ...CHECK, answer: '192.0.2.1' }, address), { ok: true, reason: 'noerror, 192.0.2.1' });
    t.same(await ask(port, { ...CHECK, answer: '192.0.2.2' }, address), { ok: false, reason: '192.0.2.1 in place of 192.0.2.2' });
    const six = await udp(t, (question, reply) => reply(answerTo(question, [AAAA])), address);
    t.equal((await ask(six, { ...CHECK, recordType: 'AAAA', answer: '2001:DB8:0::1' }, address)).ok, true);
    t.same(await ask(await refusedPort(address), CHECK, address), { ok: false, reason: 'connection refused' });
  });

  t.test(`${address}: udp, an answer, a refused port`, async (t) => {
    const port = await udp(t, (question, reply) => reply(Buffer.concat([Buffer.from('you said '), question])), address);
    t.same(await ask(port, { type: 'udp', send: 'hi', expect: 'said hi' }, address), { ok: true, reason: 'the answer matches' });
    t.same(await ask(port, { type: 'udp', send: 'hi' }, address), { ok: true, reason: 'answered' });
    t.same(await ask(port, { type: 'udp', send: 'hi', expect: 'bye', silence: 'up' }, address), {
      ok: false,
      reason: 'the answer "you said hi" does not contain "bye"',
    });
    t.equal((await ask(port, { type: 'udp', encoding: 'hex', send: '00ff', expect: '2000ff' }, address)).ok, true);
    const refused = await refusedPort(address);
    t.same(await ask(refused, { type: 'udp', send: 'hi', silence: 'up' }, address), { ok: false, reason: 'connection refused' });
  });
}

t.test('dns: response codes', async (t) => {
  const port = await udp(t, (question, reply) => reply(answerTo(question, [], { rcode: 3 })));
  t.same(await ask(port, CHECK), { ok: false, reason: 'nxdomain in place of noerror' });
  t.same(await ask(port, { ...CHECK, rcode: 'nxdomain' }), { ok: true, reason: 'nxdomain, 0 A' });
  const refuses = await udp(t, (question, reply) => {
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(0x8005, 2);
    header.writeUInt16BE(0, 4);
    reply(header);
  });
  t.same(await ask(refuses, CHECK), { ok: false, reason: 'refused in place of noerror' }, 'it need not repeat the question');
});

t.test('dns: what is no answer, and what is one to another question', async (t) => {
  const rows: [answer: (question: Buffer) => Buffer, reason: RegExp][] = [
    [(question) => question, /a question in place of an answer/],
    [() => Buffer.from('HTTP'), /shorter than a header/],
    [(question) => answerTo(question, [A.subarray(0, 14)]), /a record that ends too soon/],
    [
      (question) => answerTo(Buffer.concat([question.subarray(0, 2), encodeQuestion(0, { name: 'b', type: 'A' }).subarray(2)]), [A]),
      /another question/,
    ],
    [(question) => answerTo(question, [], { flags: 0x8380 }), /nothing in place of 192\.0\.2\.1, in a truncated answer/],
  ];
  for (const [answer, reason] of rows) {
    const port = await udp(t, (question, reply) => reply(answer(question)));
    t.match(await ask(port, { ...CHECK, answer: '192.0.2.1' }), { ok: false, reason });
  }
  const late = await udp(t, (question, reply) => {
    const old = answerTo(question, [], { rcode: 2 });
    old.writeUInt16BE((question.readUInt16BE(0) + 1) & 0xffff, 0);
    reply(old);
    reply(answerTo(question, [A]));
  });
  t.same(await ask(late, { ...CHECK, answer: '192.0.2.1' }), { ok: true, reason: 'noerror, 192.0.2.1' }, 'an older answer is passed over');
});

t.test('a cancelled question is not answered', async (t) => {
  let answers = 0;
  const asked = new Promise<void>((resolve) => {
    void udp(t, (question, reply) => {
      reply(question);
      resolve();
    }).then((port) => {
      probe(targetOf(port), checkOf(CHECK), () => answers++)();
      probe(targetOf(port), checkOf({ type: 'udp', send: 'x' }), () => resolve());
    });
  });
  await asked;
  t.equal(answers, 0);
});

const QUESTION = encodeQuestion(7, { name: 'shop.example', type: 'A' });

t.test('records as text', async (t) => {
  const read = (type: 'A' | 'MX' | 'TXT' | 'SRV' | 'NS' | 'CNAME', number: number, data: Buffer) => {
    const question = encodeQuestion(7, { name: 'shop.example', type });
    const answer = decodeAnswer(answerTo(question, [record(number, data)]), { name: 'shop.example', type });
    return answer.ok ? answer.answers : answer.reason;
  };
  t.same(read('MX', 15, Buffer.concat([Buffer.from([0, 10]), name('Mail.example')])), ['10 mail.example']);
  t.same(read('SRV', 33, Buffer.concat([Buffer.from([0, 1, 0, 2, 1, 187]), name('a.example')])), ['1 2 443 a.example']);
  t.same(read('TXT', 16, Buffer.from('\x03abc\x02de')), ['abcde']);
  t.same(read('TXT', 16, Buffer.from('\x09abc')), [], 'a string longer than its record');
  t.same(read('NS', 2, Buffer.concat([Buffer.from('\x02ns'), POINTER_TO_QUESTION])), ['ns.shop.example']);
  t.same(read('A', 1, Buffer.from([1, 2, 3])), [], 'an address of three bytes');
});

t.test('the root, and names that lead in circles', async (t) => {
  t.equal(encodeQuestion(1, { name: '.', type: 'NS' }).length, 12 + 1 + 4);
  const loop = record(5, Buffer.alloc(0), Buffer.from([0xc0, QUESTION.length]));
  t.match(decodeAnswer(answerTo(QUESTION, [loop]), { name: 'shop.example', type: 'A' }), { ok: false, reason: /ends too soon/ });
});

t.test('any bytes are an answer or none', async () => {
  const asked = { name: 'shop.example', type: 'A' } as const;
  const good = [answerTo(QUESTION, [CNAME, A]), answerTo(QUESTION, []), answerTo(QUESTION, [AAAA, A])].map((each) => new Uint8Array(each));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.constantFrom(...good), fc.nat(), fc.nat()).map(([answer, end]) => answer.slice(0, end % (answer.length + 1))),
    fc.tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 })).map(([answer, changes]) => {
      const damaged = Uint8Array.from(answer);
      for (const [at, value] of changes) damaged[at % damaged.length] = value;
      return damaged;
    }),
  );
  fc.assert(
    fc.property(bytes, (all) => {
      const answer = decodeAnswer(Buffer.from(all), asked);
      return answer.ok ? answer.answers.every((each) => typeof each === 'string') : answer.reason.startsWith('not a DNS answer: ');
    }),
    { seed: 20261126, numRuns: 2000 },
  );
});
