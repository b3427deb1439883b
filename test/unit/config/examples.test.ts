/**
 * Every example configuration is valid without a warning, and the generated files say the same as the schema.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { editorSchema } from '../../../src/config/json-schema.js';
import { loadConfig } from '../../../src/config/load.js';
import { formatProblem } from '../../../src/config/problem.js';
import { referenceText } from '../../../src/config/reference.js';
import { projectRoot } from '../../../src/system/paths.js';

const directory = join(projectRoot, 'config');
const examples = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
const published = JSON.parse(readFileSync(join(directory, 'tandem.schema.json'), 'utf8')) as Record<string, unknown>;
/** A validator made from the published file alone, as an editor would. */
const editor = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);

t.ok(examples.length >= 6, 'there are examples');

for (const name of examples) {
  t.test(name, async (t) => {
    const path = join(directory, name);
    const result = loadConfig(path);
    const said = (result.ok ? result.warnings : result.problems).map((problem) => formatProblem(problem)).join('\n');
    t.equal(said, '', 'nothing to complain about');
    t.equal(result.ok, true);
    t.equal(editor.safeParse(parse(readFileSync(path, 'utf8'))).success, true, 'the JSON Schema accepts it');
  });
}

t.test('the JSON Schema refuses what the validation refuses', async (t) => {
  const text = readFileSync(join(directory, 'nat-pair.yaml'), 'utf8');
  const changes: [string, string][] = [
    ['interfaces:', 'interface:'],
    ['id: 51', 'id: 0'],
    ['id: 51', 'id: fifty-one'],
    ['10.1.0.100:80/tcp', '10.1.0.100/tcp'],
    ['forward: nat', 'forward: tunnel'],
    ['10.2.0.21:8080', '"[fd00::1]:8080"'],
    ['    priority: { lb1: 200, lb2: 100 }\n', ''],
    ['    priority', '    advertInterval: 100\n    priority'],
  ];
  for (const [from, to] of changes) {
    t.ok(text.includes(from), `"${from}" is in the example`);
    t.equal(editor.safeParse(parse(text.replace(from, to))).success, false, to || `without ${from}`);
  }
});

t.test('generated files are up to date', async (t) => {
  t.same(published, JSON.parse(JSON.stringify(editorSchema())), 'config/tandem.schema.json');
  t.equal(readFileSync(join(projectRoot, 'docs/configuration.md'), 'utf8'), referenceText(), 'docs/configuration.md');
});

t.test('every key has a description, and every default its reason', async (t) => {
  const walk = (schema: Record<string, unknown>, path: string): void => {
    for (const [key, value] of Object.entries((schema.properties ?? {}) as Record<string, Record<string, unknown>>)) {
      const at = path === '' ? key : `${path}.${key}`;
      t.ok(String(value.description ?? '').length > 8, `${at} is described`);
      const isGroup = value.properties !== undefined || (Array.isArray(value.default) && value.default.length === 0);
      if (value.default !== undefined && !isGroup) t.match(value.description, /Default: /, `${at}: why this default`);
      walk(value, at);
    }
    for (const inner of [schema.items, schema.additionalProperties]) {
      if (typeof inner === 'object' && inner !== null) walk(inner as Record<string, unknown>, path);
    }
  };
  walk(published, '');
});
