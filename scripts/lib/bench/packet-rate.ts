/**
 * Packets per second through a balancer, beside nftables DNAT in the same chain of namespaces: small UDP packets of many flows, sent as live
 * frames by the kernel, counted where they arrive. Generator and sink work on the same cores, so the balancer alone is faster than this.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from './median.js';
import type { BenchPrograms } from './packet-build.js';
import { Chain, command, Helper } from './packet-chain.js';

const FLOWS = 4096;
const PACKETS = 1_000_000;
const SETTLE_MS = 20;

export type Way = 'tandem, native XDP' | 'tandem, generic XDP' | 'nftables DNAT';
const WAYS: readonly Way[] = ['tandem, native XDP', 'tandem, generic XDP', 'nftables DNAT'];
const PEER: Way = 'nftables DNAT';

export interface RateResult {
  way: Way;
  packetsPerSecond: number;
  /** Share of the packets that did not arrive. */
  loss: number;
  /** To nftables in the same round. */
  ratio: number;
}

/** Counts until nothing more arrives. */
async function settled(sink: Helper): Promise<number> {
  for (let before = -1; ; ) {
    const received = (await sink.ask()).received ?? 0;
    if (received === before) return received;
    before = received;
    await sleep(SETTLE_MS);
  }
}

async function send(programs: BenchPrograms, chain: Chain, sink: Helper): Promise<{ rate: number; loss: number }> {
  const before = await settled(sink);
  const args = ['generate', programs.generator, 'out', chain.macs.front, String(FLOWS), String(PACKETS)];
  const { seconds, packets } = JSON.parse(command('nsenter', ...chain.enter('generator'), programs.runner, ...args)) as {
    seconds: number;
    packets: number;
  };
  const received = (await settled(sink)) - before;
  return { rate: received / seconds, loss: 1 - received / packets };
}

async function through(way: Way, programs: BenchPrograms, chain: Chain, sink: Helper): Promise<{ rate: number; loss: number }> {
  if (way === PEER) {
    chain.addNftables();
    const result = await send(programs, chain, sink);
    chain.removeNftables();
    return result;
  }
  const mode = way === 'tandem, native XDP' ? 'native' : 'generic';
  const args = [...chain.enter('balancer'), programs.runner, 'balance', programs.tandem, mode, 'front', 'back', chain.macs.sink];
  const balancer = new Helper('nsenter', args);
  try {
    await balancer.answer();
    return await send(programs, chain, sink);
  } finally {
    await balancer.end();
  }
}

export async function measureRate(programs: BenchPrograms, rounds: number): Promise<RateResult[]> {
  const chain = new Chain();
  const sink = new Helper('nsenter', [...chain.enter('sink'), programs.runner, 'sink', programs.generator, 'in']);
  const results = new Map<Way, { rate: number; loss: number }[]>(WAYS.map((way) => [way, []]));
  try {
    await sink.answer();
    for (let round = 0; round < rounds; round += 1) {
      for (const way of WAYS) results.get(way)?.push(await through(way, programs, chain, sink));
    }
  } finally {
    await sink.end();
    chain.close();
  }
  const peers = results.get(PEER) ?? [];
  return WAYS.map((way) => {
    const runs = results.get(way) ?? [];
    const ratios = runs.map(({ rate }, index) => rate / (peers[index]?.rate ?? Number.NaN));
    return {
      way,
      packetsPerSecond: median(runs.map(({ rate }) => rate)),
      loss: median(runs.map(({ loss }) => loss)),
      ratio: median(ratios),
    };
  });
}
