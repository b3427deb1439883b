/**
 * A parsed YAML text that still knows where everything stands: turns a path such as ['pools', 0, 'scheduler'] into line and column.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import type { Problem } from './problem.js';

export type Path = readonly (string | number)[];

/** Which part of a mapping entry is meant. */
export type Part = 'key' | 'value';

export interface Source {
  /** As the user named it. */
  file: string;
  /** Problems of the YAML itself; `value` means nothing when there are any. */
  syntax: Problem[];
  /** Plain JavaScript value. */
  value: unknown;
  problem(severity: Problem['severity'], path: Path, part: Part, message: string): Problem;
  /** Does the document itself hold something at this path? */
  has(path: Path): boolean;
}

export function openSource(file: string, text: string): Source {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, merge: true, logLevel: 'error' });
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const at = (severity: Problem['severity'], [start, end]: readonly [number, number], message: string): Problem => {
    const { line, col } = counter.linePos(Math.min(start, text.length));
    const place = line === 0 ? { line: 1, column: 1 } : { line, column: col };
    return { severity, file, ...place, length: Math.max(1, end - start), text: lines[place.line - 1] ?? '', message };
  };
  const syntax = [
    ...document.errors.map((error) => at('error', error.pos, error.message)),
    ...document.warnings.map((warning) => at('warning', warning.pos, warning.message)),
  ];
  let value: unknown = null;
  try {
    if (document.errors.length === 0) value = document.toJS();
  } catch (error) {
    // The library refuses to unfold aliases that multiply ("billion laughs").
    syntax.push(at('error', [0, 0], error instanceof Error ? error.message : String(error)));
  }
  return {
    file,
    syntax,
    value,
    problem: (severity, path, part, message) => at(severity, rangeOf(document, path, part), message),
    has: (path) => walk(document, path).complete,
  };
}

interface Walk {
  /** Deepest node reached, and the pair that holds it. */
  node: Node | null;
  pair: Pair | null;
  complete: boolean;
}

function walk(document: Document, path: Path): Walk {
  const state: Walk = { node: document.contents as Node | null, pair: null, complete: true };
  for (const step of path) {
    const next = child(document, state.node, step);
    if (next === null) return { ...state, complete: false };
    state.pair = next.pair ?? state.pair;
    state.node = next.node;
  }
  return state;
}

function child(document: Document, parent: Node | null, step: string | number): { node: Node | null; pair: Pair | null } | null {
  const node = isAlias(parent) ? (parent.resolve(document) ?? null) : parent;
  if (isMap(node)) {
    const pair = pairOf(node, String(step));
    if (pair !== undefined) return { pair, node: isNode(pair.value) ? pair.value : null };
    // The library keeps the merge key as a symbol; only its text in the file is plain.
    const merged = node.items.find((item) => isScalar(item.key) && item.key.source === '<<')?.value;
    return isNode(merged) ? child(document, merged, step) : null;
  }
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? null : { pair: null, node: isNode(item) ? item : null };
  }
  return null;
}

const pairOf = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);

function rangeOf(document: Document, path: Path, part: Part): readonly [number, number] {
  const { node, pair, complete } = walk(document, path);
  const keyNode = pair !== null && isNode(pair.key) ? pair.key : null;
  // A path that stops half-way (a missing key) is shown at the key of what should have held it.
  const wanted = part === 'key' || !complete ? (keyAbove(document, path, complete) ?? node) : (node ?? keyNode);
  const range = wanted?.range;
  if (!range) return [0, 0];
  return isMap(wanted) || isSeq(wanted) ? firstLine(document, wanted, range) : [range[0], range[1]];
}

function keyAbove(document: Document, path: Path, complete: boolean): Node | null {
  for (let length = path.length; length > 0; length--) {
    const here = walk(document, path.slice(0, length));
    if (!here.complete) continue;
    const isItem = typeof path[length - 1] === 'number';
    if (isItem) return here.node;
    return here.pair !== null && isNode(here.pair.key) ? here.pair.key : here.node;
  }
  return complete ? null : (document.contents as Node | null);
}

/** A collection is underlined at its first entry: the whole of it may be pages long. */
function firstLine(document: Document, node: Node, range: readonly [number, number, number]): readonly [number, number] {
  if ((isMap(node) || isSeq(node)) && !node.flow) {
    const first = isMap(node) ? node.items[0]?.key : node.items[0];
    if (isNode(first) && first !== node && first.range)
      return isMap(first) || isSeq(first) ? firstLine(document, first, first.range) : [first.range[0], first.range[1]];
    return [range[0], range[0] + 1];
  }
  return [range[0], range[1]];
}
