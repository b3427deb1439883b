/**
 * Lines of agents, as those of HAProxy's agent-check.
 */
import t from 'tap';
import { agentDialogue, judgeAgentLine } from '../../../../src/health/probes/agent.js';
import { ask, byteByByte, closedPort, FAMILIES, fuzzDialogue, tcp } from '../../../support/probe-bench.js';

for (const address of FAMILIES) {
  t.test(`${address}: a line, ended by the connection or by itself`, async (t) => {
    const closes = await tcp(t, (socket) => socket.end('up 75%'), address);
    t.same(await ask(closes, { type: 'agent', port: closes }, address), {
      ok: true,
      reason: 'agent: "up 75%"',
      advice: { weightPercent: 75 },
    });
    const keepsOpen = await tcp(t, (socket) => socket.write('down # disk full\r\nup\r\n'), address);
    t.same(await ask(keepsOpen, { type: 'agent', port: keepsOpen }, address), { ok: false, reason: 'agent: "down # disk full"' });
  });
}

t.test('what an agent may say', async (t) => {
  const rows: [line: string, ok: boolean, advice: object | undefined][] = [
    ['up', true, undefined],
    ['UP', true, undefined],
    ['down', false, undefined],
    ['fail', false, undefined],
    ['stopped#by hand', false, undefined],
    ['up down', false, undefined],
    ['ready', true, { admin: 'ready' }],
    ['ready,up,100%', true, { admin: 'ready', weightPercent: 100 }],
    ['drain', true, { admin: 'drain' }],
    ['maint', false, { admin: 'maint' }],
    ['0%', true, { weightPercent: 0 }],
    ['\t50%  maxconn:30 ', true, { weightPercent: 50, maxConnections: 30 }],
    ['25600%', true, { weightPercent: 25600 }],
    ['25601%', false, undefined],
    ['-1%', false, undefined],
    ['1.5%', false, undefined],
    ['up maxconn:30', true, { maxConnections: 30 }],
    ['down,MAXCONN:30', false, { maxConnections: 30 }],
    ['maxconn:0 drain 50%', true, { maxConnections: 0, admin: 'drain', weightPercent: 50 }],
    ['maxconn:30 maint', false, { maxConnections: 30, admin: 'maint' }],
    ['ready maxconn:', true, { admin: 'ready' }],
    ['up maxconn:x', true, undefined],
    ['maxconn:9999999999', true, undefined],
    ['maxconn', false, undefined],
    ['# nothing', false, undefined],
    ['', false, undefined],
    ['up and running', false, undefined],
    ['HTTP/1.1 400', false, undefined],
  ];
  for (const [line, ok, advice] of rows) {
    const result = judgeAgentLine(Buffer.from(line));
    t.equal(result.ok, ok, line);
    t.same(result.advice, advice, line);
  }
  t.match(judgeAgentLine(Buffer.from('what?')), { reason: `not an agent's line: "what?"` });
  t.match(judgeAgentLine(Buffer.from(' ')), { reason: 'the agent said nothing' });
});

t.test('asked when there is something to send; byte by byte; nobody there', async (t) => {
  const heard: string[] = [];
  const asked = await tcp(t, (socket) =>
    socket.on('data', (chunk) => {
      heard.push(chunk.toString());
      socket.end('up\n');
    }),
  );
  t.equal((await ask(asked, { type: 'agent', port: asked, send: 'web\n' })).ok, true);
  t.same(heard, ['web\n']);
  const slow = await tcp(t, byteByByte('drain\n'));
  t.same((await ask(slow, { type: 'agent', port: slow, send: 'x' })).advice, { admin: 'drain' });
  const nobody = await closedPort();
  t.same(await ask(nobody, { type: 'agent', port: nobody }), { ok: false, reason: 'connection refused' });
});

fuzzDialogue(agentDialogue(null), ['up 75%\n', 'down # disk full\r\n', 'ready,maxconn:3\n', 'maint\r']);
