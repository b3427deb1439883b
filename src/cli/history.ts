/**
 * `tandem history`: every change of role this node remembers, also those from before its last restart.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../config/scalars.js';
import type { HistoryRow } from '../control/status.js';
import { adminClient } from './admin-client.js';
import type { CliContext } from './context.js';
import { count, table } from './format.js';
import { jsonOption, positiveInteger, stateDirOption } from './options.js';

const DEFAULT_LIMIT = 50;

interface HistoryOptions {
  router?: string;
  since?: Since;
  limit: number;
  stateDir: string;
  json?: true;
}

/** A point in time, or how long ago. */
type Since = { wallMs: number } | { agoMs: number };

export function addHistoryCommand(program: Command, context: CliContext): void {
  program
    .command('history')
    .description('list changes of role with cause and timings, over restarts')
    .option('--router <name>', 'only this virtual router')
    .option('--since <when>', 'only since then: a duration such as 2h, or a time such as 2026-01-31T12:00', parseSince)
    .option('--limit <number>', 'at most this many, the latest', positiveInteger, DEFAULT_LIMIT)
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nSILENCE: how long the last router that was heard had said nothing. CLAIM: from the decision to the lease. ANNOUNCE: from there to the first\ngratuitous ARP. VERIFIED: when the take-over was seen on the wire. FLOWS: connections in the table.\nSTEERED: frames that still came here after the role was lost, and were passed on; LOST: frames dropped meanwhile for lack of a lease.\n\nExamples:\n  tandem history\n  tandem history --router front --since 1d\n  tandem history --since 2026-01-31 --json',
    )
    .action(async (options: HistoryOptions) => {
      const rows = await adminClient(options.stateDir).get<HistoryRow[]>(`/v1/history?${query(options, context.wallMs())}`);
      if (options.json) return context.out(JSON.stringify(rows, null, 2));
      context.out(historyText(rows, context));
    });
}

function parseSince(text: string): Since {
  const agoMs = /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text) ? parseDurationMs(text) : Number.NaN;
  if (!Number.isNaN(agoMs)) return { agoMs };
  const wallMs = Date.parse(text);
  if (Number.isNaN(wallMs)) throw new InvalidArgumentError('expected a duration such as 2h, or a time such as 2026-01-31T12:00.');
  return { wallMs };
}

function query({ router, since, limit }: HistoryOptions, nowMs: number): string {
  const parameters = new URLSearchParams({ limit: String(limit) });
  if (router !== undefined) parameters.set('router', router);
  if (since !== undefined) parameters.set('since', String('agoMs' in since ? nowMs - since.agoMs : since.wallMs));
  return parameters.toString();
}

/** Parts of a millisecond matter in a take-over. */
const ms = (value: number | null): string => (value === null ? '-' : `${value < 10 ? value.toFixed(2) : Math.round(value)}ms`);

function reasonText({ reason, successor, tracked }: HistoryRow): string {
  const notes = [...(successor === null ? [] : [`to ${successor}`]), ...tracked];
  return notes.length === 0 ? reason : `${reason} (${notes.join('; ')})`;
}

export function historyText(rows: readonly HistoryRow[], { colors }: Pick<CliContext, 'colors'>): string {
  if (rows.length === 0) return 'No changes of role.';
  const titles = ['WHEN', 'ROUTER', 'CHANGE', 'SILENCE', 'CLAIM', 'ANNOUNCE', 'VERIFIED', 'PRIORITY', 'FLOWS', 'STEERED', 'LOST', 'REASON'];
  const left = new Set(['WHEN', 'ROUTER', 'CHANGE', 'REASON']);
  return table(
    titles.map((title) => ({ title, align: left.has(title) ? 'left' : 'right' })),
    rows.map((row) => [
      new Date(row.atWallMs).toISOString(),
      row.router ?? '-',
      row.router === null ? '-' : `${row.from} -> ${row.to}`,
      ms(row.heardMs),
      ms(row.claimMs),
      ms(row.announceMs),
      ms(row.verifiedAfterMs),
      row.priority === null ? '-' : String(row.priority),
      row.flows === null ? '-' : count(row.flows),
      row.steered === null ? '-' : count(row.steered),
      row.lost === null ? '-' : count(row.lost),
      reasonText(row),
    ]),
    colors.dim,
  );
}
