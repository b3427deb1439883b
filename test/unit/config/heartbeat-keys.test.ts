/** The keys of the beats: their defaults, and what is said of mistakes. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { MAX_BEAT_GROUPS } from '../../../src/config/limits.js';
import { parseConfig } from '../../../src/config/load.js';
import { MAX_GROUPS } from '../../../src/vrrp/beat-codec.js';

const GOOD = readFileSync(new URL('../../../../../config/fast-liveness.yaml', import.meta.url), 'utf8');

function said(...changes: [from: string, to: string][]): string[] {
  const text = changes.reduce((before, [from, to]) => before.replace(from, to), GOOD);
  t.not(text, GOOD, 'the change is one');
  const result = parseConfig('tandem.yaml', text);
  const problems = result.ok ? result.warnings : result.problems;
  return problems.map(({ line, column, severity, message }) => `${line}:${column} ${severity} ${message}`);
}

t.test('the example, and the defaults', async (t) => {
  const result = parseConfig('tandem.yaml', GOOD);
  t.match(result, { ok: true, config: { cluster: { heartbeat: { port: 7946, fast: { intervalMs: 2, lifeMs: 8 } } } } });
  const fast = (value: string): unknown => {
    const other = parseConfig('tandem.yaml', GOOD.replace('{ interval: 2ms, life: 8ms }', value));
    return other.ok ? other.config.cluster.heartbeat.fast : other.problems[0]?.message;
  };
  t.same(fast('true'), { intervalMs: 2, lifeMs: 8 });
  t.equal(fast('false'), null);
  t.match(fast('sometimes'), /expected true, false or \{ interval, life \}/);
  const plain = parseConfig('tandem.yaml', GOOD.replace(/, heartbeatAddresses: [^}]*\]/g, '').replace(/ {2}heartbeat: .*\n/, ''));
  t.match(plain, {
    ok: true,
    config: {
      cluster: { heartbeat: { fast: null }, nodes: [{ heartbeatAddresses: ['10.2.0.11'] }, { heartbeatAddresses: ['10.2.0.12'] }] },
    },
  });
});

t.test('paths are the same on every node', async (t) => {
  t.match(said(['[10.1.0.12, 10.2.0.12]', '[10.1.0.12]']), [/^7:\d+ error 1 addresses for beats, but node "lb1" has 2/]);
  t.match(said([', heartbeatAddresses: [10.1.0.12, 10.2.0.12]', '']), [/^7:5 error 0 addresses for beats, but node "lb1" has 2/]);
  t.match(said(['[10.1.0.12, 10.2.0.12]', '[10.1.0.11, 10.2.0.12]']), [/error 10\.1\.0\.11 is an address of node "lb1" already/]);
  t.match(said(['[10.1.0.12, 10.2.0.12]', '[10.1.0.100, 10.2.0.12]']), [/error 10\.1\.0\.100 is a virtual address/]);
  t.match(said(['[10.1.0.12, 10.2.0.12]', '[1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, 1.1.1.5]']), [/at most 4 addresses/]);
});

t.test('the times of fast liveness make sense', async (t) => {
  t.match(said(['life: 8ms', 'life: 5ms']), [/error a life of 5ms is less than 3 intervals of 2ms/]);
  t.match(said(['interval: 2ms', 'interval: 1ms']), [/interval/]);
  t.match(said(['life: 8ms', 'life: 300ms']), [/warning a life of 300ms is not shorter than three adverts \(300ms\)/]);
});

t.test('names of elections that beats could not tell apart', async (t) => {
  const [first, second] = ['costarring', 'liquid'];
  const router = (name: string, id: number, address: string): string =>
    `  - { name: ${name}, id: ${id}, interface: eth1, addresses: [${address}], priority: { lb1: 200, lb2: 100 } }\n`;
  const text = GOOD.replace('services:', `${router(first ?? '', 52, '10.2.0.101')}${router(second ?? '', 53, '10.2.0.102')}services:`);
  const result = parseConfig('tandem.yaml', text);
  t.match(result.ok ? [] : result.problems.map(({ message }) => message), [/"liquid" and "costarring" have the same hash in beats/]);
});

t.test('more elections than a beat holds', async (t) => {
  t.equal(MAX_BEAT_GROUPS, MAX_GROUPS);
  const routers = Array.from(
    { length: MAX_GROUPS },
    (_, i) => `  - { name: r${i}, id: ${i + 60}, interface: eth1, addresses: [10.3.0.${i + 1}], priority: { lb1: 200, lb2: 100 } }\n`,
  );
  t.match(said(['services:', `${routers.join('')}services:`]), [/warning 52 elections; beats speak of the first 51/]);
});
