/** Reads the evidence from every test file of the project. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../../src/system/paths.js';
import { findTests } from '../test/selection.js';
import { type Reading, readEvidence } from './evidence.js';

export function readAllEvidence(): Reading {
  const readings = findTests(projectRoot)
    .map(({ source }) => source)
    .sort()
    .map((file) => readEvidence(file, readFileSync(join(projectRoot, file), 'utf8')));
  return {
    evidence: readings.flatMap(({ evidence }) => evidence),
    unreadable: readings.flatMap(({ unreadable }) => unreadable),
  };
}
