/**
 * What the rounds cost: outages and changes of owner, by the fault that came before them. Pure.
 */
import type { RoundEvidence } from './evidence.js';
import type { FaultKind } from './schedule.js';

export interface FaultFigures {
  kind: FaultKind | 'none';
  faults: number;
  /** Changes of owner whose last cause it was. */
  takeovers: number;
  /** Longest time without an answer to the following client, begun during or just after it. */
  longestOutageMs: number;
}

/** Answers further apart than this are an outage; probes go out each 10 ms. */
const OUTAGE_MS = 60;
/** A consequence comes at most so long after the end of its cause. */
const CONSEQUENCE_MS = 2000;

export function figuresOf(rounds: readonly RoundEvidence[]): FaultFigures[] {
  const figures = new Map<string, FaultFigures>();
  const of = (kind: FaultFigures['kind']): FaultFigures => {
    const known = figures.get(kind) ?? { kind, faults: 0, takeovers: 0, longestOutageMs: 0 };
    figures.set(kind, known);
    return known;
  };
  for (const evidence of rounds) {
    for (const fault of evidence.faults) of(fault.kind).faults += 1;
    for (const atMs of changes(evidence)) of(causeOf(evidence, atMs)).takeovers += 1;
    for (const { fromMs, toMs } of outages(evidence)) {
      const cause = of(causeOf(evidence, fromMs));
      cause.longestOutageMs = Math.max(cause.longestOutageMs, toMs - fromMs);
    }
  }
  return [...figures.values()].sort((a, b) => a.kind.localeCompare(b.kind));
}

/** The fault that began or ended last before it. */
function causeOf({ faults }: RoundEvidence, atMs: number): FaultFigures['kind'] {
  const SIMULTANEOUS_MS = 30;
  const causes = faults.filter(
    (fault) => fault.fromMs <= atMs + SIMULTANEOUS_MS && fault.toMs + CONSEQUENCE_MS + fault.afterwardsMs >= atMs,
  );
  return causes.sort((a, b) => b.fromMs - a.fromMs)[0]?.kind ?? 'none';
}

function changes({ signs }: RoundEvidence): number[] {
  let owner: string | null = null;
  return [...signs]
    .sort((a, b) => a.atMs - b.atMs)
    .flatMap((sign) => {
      const isChange = owner !== null && sign.node !== owner && sign.kind === 'claim';
      if (owner === null || sign.kind === 'claim') owner = sign.node;
      return isChange ? [sign.atMs] : [];
    });
}

function outages({ answersMs, fromMs, toMs }: RoundEvidence): { fromMs: number; toMs: number }[] {
  const moments = [...answersMs].filter((atMs) => atMs >= fromMs && atMs <= toMs).sort((a, b) => a - b);
  return moments.flatMap((atMs, index) => {
    const before = moments[index - 1];
    return before !== undefined && atMs - before > OUTAGE_MS ? [{ fromMs: before, toMs: atMs }] : [];
  });
}
