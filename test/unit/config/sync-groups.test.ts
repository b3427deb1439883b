/** Mistakes in sync groups: what is said, and where. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseConfig } from '../../../src/config/load.js';

const GOOD = readFileSync(new URL('../../../../../config/sync-group.yaml', import.meta.url), 'utf8');

function said(from: string, to: string): string[] {
  const result = parseConfig('tandem.yaml', GOOD.replace(from, to));
  return result.ok ? [] : result.problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

t.test('the example is right', async (t) => t.ok(parseConfig('tandem.yaml', GOOD).ok));

const GROUP = '[front, back]';
const rows: [mistake: string, from: string, to: string, words: RegExp][] = [
  ['unknown router', GROUP, '[front, bakc]', /^20:43 unknown virtual router "bakc"; did you mean "back"\?/],
  ['nobody', GROUP, '[]', /^20:35 .*name at least one virtual router/],
  ['two groups', `${GROUP} }`, `${GROUP} }\n  - { name: other, virtualRouters: [back] }`, /^21:37 "back" is in sync group "site" already/],
  ['name twice', `${GROUP} }`, `${GROUP} }\n  - { name: site, virtualRouters: [back] }`, /^21:13 second sync group with the name "site"/],
  [
    'name of a router outside',
    '{ name: site, virtualRouters: [front, back] }',
    '{ name: back, virtualRouters: [front] }',
    /^20:13 .*choose another name/,
  ],
];
const back = "addresses: [10.2.0.1]        # the servers' gateway; heard by other routers in their network, too\n";
for (const [key, value] of [
  ['priority', '{ lb1: 200, lb2: 90 }'],
  ['advertInterval', '200ms'],
  ['preempt', 'false'],
  ['preemptDelay', '5s'],
  ['announce', '{ repeat: 2 }'],
] as const) {
  const from = key === 'priority' ? `${back}    priority: { lb1: 200, lb2: 100 }` : back;
  const to = key === 'priority' ? `${back}    ${key}: ${value}` : `${back}    ${key}: ${value}\n`;
  rows.push([`${key} differs`, from, to, new RegExp(`^18:5 differs from "front", .*write the same ${key}`)]);
}

for (const [mistake, from, to, words] of rows) {
  t.test(mistake, async (t) => {
    t.not(GOOD.replace(from, to), GOOD, 'the change is one');
    t.match(said(from, to)[0], words);
    t.equal(said(from, to).filter((text) => words.test(text)).length, 1, 'said once');
  });
}
