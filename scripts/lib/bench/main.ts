/** Dispatches scripts/bench to one benchmark. Each is loaded only when asked for: they need different programs of this machine. */
import { type Benchmark, type BenchOptions, parseBenchArguments } from './options.js';

const RUN: Record<Benchmark, (options: BenchOptions) => Promise<void>> = {
  failover: async (options) => (await import('./failover.js')).runFailover(options),
  packet: async (options) => (await import('./packet.js')).runPacket(options),
  replication: async (options) => (await import('./replication.js')).runReplication(options),
};

const parsed = parseBenchArguments(process.argv.slice(2));
if ('problem' in parsed) {
  console.error(`scripts/bench: ${parsed.problem}; see scripts/bench --help`);
  process.exitCode = 2;
} else {
  await RUN[parsed.benchmark](parsed.options);
}
