/**
 * The story of a round for people: faults, changes of role with their reasons, claims on the wire, and what went wrong, in the order of
 * time. Pure.
 */
import type { RoundEvidence, Sign, Transition, Violation } from './evidence.js';

interface Line {
  atMs: number;
  text: string;
}

/** Lines of the wire around a violation that are worth reading. */
const EXCERPT_BEFORE_MS = 30;
const EXCERPT_AFTER_MS = 30;
const EXCERPT_LINES = 40;

export function renderTimeline(evidence: RoundEvidence, transitions: readonly Transition[], violations: readonly Violation[]): string {
  const lines: Line[] = [
    ...evidence.faults.flatMap((fault) => [
      { atMs: fault.fromMs, text: `fault    ${fault.what}` },
      ...(Number.isFinite(fault.toMs) ? [{ atMs: fault.toMs, text: `over     ${fault.what}` }] : []),
    ]),
    ...transitions
      .filter(({ atMs }) => atMs >= evidence.fromMs)
      .map(({ atMs, node, from, to, reason }) => ({ atMs, text: `role     ${node}: ${from} -> ${to} (${reason})` })),
    ...ownersOnWire(evidence),
    ...violations.map(({ atMs, rule, text }) => ({ atMs, text: `WRONG    ${rule}: ${text}` })),
    { atMs: evidence.healedMs, text: 'healed   everything' },
    ...(evidence.readyMs === null ? [] : [{ atMs: evidence.readyMs, text: 'ready    one active node, all in sync' }]),
  ];
  return lines
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, text }) => `${relative(evidence, atMs)}  ${text}`)
    .join('\n');
}

const relative = ({ fromMs }: RoundEvidence, atMs: number): string => (atMs - fromMs).toFixed(1).padStart(9);

/** Signs of one node closer together than this are one stretch: clients ask much more often. */
const STRETCH_GAP_MS = 100;

interface Stretch {
  node: string;
  fromMs: number;
  toMs: number;
  counts: Record<Sign['kind'], number>;
}

/** From when to when each node showed signs of ownership. */
export function stretchesOf(signs: readonly Sign[]): Stretch[] {
  const stretches: Stretch[] = [];
  const open = new Map<string, Stretch>();
  for (const { atMs, node, kind } of [...signs].sort((a, b) => a.atMs - b.atMs)) {
    let stretch = open.get(node);
    if (stretch === undefined || atMs - stretch.toMs > STRETCH_GAP_MS) {
      stretch = { node, fromMs: atMs, toMs: atMs, counts: { claim: 0, answer: 0, admitted: 0 } };
      open.set(node, stretch);
      stretches.push(stretch);
    }
    stretch.toMs = atMs;
    stretch.counts[kind] += 1;
  }
  return stretches;
}

const ownersOnWire = ({ signs }: RoundEvidence): Line[] =>
  stretchesOf(signs).flatMap(({ node, fromMs, toMs, counts }) => [
    { atMs: fromMs, text: `wire     ${node} shows itself as the owner` },
    {
      atMs: toMs,
      text: `wire     ${node} for the last time: ${counts.claim} claims, ${counts.answer} answers, ${counts.admitted} new flows`,
    },
  ]);

/** What was seen on the wire around a violation. */
export function renderExcerpt(evidence: RoundEvidence, { atMs }: Violation): string {
  const near = [...evidence.signs]
    .filter((sign) => sign.atMs >= atMs - EXCERPT_BEFORE_MS && sign.atMs <= atMs + EXCERPT_AFTER_MS)
    .sort((a, b) => a.atMs - b.atMs);
  const lines = near
    .slice(0, EXCERPT_LINES)
    .map(
      (sign) =>
        `${relative(evidence, sign.atMs)}  ${sign.node} ${sign.kind} (${sign.family}, asked ${relative(evidence, sign.askedMs).trim()})`,
    );
  return [...lines, ...(near.length > EXCERPT_LINES ? [`          (${near.length - EXCERPT_LINES} more)`] : [])].join('\n');
}
