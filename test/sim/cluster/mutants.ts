/**
 * Nodes that are wrong on purpose: the proof that each check can fail. Each breaks what lies between the product's machines and the world
 * (a port, an answer, a clock), so that a machine that relied on it would do what it must never do.
 */

import type { Shape } from './shape.js';

export interface MutantRow {
  /** What of it is caught, as the beginning of a violation's text. */
  caughtBy: readonly string[];
  text: string;
  /** Clusters in which it can do harm; absent: all. */
  needs?: (shape: Shape) => boolean;
}

const isFastPair = ({ nodes, fast }: Shape): boolean => nodes === 2 && fast !== null;
const hasTwoPaths = ({ paths, fast, intervalMs }: Shape): boolean => paths.length === 2 && fast === null && intervalMs === 100;
const cannotVerify = ({ nodes, paths, verifies }: Shape): boolean => nodes === 2 && paths.includes('back') && !verifies;
const hasReference = (shape: Shape): boolean => shape.hasReference;

export const MUTANTS = {
  ignoresFailedSends: { text: 'sends that fail count as sent, so the lease is renewed by a timer', caughtBy: ['(a)'] },
  liesInSync: { text: 'pre-empts while it is not in sync', caughtBy: ['(s)'] },
  clockRuns: { text: 'does not wait long enough before it takes over', caughtBy: ['(a)'] },
  keepsReleasedLease: { text: 'gives up its role and keeps the lease', caughtBy: ['(a)'] },
  losesRecords: { text: 'acknowledges records that are not in its table', caughtBy: ['(c)'] },
  purgesTooMuch: { text: 'drops flows on a backup', caughtBy: ['(c)'] },
  drainsForever: { text: 'serves flows long after its lease', caughtBy: ['(f)'] },
  neverReadyAgain: { text: 'never becomes ready after a restart', caughtBy: ['(b)'] },
  restless: { text: 'gives the lease up again and again', caughtBy: ['(d)'] },
  breaksItsPromise: { text: 'goes on holding a lease after its last beat', caughtBy: ['(a)', '(s)'], needs: isFastPair },
  judgesBeforeReading: {
    text: 'takes its own lateness for the silence of the others, and does not hear their answers',
    caughtBy: ['(a)'],
    needs: isFastPair,
  },
  neverPurges: { text: 'keeps what the holder has not', caughtBy: ['(e)'] },
  sharesTerms: { text: 'takes the term of any other for its own', caughtBy: ['(t)'], needs: hasTwoPaths },
  hearsNoComplaint: { text: 'does not hear that it is not heard', caughtBy: ['(w)'], needs: cannotVerify },
  imaginesReferences: { text: 'is answered by references that are not there', caughtBy: ['(g)'], needs: hasReference },
} as const satisfies Record<string, MutantRow>;

export type Mutant = keyof typeof MUTANTS;
