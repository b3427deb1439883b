/** What the command line of scripts/nemesis says. Pure. */
import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from '../../../test/support/nemesis/schedule.js';

export interface NemesisOptions {
  /** Null: by chance. */
  seed: number | null;
  rounds: number;
  forMs: number;
  firstRound: number;
  nodes: number;
  advertMs: number;
  preempt: boolean | null;
  paths: 'vrrp' | 'any';
  fast: boolean;
  kinds: readonly FaultKind[];
  keepIn: string;
  json: boolean;
}

export type ParsedNemesis = { options: NemesisOptions } | { list: true } | { problem: string };

const DEFAULT_ROUNDS = 10;
const MAX_ROUNDS = 100_000;
const MAX_MINUTES = 24 * 60;
const MAX_SEED = 0xffff_ffff;

const OPTIONS = {
  seed: { type: 'string' },
  rounds: { type: 'string' },
  minutes: { type: 'string' },
  round: { type: 'string', default: '1' },
  nodes: { type: 'string', default: '3' },
  advert: { type: 'string', default: '100ms' },
  preempt: { type: 'string' },
  paths: { type: 'string', default: 'any' },
  fast: { type: 'boolean', default: false },
  faults: { type: 'string' },
  keep: { type: 'string', default: 'build/nemesis' },
  json: { type: 'boolean', default: false },
} as const;

export function parseNemesisArguments(words: string[]): ParsedNemesis {
  try {
    const { values } = parseArgs({ args: words, options: OPTIONS });
    if (values.faults === 'list') return { list: true };
    if (values.rounds !== undefined && values.minutes !== undefined) return { problem: 'give --rounds or --minutes, not both' };
    const { paths, preempt } = values;
    if (paths !== 'vrrp' && paths !== 'any') return { problem: `--paths is vrrp or any, not ${paths}` };
    if (preempt !== undefined && preempt !== 'yes' && preempt !== 'no') return { problem: `--preempt is yes or no, not ${preempt}` };
    const minutes = values.minutes === undefined ? null : whole('--minutes', values.minutes, 1, MAX_MINUTES);
    const rounds = values.rounds === undefined ? null : whole('--rounds', values.rounds, 1, MAX_ROUNDS);
    return {
      options: {
        seed: values.seed === undefined ? null : whole('--seed', values.seed, 0, MAX_SEED),
        rounds: rounds ?? (minutes === null ? DEFAULT_ROUNDS : MAX_ROUNDS),
        forMs: (minutes ?? MAX_MINUTES) * 60_000,
        firstRound: whole('--round', values.round, 1, MAX_ROUNDS),
        nodes: whole('--nodes', values.nodes, 2, 5),
        advertMs: milliseconds(values.advert),
        preempt: preempt === undefined ? null : preempt === 'yes',
        paths,
        fast: values.fast,
        kinds: kindsOf(values.faults),
        keepIn: values.keep,
        json: values.json,
      },
    };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < least || value > most)
    throw new Error(`${name} wants a whole number from ${least} to ${most}, not ${text}`);
  return value;
}

function milliseconds(text: string): number {
  const match = /^(\d+)(ms|s)$/.exec(text);
  const value = Number(match?.[1]) * (match?.[2] === 's' ? 1000 : 1);
  if (match === null || value < 10 || value > 10_000) throw new Error(`--advert wants a time from 10ms to 10s, not ${text}`);
  return value;
}

function kindsOf(text: string | undefined): readonly FaultKind[] {
  if (text === undefined) return FAULT_KINDS;
  return text.split(',').map((word) => {
    const kind = FAULT_KINDS.find((known) => known === word);
    if (kind === undefined) throw new Error(`--faults knows no ${word}; it knows ${FAULT_KINDS.join(', ')}`);
    return kind;
  });
}
