/**
 * `scripts/bench packet`: what a packet costs in the data plane, beside a bare MAC swap, and how many pass per second, beside nftables.
 */
import Table from 'cli-table3';
import type { BenchOptions } from './options.js';
import { buildBenchPrograms } from './packet-build.js';
import { type CostResult, measureCost } from './packet-cost.js';
import { measureRate, type RateResult } from './packet-rate.js';

const DEFAULT_ROUNDS = 5;

function costTable(results: CostResult[]): string {
  const table = new Table({ head: ['packet', 'ns', 'bare swap', 'ratio', 'limit'], style: { head: [], border: [] } });
  for (const { name, nsPerPacket, bareSwapNs, ratio, limit } of results) {
    table.push([
      name,
      nsPerPacket.toFixed(0),
      bareSwapNs.toFixed(0),
      ratio.toFixed(2),
      limit === null ? '' : `${limit.toFixed(1)}${ratio > limit ? ' MISSED' : ''}`,
    ]);
  }
  return table.toString();
}

function rateTable(results: RateResult[]): string {
  const table = new Table({
    head: ['NAT, 64-byte UDP, 4096 flows', 'Mpackets/s', 'loss', 'ratio to nftables'],
    style: { head: [], border: [] },
  });
  for (const { way, packetsPerSecond, loss, ratio } of results) {
    table.push([way, (packetsPerSecond / 1e6).toFixed(2), `${(100 * loss).toFixed(2)} %`, ratio.toFixed(2)]);
  }
  return table.toString();
}

export async function runPacket(options: BenchOptions): Promise<void> {
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const programs = buildBenchPrograms();
  const cost = measureCost(programs, rounds);
  const rate = await measureRate(programs, rounds);
  if (options.json) console.log(JSON.stringify({ benchmark: 'packet', rounds, cost, rate }, null, 2));
  else console.log(`${costTable(cost)}\n${rateTable(rate)}\nmedians of ${rounds} rounds; ns without what restoring the packet costs`);
}
