/**
 * `scripts/bench replication`: flows written into a peer's table end to end, with the real data plane on both sides and mutual TLS over
 * loopback, each side a process of its own: rate, lag at 50,000 new flows a second, and the bulk transfer of a table of a million.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { initPki } from '../../../src/control/pki.js';
import type { BenchOptions } from './options.js';
import type { Answer, NodeSetup, Order } from './replication-node.js';
import { pinDirectory, removePlane } from './replication-plane.js';

/** Below the 262,144 events that the ring holds. */
const BURST_FLOWS = 250_000;
const LAG_FLOWS_PER_SECOND = 50_000;
const LAG_SECONDS = 4;
const BULK_FLOWS = 1_000_000;
const MAX_FLOWS = 1_048_576;
const DEFAULT_ROUNDS = 5;

export interface ReplicationRound {
  flowsPerSecond: number;
  /** CPU seconds that each side spent per million flows. */
  senderCpuPerMillion: number;
  receiverCpuPerMillion: number;
  lagP50Ms: number;
  lagP99Ms: number;
  bulkSeconds: number;
}

class Process {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('./replication-node.js', import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  }

  /** Orders are obeyed and answered one after the other. */
  tell(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`a process of the benchmark ended with status ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer) => {
        this.#child.off('exit', onExit);
        resolve(answer as Answer);
      });
      this.#child.send(order);
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.send({ type: 'stop' } satisfies Order);
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(limit);
  }
}

interface Pair {
  sender: Process;
  receiver: Process;
  source: Process;
}

/** Fresh processes and fresh tables for one measurement. */
async function withPair<T>(pki: string, measure: (pair: Pair) => Promise<T>): Promise<T> {
  const port = await freePort();
  const pair: Pair = { sender: new Process(), receiver: new Process(), source: new Process() };
  const names = { sender: `${process.pid}-sender`, receiver: `${process.pid}-receiver` };
  const setup = (name: string, nodeId: number, peer: string, pin: string): NodeSetup => ({
    name,
    nodeId,
    pinDir: pinDirectory(pin),
    address: ADDRESSES[name] ?? '',
    port,
    peer: { name: peer, address: ADDRESSES[peer] ?? '' },
    pki,
    maxFlows: MAX_FLOWS,
  });
  try {
    await pair.sender.tell({ type: 'node', setup: setup('lb1', 1, 'lb2', names.sender) });
    await pair.receiver.tell({ type: 'node', setup: setup('lb2', 2, 'lb1', names.receiver) });
    await pair.source.tell({ type: 'source', pinDir: pinDirectory(names.sender) });
    return await measure(pair);
  } finally {
    await Promise.all([pair.sender.end(), pair.receiver.end(), pair.source.end()]);
    for (const name of Object.values(names)) removePlane(pinDirectory(name));
  }
}

const ADDRESSES: Record<string, string> = { lb1: '127.0.0.1', lb2: '127.0.0.2' };

async function startBoth({ sender, receiver }: Pair): Promise<void> {
  await receiver.tell({ type: 'start', holds: false });
  await sender.tell({ type: 'start', holds: true });
  await sender.tell({ type: 'awaitSync' });
}

/** The ring is filled first, then opened: creating flows is not what is measured. */
async function measureRate(pair: Pair) {
  await startBoth(pair);
  await pair.sender.tell({ type: 'gate', isOpen: false });
  await pair.source.tell({ type: 'flood', from: 0, flows: BURST_FLOWS, perSecond: null });
  const receiverBefore = await pair.receiver.tell({ type: 'usage' });
  const arrived = pair.receiver.tell({ type: 'awaitFlows', flows: BURST_FLOWS });
  const started = await pair.sender.tell({ type: 'gate', isOpen: true });
  const ended = await arrived;
  const senderAfter = await pair.sender.tell({ type: 'usage' });
  const million = BURST_FLOWS / 1e6;
  return {
    flowsPerSecond: (BURST_FLOWS * 1000) / (ended.atMs - started.atMs),
    senderCpuPerMillion: (senderAfter.cpuMs - started.cpuMs) / 1000 / million,
    receiverCpuPerMillion: (ended.cpuMs - receiverBefore.cpuMs) / 1000 / million,
  };
}

async function measureLag(pair: Pair) {
  await startBoth(pair);
  const flows = LAG_FLOWS_PER_SECOND * LAG_SECONDS;
  await pair.source.tell({ type: 'flood', from: 0, flows, perSecond: LAG_FLOWS_PER_SECOND });
  const { lagsMs } = await pair.receiver.tell({ type: 'awaitFlows', flows });
  return { lagP50Ms: quantile(lagsMs, 0.5), lagP99Ms: quantile(lagsMs, 0.99) };
}

/** From the start of both processes' replication to a table that is complete, purged and confirmed. */
async function measureBulk(pair: Pair) {
  await pair.sender.tell({ type: 'load', flows: BULK_FLOWS });
  const started = await pair.receiver.tell({ type: 'start', holds: false });
  await pair.sender.tell({ type: 'start', holds: true });
  await pair.sender.tell({ type: 'awaitSync' });
  const { atMs } = await pair.receiver.tell({ type: 'awaitSync' });
  await pair.receiver.tell({ type: 'awaitFlows', flows: BULK_FLOWS });
  return { bulkSeconds: (atMs - started.atMs) / 1000 };
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('no free port');
  return address.port;
}

export function medians(rounds: readonly ReplicationRound[]): ReplicationRound {
  const median = (pick: (round: ReplicationRound) => number): number => quantile(rounds.map(pick), 0.5);
  return {
    flowsPerSecond: median((round) => round.flowsPerSecond),
    senderCpuPerMillion: median((round) => round.senderCpuPerMillion),
    receiverCpuPerMillion: median((round) => round.receiverCpuPerMillion),
    lagP50Ms: median((round) => round.lagP50Ms),
    lagP99Ms: median((round) => round.lagP99Ms),
    bulkSeconds: median((round) => round.bulkSeconds),
  };
}

export async function runReplication(options: BenchOptions): Promise<void> {
  const pki = mkdtempSync(path.join(tmpdir(), 'tandem-bench-'));
  const nodes = Object.entries(ADDRESSES).map(([name, address]) => ({ name, address }));
  await initPki({ directory: pki, cluster: 'bench', nodes, force: false, nowMs: Date.now() });
  const rounds: ReplicationRound[] = [];
  try {
    for (let round = 1; round <= (options.rounds ?? DEFAULT_ROUNDS); round += 1) {
      if (!options.json) console.error(`round ${round} of ${options.rounds ?? DEFAULT_ROUNDS}`);
      rounds.push({ ...(await withPair(pki, measureRate)), ...(await withPair(pki, measureLag)), ...(await withPair(pki, measureBulk)) });
    }
  } finally {
    rmSync(pki, { recursive: true });
  }
  const result = { benchmark: 'replication', burstFlows: BURST_FLOWS, bulkFlows: BULK_FLOWS, median: medians(rounds), rounds };
  console.log(options.json ? JSON.stringify(result) : describe(result.median, rounds.length));
}

function describe(median: ReplicationRound, rounds: number): string {
  const perCore = 1 / Math.max(median.senderCpuPerMillion, median.receiverCpuPerMillion);
  return [
    `Replication between two processes over mutual TLS, real flow tables, medians of ${rounds} rounds`,
    '',
    `  flows written into the peer's table   ${Math.round(median.flowsPerSecond).toLocaleString('en')} per second`,
    `  on one core per side                  ${perCore.toFixed(2)} million per second (CPU s per million: sender ${median.senderCpuPerMillion.toFixed(2)}, receiver ${median.receiverCpuPerMillion.toFixed(2)})`,
    `  lag at ${LAG_FLOWS_PER_SECOND.toLocaleString('en')} new flows/s            p50 ${median.lagP50Ms.toFixed(2)} ms, p99 ${median.lagP99Ms.toFixed(2)} ms`,
    `  bulk transfer of ${BULK_FLOWS.toLocaleString('en')} flows     ${median.bulkSeconds.toFixed(2)} s`,
  ].join('\n');
}
