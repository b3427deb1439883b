/**
 * Nodes that are wrong on purpose: the proof that each check can fail. Each breaks what lies between the product's machines and the world
 * (a port, an answer, a clock), so that a machine that relied on it would do what it must never do.
 */

export interface MutantRow {
  /** What of it is caught, as the beginning of a violation's text. */
  caughtBy: readonly string[];
  text: string;
}

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
  neverPurges: { text: 'keeps what the holder has not', caughtBy: ['(e)'] },
} as const satisfies Record<string, MutantRow>;

export type Mutant = keyof typeof MUTANTS;
