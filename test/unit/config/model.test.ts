/**
 * What comes out of a valid file: defaults, units, names resolved, and a digest that knows content from form.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type LoadedConfig, loadConfig, missingFiles, parseConfig } from '../../../src/config/load.js';

const TEXT = `cluster:
  name: shop
  nodes:
    zeta: { address: 10.1.0.13, id: 1 }
    alpha: { address: 10.1.0.11 }
    beta: { address: 10.1.0.12 }
dataPlane: { interfaces: [eth0, eth1] }
virtualRouters:
  - name: back
    id: 52
    interface: eth1
    addresses: [10.2.0.100]
    otherAddresses: [{ address: 10.1.0.99, interface: eth0 }]
    advertInterval: 1s
    priority: { alpha: 3, beta: 2, zeta: 1 }
  - name: front
    id: 51
    interface: eth0
    addresses: [10.1.0.100]
    priority: { alpha: 200, beta: 150, zeta: 100 }
    unicastPeers: { alpha: 10.1.0.11, beta: 10.1.0.12, zeta: 10.1.0.13 }
    checksum: auto
services:
  - { name: web, listen: 10.1.0.100:80, forward: dsr, pool: web }
pools:
  - name: web
    servers: [{ name: be1, address: 10.1.0.21:80 }]
    healthCheck: { type: http, interval: 1.5s, timeout: 900ms, status: [204, 200-202, 201] }
`;

function load(text: string, file = '/etc/tandem/tandem.yaml', node?: string): LoadedConfig {
  const result = parseConfig(file, text, node === undefined ? {} : { node });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
}

t.test('values, units and defaults', async (t) => {
  const { config } = load(TEXT);
  t.equal(config.file, '/etc/tandem/tandem.yaml');
  t.same(config.dataPlane, {
    interfaces: ['eth0', 'eth1'],
    attach: 'auto',
    maxFlows: 1048576,
    drainMs: 3000,
    timeouts: { synMs: 30_000, establishedMs: 900_000, finMs: 120_000, closedMs: 10_000, udpMs: 30_000 },
  });
  const [back, front] = config.virtualRouters;
  t.equal(back?.advertIntervalMs, 1000);
  t.equal(front?.advertIntervalMs, 100);
  t.equal(front?.preempt, true);
  t.equal(front?.preemptDelayMs, 0);
  t.same(front?.announce, { repeat: 5, repeatGapMs: 300, refreshMs: 30_000 });
  t.same(back?.unicastPeers, {});
  t.equal(back?.checksum, 'rfc9568');
  t.equal(front?.checksum, 'auto');
  t.same(config.services, [
    { name: 'web', address: '10.1.0.100', port: 80, protocol: 'tcp', forward: 'dsr', pool: 'web', virtualRouter: 'front' },
  ]);
  t.same(config.pools[0]?.servers, [{ name: 'be1', address: '10.1.0.21', port: 80, weight: 1, state: 'ready', backup: false }]);
  t.same(config.metrics, { address: '127.0.0.1', port: 9107 });
  t.same(config.log, { level: 'info' });
  t.equal(config.cluster.replication.port, 7946);
});

t.test('health checks: 5 s, 3 s, 2, 3 unless written; none unless asked for', async (t) => {
  const check = (yaml: string) => load(TEXT.replace(/ {4}healthCheck: .*\n/, yaml)).config.pools[0]?.healthCheck;
  const success = Array.from({ length: 200 }, (_, i) => 200 + i);
  t.same(check('    healthCheck: {}\n'), {
    type: 'tcp',
    intervalMs: 5000,
    fastIntervalMs: null,
    downIntervalMs: null,
    timeoutMs: 3000,
    rise: 2,
    fall: 3,
    port: null,
    send: null,
    expect: null,
    encoding: 'text',
  });
  t.match(check('    healthCheck: { type: http }\n'), { path: '/', status: success, body: null, host: null });
  t.equal(check(''), null);
  const ofType = (keys: string) => check(`    healthCheck: { ${keys} }\n`);
  t.match(ofType('type: https'), { path: '/', serverName: null, verify: true, ca: null });
  t.match(ofType('type: https, ca: pki/ca.pem'), { ca: '/etc/tandem/pki/ca.pem' });
  t.match(ofType('type: smtp'), { host: 'localhost' });
  t.match(ofType('type: mysql'), { user: 'tandem' });
  t.match(ofType('type: postgres, user: a'), { user: 'a' });
  t.match(ofType('type: dns, query: a'), { query: 'a', recordType: 'A', rcode: 'noerror', answer: null });
  t.match(ofType('type: udp, send: a'), { send: 'a', expect: null, isSilenceGood: false });
  t.match(ofType('type: udp, send: a, silence: up'), { isSilenceGood: true });
  t.match(ofType('type: grpc'), { service: '', tls: false });
  t.match(ofType('type: script, command: [/c], environment: { A: b }'), { command: ['/c'], environment: { A: 'b' } });
  t.match(ofType('type: agent, port: 9000, fastInterval: 1s, downInterval: 10s'), {
    send: null,
    fastIntervalMs: 1000,
    downIntervalMs: 10_000,
  });
  const written = load(TEXT).config.pools[0]?.healthCheck;
  t.match(written, { intervalMs: 1500, timeoutMs: 900, status: [200, 201, 202, 204] });
});

t.test('nodes are sorted by name and numbered, around the numbers that are written', async (t) => {
  t.same(load(TEXT).config.cluster.nodes, [
    { name: 'alpha', id: 2, address: '10.1.0.11', heartbeatAddresses: ['10.1.0.11'] },
    { name: 'beta', id: 3, address: '10.1.0.12', heartbeatAddresses: ['10.1.0.12'] },
    { name: 'zeta', id: 1, address: '10.1.0.13', heartbeatAddresses: ['10.1.0.13'] },
  ]);
});

t.test('TLS files: relative to the configuration, {node} replaced, missing ones named', async (t) => {
  const { tls } = load(TEXT, '/etc/tandem/tandem.yaml', 'beta').config.cluster.replication;
  t.same(tls, { ca: '/etc/tandem/pki/ca.pem', cert: '/etc/tandem/pki/beta.pem', key: '/etc/tandem/pki/beta.key' });

  const directory = mkdtempSync(join(tmpdir(), 'tandem-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'tandem.yaml');
  writeFileSync(
    file,
    TEXT.replace('  name: shop\n', '  name: shop\n  replication: { tls: { ca: ca.pem, cert: node.pem, key: /no/such.key } }\n'),
  );
  writeFileSync(join(directory, 'ca.pem'), '');
  const loaded = loadConfig(file, { node: 'beta' });
  t.equal(loaded.ok, true);
  if (!loaded.ok) return;
  const missing = missingFiles(loaded, 'error');
  t.equal(missing.length, 2, 'the CA is there');
  t.match(missing[0], { line: 3, column: 43, severity: 'error', message: `cert file ${directory}/node.pem is not there` });
  t.match(missing[1]?.message, 'key file /no/such.key');
});

t.test('a node that is not in the file is refused', async (t) => {
  const result = parseConfig('f.yaml', TEXT, { node: 'bete' });
  t.equal(result.ok, false);
  if (!result.ok) t.match(result.problems, [{ line: 3, message: 'no node "bete"; did you mean "beta"?' }]);
});

t.test('the digest covers content, not form', async (t) => {
  const { digest } = load(TEXT).config;
  t.match(digest, /^[0-9a-f]{64}$/);
  const same: [string, string][] = [
    ['a comment', `# hello\n${TEXT}`],
    ['other quotes', TEXT.replace('name: shop', 'name: "shop"')],
    ['another order of keys', TEXT.replace('    id: 51\n    interface: eth0\n', '    interface: eth0\n    id: 51\n')],
    ['another order of nodes', TEXT.replace(/( {4}alpha: .*\n)( {4}beta: .*\n)/, '$2$1')],
    ['a default written out', TEXT.replace('name: be1,', 'name: be1, weight: 1,')],
    ['another unit', TEXT.replace('advertInterval: 1s', 'advertInterval: 1000ms')],
  ];
  for (const [what, text] of same) t.equal(load(text).config.digest, digest, what);
  t.equal(load(TEXT, '/somewhere/else.yaml', 'beta').config.digest, digest, 'another place and node');
  const others: [string, string][] = [
    ['a weight', TEXT.replace('name: be1,', 'name: be1, weight: 2,')],
    ['a node', TEXT.replace('10.1.0.12 }', '10.1.0.14 }').replace('beta: 10.1.0.12', 'beta: 10.1.0.14')],
    ['a timeout', TEXT.replace('900ms', '901ms')],
    ['the cluster', TEXT.replace('name: shop', 'name: shops')],
  ];
  for (const [what, text] of others) t.not(load(text).config.digest, digest, what);
});

t.test('anchors and merge keys are followed, and problems point to where the value stands', async (t) => {
  const merged = `${TEXT}  - name: other\n    servers: &s [{ name: be1, address: 10.1.0.22:80 }]\n  - name: third\n    servers: *s\n`;
  const result = parseConfig('f.yaml', merged);
  t.equal(result.ok, true);
  const bad = parseConfig('f.yaml', merged.replace('10.1.0.22:80', 'nowhere'));
  t.equal(bad.ok, false);
  if (!bad.ok)
    t.match(bad.problems, [
      { line: 30, column: 40 },
      { line: 30, column: 40 },
    ]);

  const inherited =
    TEXT.replace('healthCheck: {', 'healthCheck: &c {').replace('900ms', 'soon') +
    '  - name: other\n    servers: [{ name: be1, address: 10.1.0.22:80 }]\n    healthCheck: { <<: *c, type: tcp }\n';
  const wrong = parseConfig('f.yaml', inherited);
  t.equal(wrong.ok, false);
  if (!wrong.ok)
    t.match(wrong.problems, [
      { line: 28, column: 60 },
      { line: 28, column: 60, message: 'pools[1].healthCheck.timeout: expected a duration' },
    ]);
});

t.test('files that cannot be read', async (t) => {
  const missing = loadConfig('/no/such/tandem.yaml');
  t.match(missing, { ok: false, problems: [{ line: 0, message: 'there is no such file' }] });
  t.match(loadConfig(tmpdir()), { ok: false, problems: [{ message: 'cannot be read' }] });
});
