/**
 * `tandem switchover`: a planned hand-over, asked of the active node.
 */
import type { Command } from 'commander';
import type { SwitchoverReport } from '../control/status.js';
import { ANSWER_LIMIT_MS, adminClient } from './admin-client.js';
import { type CliContext, EXIT_FAILURE } from './context.js';
import { count, span, table } from './format.js';
import { groupOption, jsonOption, routerOption, seconds, stateDirOption } from './options.js';

export const DEFAULT_WAIT_MS = 10_000;

interface SwitchoverOptions {
  to?: string;
  router?: string;
  group?: string;
  wait: number;
  stateDir: string;
  json?: true;
}

export function addSwitchoverCommand(program: Command, context: CliContext): void {
  program
    .command('switchover')
    .description('hand virtual routers of this node over to a peer, without losing connections')
    .option('--to <node>', 'the peer that takes over (default: the best that is in sync)')
    .addOption(routerOption())
    .addOption(groupOption())
    .option('--wait <seconds>', 'how long a peer in sync is waited for', seconds, DEFAULT_WAIT_MS)
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nRun it on the active node. Nothing is changed until a peer has every connection.\n\nExamples:\n  tandem switchover\n  tandem switchover --to lb2 --wait 60\n  tandem switchover --router front --json',
    )
    .action(async (options: SwitchoverOptions) => {
      const { to, wait } = options;
      const router = options.group ?? options.router;
      const body = { waitMs: wait, ...(to === undefined ? {} : { to }), ...(router === undefined ? {} : { router }) };
      const report = await adminClient(options.stateDir).post<SwitchoverReport>('/v1/switchover', body, wait + ANSWER_LIMIT_MS);
      if (options.json) context.out(JSON.stringify(report, null, 2));
      else if (report.ok) context.out(switchoverText(report, context));
      else context.err(`tandem: ${report.message}`);
      if (!report.ok) context.exit(EXIT_FAILURE);
    });
}

export function switchoverText({ message, routers, lost }: SwitchoverReport, { colors }: Pick<CliContext, 'colors'>): string {
  const titles = ['ROUTER', 'SUCCESSOR', 'TOOK', 'CONNECTIONS', 'STEERED'];
  const rows = routers.map((row) => [row.router, row.successor, span(row.durationMs), count(row.connections), count(row.steered)]);
  const body = table(
    titles.map((title) => ({ title, align: title === 'ROUTER' || title === 'SUCCESSOR' ? 'left' : 'right' })),
    rows,
    colors.dim,
  );
  const loss = lost === 0 ? colors.green('no packet was lost here') : colors.red(`${count(lost)} packets were lost here`);
  return `${message}\n${body}\n${loss}`;
}
