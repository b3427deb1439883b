/**
 * Prints what was found in a configuration file.
 */
import { formatProblem, type Problem } from '../config/problem.js';
import type { CliContext } from './context.js';

export function printProblems(problems: readonly Problem[], { colors, err }: Pick<CliContext, 'colors' | 'err'>): void {
  const paint = { error: colors.red, warning: colors.yellow, dim: colors.dim };
  for (const problem of problems) err(formatProblem(problem, paint));
}

export const plural = (amount: number, noun: string): string => `${amount} ${noun}${amount === 1 ? '' : 's'}`;
