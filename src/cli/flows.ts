/**
 * `tandem flows`: the sessions this node knows.
 */
import type { Command } from 'commander';
import type { FlowRow } from '../control/status.js';
import { adminClient } from './admin-client.js';
import type { CliContext } from './context.js';
import { count, span, table } from './format.js';
import { jsonOption, positiveInteger, stateDirOption } from './options.js';

const DEFAULT_LIMIT = 100;

interface FlowOptions {
  service?: string;
  server?: string;
  client?: string;
  state?: string;
  limit: number;
  stateDir: string;
  json?: true;
}

export function addFlowsCommand(program: Command, context: CliContext): void {
  program
    .command('flows')
    .description('list flows, filtered')
    .option('--service <name>', 'only flows of this service')
    .option('--server <server>', 'only flows to this server: its name, address or address:port')
    .option('--client <client>', 'only flows of this client: address or address:port')
    .option('--state <state>', 'only flows in this state, such as established')
    .option('--limit <number>', 'at most this many', positiveInteger, DEFAULT_LIMIT)
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  tandem flows --service web --state established\n  tandem flows --client 10.1.0.50 --json\n  tandem flows --server be1 --limit 1000',
    )
    .action(async (options: FlowOptions) => {
      const rows = await adminClient(options.stateDir).get<FlowRow[]>(`/v1/flows?${query(options)}`);
      if (options.json) return context.out(JSON.stringify(rows, null, 2));
      context.out(flowsText(rows, options.limit, context));
    });
}

function query(options: FlowOptions): string {
  const parameters = new URLSearchParams({ limit: String(options.limit) });
  for (const name of ['service', 'server', 'client', 'state'] as const) {
    const value = options[name];
    if (value !== undefined) parameters.set(name, value);
  }
  return parameters.toString();
}

export function flowsText(rows: readonly FlowRow[], limit: number, { colors }: Pick<CliContext, 'colors'>): string {
  if (rows.length === 0) return 'No flows.';
  const titles = ['PROTOCOL', 'CLIENT', 'LISTEN', 'SERVER', 'STATE', 'FORWARD', 'IDLE', 'ORIGIN'];
  const text = table(
    titles.map((title) => ({ title, align: title === 'IDLE' ? 'right' : 'left' })),
    rows.map((row) => [row.protocol, row.client, row.listen, row.server, row.state, row.forward, span(row.idleMs), row.origin]),
    colors.dim,
  );
  const more =
    rows.length >= limit
      ? `the first ${count(rows.length)} flows; --limit shows more`
      : `${count(rows.length)} flow${rows.length === 1 ? '' : 's'}`;
  return `${text}\n${colors.dim(more)}`;
}
