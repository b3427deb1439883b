/** What the command line of scripts/bench says; parsed here, obeyed by each benchmark. */
import { parseArgs } from 'node:util';
import { CASE_NAMES, DEFAULTS, type FailoverOptions } from './failover-plan.js';

export interface BenchOptions {
  /** Print one JSON object and nothing else on standard output. */
  json: boolean;
  /** Repetitions of each measurement; null: what the benchmark thinks is enough. */
  rounds: number | null;
}

export const BENCHMARKS = ['failover', 'packet', 'replication'] as const;

export type Benchmark = (typeof BENCHMARKS)[number];

export type Parsed =
  | { benchmark: Exclude<Benchmark, 'failover'>; options: BenchOptions }
  | { benchmark: 'failover'; options: FailoverOptions }
  | { problem: string };

const isBenchmark = (word: string): word is Benchmark => (BENCHMARKS as readonly string[]).includes(word);

class Problem extends Error {}

/** VRRP counts in hundredths of a second, up to 4095 of them. */
const ADVERT_LIMITS_MS = { min: 10, max: 40_950 } as const;
const ONLY_FAILOVER = ['trials', 'only', 'advert', 'seconds', 'markdown'] as const;

/** The benchmark and its options, or what is wrong with the arguments. */
export function parseBenchArguments(words: string[]): Parsed {
  try {
    return parse(words);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function parse(words: string[]): Parsed {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      trials: { type: 'string' },
      only: { type: 'string' },
      advert: { type: 'string' },
      seconds: { type: 'string' },
      markdown: { type: 'boolean' },
    },
  });
  const [benchmark, ...rest] = positionals;
  if (!benchmark || rest.length > 0 || !isBenchmark(benchmark)) throw new Problem(`name one of ${BENCHMARKS.join(', ')}`);
  const rounds = count('--rounds', values.rounds);
  if (benchmark !== 'failover') {
    const foreign = ONLY_FAILOVER.find((name) => values[name] !== undefined);
    if (foreign !== undefined) throw new Problem(`--${foreign} is for failover`);
    return { benchmark, options: { json: values.json, rounds } };
  }
  if (values.json && values.markdown) throw new Problem('--json and --markdown are two ways to print the same');
  return {
    benchmark,
    options: {
      ...DEFAULTS,
      json: values.json,
      markdown: values.markdown ?? false,
      trials: count('--trials', values.trials) ?? rounds ?? DEFAULTS.trials,
      cases: cases(values.only) ?? DEFAULTS.cases,
      adverts: adverts(values.advert),
      busySeconds: count('--seconds', values.seconds) ?? DEFAULTS.busySeconds,
    },
  };
}

function count(option: string, value: string | undefined): number | null {
  if (value === undefined) return null;
  const number = Number(value);
  if (!(Number.isInteger(number) && number > 0)) throw new Problem(`${option} wants a whole number above 0`);
  return number;
}

function cases(value: string | undefined): readonly string[] | null {
  if (value === undefined) return null;
  const names = value.split(',');
  const unknown = names.find((name) => !CASE_NAMES.includes(name));
  if (unknown !== undefined) throw new Problem(`--only knows no '${unknown}': name some of ${CASE_NAMES.join(', ')}`);
  return names;
}

/** Whole hundredths of a second, so that every system can be told them. */
function adverts(value: string | undefined): readonly number[] | null {
  if (value === undefined) return null;
  const { min, max } = ADVERT_LIMITS_MS;
  return value.split(',').map((text) => {
    const ms = Number(text);
    if (!(Number.isInteger(ms) && ms >= min && ms <= max && ms % 10 === 0))
      throw new Problem(`--advert wants milliseconds, ${min} to ${max} in tens`);
    return ms;
  });
}
