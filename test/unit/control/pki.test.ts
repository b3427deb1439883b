import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { initPki, type PkiOptions } from '../../../src/control/pki.js';

const NOW = Date.parse('2030-01-01T00:00:00Z');

function options(change: Partial<PkiOptions> = {}): PkiOptions {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-pki-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const nodes = [
    { name: 'lb1', address: '10.1.0.11' },
    { name: 'lb2', address: 'lb2.example.org' },
  ];
  return { directory, cluster: 'shop', nodes, force: false, nowMs: NOW, ...change };
}

t.test('a certificate for each node, signed by the CA, for its name and address', async (t) => {
  const wanted = options();
  const files = await initPki(wanted);
  const ca = new X509Certificate(readFileSync(files.ca));
  t.ok(ca.ca);
  t.ok(ca.verify(ca.publicKey));
  t.match(ca.subject, /shop/);
  const [lb1, lb2] = files.nodes.map((node) => new X509Certificate(readFileSync(node.cert)));
  for (const certificate of [lb1, lb2]) {
    t.ok(certificate?.verify(ca.publicKey));
    t.notOk(certificate?.ca);
    t.ok(certificate && Date.parse(certificate.validFrom) < NOW && Date.parse(certificate.validTo) > NOW);
  }
  t.equal(lb1?.subjectAltName, 'DNS:lb1, IP Address:10.1.0.11');
  t.equal(lb2?.subjectAltName, 'DNS:lb2, DNS:lb2.example.org');
  t.not(lb1?.serialNumber, lb2?.serialNumber);
});

t.test('nobody else can read the files', async (t) => {
  const wanted = options();
  await initPki(wanted);
  const names = readdirSync(wanted.directory).sort();
  t.same(names, ['ca.key', 'ca.pem', 'lb1.key', 'lb1.pem', 'lb2.key', 'lb2.pem']);
  for (const name of names) t.equal(statSync(join(wanted.directory, name)).mode & 0o777, 0o600, name);
});

t.test('nothing is overwritten, and nothing is left half done', async (t) => {
  const wanted = options();
  const present = join(wanted.directory, 'lb2.key');
  writeFileSync(present, 'precious');
  await t.rejects(initPki(wanted), { code: 'PKI_EXISTS', message: /lb2\.key exists/ });
  t.same(readdirSync(wanted.directory), ['lb2.key']);
  t.equal(readFileSync(present, 'utf8'), 'precious');
  await initPki({ ...wanted, force: true });
  t.match(readFileSync(present, 'utf8'), /BEGIN PRIVATE KEY/);
});

t.test('a name that no file or certificate should carry is refused', async (t) => {
  for (const name of ['', '../lb1', 'a b', '-a']) {
    await t.rejects(initPki(options({ nodes: [{ name, address: '10.0.0.1' }] })), { code: 'PKI_NAME' }, `"${name}"`);
  }
});
