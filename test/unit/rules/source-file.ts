/**
 * Reads from one TypeScript file what the rules are about: what it imports, whether only types, and where it takes time or chance from.
 */
import ts from 'typescript';

export interface Import {
  /** As written: './codec.js', 'node:fs', 'pino'. */
  specifier: string;
  isTypeOnly: boolean;
  /** Values that are imported by name; empty for types, whole modules and side effects. */
  values: string[];
  line: number;
}

export interface Use {
  what: string;
  line: number;
}

export interface SourceFile {
  imports: Import[];
  /** Uses of clocks, timers and chance. */
  ambient: Use[];
  /** Nothing is left of it after compiling. */
  hasOnlyTypes: boolean;
  /** Every function with a body, and how many lines are its own: those of functions inside it are theirs. */
  functions: { name: string; line: number; lines: number }[];
}

const TIMERS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']);
const MEMBERS = new Map([
  ['Date', new Set(['now'])],
  ['Math', new Set(['random'])],
  ['performance', new Set(['now'])],
  ['process', new Set(['hrtime', 'uptime'])],
  ['AbortSignal', new Set(['timeout'])],
  ['crypto', new Set(['randomUUID', 'getRandomValues'])],
]);

export function readSource(text: string): SourceFile {
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.ES2022, true);
  const found: SourceFile = { imports: [], ambient: [], hasOnlyTypes: source.statements.every(isTypeStatement), functions: [] };
  const lineOf = (node: ts.Node): number => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const visit = (node: ts.Node): void => {
    const imported = importOf(node);
    if (imported) found.imports.push({ ...imported, line: lineOf(node) });
    const what = ambientUseOf(node);
    if (what) found.ambient.push({ what, line: lineOf(node) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  found.functions = functionsOf(source);
  return found;
}

function isTypeStatement(statement: ts.Statement): boolean {
  if (ts.isImportDeclaration(statement)) return statement.importClause !== undefined && bringsOnlyTypes(statement.importClause);
  if (ts.isExportDeclaration(statement)) return statement.isTypeOnly;
  return ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
}

function functionsOf(source: ts.SourceFile): SourceFile['functions'] {
  const found: SourceFile['functions'] = [];
  const position = (offset: number): number => source.getLineAndCharacterOfPosition(offset).line + 1;
  /** Returns the lines that functions at or below this node take. */
  const measure = (node: ts.Node): number => {
    let inner = 0;
    ts.forEachChild(node, (child) => {
      inner += measure(child);
    });
    if (!ts.isFunctionLike(node) || !('body' in node) || !node.body) return inner;
    const line = position(node.getStart(source));
    const lines = position(node.getEnd()) - line + 1;
    found.push({ name: node.name?.getText(source) ?? 'anonymous', line, lines: lines - inner });
    return lines;
  };
  measure(source);
  return found;
}

function importOf(node: ts.Node): Omit<Import, 'line'> | null {
  if (ts.isImportDeclaration(node)) {
    return {
      specifier: textOf(node.moduleSpecifier),
      isTypeOnly: node.importClause !== undefined && bringsOnlyTypes(node.importClause),
      values: valuesOf(node.importClause),
    };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    return { specifier: textOf(node.moduleSpecifier), isTypeOnly: node.isTypeOnly, values: [] };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: textOf(node.argument.literal), isTypeOnly: true, values: [] };
  }
  if (
    ts.isCallExpression(node) &&
    node.arguments[0] &&
    (node.expression.kind === ts.SyntaxKind.ImportKeyword || isRequire(node.expression))
  ) {
    return { specifier: textOf(node.arguments[0]), isTypeOnly: false, values: [] };
  }
  return null;
}

const textOf = (node: ts.Node): string => (ts.isStringLiteralLike(node) ? node.text : '(computed)');

const isRequire = (node: ts.Expression): boolean => ts.isIdentifier(node) && node.text === 'require';

/** Empty as soon as something comes without a name of its own. */
function valuesOf(clause: ts.ImportClause | undefined): string[] {
  const bindings = clause?.namedBindings;
  if (!clause || clause.name || !bindings || !ts.isNamedImports(bindings)) return [];
  return bindings.elements.filter((element) => !element.isTypeOnly).map((element) => (element.propertyName ?? element.name).text);
}

function bringsOnlyTypes(clause: ts.ImportClause): boolean {
  if (clause.isTypeOnly) return true;
  const bindings = clause.namedBindings;
  return !clause.name && bindings !== undefined && ts.isNamedImports(bindings) && bindings.elements.every((element) => element.isTypeOnly);
}

function ambientUseOf(node: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const owner = node.expression.text;
    return MEMBERS.get(owner)?.has(node.name.text) ? `${owner}.${node.name.text}` : null;
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Date') {
    return node.arguments?.length ? null : 'new Date()';
  }
  if (ts.isIdentifier(node) && TIMERS.has(node.text) && !isMemberName(node)) return node.text;
  return null;
}

/** `clock.setTimeout` and `{ setTimeout: ... }` name something that was handed in. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (ts.isPropertyAccessExpression(parent) && parent.name === node) || (ts.isPropertyAssignment(parent) && parent.name === node);
}
