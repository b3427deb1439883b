/**
 * `tandem servers drain`, `disable`, `enable`, `weight` and `reset`: commands to servers at run time. Any node takes them, for the cluster.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { formatDuration, parseDurationMs } from '../config/scalars.js';
import { parseWeight, WEIGHT_EXPECTED } from '../control/server-command.js';
import type { ServerFlowsReport, ServersReport } from '../control/status.js';
import { type AdminClient, ANSWER_LIMIT_MS, adminClient } from './admin-client.js';
import { type CliContext, CliError, EXIT_FAILURE } from './context.js';
import { count } from './format.js';
import { jsonOption, stateDirOption } from './options.js';

const DEFAULT_TIMEOUT_MS = 300_000;
/** So often something is said while flows are waited for. */
const PROGRESS_MS = 5000;

interface CommandOptions {
  why?: string;
  wait?: true;
  timeout?: number;
  stateDir: string;
  json?: true;
}

const WHERE =
  '\nAny node takes it, for the whole cluster; it outlives failover and restarts, until `tandem servers reset`.\nPOOL/SERVER as `tandem servers` lists them. Exit status 1: not in force yet (it says why), or flows are left after the timeout.';

export function addServerCommands(servers: Command, context: CliContext): void {
  const add = (name: string, description: string, examples: string): Command =>
    servers
      .command(name)
      .description(description)
      .argument('<servers...>', 'POOL/SERVER, one or more')
      .option('--why <text>', 'the reason, for the log and the history')
      .addOption(stateDirOption())
      .addOption(jsonOption())
      .addHelpText('after', `${WHERE}\n\nExamples:\n${examples}`)
      .action((names: string[], _options: unknown, command: Command) => run(command, { action: name, servers: names }, names, context));

  waits(
    add(
      'drain',
      'no new flows; those in progress go on',
      '  tandem servers drain web/be1 --why "kernel update"\n  tandem servers drain web/be1 api/be1 --wait --timeout 10m',
    ),
  );
  waits(
    add(
      'disable',
      'as if it were down: no new flows, and `onServerDown` decides about those in progress',
      '  tandem servers disable web/be1',
    ),
  );
  add('enable', 'back to service, with a slow start where the pool has one', '  tandem servers enable web/be1');
  add('reset', 'state and weight as in the configuration', '  tandem servers reset web/be1');
  servers
    .command('weight')
    .description('another share of new flows; 0: none')
    .argument('<server>', 'POOL/SERVER')
    .argument('<weight>', 'a weight from 0 to 256, or percents of the configured one', weight)
    .option('--why <text>', 'the reason, for the log and the history')
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText('after', `${WHERE}\n\nExamples:\n  tandem servers weight web/be1 3\n  tandem servers weight web/be1 10% --why canary`)
    .action((name: string, value: string, _options: unknown, command: Command) =>
      run(command, { action: 'weight', servers: [name], weight: value }, [name], context),
    );
}

function waits(command: Command): Command {
  return command
    .option('--wait', 'until no flows to it are left')
    .option('--timeout <duration>', 'how long they are waited for, such as 30s or 10m (with --wait)', duration, DEFAULT_TIMEOUT_MS);
}

function weight(text: string): string {
  if (parseWeight(text) === null) throw new InvalidArgumentError(`${WEIGHT_EXPECTED}.`);
  return text;
}

function duration(text: string): number {
  const ms = /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text) ? parseDurationMs(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError('expected a duration such as 30s or 10m.');
  return ms;
}

async function run(command: Command, request: object, names: string[], context: CliContext): Promise<void> {
  const options = command.opts<CommandOptions>();
  const client = adminClient(stateDirOf(command, options));
  const { why = '' } = options;
  const report = await client.post<ServersReport>('/v1/servers', { ...request, by: context.user, why });
  if (!report.ok) throw new CliError(report.message);
  if (!options.json) say(report, context);
  const flows =
    options.wait && report.inForce ? await flowsLeft(client, names, options.timeout ?? DEFAULT_TIMEOUT_MS, options, context) : null;
  if (options.json) context.out(JSON.stringify(flows === null ? report : { ...report, flows }, null, 2));
  if (!report.inForce || flows?.some((each) => each.flows > 0)) context.exit(EXIT_FAILURE);
}

/** Also where it stands before the name of the command. */
function stateDirOf(command: Command, { stateDir }: CommandOptions): string {
  const { parent } = command;
  const isOwn = command.getOptionValueSource('stateDir') === 'cli';
  return !isOwn && parent?.getOptionValueSource('stateDir') === 'cli' ? (parent.opts<CommandOptions>().stateDir ?? stateDir) : stateDir;
}

function say({ servers, nodes, inForce, message, unserved }: ServersReport, { out, err, colors }: CliContext): void {
  for (const { pool, server, state, weight: given, configuredWeight, configuredState } of servers) {
    const weightText = given === configuredWeight ? `weight ${given}` : `weight ${given} (configured: ${configuredWeight})`;
    const stateText = state === configuredState ? state : `${state} (configured: ${configuredState})`;
    out(`${pool}/${server}: ${stateText}, ${weightText}`);
  }
  const named = (has: string): string[] => nodes.filter((node) => node.has === has).map(({ node }) => node);
  if (inForce) out(`${colors.green('in force')}; known to ${named('yes').join(', ')}`);
  else err(`tandem: not in force: ${message}; known to ${named('yes').join(', ')}`);
  if (named('unreachable').length > 0)
    err(`tandem: not reached: ${named('unreachable').join(', ')}; told as soon as they are reached again`);
  if (named('older').length > 0) err(`tandem: of an older program, which does not keep it: ${named('older').join(', ')}`);
  for (const pool of unserved) err(`tandem: pool ${pool} has no server left for new flows`);
}

async function flowsLeft(
  client: AdminClient,
  servers: string[],
  timeoutMs: number,
  { json }: CommandOptions,
  context: CliContext,
): Promise<ServerFlowsReport['servers']> {
  let leftMs = timeoutMs;
  for (;;) {
    const waitMs = Math.min(leftMs, PROGRESS_MS);
    const report = await client.post<ServerFlowsReport>('/v1/servers/flows', { servers, waitMs }, waitMs + ANSWER_LIMIT_MS);
    if (!report.ok) throw new CliError(report.message);
    const busy = report.servers.filter(({ flows }) => flows > 0);
    leftMs -= waitMs;
    if (busy.length === 0) {
      if (!json) context.out(context.colors.green('no flows are left'));
      return report.servers;
    }
    const text = busy.map(({ pool, server, flows }) => `${pool}/${server} ${count(flows)}`).join(', ');
    if (leftMs <= 0) {
      if (!json) context.err(`tandem: flows left after ${formatDuration(timeoutMs)}: ${text}`);
      return report.servers;
    }
    if (!json) context.err(`flows left: ${text}`);
  }
}
