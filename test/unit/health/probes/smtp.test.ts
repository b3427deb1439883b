/**
 * Greetings of mail servers.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import t from 'tap';
import { readReply, smtpDialogue } from '../../../../src/health/probes/smtp.js';
import { ask, FAMILIES, fuzzDialogue, listen, script, tcp } from '../../../support/probe-bench.js';

const GREETING = '220-mail.example\r\n220 ready\r\n';
const EHLO = '250-mail.example\r\n250-SIZE 1000\r\n250 HELP\r\n';

for (const address of FAMILIES) {
  t.test(`${address}: greeting, EHLO, QUIT`, async (t) => {
    const heard: string[] = [];
    const closed: Promise<unknown>[] = [];
    const serve = (socket: Socket): void => {
      script([GREETING, EHLO, '221 bye\r\n'], { speaksFirst: true })(socket);
      socket.on('data', (chunk) => heard.push(chunk.toString()));
      closed.push(once(socket, 'end'));
    };
    const port = await tcp(t, serve, address);
    t.same(await ask(port, { type: 'smtp', host: 'lb.example' }, address), { ok: true, reason: '220 and 250' });
    await Promise.all(closed);
    t.same(heard, ['EHLO lb.example\r\n', 'QUIT\r\n']);
  });
}

t.test('refusals, other protocols, half a conversation', async (t) => {
  const rows: [answers: (string | null)[], reason: string][] = [
    [['554 no service\r\n'], 'greeting "554 no service"'],
    [['421 too busy\r\n'], 'greeting "421 too busy"'],
    [[GREETING, '550 who are you\r\n'], 'answer to EHLO "550 who are you"'],
    [['SSH-2.0-OpenSSH\r\n'], 'not SMTP: "SSH-2.0-OpenSSH"'],
    [['220-a\r\n250 b\r\n'], 'not SMTP: "250 b"'],
    [[null], 'closed before a greeting'],
    [[GREETING, null], 'closed before it answered EHLO'],
  ];
  for (const [answers, reason] of rows) {
    const port = await tcp(t, script(answers, { speaksFirst: true }));
    t.same(await ask(port, { type: 'smtp' }), { ok: false, reason });
  }
});

t.test('the name is localhost unless written', async (t) => {
  const heard: string[] = [];
  const port = await tcp(t, (socket) => {
    socket.on('data', (chunk) => {
      heard.push(chunk.toString());
      socket.write('250 ok\r\n');
    });
    socket.write('220 ready\r\n');
  });
  await ask(port, { type: 'smtp' });
  t.equal(heard[0], 'EHLO localhost\r\n');
});

t.test('replies', async (t) => {
  const read = (text: string) => readReply(Buffer.from(text));
  t.match(read('220 ready\r\nmore'), { code: 220, used: 11 });
  t.match(read('220\r\n'), { code: 220, used: 5 });
  t.equal(read('220-a\r\n220-b\r\n'), null, 'more lines follow');
  t.equal(read('220 ready'), null);
  t.match(read('220_a\r\n'), { code: 0 });
});

t.test('a server that says all at once is not answered twice', async (t) => {
  const { said, verdict } = listen(smtpDialogue('a'), [Buffer.from(GREETING + EHLO)]);
  t.same(
    said.map((hex) => Buffer.from(hex, 'hex').toString()),
    ['EHLO a\r\n', 'QUIT\r\n'],
  );
  t.equal(verdict?.ok, true);
});

fuzzDialogue(smtpDialogue('lb.example'), [GREETING, EHLO, GREETING + EHLO, '554 no\r\n', '220 a\n250 b\n']);
