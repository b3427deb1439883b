/**
 * The examples of docs/health.md are valid, and no type is without one.
 */
import t from 'tap';
import { HEALTH_TYPES } from '../../../src/config/health-schema.js';
import { parseConfig } from '../../../src/config/load.js';
import { GOOD } from '../../support/config-mistakes.js';
import { readDocuments } from './documents.js';

const CHECK = 'healthCheck: { type: http, path: /health, interval: 5s, timeout: 3s }';

t.test('examples of health checks', async (t) => {
  const fences = readDocuments().find((document) => document.file === 'docs/health.md')?.fences ?? [];
  t.ok(GOOD.includes(CHECK));
  const types = new Set<string>();
  for (const { text } of fences) {
    const loaded = parseConfig('example.yaml', GOOD.replace(CHECK, text.trim()), { node: 'lb1' });
    t.same(loaded.ok ? loaded.warnings : loaded.problems, [], text);
    if (loaded.ok) types.add(loaded.config.pools[0]?.healthCheck?.type ?? '');
  }
  t.same([...types].sort(), [...HEALTH_TYPES].sort());
});
