/**
 * Connections, and what is sent and expected on them.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import t from 'tap';
import { probe } from '../../../../src/health/probe.js';
import { MAX_ANSWER_BYTES } from '../../../../src/health/probes/dialogue.js';
import { sendExpectDialogue } from '../../../../src/health/probes/send-expect.js';
import {
  ask,
  byteByByte,
  checkOf,
  closedPort,
  FAMILIES,
  fuzzDialogue,
  listen,
  listening,
  script,
  targetOf,
  tcp,
} from '../../../support/probe-bench.js';

for (const address of FAMILIES) {
  t.test(`${address}: connected or refused`, async (t) => {
    const port = await tcp(t, () => undefined, address);
    t.same(await ask(port, { type: 'tcp' }, address), { ok: true, reason: 'connected' });
    t.same(await ask(await closedPort(address), { type: 'tcp' }, address), { ok: false, reason: 'connection refused' });
  });

  t.test(`${address}: send and expect`, async (t) => {
    const heard: string[] = [];
    const port = await tcp(
      t,
      (socket) =>
        socket.on('data', (chunk) => {
          heard.push(chunk.toString());
          socket.write('+PO');
          setImmediate(() => socket.write('NG\r\n'));
        }),
      address,
    );
    t.same(await ask(port, { type: 'tcp', send: 'PING\r\n', expect: '+PONG' }, address), { ok: true, reason: 'the answer matches' });
    t.same(heard, ['PING\r\n']);
  });
}

t.test('the port of the check, when it has its own', async (t) => {
  const port = await tcp(t, () => undefined);
  t.equal((await ask(await closedPort(), { type: 'tcp', port })).ok, true);
});

t.test('a greeting without a question', async (t) => {
  const port = await tcp(t, (socket) => socket.write('SSH-2.0-OpenSSH'));
  t.equal((await ask(port, { type: 'tcp', expect: 'SSH-2.0' })).ok, true);
});

t.test('bytes that are no text', async (t) => {
  const port = await tcp(t, (socket) => socket.on('data', (chunk) => socket.write(Buffer.concat([chunk, Buffer.from([0xff, 0])]))));
  t.equal((await ask(port, { type: 'tcp', encoding: 'hex', send: '00fe', expect: '00feff00' })).ok, true);
});

t.test('byte by byte', async (t) => {
  const port = await tcp(t, byteByByte('all is READY now'));
  t.equal((await ask(port, { type: 'tcp', send: 'STATUS', expect: 'READY' })).ok, true);
});

t.test('a wrong answer, none, and one without an end', async (t) => {
  const wrong = await tcp(t, (socket) => socket.once('data', () => socket.end('all is \x1b[31mlost\r\n')));
  t.same(await ask(wrong, { type: 'tcp', send: 'STATUS', expect: 'READY' }), {
    ok: false,
    reason: 'the answer "all is [31mlost" does not contain "READY"',
  });
  const none = await tcp(t, script([null], { speaksFirst: false }));
  t.same(await ask(none, { type: 'tcp', send: 'STATUS', expect: 'READY' }), { ok: false, reason: 'closed without an answer' });
  const endless = await tcp(t, (socket) => socket.write('x'.repeat(2 * MAX_ANSWER_BYTES)));
  t.match(await ask(endless, { type: 'tcp', expect: 'READY' }), { ok: false, reason: /does not contain/ });
  const reset = await tcp(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  t.same(await ask(reset, { type: 'tcp', send: 'STATUS', expect: 'READY' }), { ok: false, reason: 'connection reset or closed' });
});

t.test('a cancelled probe does not answer and lets its connection go', async (t) => {
  for (const keys of [{ type: 'tcp', send: 'STATUS', expect: 'READY' }, { type: 'http' }]) {
    let accepted: Socket | null = null;
    const server = createServer((socket) => {
      accepted = socket;
      socket.resume();
    });
    const port = await listening(t, server);
    let answers = 0;
    const cancel = probe(targetOf(port), checkOf(keys), () => answers++);
    await once(server, 'connection');
    cancel();
    cancel();
    await once(accepted as unknown as Socket, 'close');
    t.equal(answers, 0);
  }
});

const dialogue = sendExpectDialogue({ send: null, expect: 'READY', encoding: 'text' });
fuzzDialogue(dialogue, ['READY\r\n', 'all is READY', 'REAREADY']);

t.test('what is searched has an end', async (t) => {
  const filler = Buffer.alloc(MAX_ANSWER_BYTES - 5, 'x');
  t.equal(listen(dialogue, [filler, Buffer.from('READY')]).verdict?.ok, true, 'the last bytes that are searched');
  t.equal(listen(dialogue, [filler, Buffer.from('x'), Buffer.from('READY')]).verdict?.ok, false, 'beyond them nothing is');
});
