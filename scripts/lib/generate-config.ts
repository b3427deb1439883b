/**
 * Writes config/tandem.schema.json and docs/configuration.md from src/config/schema.ts; with --check compares only and exits 1 when
 * one of them is out of date.
 */
import { editorSchema } from '../../src/config/json-schema.js';
import { referenceText } from '../../src/config/reference.js';
import { writeGenerated } from './generated.js';

writeGenerated(
  [
    ['config/tandem.schema.json', `${JSON.stringify(editorSchema(), null, 2)}\n`],
    ['docs/configuration.md', referenceText()],
  ],
  process.argv.includes('--check'),
);
