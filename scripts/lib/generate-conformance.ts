/**
 * Writes docs/conformance.md from test/rfc/requirements.ts and the tests that prove its rows; with --check compares only. A row without a
 * proof of either side, and a proof that cannot be read, are errors either way.
 */
import { REQUIREMENTS } from '../../test/rfc/requirements.js';
import { conformanceText, gaps } from './conformance/ledger.js';
import { readAllEvidence } from './conformance/sources.js';
import { writeGenerated } from './generated.js';

const { evidence, unreadable } = readAllEvidence();
const mistakes = [...gaps(REQUIREMENTS, evidence), ...unreadable.map((place) => `${place}: write ids and the test's name as literals`)];
for (const mistake of mistakes) console.error(mistake);
if (mistakes.length > 0) process.exitCode = 1;
writeGenerated([['docs/conformance.md', conformanceText(REQUIREMENTS, evidence)]], process.argv.includes('--check'));
