/**
 * Which test proves which requirement, read from the source of the tests: calls of `requirement` and `proves` (test/rfc/requirement.ts),
 * with their ids as literals. Pure: works on texts.
 */
import ts from 'typescript';

export type Side = 'positive' | 'negative';

export interface Evidence {
  id: string;
  side: Side;
  /** Path of the test file. */
  file: string;
  /** Name of the test; empty when the requirement is itself the test. */
  test: string;
}

export interface Reading {
  evidence: Evidence[];
  /** Calls that cannot be read: they would be evidence that nobody sees. */
  unreadable: string[];
}

/** Parsing every test would take longer than all that is done with them. */
const MENTIONS = /\b(requirement|proves)\(/;
const SIDES: readonly Side[] = ['positive', 'negative'];

export function readEvidence(file: string, text: string): Reading {
  if (!MENTIONS.test(text)) return { evidence: [], unreadable: [] };
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const reading: Reading = { evidence: [], unreadable: [] };
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const found = node.expression.text === 'requirement' ? ofRequirement(node) : node.expression.text === 'proves' ? ofProof(node) : [];
      if (found === null) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        reading.unreadable.push(`${file}:${line + 1}`);
      } else reading.evidence.push(...found.map((each) => ({ ...each, file })));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return reading;
}

type Found = Omit<Evidence, 'file'>[];

/** requirement('T1', { positive: ..., negative: ... }); null: not of this shape. */
function ofRequirement(call: ts.CallExpression): Found | null {
  const [id, sides] = call.arguments;
  if (id === undefined || sides === undefined || !ts.isStringLiteral(id) || !ts.isObjectLiteralExpression(sides)) return null;
  const names = sides.properties.map((property) => property.name?.getText() ?? '');
  return SIDES.filter((side) => names.includes(side)).map((side) => ({ id: id.text, side, test: '' }));
}

/** t.test('name', proves({ positive: ['F5'], negative: ['F14'] }, ...)); null: not of this shape. */
function ofProof(call: ts.CallExpression): Found | null {
  const [proof] = call.arguments;
  const test = nameOfTest(call);
  if (proof === undefined || test === null || !ts.isObjectLiteralExpression(proof)) return null;
  const found: Found = [];
  for (const property of proof.properties) {
    const side = SIDES.find((each) => each === property.name?.getText());
    if (side === undefined || !ts.isPropertyAssignment(property) || !ts.isArrayLiteralExpression(property.initializer)) return null;
    for (const element of property.initializer.elements) {
      if (!ts.isStringLiteral(element)) return null;
      found.push({ id: element.text, side, test });
    }
  }
  return found;
}

/** First argument of the call around; what varies in it becomes "…". */
function nameOfTest({ parent }: ts.CallExpression): string | null {
  const name = ts.isCallExpression(parent) ? parent.arguments[0] : undefined;
  if (name === undefined) return null;
  if (ts.isStringLiteral(name) || ts.isNoSubstitutionTemplateLiteral(name)) return name.text;
  if (!ts.isTemplateExpression(name)) return null;
  return name.head.text + name.templateSpans.map((span) => `…${span.literal.text}`).join('');
}
