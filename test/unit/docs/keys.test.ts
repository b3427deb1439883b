/**
 * Configuration keys, metrics, drop reasons and YAML examples that documents mention exist and are valid.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { parseConfig } from '../../../src/config/load.js';
import { drop } from '../../../src/l4/abi.gen.js';
import { projectRoot } from '../../../src/system/paths.js';
import { metricTable } from '../../../src/telemetry/metric-table.js';
import { readDocuments } from './documents.js';
import { readMarkdown } from './markdown.js';

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
}

const schema = JSON.parse(readFileSync(path.join(projectRoot, 'config/tandem.schema.json'), 'utf8')) as Schema;

/** Does a dotted key such as `cluster.replication.port` exist? Lists and maps are stepped into; a name stands for any entry of a map. */
function hasKey(at: Schema, keys: string[]): boolean {
  const [first, ...rest] = keys;
  if (first === undefined) return true;
  if (at.anyOf?.some((each) => hasKey(each, keys))) return true;
  if (at.items && hasKey(at.items, keys)) return true;
  const property = at.properties?.[first];
  if (property) return hasKey(property, rest);
  return typeof at.additionalProperties === 'object' && hasKey(at.additionalProperties, rest);
}

const roots = Object.keys(schema.properties ?? {});
const looksLikeKey = (text: string): boolean => roots.includes(text.split('.')[0] ?? '') && /^\w+(\.\w+)+$/.test(text);
const documents = readDocuments();
const spans = documents.flatMap((document) => document.spans.map(({ text, line }) => ({ text, at: `${document.file}:${line}: ${text}` })));

t.test('configuration keys exist', async (t) => {
  const keys = spans.filter(({ text }) => looksLikeKey(text));
  t.same(
    keys.filter(({ text }) => !hasKey(schema, text.split('.'))).map(({ at }) => at),
    [],
  );
  t.ok(keys.length > 0, 'documents mention keys');
  t.notOk(hasKey(schema, ['dataPlane', 'nothing']), 'a wrong key is noticed');
  t.ok(hasKey(schema, ['virtualRouters', 'announce', 'repeat']), 'keys inside lists are found');
});

t.test('metrics exist', async (t) => {
  const names = spans.filter(({ text }) => /^tandem_\w+$/.test(text));
  t.same(
    names
      .filter(({ text }) => !(text in metricTable) && !['tandem_xdp', 'tandem_apply', 'tandem_lease', 'tandem_clock'].includes(text))
      .map(({ at }) => at),
    [],
  );
  t.ok(names.length > 0, 'documents mention metrics');
});

t.test('drop reasons of the design exist', async (t) => {
  const text = readFileSync(path.join(projectRoot, 'docs/design.md'), 'utf8');
  const table = /counted as \|\n[^\n]*\n((?:\|.*\n)+)/.exec(text)?.[1] ?? '';
  const reasons = readMarkdown(table).spans.map((span) => span.text);
  t.ok(reasons.length > 5);
  t.same(
    reasons.filter((reason) => !(reason in drop)),
    [],
  );
});

t.test('YAML examples are valid configurations', async (t) => {
  const examples = documents.flatMap((document) =>
    document.fences.filter((fence) => fence.language === 'yaml' && /^cluster:/m.test(fence.text)),
  );
  t.ok(examples.length > 0);
  for (const example of examples) {
    const loaded = parseConfig('example.yaml', example.text, { node: 'lb1' });
    t.same(loaded.ok ? loaded.warnings : loaded.problems, []);
  }
});
