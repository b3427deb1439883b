/**
 * Nanoseconds per packet by BPF_PROG_TEST_RUN, beside a bare MAC swap in the same round. Every run restores the packet first, in front of the
 * code under test and in front of a swap; what the restoring costs (restored swap - bare swap) is taken off again.
 */
import { spawnSync } from 'node:child_process';
import { median } from './median.js';
import type { BenchPrograms } from './packet-build.js';

const REPEAT = 1_000_000;
/** Fits the flow table, so that every packet of this measurement is a new flow. */
const NEW_FLOWS = 200_000;
/** More records than the caches hold. */
const SPREAD_FLOWS = 200_000;
const REDIRECT = 4;
const PASS = 2;

interface Case {
  name: string;
  kind: 'forward' | 'reply' | 'udp' | 'dsr' | 'new' | 'other';
  flows: number;
  repeat: number;
  verdict: number;
  /** The limit of the ratio to a bare swap, where one is promised. */
  limit?: number;
}

const HIT_LIMIT = 3;

const CASES: readonly Case[] = [
  { name: 'NAT hit, client to server, TCP', kind: 'forward', flows: 1, repeat: REPEAT, verdict: REDIRECT, limit: HIT_LIMIT },
  { name: 'NAT hit, server to client, TCP', kind: 'reply', flows: 1, repeat: REPEAT, verdict: REDIRECT, limit: HIT_LIMIT },
  { name: 'NAT hit, client to server, UDP', kind: 'udp', flows: 1, repeat: REPEAT, verdict: REDIRECT, limit: HIT_LIMIT },
  { name: 'DSR hit, TCP', kind: 'dsr', flows: 1, repeat: REPEAT, verdict: REDIRECT, limit: HIT_LIMIT },
  { name: `NAT hit over ${SPREAD_FLOWS} flows`, kind: 'forward', flows: SPREAD_FLOWS, repeat: REPEAT, verdict: REDIRECT },
  { name: 'NAT new flow', kind: 'new', flows: NEW_FLOWS, repeat: NEW_FLOWS, verdict: REDIRECT },
  { name: 'not for a VIP', kind: 'other', flows: 1, repeat: REPEAT, verdict: PASS },
];

interface Sample {
  verdict: number;
  balanceNs: number;
  swapNs: number;
  bareNs: number;
}

export interface CostResult {
  name: string;
  /** Without the cost of restoring the packet. */
  nsPerPacket: number;
  bareSwapNs: number;
  ratio: number;
  limit: number | null;
}

function sample(programs: BenchPrograms, { kind, flows, repeat, verdict, name }: Case): Sample {
  const first = kind === 'reply' ? ['first'] : [];
  const result = spawnSync(programs.runner, ['cost', programs.cost, kind, String(flows), String(repeat), ...first], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`packet benchmark, ${name}: ${result.stderr.trim()}`);
  const figures = JSON.parse(result.stdout) as Sample;
  if (figures.verdict !== verdict) throw new Error(`packet benchmark, ${name}: verdict ${figures.verdict} in place of ${verdict}`);
  return figures;
}

function summarize(one: Case, samples: Sample[]): CostResult {
  const net = samples.map(({ balanceNs, swapNs, bareNs }) => balanceNs - swapNs + bareNs);
  const ratios = samples.map(({ bareNs }, index) => (net[index] ?? 0) / bareNs);
  return {
    name: one.name,
    nsPerPacket: median(net),
    bareSwapNs: median(samples.map(({ bareNs }) => bareNs)),
    ratio: median(ratios),
    limit: one.limit ?? null,
  };
}

/** Rounds go through all cases in turn, so that a disturbance of the machine hits them all. */
export function measureCost(programs: BenchPrograms, rounds: number): CostResult[] {
  const samples = CASES.map((): Sample[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, one] of CASES.entries()) samples[index]?.push(sample(programs, one));
  }
  return CASES.map((one, index) => summarize(one, samples[index] ?? []));
}
