/**
 * Waiting for a condition with a limit, instead of sleeping for a guess.
 */

export interface WaitOptions {
  limitMs?: number;
  everyMs?: number;
}

export const DEFAULT_LIMIT_MS = 15_000;
const DEFAULT_EVERY_MS = 20;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Thrown by a question that can never be answered: ends the waiting at once. */
export class Hopeless extends Error {}

/**
 * Asks until the answer is neither false, null nor undefined, and returns it. A throwing question counts as "not yet"; its error is
 * told when the limit is reached.
 */
export async function waitFor<T>(
  what: string,
  question: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  { limitMs = DEFAULT_LIMIT_MS, everyMs = DEFAULT_EVERY_MS }: WaitOptions = {},
): Promise<T> {
  const start = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const answer = await question();
      if (answer !== false && answer !== null && answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (performance.now() - start > limitMs) {
      const why = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`waited ${limitMs} ms in vain for ${what}${why}`, last === undefined ? {} : { cause: last });
    }
    await sleep(everyMs);
  }
}

/** The same question until it answers true for `holdMs` on end. */
export async function waitForSteady(
  what: string,
  holdMs: number,
  question: () => Promise<boolean> | boolean,
  options: WaitOptions = {},
): Promise<void> {
  let since: number | null = null;
  await waitFor(
    what,
    async () => {
      if (!(await question())) since = null;
      else since ??= performance.now();
      return since !== null && performance.now() - since >= holdMs;
    },
    options,
  );
}
