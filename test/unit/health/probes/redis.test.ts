/**
 * PING, and what Redis says to it.
 */
import t from 'tap';
import { redisDialogue } from '../../../../src/health/probes/redis.js';
import { ask, byteByByte, FAMILIES, fuzzDialogue, script, tcp } from '../../../support/probe-bench.js';

for (const address of FAMILIES) {
  t.test(`${address}: PING and PONG`, async (t) => {
    const heard: string[] = [];
    const port = await tcp(
      t,
      (socket) =>
        socket.on('data', (chunk) => {
          heard.push(chunk.toString());
          socket.write('+PONG\r\n');
        }),
      address,
    );
    t.same(await ask(port, { type: 'redis' }, address), { ok: true, reason: 'PONG' });
    t.same(heard, ['*1\r\n$4\r\nPING\r\n']);
  });
}

t.test('what the answers mean', async (t) => {
  const rows: [answer: string, ok: boolean, reason: RegExp][] = [
    ['-NOAUTH Authentication required.\r\n', true, /alive, wants a password: "-NOAUTH/],
    ['-NOPERM this user has no permissions\r\n', true, /alive/],
    ['-LOADING Redis is loading the dataset in memory\r\n', false, /error: "-LOADING/],
    ['-MASTERDOWN Link with MASTER is down\r\n', false, /MASTERDOWN/],
    ['-ERR max number of clients reached\r\n', false, /max number of clients/],
    ['-DENIED Redis is running in protected mode\r\n', false, /DENIED/],
    ['+OK\r\n', false, /not an answer to PING: "\+OK"/],
    ['HTTP/1.1 400 Bad Request\r\n', false, /not an answer to PING/],
  ];
  for (const [answer, ok, reason] of rows) {
    const port = await tcp(t, script([answer], { speaksFirst: false }));
    t.match(await ask(port, { type: 'redis' }), { ok, reason }, answer);
  }
});

t.test('byte by byte, half an answer, none', async (t) => {
  t.equal((await ask(await tcp(t, byteByByte('+PONG\r\n')), { type: 'redis' })).ok, true);
  const half = await tcp(t, (socket) => socket.once('data', () => socket.end('+PON')));
  t.same(await ask(half, { type: 'redis' }), { ok: false, reason: 'closed before it answered PING' });
  const none = await tcp(t, script([null], { speaksFirst: false }));
  t.same(await ask(none, { type: 'redis' }), { ok: false, reason: 'closed before it answered PING' });
});

fuzzDialogue(redisDialogue, ['+PONG\r\n', '-NOAUTH Authentication required.\r\n', '-LOADING x\r\n']);
