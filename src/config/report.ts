/**
 * Where a check puts what it finds: a path into the document, which part of the entry is meant, and a sentence.
 */
import type { Problem } from './problem.js';
import type { Part, Path, Source } from './source.js';

export interface Report {
  error(path: Path, part: Part, message: string): void;
  warning(path: Path, part: Part, message: string): void;
}

export function reportInto(source: Source, problems: Problem[]): Report {
  return {
    error: (path, part, message) => {
      problems.push(source.problem('error', path, part, message));
    },
    warning: (path, part, message) => {
      problems.push(source.problem('warning', path, part, message));
    },
  };
}

/** Reports the second and later bearers of the same word. */
export function checkUnique<T>(
  items: readonly T[],
  wordOf: (item: T) => string,
  path: Path,
  part: string,
  what: string,
  report: Report,
): void {
  const seen = new Map<string, number>();
  items.forEach((item, i) => {
    const word = wordOf(item);
    const first = seen.get(word);
    if (first === undefined) seen.set(word, i);
    else report.error([...path, i, part], 'value', `second ${what} with the ${part} "${word}"; ${path.join('.')}[${first}] has it already`);
  });
}
