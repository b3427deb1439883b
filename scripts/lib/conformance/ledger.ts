/**
 * The ledger of requirements: what lacks a proof, and docs/conformance.md. Pure.
 */
import type { RequirementRow } from '../../../test/rfc/requirements.js';
import type { Evidence, Side } from './evidence.js';

export type Rows = Readonly<Record<string, RequirementRow>>;

/** One line for each requirement without a proof of either side, and for each proof of something that is none. */
export function gaps(rows: Rows, evidence: readonly Evidence[]): string[] {
  const missing = Object.keys(rows).flatMap((id) =>
    (['positive', 'negative'] as const)
      .filter((side) => !evidence.some((each) => each.id === id && each.side === side))
      .map((side) => `${id} has no ${side} test`),
  );
  const unknown = evidence.filter(({ id }) => rows[id] === undefined).map(({ id, file }) => `${file}: ${id} is no requirement`);
  return [...missing, ...unknown];
}

const CHAPTERS: readonly [letter: string, title: string, about: string][] = [
  ['T', 'Sending', 'Adverts as they leave.'],
  ['R', 'Receiving', 'Which packets are believed.'],
  ['F', 'States and timers', 'What a router does in which state.'],
];

const HEAD = `# Conformance

Generated from test/rfc/requirements.ts and the tests: run scripts/generate.

What RFC 9568 (VRRP version 3) and RFC 3768 (version 2) ask of a router, in our words, with the tests that prove it: **+** that it is kept,
**-** that the opposite is told apart. \`scripts/check\` fails when a row lacks one of them, and a test fails when it asserts nothing. Tests in
\`test/rfc\` are pure; those in \`test/packet\` go through the compiled data plane, those in \`test/netns\` through real nodes. What is done
otherwise than written stands below the table, with the reason; how two nodes pass the addresses on beyond the RFC is told in
[design.md](design.md#the-way-of-an-advert).
`;

export function conformanceText(rows: Rows, evidence: readonly Evidence[]): string {
  return [HEAD, ...CHAPTERS.map((chapter) => chapterText(rows, evidence, chapter)), errataText(rows)].join('\n');
}

function chapterText(rows: Rows, evidence: readonly Evidence[], [letter, title, about]: (typeof CHAPTERS)[number]): string {
  const own = Object.entries(rows).filter(([id]) => id.startsWith(letter));
  const lines = own.map(([id, row]) => {
    const proofs = `${proofText(evidence, id, 'positive')}<br>${proofText(evidence, id, 'negative')}`;
    return `| ${id} | ${row.section} | ${row.level} | ${row.text} | ${proofs} |`;
  });
  const deviations = own.flatMap(([id, { deviation }]) => (deviation === undefined ? [] : [`- **${id}**: ${deviation}`]));
  const table = ['| id | section | level | requirement | proved by |', '| --- | --- | --- | --- | --- |', ...lines];
  return [`## ${title}`, '', about, '', ...table, '', 'Otherwise than written:', '', ...deviations, ''].join('\n');
}

function proofText(evidence: readonly Evidence[], id: string, side: Side): string {
  const found = evidence.filter((each) => each.id === id && each.side === side);
  const places = found.map(({ file, test }) => (test === '' ? `\`${file}\`` : `\`${file}\` (${test.replaceAll('|', '\\|')})`));
  return `${side === 'positive' ? '+' : '-'} ${[...new Set(places)].join(', ')}`;
}

function errataText(rows: Rows): string {
  const numbers = [...new Set(Object.values(rows).flatMap(({ errata }) => errata ?? []))].sort((a, b) => a - b);
  const lines = numbers.map((number) => {
    const ids = Object.entries(rows).filter(([, { errata }]) => errata?.includes(number));
    return `| ${number} | ${ids.map(([id]) => id).join(', ')} |`;
  });
  return ['## Errata of RFC 9568', '', '| erratum | followed in |', '| --- | --- |', ...lines, ''].join('\n');
}
