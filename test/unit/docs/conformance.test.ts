/**
 * The ledger of requirements: every row has a proof that it is kept and one that the opposite is told apart; and a row that had none, or a
 * proof that asserts nothing, would be noticed.
 */
import t from 'tap';
import { readEvidence } from '../../../scripts/lib/conformance/evidence.js';
import { conformanceText, gaps, type Rows } from '../../../scripts/lib/conformance/ledger.js';
import { readAllEvidence } from '../../../scripts/lib/conformance/sources.js';
import { unproved } from '../../rfc/requirement.js';
import { REQUIREMENT_IDS, REQUIREMENTS } from '../../rfc/requirements.js';

t.test('every requirement is proved on both sides', async (t) => {
  const { evidence, unreadable } = readAllEvidence();
  t.same(unreadable, []);
  t.same(gaps(REQUIREMENTS, evidence), []);
  const upTo = (letter: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
  t.same(REQUIREMENT_IDS, [...upTo('T', 10), ...upTo('R', 16), ...upTo('F', 23)], 'none is lost');
  for (const folder of ['test/rfc/', 'test/packet/', 'test/netns/'])
    t.ok(
      evidence.some(({ file }) => file.startsWith(folder)),
      folder,
    );
});

const ROWS: Rows = {
  T1: { section: 'RFC 1 section 2', level: 'MUST', text: 'One.' },
  R1: { section: 'RFC 1 section 3', level: 'MAY', text: 'Two.', errata: [7], deviation: 'Not on Sundays.' },
};

const REQUIREMENT = `requirement('T1', { positive: (t) => t.ok(1), negative(t) { t.ok(1); } });`;
const PROOF = "t.test('packets', proves({ positive: ['R1'], negative: ['R1', 'T1'] }, (t) => t.ok(1)));";

t.test('gaps are named', async (t) => {
  const read = (text: string): string[] => gaps(ROWS, readEvidence('a.test.ts', text).evidence);
  t.same(read(REQUIREMENT + PROOF), []);
  t.same(read(REQUIREMENT), ['R1 has no positive test', 'R1 has no negative test']);
  t.same(read(`${REQUIREMENT}${PROOF.replace("positive: ['R1'], ", '')}`), ['R1 has no positive test']);
  t.same(read(`${REQUIREMENT.replace(/, negative.*}/, ' }')}${PROOF.replace(", 'T1'", '')}`), ['T1 has no negative test']);
  t.same(read(`${REQUIREMENT}${PROOF.replace('T1', 'X9')}`), ['a.test.ts: X9 is no requirement']);
  t.same(read(`// ${REQUIREMENT}\nconst text = ${JSON.stringify(PROOF)};`).length, 4, 'neither comments nor texts are proofs');
});

t.test('a proof that nobody could read is named, too', async (t) => {
  const places = (text: string): string[] => readEvidence('a.test.ts', text).unreadable;
  t.same(places(REQUIREMENT + PROOF), []);
  for (const call of [
    'requirement(id, { positive, negative });',
    "t.test('packets', proves({ positive: ids }, body));",
    "t.test('packets', proves({ positive: [id] }, body));",
    "t.test('packets', proves(proof, body));",
    "t.test('packets', proves({ other: ['R1'] }, body));",
    "t.test(name, proves({ positive: ['R1'] }, body));",
    "const body = proves({ positive: ['R1'] }, other);",
  ])
    t.same(places(`\n${call}`), ['a.test.ts:2'], call);
  const varying = "t.test(`with \u0024{mac} and \u0024{ttl}`, proves({ positive: ['R1'] }, body));";
  const [first] = readEvidence('a.test.ts', varying).evidence;
  t.same(first, { id: 'R1', side: 'positive', file: 'a.test.ts', test: 'with … and …' });
});

t.test('a side that asserts nothing is named', async (t) => {
  const asserts = (t: { ok(value: unknown): unknown }): unknown => t.ok(true);
  const nothing = (): void => undefined;
  t.same(await unproved(t, { positive: asserts, negative: asserts }), []);
  t.same(await unproved(t, { positive: nothing, negative: asserts }), ['positive']);
  t.same(await unproved(t, { positive: asserts, negative: nothing }), ['negative']);
});

t.test('the document has the rows, their proofs, deviations and errata', async (t) => {
  const text = conformanceText(ROWS, readEvidence('test/a.test.ts', REQUIREMENT + PROOF).evidence);
  t.match(text, '| T1 | RFC 1 section 2 | MUST | One. | + `test/a.test.ts`<br>- `test/a.test.ts`, `test/a.test.ts` (packets) |');
  t.match(text, '| R1 | RFC 1 section 3 | MAY | Two. | + `test/a.test.ts` (packets)<br>- `test/a.test.ts` (packets) |');
  t.match(text, '- **R1**: Not on Sundays.');
  t.match(text, '| 7 | R1 |');
});
