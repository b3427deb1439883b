/**
 * Turns what the schema objects to into problems with a place in the file and words that help: the nearest valid key or value.
 */
import { z } from 'zod';
import { nearest, suggestion } from './nearest.js';
import type { Problem } from './problem.js';
import type { Path, Source } from './source.js';

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;

export function explainIssues(source: Source, schema: Schema, issues: readonly Issue[]): Problem[] {
  const misspelt = new Set(
    issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => label([...issue.path, nearest(key, keysAt(schema, issue.path as Path)) ?? ''] as Path))
        : [],
    ),
  );
  // "missing priority" beside "unknown key priorty; did you mean priority" would be one mistake told twice.
  const isToldAlready = (path: Path): boolean => path.length > 0 && !source.has(path) && misspelt.has(label(path));
  return issues.filter((issue) => !isToldAlready(issue.path as Path)).flatMap((issue) => explainIssue(source, schema, issue));
}

function explainIssue(source: Source, schema: Schema, issue: Issue): Problem[] {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(source, schema, path, key));
  if (issue.code === 'invalid_key') return [source.problem('error', path, 'key', issue.issues[0]?.message ?? issue.message)];
  if (path.length > 0 && !source.has(path)) return [missingKey(source, path)];
  if (issue.code === 'invalid_value') return [wrongChoice(source, path, issue)];
  return [source.problem('error', path, 'value', `${label(path)}: ${message(issue)}`)];
}

function unknownKey(source: Source, schema: Schema, path: Path, key: string): Problem {
  const known = keysAt(schema, path);
  const where = path.length === 0 ? 'at the top level' : `in ${label(path)}`;
  return source.problem('error', [...path, key], 'key', `unknown key "${key}" ${where}; ${suggestion(key, known, 'valid keys')}`);
}

function missingKey(source: Source, path: Path): Problem {
  const parent = path.slice(0, -1);
  const where = parent.length === 0 ? 'at the top level' : `in ${label(parent)}`;
  return source.problem('error', parent, parent.length === 0 ? 'value' : 'key', `missing key "${String(path.at(-1))}" ${where}`);
}

function wrongChoice(source: Source, path: Path, issue: z.core.$ZodIssueInvalidValue): Problem {
  const values = issue.values.map(String);
  const given = String(valueAt(source.value, path));
  const near = nearest(given, values);
  const hint = near === null ? '' : `; did you mean "${near}"?`;
  return source.problem('error', path, 'value', `${label(path)}: "${given}" is not known, expected one of ${values.join(', ')}${hint}`);
}

function message(issue: Issue): string {
  if (issue.code === 'invalid_type' && /^Invalid input/.test(issue.message))
    return issue.expected === 'object' ? 'expected keys and values' : `expected ${issue.expected}`;
  return issue.message;
}

/** `pools[0].servers[1].weight`. */
export const label = (path: Path): string =>
  path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('') || 'the document';

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) => (typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[step] : undefined),
    value,
  );
}

/** The keys that the schema allows at this place; none when it is no object with fixed keys. */
function keysAt(schema: Schema, path: Path): string[] {
  let at: Schema | undefined = unwrap(schema);
  for (const step of path) at = at && unwrap(inside(at, step));
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function inside(schema: Schema, step: string | number): Schema | undefined {
  if (schema instanceof z.ZodObject) return schema.shape[String(step)] as Schema | undefined;
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

/** Below defaults, optionals and transforms lies the shape a user writes. */
function unwrap(schema: Schema | undefined): Schema | undefined {
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault) return unwrap(schema.unwrap());
  return schema;
}
