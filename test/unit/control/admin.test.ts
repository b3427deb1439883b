import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type AdminActions, createAdminServer, type FlowFilter } from '../../../src/control/admin.js';
import type { NodeStatus } from '../../../src/control/status.js';
import { switchoverReport } from '../../support/node-status.js';

function ask(socketPath: string, method: string, path: string, body?: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

t.test('the admin socket answers reads and the commands', async (t) => {
  const filters: FlowFilter[] = [];
  const commands: unknown[] = [];
  const histories: unknown[] = [];
  let endDrill: (() => void) | null = null;
  let begun: (() => void) | null = null;
  const actions: AdminActions = {
    status: async () => ({ node: 'lb1' }) as NodeStatus,
    flows: async (filter) => {
      filters.push(filter);
      return [];
    },
    transitions: () => [],
    history: async (filter) => {
      histories.push(filter);
      return [];
    },
    servers: async (command) => {
      commands.push(command);
      return { ok: true, message: '', inForce: true, nodes: [], servers: [], unserved: [] };
    },
    drained: async (names, waitMs) => {
      commands.push([...names, waitMs]);
      return names[0] === 'web/bee' ? 'no such server' : [{ pool: 'web', server: 'be1', flows: 3 }];
    },
    switchover: async (asked) => {
      commands.push(asked);
      return switchoverReport();
    },
    drill: (asked, isAbandoned) => {
      commands.push(asked);
      return new Promise((resolve) => {
        const nothing = { node: null, routers: [], verified: null, there: null, back: null };
        endDrill = () => resolve({ ok: !isAbandoned(), message: '', ...nothing });
        begun?.();
      });
    },
    interruptDrill: () => {
      endDrill?.();
      return endDrill !== null;
    },
    upgrade: async () => {
      commands.push('upgrade');
      return { ok: true, message: 'done' };
    },
  };
  const errors: unknown[] = [];
  const server = createAdminServer(actions, (error) => errors.push(error));
  const directory = mkdtempSync(join(tmpdir(), 'tandem-admin-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const socketPath = join(directory, 'admin.sock');
  await server.listen(socketPath);
  t.teardown(() => server.close());
  t.equal(statSync(socketPath).mode & 0o777, 0o600, 'for the owner only');

  t.same(await ask(socketPath, 'GET', '/v1/status'), { status: 200, body: { node: 'lb1' } });
  t.same(await ask(socketPath, 'GET', '/v1/transitions'), { status: 200, body: [] });
  await ask(socketPath, 'GET', '/v1/flows?service=web&limit=5&state=');
  await ask(socketPath, 'GET', '/v1/flows?limit=-1');
  t.same(filters, [{ service: 'web', limit: 5 }, { limit: 100 }]);

  t.same(await ask(socketPath, 'GET', '/v1/history'), { status: 200, body: [] });
  await ask(socketPath, 'GET', '/v1/history?router=front&since=1700000000000&limit=7');
  await ask(socketPath, 'GET', '/v1/history?router=&since=yesterday&limit=no');
  t.same(histories, [{ limit: 100 }, { limit: 7, router: 'front', sinceWallMs: 1_700_000_000_000 }, { limit: 100 }]);

  t.match(await ask(socketPath, 'POST', '/v1/switchover', '{"to":"lb2"}'), { status: 200, body: { ok: true } });
  t.match(await ask(socketPath, 'POST', '/v1/switchover'), { status: 200 });
  t.match(await ask(socketPath, 'POST', '/v1/switchover', '{"waitMs":5000}'), { status: 200 });
  t.same(commands.splice(0), [{ to: 'lb2', waitMs: 0 }, { waitMs: 0 }, { waitMs: 5000 }]);
  t.same(await ask(socketPath, 'DELETE', '/v1/drill'), { status: 200, body: { ok: false } }, 'there is none');
  const drill = ask(socketPath, 'POST', '/v1/drill', '{"holdMs":60000}');
  await new Promise<void>((resolve) => {
    begun = resolve;
  });
  t.same(await ask(socketPath, 'DELETE', '/v1/drill'), { status: 200, body: { ok: true } });
  t.match(await drill, { status: 200, body: { ok: true } });
  t.same(commands.splice(0), [{ waitMs: 0, holdMs: 60_000 }]);
  const order = { action: 'weight', servers: ['web/be1'], weight: '50%', by: 'ops', why: 'canary' };
  t.match(await ask(socketPath, 'POST', '/v1/servers', JSON.stringify(order)), { status: 200, body: { ok: true, inForce: true } });
  t.match(await ask(socketPath, 'POST', '/v1/servers', '{"action":"drain","servers":["web/be1"]}'), { status: 200 });
  t.same(commands.splice(0), [
    { ...order, weight: { percent: 50 } },
    { action: 'drain', servers: ['web/be1'], weight: null, by: '', why: '' },
  ]);
  for (const bad of ['{', '[]', '{"action":"stop","servers":["web/be1"]}', '{"action":"drain"}', '{"action":"drain","servers":[]}'])
    t.match(await ask(socketPath, 'POST', '/v1/servers', bad), { status: 400, body: { ok: false, message: /expected/ } }, bad);
  for (const weight of ['257', '-1', '1.5', '25601%', 'all', 3, undefined])
    t.match(await ask(socketPath, 'POST', '/v1/servers', JSON.stringify({ ...order, weight })), { status: 400 }, `weight ${weight}`);
  t.match(await ask(socketPath, 'POST', '/v1/servers', JSON.stringify({ ...order, why: 'x'.repeat(201) })), { status: 400 });
  t.same(await ask(socketPath, 'POST', '/v1/servers/flows', '{"servers":["web/be1"],"waitMs":5000}'), {
    status: 200,
    body: { ok: true, message: '', servers: [{ pool: 'web', server: 'be1', flows: 3 }] },
  });
  t.same(commands.splice(0), [['web/be1', 5000]]);
  t.match(await ask(socketPath, 'POST', '/v1/servers/flows', '{"servers":["web/bee"]}'), { status: 200, body: { ok: false } });
  commands.splice(0);
  for (const bad of ['{', '{"servers":"web/be1"}', '{"servers":["web/be1"],"waitMs":-1}'])
    t.match(await ask(socketPath, 'POST', '/v1/servers/flows', bad), { status: 400 }, bad);
  t.match(await ask(socketPath, 'POST', '/v1/upgrade'), { status: 200, body: { ok: true } });
  t.match(await ask(socketPath, 'GET', '/v1/upgrade'), { status: 404 });
  t.same(commands, ['upgrade']);
  for (const bad of ['{', '[]', '{"to":1}', '3', '{"waitMs":-1}', '{"holdMs":"5"}', '{"waitMs":1e9}'])
    t.match(await ask(socketPath, 'POST', '/v1/switchover', bad), { status: 400 }, bad);
  t.match(await ask(socketPath, 'GET', '/v1/nothing'), { status: 404, body: { message: /no such request/ } });
  t.match(await ask(socketPath, 'POST', '/v1/switchover', 'x'.repeat(100_000)), { status: 500, body: { message: /too long/ } });
  t.equal(errors.length, 1);
});
