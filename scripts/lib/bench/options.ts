/** What the command line of scripts/bench says; parsed here, obeyed by each benchmark. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Print one JSON object and nothing else on standard output. */
  json: boolean;
  /** Repetitions of each measurement; null: what the benchmark thinks is enough. */
  rounds: number | null;
}

export const BENCHMARKS = ['failover', 'packet', 'replication'] as const;

export type Benchmark = (typeof BENCHMARKS)[number];

const isBenchmark = (word: string): word is Benchmark => (BENCHMARKS as readonly string[]).includes(word);

/** The benchmark and its options, or what is wrong with the arguments. */
export function parseBenchArguments(words: string[]): { benchmark: Benchmark; options: BenchOptions } | { problem: string } {
  try {
    const { values, positionals } = parseArgs({
      args: words,
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, rounds: { type: 'string' } },
    });
    const [benchmark, ...rest] = positionals;
    if (!benchmark || rest.length > 0 || !isBenchmark(benchmark)) return { problem: `name one of ${BENCHMARKS.join(', ')}` };
    const rounds = values.rounds === undefined ? null : Number(values.rounds);
    if (rounds !== null && !(Number.isInteger(rounds) && rounds > 0)) return { problem: '--rounds wants a whole number above 0' };
    return { benchmark, options: { json: values.json, rounds } };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
