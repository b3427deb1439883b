/**
 * One finding about a configuration file, and how it is shown: `file:line:column: error: text`, the line, and a caret under the place.
 */

export interface Problem {
  severity: 'error' | 'warning';
  file: string;
  /** From 1; 0 when the file could not be read at all. */
  line: number;
  column: number;
  /** Characters to underline, at least 1. */
  length: number;
  /** The line as it stands in the file. */
  text: string;
  message: string;
}

/** Words of a problem that may be coloured. */
export interface ProblemColors {
  error(text: string): string;
  warning(text: string): string;
  dim(text: string): string;
}

const plain = (text: string): string => text;
export const noColors: ProblemColors = { error: plain, warning: plain, dim: plain };

export function formatProblem(problem: Problem, colors: ProblemColors = noColors): string {
  const word = problem.severity === 'error' ? colors.error('error') : colors.warning('warning');
  if (problem.line === 0) return `${problem.file}: ${word}: ${problem.message}`;
  const head = `${problem.file}:${problem.line}:${problem.column}: ${word}: ${problem.message}`;
  const number = String(problem.line).padStart(5);
  const before = problem.text.slice(0, problem.column - 1).replace(/[^\t]/g, ' ');
  const room = Math.max(1, problem.text.length - problem.column + 1);
  const caret = '^'.repeat(Math.max(1, Math.min(problem.length, room)));
  return `${head}\n${colors.dim(`${number} |`)} ${problem.text}\n${colors.dim('      |')} ${before}${caret}`;
}

/** In the order of the file; errors before warnings on the same place. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column || a.severity.localeCompare(b.severity));
}
