/**
 * `tandem drill`: rehearses a planned hand-over, to a peer and back. Ctrl-C ends the hold and waits for the way back.
 */
import type { Command } from 'commander';
import type { DrillLeg, DrillReport } from '../control/status.js';
import { ANSWER_LIMIT_MS, adminClient } from './admin-client.js';
import { type CliContext, EXIT_FAILURE } from './context.js';
import { count, span, table } from './format.js';
import { groupOption, jsonOption, routerOption, seconds, stateDirOption } from './options.js';
import { DEFAULT_WAIT_MS } from './switchover.js';

const DEFAULT_HOLD_MS = 5000;
/** Verification there, the way back, and the stragglers of both ways. */
const WAYS_LIMIT_MS = 60_000;

interface DrillOptions {
  router?: string;
  group?: string;
  to?: string;
  hold: number;
  wait: number;
  stateDir: string;
  json?: true;
}

export function addDrillCommand(program: Command, context: CliContext): void {
  program
    .command('drill')
    .description('rehearse a planned hand-over: to a peer and back, with figures; fails when anything was lost')
    .option('--to <node>', 'the peer that takes over for a while (default: the best that is in sync)')
    .addOption(routerOption())
    .addOption(groupOption())
    .option('--hold <seconds>', 'how long the peer is left active', seconds, DEFAULT_HOLD_MS)
    .option('--wait <seconds>', 'how long a peer in sync is waited for', seconds, DEFAULT_WAIT_MS)
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nRun it on the active node. Ctrl-C ends the hold and returns; if this command or this node dies, the peer returns by itself.\n\nExamples:\n  tandem drill\n  tandem drill --router front --hold 60\n  tandem drill --json',
    )
    .action(async (options: DrillOptions) => {
      const report = await rehearse(options, context);
      if (options.json) context.out(JSON.stringify(report, null, 2));
      else if (report.there !== null) context.out(drillText(report, context));
      if (report.ok) return;
      if (!options.json) context.err(`tandem: ${report.message}`);
      context.exit(EXIT_FAILURE);
    });
}

async function rehearse(options: DrillOptions, context: CliContext): Promise<DrillReport> {
  const client = adminClient(options.stateDir);
  const router = options.group ?? options.router;
  const { to, hold, wait } = options;
  const body = { holdMs: hold, waitMs: wait, ...(to === undefined ? {} : { to }), ...(router === undefined ? {} : { router }) };
  const restore = context.onInterrupt(() => {
    context.err('tandem: interrupted, returning');
    // The answer to the drill itself tells how it ended.
    client.delete('/v1/drill').catch((error: unknown) => context.err(`tandem: ${String(error)}`));
  });
  try {
    return await client.post<DrillReport>('/v1/drill', body, hold + wait + WAYS_LIMIT_MS + ANSWER_LIMIT_MS);
  } finally {
    restore();
  }
}

export function drillText({ message, node, verified, there, back, ok }: DrillReport, { colors }: Pick<CliContext, 'colors'>): string {
  const titles = ['WAY', 'OUTAGE AT MOST', 'CONNECTIONS', 'STEERED', 'LOST'];
  const row = (way: string, leg: DrillLeg): string[] => [
    way,
    span(leg.durationMs),
    count(leg.connections),
    count(leg.steered),
    leg.lost === 0 ? '0' : colors.red(count(leg.lost)),
  ];
  const rows = [...(there === null ? [] : [row(`to ${node}`, there)]), ...(back === null ? [] : [row('back', back)])];
  const body = table(
    titles.map((title) => ({ title, align: title === 'WAY' ? 'left' : 'right' })),
    rows,
    colors.dim,
  );
  const seen = verified === null ? 'had nobody to ask' : verified ? colors.green('seen on the wire') : colors.red('not seen on the wire');
  return `${body}\ntake-over of ${node}: ${seen}${ok ? `\n${colors.green(message)}` : ''}`;
}
