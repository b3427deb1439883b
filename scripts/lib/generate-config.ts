/**
 * Writes config/tandem.schema.json and docs/configuration.md from src/config/schema.ts; with --check compares only and exits 1 when
 * one of them is out of date.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { editorSchema } from '../../src/config/json-schema.js';
import { referenceText } from '../../src/config/reference.js';
import { projectRoot } from '../../src/system/paths.js';

const outputs: [string, string][] = [
  ['config/tandem.schema.json', `${JSON.stringify(editorSchema(), null, 2)}\n`],
  ['docs/configuration.md', referenceText()],
];

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

const onlyCheck = process.argv.includes('--check');
for (const [name, wanted] of outputs) {
  const path = join(projectRoot, name);
  if (current(path) === wanted) continue;
  if (onlyCheck) {
    console.error(`${name} is out of date: run scripts/generate`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, wanted);
    console.log(`wrote ${name}`);
  }
}
