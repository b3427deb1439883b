/**
 * Evidence of a quiet round, to be changed in one thing: what a judge must say no to is that thing.
 */
import type { LoadReport } from '../../support/lab/workload-api.js';
import type { AppliedFault, RoundEvidence, Sign } from '../../support/nemesis/evidence.js';

export const ROUND_MS = 5000;

/** Asked for when it was seen, if nothing else is said. */
export const sign = (node: string, atMs: number, kind: Sign['kind'], changes: Partial<Sign> = {}): Sign => ({
  atMs,
  node,
  kind,
  family: 'ipv4',
  askedMs: atMs,
  ...changes,
});

export const claim = (node: string, atMs: number): Sign => sign(node, atMs, 'claim');

const answering = (node: string, atMs: number): Sign[] => [
  sign(node, atMs, 'answer'),
  sign(node, atMs, 'answer', { family: 'ipv6' }),
  sign(node, atMs, 'admitted'),
];

/** Signs of an owner as clients that ask all the time get them. */
export const owning = (node: string, fromMs: number, toMs: number): Sign[] =>
  Array.from({ length: Math.ceil((toMs - fromMs) / 10) }, (_, index) => fromMs + 10 * index).flatMap((atMs) => answering(node, atMs));

export const quiet = (changes: Partial<RoundEvidence> = {}): RoundEvidence => ({
  nodes: ['lb1', 'lb2', 'lb3'],
  advertMs: 100,
  priorities: { lb1: 200, lb2: 160, lb3: 120 },
  paths: 'any',
  fromMs: 0,
  toMs: ROUND_MS,
  faults: [],
  signs: owning('lb1', 0, ROUND_MS),
  farewells: [],
  pauses: [],
  resets: [],
  answersMs: Array.from({ length: ROUND_MS / 10 }, (_, index) => index * 10),
  connections: { nat: report() },
  healedMs: 4000,
  readyMs: 4500,
  notReadyBecause: '',
  died: [],
  ...changes,
});

export const fault = (changes: Partial<AppliedFault>): AppliedFault => ({
  kind: 'kill-node',
  what: 'something happened',
  fromMs: 1000,
  toMs: 2000,
  unable: [],
  afterwardsMs: 0,
  cuts: [],
  lossy: [],
  lostTable: [],
  isMachineLate: false,
  ...changes,
});

export const report = (changes: Partial<LoadReport> = {}): LoadReport => ({
  tried: 10,
  established: 10,
  alive: 10,
  reset: 0,
  closed: 0,
  corrupted: 0,
  silent: 0,
  failed: 0,
  bytesVerified: 1000,
  gapMs: { median: 0, p99: 0, max: 0 },
  roundTripMs: { median: 0, p99: 0, max: 0 },
  servers: {},
  young: { established: 0, alive: 0 },
  ...changes,
});
