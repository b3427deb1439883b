/**
 * Commands from outside: arguments in, exit status and text out, against a stand-in for the daemon on a Unix socket.
 */
import { join } from 'node:path';
import t from 'tap';
import type { PkiOptions, RunOptions } from '../../../src/cli/context.js';
import type { ServersReport } from '../../../src/control/status.js';
import { projectRoot } from '../../../src/system/paths.js';
import { fakeAdmin, tandem } from '../../support/cli-run.js';
import { flowRows, historyRows, nodeStatus, SNAPSHOT_MS, switchoverReport, transitionRows } from '../../support/node-status.js';

const example = join(projectRoot, 'config/nat-pair.yaml');

const running = async (t: { teardown(close: () => unknown): void }, extra: Record<string, unknown> = {}) => {
  const admin = await fakeAdmin({
    'GET /v1/status': nodeStatus(),
    'GET /v1/flows': flowRows(),
    'GET /v1/transitions': transitionRows(),
    'GET /v1/history': historyRows(),
    ...extra,
  });
  t.teardown(() => admin.close());
  return admin;
};

t.test('usage: help, version, mistakes', async (t) => {
  const commands = [
    'run',
    'check',
    'status',
    'top',
    'flows',
    'servers',
    'history',
    'switchover',
    'drill',
    'upgrade',
    'pki',
    'unload',
    'completion',
  ];
  const help = await tandem(['--help']);
  t.equal(help.status, 0);
  for (const name of commands) t.match(help.out, new RegExp(`^ {2}${name} `, 'm'), name);
  for (const name of commands.filter((each) => each !== 'pki')) {
    const own = await tandem([name, '--help']);
    t.equal(own.status, 0, name);
    t.match(own.out, 'Examples:', `${name} has examples`);
  }
  t.match((await tandem(['pki', 'init', '--help'])).out, 'Examples:');
  t.same(await tandem(['--version']), { status: 0, out: '0.1.0\n', err: '' });
  t.match(await tandem(['statsu']), { status: 2, err: "error: unknown command 'statsu'\n(Did you mean status?)" });
  t.match(await tandem(['status', '--josn']), { status: 2, err: 'Did you mean --json?' });
  t.match(await tandem(['flows', '--limit', 'all']), { status: 2, err: 'expected a whole number from 1' });
  t.match(await tandem(['completion', 'tcsh']), { status: 2, err: 'Allowed choices are bash, zsh, fish' });
  t.match(await tandem(['check']), { status: 2, err: "missing required argument 'file'" });
  t.equal((await tandem([])).status, 2, 'nothing at all shows the help as a mistake');
});

t.test('a daemon that is not running is one sentence and exit 1', async (t) => {
  for (const command of ['status', 'top', 'flows', 'servers', 'history', 'switchover', 'drill', 'upgrade']) {
    const result = await tandem([command, '--state-dir', '/no/such/dir']);
    t.equal(result.status, 1, command);
    t.equal(result.out, '');
    t.equal(
      result.err,
      'tandem: no daemon is running with the state directory /no/such/dir: start it with `tandem run`, or name another with --state-dir\n',
    );
  }
});

t.test('status', async (t) => {
  const { stateDir } = await running(t);
  const { status, out, err } = await tandem(['status', '--state-dir', stateDir]);
  t.equal(status, 0);
  t.equal(err, '');
  const lines = [
    'Node lb1 of cluster shop: ready (synced from lb2), in sync',
    /tandem 0\.1\.0, pid 4711, up 1h 2m; heartbeat connected, pid 4712, real-time/,
    'beats lb2 1 of 2 paths; latest by 2ms; hung and silenced: 3; fast liveness on',
    /^ {2}front {4}51 {2}active {2}1m ago {2}peerSilent {2}200 now 150 {2}1m, 280ms left {2}yes after 13ms {2}-$/m,
    /^ {2}front {3}process {2}haproxy +down +-50 {2}7s ago +no process has this name$/m,
    /^ {2}front {3}route +uplink +up +needed {2}1m ago +via 10\.1\.0\.1 by eth0$/m,
    /^ {2}front {3}script +\/usr\/local\/bin\/check +unknown +\+20 /m,
    /^ {2}lb2 .*live .*yes +yes +2ms +17 +1 +2 +yes +no {2}synced$/m,
    /^ {2}web {3}10\.1\.0\.100:80\/tcp {2}nat {6}web {7}1\/2 {10}3 {10}30 {3}2\.9 KiB {11}60 {3}58\.6 KiB$/m,
    'interfaces  eth0 native, eth1 generic (driver has no XDP)',
    'flows       1,234 of 1,048,576 (0.1 %), 150.0 MiB',
    'drops       noService 7',
    'steered     front 8',
    'claimed     10.1.0.100 by 02:00:00:00:66:66 (5)',
    'commanded   web/be1 ready, weight 30%',
    /2026-01-02T03:03:05\.000Z {2}front {3}backup {2}active {2}peerSilent/,
  ];
  for (const line of lines) t.match(out, line);
  t.notMatch(out, '\u001b', 'no colours unless on a terminal');
});

t.test('status --json is the status itself', async (t) => {
  const { stateDir } = await running(t);
  const { status, out } = await tandem(['status', '--json', '--state-dir', stateDir]);
  t.equal(status, 0);
  t.same(JSON.parse(out), nodeStatus());
});

t.test('colours on a terminal do not move the columns', async (t) => {
  const { stateDir } = await running(t);
  const plain = await tandem(['status', '--state-dir', stateDir]);
  const coloured = await tandem(['status', '--state-dir', stateDir], { colors: true });
  t.match(coloured.out, '\u001b[32mactive\u001b[39m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what colour codes begin with
  t.equal(coloured.out.replace(/\u001b\[[0-9;]*m/g, '').replace(/ +$/gm, ''), plain.out.replace(/ +$/gm, ''));
});

t.test('flows: filters go to the daemon, rows come out', async (t) => {
  const admin = await running(t);
  const { status, out } = await tandem([
    'flows',
    '--service',
    'web',
    '--server',
    'be1',
    '--client',
    '10.1.0.50',
    '--state',
    'established',
    '--limit',
    '2',
    '--state-dir',
    admin.stateDir,
  ]);
  t.equal(status, 0);
  t.same(
    [...new URL(admin.requests[0]?.url ?? '', 'http://admin').searchParams],
    [
      ['limit', '2'],
      ['service', 'web'],
      ['server', 'be1'],
      ['client', '10.1.0.50'],
      ['state', 'established'],
    ],
  );
  t.match(out, /^ {2}tcp {7}10\.1\.0\.50:40001 {2}10\.1\.0\.100:80 {2}10\.2\.0\.21:8080 {2}established {2}nat {6}1m 30s {2}lb1$/m);
  t.match(out, 'the first 2 flows; --limit shows more');
  t.same(JSON.parse((await tandem(['flows', '--json', '--state-dir', admin.stateDir])).out), flowRows());
  const empty = await running(t, { 'GET /v1/flows': [] });
  t.same(await tandem(['flows', '--state-dir', empty.stateDir]), { status: 0, out: 'No flows.\n', err: '' });
});

t.test('servers', async (t) => {
  const { stateDir } = await running(t);
  const { out } = await tandem(['servers', '--state-dir', stateDir]);
  t.match(out, 'Pool web (maglev, generation 6)');
  t.match(out, /^ {2}be1 +10\.2\.0\.21:8080 +ready, slow start for 4s +0\.3 of 1 +up +5s ago +yes .*status 200 +ops on lb2 \(canary\)$/m);
  t.match(
    out,
    /^ {2}be2 +10\.2\.0\.22:8080 +drain, backup, agent says 50% +3 +down +1m 30s ago +no .* unresolved .*connection refused +-$/m,
  );
  const panicking = nodeStatus().pools.map((pool) => ({ ...pool, panic: true }));
  const { stateDir: inPanic } = await running(t, { 'GET /v1/status': { ...nodeStatus(), pools: panicking } });
  t.match((await tandem(['servers', '--state-dir', inPanic])).out, 'Pool web (maglev, generation 6, panic: all get new flows');
  t.match((await tandem(['status', '--state-dir', inPanic])).out, /^ {2}panic {7}web$/m);
  t.same(JSON.parse((await tandem(['servers', '--pool', 'web', '--json', '--state-dir', stateDir])).out), nodeStatus().pools);
  t.match(await tandem(['servers', '--pool', 'wbe', '--state-dir', stateDir]), {
    status: 1,
    err: 'tandem: no pool is named "wbe"; there are: web\n',
  });
});

const serversReport = (changes: Partial<ServersReport> = {}): ServersReport => ({
  ...{ ok: true, message: '', inForce: true, unserved: [] },
  nodes: [
    { node: 'lb1', has: 'yes' },
    { node: 'lb2', has: 'yes' },
  ],
  servers: [{ pool: 'web', server: 'be1', state: 'drain', weight: 1, configuredState: 'ready', configuredWeight: 1 }],
  ...changes,
});

t.test('servers drain, disable, enable, weight, reset', async (t) => {
  const admin = await running(t, { 'POST /v1/servers': serversReport() });
  const run = (...words: string[]) => tandem(['servers', ...words, '--state-dir', admin.stateDir]);
  t.same(await run('drain', 'web/be1', 'web/be2', '--why', 'kernel'), {
    status: 0,
    out: 'web/be1: drain (configured: ready), weight 1\nin force; known to lb1, lb2\n',
    err: '',
  });
  for (const words of [
    ['disable', 'web/be1'],
    ['enable', 'web/be1'],
    ['reset', 'web/be1'],
    ['weight', 'web/be1', '10%'],
  ])
    t.equal((await run(...words)).status, 0, words.join(' '));
  t.same(
    admin.requests.map(({ body }) => JSON.parse(body)),
    [
      { action: 'drain', servers: ['web/be1', 'web/be2'], by: 'ops', why: 'kernel' },
      { action: 'disable', servers: ['web/be1'], by: 'ops', why: '' },
      { action: 'enable', servers: ['web/be1'], by: 'ops', why: '' },
      { action: 'reset', servers: ['web/be1'], by: 'ops', why: '' },
      { action: 'weight', servers: ['web/be1'], weight: '10%', by: 'ops', why: '' },
    ],
  );
  t.same(JSON.parse((await run('drain', 'web/be1', '--json')).out), serversReport());
  t.equal((await tandem(['servers', '--state-dir', admin.stateDir, 'drain', 'web/be1'])).status, 0, 'the option before the command');
  t.match(await tandem(['servers', 'drain']), { status: 2, err: "missing required argument 'servers'" });
  t.match(await tandem(['servers', 'weight', 'web/be1', '300']), { status: 2, err: 'expected a weight from 0 to 256, or percents' });
  t.match(await tandem(['servers', 'drain', 'web/be1', '--timeout', '5']), { status: 2, err: 'expected a duration such as 30s' });
  t.match(await tandem(['servers', 'darin', 'web/be1']), { status: 2, err: 'too many arguments' });
  for (const name of ['drain', 'disable', 'enable', 'weight', 'reset']) {
    const help = await tandem(['servers', name, '--help']);
    t.match(help, { status: 0, out: 'Examples:' }, name);
  }
});

t.test('servers drain: who has not got it, and what is not in force', async (t) => {
  const nodes: ServersReport['nodes'] = [
    { node: 'lb1', has: 'yes' },
    { node: 'lb2', has: 'unreachable' },
    { node: 'lb3', has: 'older' },
  ];
  const half = await running(t, { 'POST /v1/servers': serversReport({ nodes, unserved: ['web'] }) });
  const result = await tandem(['servers', 'drain', 'web/be1', '--state-dir', half.stateDir]);
  t.equal(result.status, 0, 'it counts here');
  t.match(result.err, 'tandem: not reached: lb2; told as soon as they are reached again');
  t.match(result.err, 'tandem: of an older program, which does not keep it: lb3');
  t.match(result.err, 'tandem: pool web has no server left for new flows');
  const late = await running(t, { 'POST /v1/servers': serversReport({ inForce: false, message: 'nobody decides', nodes: [] }) });
  t.match(await tandem(['servers', 'drain', 'web/be1', '--wait', '--state-dir', late.stateDir]), {
    status: 1,
    err: 'tandem: not in force: nobody decides',
  });
  t.equal(late.requests.length, 1, 'nothing to wait for');
  const wrong = await running(t, { 'POST /v1/servers': serversReport({ ok: false, message: 'unknown pool "wbe"' }) });
  t.same(await tandem(['servers', 'drain', 'wbe/be1', '--state-dir', wrong.stateDir]), {
    status: 1,
    out: '',
    err: 'tandem: unknown pool "wbe"\n',
  });
});

t.test('servers drain --wait', async (t) => {
  const left = (flows: number) => ({ ok: true, message: '', servers: [{ pool: 'web', server: 'be1', flows }] });
  const waiting = (flows: number) => running(t, { 'POST /v1/servers': serversReport(), 'POST /v1/servers/flows': left(flows) });
  const done = await waiting(0);
  const drain = (stateDir: string, ...more: string[]) =>
    tandem(['servers', 'drain', 'web/be1', '--wait', ...more, '--state-dir', stateDir]);
  t.match(await drain(done.stateDir), { status: 0, out: 'no flows are left' });
  t.same(JSON.parse(done.requests[1]?.body ?? ''), { servers: ['web/be1'], waitMs: 5000 });
  const busy = await waiting(1234);
  const result = await drain(busy.stateDir, '--timeout', '12s');
  t.equal(result.status, 1);
  t.equal(result.err, 'flows left: web/be1 1,234\nflows left: web/be1 1,234\ntandem: flows left after 12s: web/be1 1,234\n');
  t.same(
    busy.requests.slice(1).map(({ body }) => JSON.parse(body).waitMs),
    [5000, 5000, 2000],
  );
  const json = await drain(busy.stateDir, '--timeout', '0s', '--json');
  t.equal(json.status, 1);
  t.same(JSON.parse(json.out), { ...serversReport(), flows: left(1234).servers });
});

t.test('switchover: asks, says the answer, fails when refused', async (t) => {
  const done = await running(t, { 'POST /v1/switchover': switchoverReport() });
  const { status, out } = await tandem(['switchover', '--to', 'lb2', '--router', 'front', '--state-dir', done.stateDir]);
  t.equal(status, 0);
  t.match(out, /^front: lb2 is active now\n/);
  t.match(out, /^ {2}front +lb2 +12ms +1,250 +37$/m);
  t.match(out, 'no packet was lost here');
  t.same(JSON.parse(done.requests[0]?.body ?? ''), { to: 'lb2', router: 'front', waitMs: 10_000 });
  await tandem(['switchover', '--group', 'pair', '--wait', '2.5', '--state-dir', done.stateDir]);
  t.same(JSON.parse(done.requests[1]?.body ?? ''), { router: 'pair', waitMs: 2500 });
  t.match(await tandem(['switchover', '--group', 'pair', '--router', 'front']), { status: 2 });
  t.match(await tandem(['switchover', '--wait', 'long']), { status: 2, err: 'expected seconds from 0 to 3600' });
  const lossy = await running(t, { 'POST /v1/switchover': { ...switchoverReport(), lost: 3 } });
  t.match(await tandem(['switchover', '--state-dir', lossy.stateDir]), { status: 0, out: '3 packets were lost here' });
  const refusal = { ...switchoverReport(), ok: false, message: 'lb2 is not in sync', routers: [] };
  const refused = await running(t, { 'POST /v1/switchover': refusal });
  t.same(await tandem(['switchover', '--state-dir', refused.stateDir]), { status: 1, out: '', err: 'tandem: lb2 is not in sync\n' });
  const json = await tandem(['switchover', '--json', '--state-dir', refused.stateDir]);
  t.equal(json.status, 1);
  t.same(JSON.parse(json.out), refusal);
});

t.test('drill: figures of both ways; fails when something was wrong', async (t) => {
  const leg = { durationMs: 8.4, connections: 240, steered: 12, lost: 0 };
  const report = { ok: true, message: 'front: to lb2 and back, nothing lost', node: 'lb2', routers: ['front'], verified: true };
  const good = await running(t, { 'POST /v1/drill': { ...report, there: leg, back: leg } });
  const { status, out } = await tandem(['drill', '--hold', '1', '--to', 'lb2', '--state-dir', good.stateDir]);
  t.equal(status, 0);
  t.match(out, /^ {2}to lb2 +8ms +240 +12 +0$/m);
  t.match(out, /^ {2}back +8ms +240 +12 +0$/m);
  t.match(out, 'take-over of lb2: seen on the wire\nfront: to lb2 and back, nothing lost');
  t.same(JSON.parse(good.requests[0]?.body ?? ''), { to: 'lb2', holdMs: 1000, waitMs: 10_000 });
  const bad = { ...report, ok: false, message: '3 packets were lost', verified: false, there: { ...leg, lost: 3 }, back: null };
  const lossy = await running(t, { 'POST /v1/drill': bad });
  t.match(await tandem(['drill', '--group', 'pair', '--state-dir', lossy.stateDir]), {
    status: 1,
    out: 'not seen on the wire',
    err: 'tandem: 3 packets were lost\n',
  });
  const json = await tandem(['drill', '--json', '--state-dir', lossy.stateDir]);
  t.equal(json.status, 1);
  t.same(JSON.parse(json.out), bad);
});

t.test('drill: Ctrl-C asks the daemon to return, and its answer is still told', async (t) => {
  const report = { ok: false, message: 'interrupted', node: 'lb2', routers: ['front'], verified: true, there: null, back: null };
  const admin = await running(t, { 'POST /v1/drill': report, 'DELETE /v1/drill': { ok: true } });
  const result = await tandem(['drill', '--state-dir', admin.stateDir], { onInterrupt: (listener) => listener() });
  t.match(result, { status: 1, err: /interrupted, returning\n(?:.*\n)*tandem: interrupted\n$/ });
  t.same(admin.requests.map(({ method, url }) => `${method} ${url}`).sort(), ['DELETE /v1/drill', 'POST /v1/drill']);
});

t.test('upgrade: asks, says the answer, fails when refused', async (t) => {
  const done = await running(t, { 'POST /v1/upgrade': { ok: true, message: 'start the new one' } });
  t.same(await tandem(['upgrade', '--state-dir', done.stateDir]), { status: 0, out: 'start the new one\n', err: '' });
  const refused = await running(t, { 'POST /v1/upgrade': { ok: false, message: 'another layout' } });
  t.same(await tandem(['upgrade', '--state-dir', refused.stateDir]), { status: 1, out: '', err: 'tandem: another layout\n' });
  const json = await tandem(['upgrade', '--json', '--state-dir', refused.stateDir]);
  t.equal(json.status, 1);
  t.same(JSON.parse(json.out), { ok: false, message: 'another layout' });
});

t.test('a daemon that answers nonsense is told so', async (t) => {
  const strange = await running(t, { 'GET /v1/status': 'hello' });
  t.match(await tandem(['status', '--state-dir', strange.stateDir]), { status: 1, err: 'the daemon answered with status 200 and no JSON' });
  const older = await fakeAdmin({});
  t.teardown(() => older.close());
  t.match(await tandem(['status', '--state-dir', older.stateDir]), { status: 1, err: 'no such request: GET /v1/status' });
});

t.test('check', async (t) => {
  const fine = await tandem(['check', example]);
  t.equal(fine.status, 0);
  t.match(fine.out, /nat-pair\.yaml: ok, 1 warning \(2 nodes, 1 virtual router, 1 service, 2 servers; digest [0-9a-f]{12}\)/);
  t.match(fine.err, /warning: ca file .*pki\/ca\.pem is not there/);
  t.match(await tandem(['check', example, '--strict']), { status: 2 });
  t.match(await tandem(['check', '/no/such.yaml']), { status: 2, out: '', err: '/no/such.yaml: error: there is no such file' });
  const json = await tandem(['check', example, '--json']);
  t.match(JSON.parse(json.out), { ok: true, digest: /^[0-9a-f]{64}$/, problems: [{ severity: 'warning' }] });
  const bad = await tandem(['check', join(projectRoot, 'package.json'), '--json']);
  t.equal(bad.status, 2);
  t.match(JSON.parse(bad.out), { ok: false, digest: null });
  const asNode = await tandem(['check', example, '--node', 'lb3']);
  t.match(asNode, { status: 2, err: 'no node "lb3"; did you mean "lb1"?' });
});

t.test('run: hands its options to the daemon and returns its exit status', async (t) => {
  const started: RunOptions[] = [];
  const actions = {
    run: async (options: RunOptions) => {
      started.push(options);
      return 2;
    },
  };
  t.same(await tandem(['run', '--config', 'f.yaml', '--node', 'lb2', '--state-dir', '/run/t'], { actions }), {
    status: 2,
    out: '',
    err: '',
  });
  await tandem(['run'], { actions });
  t.same(started, [
    { configFile: 'f.yaml', node: 'lb2', stateDir: '/run/t' },
    { configFile: '/etc/tandem/tandem.yaml', node: 'lb1', stateDir: '/var/lib/tandem' },
  ]);
});

t.test('pki init: nodes from the list or from the configuration', async (t) => {
  const asked: PkiOptions[] = [];
  const actions = {
    initPki: async (options: PkiOptions) => {
      asked.push(options);
      return ['pki/ca.pem', 'pki/ca.key'];
    },
  };
  const nodes = [
    { name: 'lb1', address: '10.1.0.11' },
    { name: 'lb2', address: '10.1.0.12' },
  ];
  const listed = await tandem(['pki', 'init', '--dir', 'd', '--nodes', 'lb1=10.1.0.11, lb2=10.1.0.12', '--force'], { actions });
  t.same(listed, { status: 0, out: 'wrote pki/ca.pem\nwrote pki/ca.key\n', err: '' });
  t.equal((await tandem(['pki', 'init', '--config', example], { actions })).status, 0);
  t.same(asked, [
    { dir: 'd', cluster: 'tandem', nodes, force: true },
    { dir: 'pki', cluster: 'shop', nodes, force: false },
  ]);
  for (const list of [
    'lb1',
    'lb1=',
    '=10.1.0.1',
    'lb1=10.1.0.300',
    'lb1=10.1.0.1=2',
    'lb 1=10.1.0.1',
    'lb1=10.1.0.1,',
    'lb1=10.1.0.1,lb1=10.1.0.2',
  ]) {
    t.match(await tandem(['pki', 'init', '--nodes', list], { actions }), { status: 2, err: /^tandem: --nodes: / }, list);
  }
  t.equal((await tandem(['pki', 'init'], { actions })).status, 2);
  t.equal(asked.length, 2, 'mistakes reach nobody');
  const exists = { initPki: () => Promise.reject(new Error('pki/ca.pem exists')) };
  t.same(await tandem(['pki', 'init', '--nodes', 'lb1=10.1.0.11'], { actions: exists }), {
    status: 1,
    out: '',
    err: 'tandem: pki/ca.pem exists\n',
  });
});

t.test('unload: not while the node is running, unless forced', async (t) => {
  const { stateDir } = await running(t);
  const actions = { unload: async ({ node }: { node: string }) => `${node} is unloaded` };
  t.match(await tandem(['unload', '--state-dir', stateDir], { actions }), { status: 1, err: 'is running: stop it first, or add --force' });
  t.same(await tandem(['unload', '--force', '--state-dir', stateDir], { actions }), { status: 0, out: 'lb1 is unloaded\n', err: '' });
  t.same(await tandem(['unload', '--node', 'lb2', '--state-dir', '/no/such/dir'], { actions }), {
    status: 0,
    out: 'lb2 is unloaded\n',
    err: '',
  });
});

t.test('history', async (t) => {
  const { stateDir, requests } = await running(t);
  const { status, out } = await tandem(['history', '--state-dir', stateDir]);
  t.equal(status, 0);
  t.match(out, /^ {2}2026-01-02T03:02:05\.000Z {2}- +- .*daemon started, version 0\.1\.0$/m);
  t.match(
    out,
    /^ {2}2026-01-02T03:03:05\.000Z {2}front {3}backup -> active +322ms {2}0\.42ms +0\.11ms +22ms +150 {2}1,234 +- +- {2}activeSilent \(process haproxy: .*\(-50\)\)$/m,
  );
  t.same(JSON.parse((await tandem(['history', '--json', '--state-dir', stateDir])).out), historyRows());
  await tandem(['history', '--router', 'front', '--since', '2h', '--limit', '3', '--state-dir', stateDir]);
  await tandem(['history', '--since', '2026-01-01T00:00Z', '--state-dir', stateDir]);
  t.same(
    requests.slice(-2).map(({ url }) => url),
    [`/v1/history?limit=3&router=front&since=${SNAPSHOT_MS - 7_200_000}`, `/v1/history?limit=50&since=${Date.parse('2026-01-01T00:00Z')}`],
  );
  t.match(await tandem(['history', '--since', 'tomorrowish', '--state-dir', stateDir]), {
    status: 2,
    err: 'expected a duration such as 2h',
  });
  const empty = await running(t, { 'GET /v1/history': [] });
  t.match(await tandem(['history', '--state-dir', empty.stateDir]), { status: 0, out: 'No changes of role.' });
});
