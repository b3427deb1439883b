/**
 * `tandem servers`: the servers of every pool, what operators and this node's checks say and what the pool generation in force says.
 */
import type { Command } from 'commander';
import type { NodeStatus, PoolStatus, ServerStatus } from '../control/status.js';
import { adminClient } from './admin-client.js';
import { type CliContext, CliError } from './context.js';
import { bytes, count, span, table } from './format.js';
import { jsonOption, stateDirOption } from './options.js';
import { addServerCommands } from './server-commands.js';

export function addServersCommand(program: Command, context: CliContext): void {
  const servers = program.command('servers');
  servers
    .description('list servers with state, weight, health and traffic, or command them')
    .option('--pool <name>', 'only this pool')
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  tandem servers\n  tandem servers --pool web --json\n  tandem servers drain web/be1 --wait')
    .action(async (options: { pool?: string; stateDir: string; json?: true }) => {
      const { pools } = await adminClient(options.stateDir).get<NodeStatus>('/v1/status');
      const wanted = pools.filter((pool) => options.pool === undefined || pool.name === options.pool);
      if (options.pool !== undefined && wanted.length === 0) {
        throw new CliError(`no pool is named "${options.pool}"; there are: ${pools.map((pool) => pool.name).join(', ') || 'none'}`);
      }
      context.out(options.json ? JSON.stringify(wanted, null, 2) : serversText(wanted, context));
    });
  addServerCommands(servers, context);
}

type Look = Pick<CliContext, 'colors' | 'wallMs'>;

export function serversText(pools: readonly PoolStatus[], look: Look): string {
  if (pools.length === 0) return 'No pools.';
  return pools.map((pool) => poolText(pool, look)).join('\n\n');
}

function poolText(pool: PoolStatus, look: Look): string {
  const titles = [
    ...['SERVER', 'ADDRESS', 'STATE', 'WEIGHT', 'HEALTH', 'SINCE', 'NEW FLOWS TO IT'],
    ...['NEXT HOP', 'NEW FLOWS', 'IN', 'OUT', 'REASON', 'SET BY'],
  ];
  const right = new Set(['WEIGHT', 'NEW FLOWS', 'IN', 'OUT']);
  const rows = pool.servers.map((server) => serverRow(server, look));
  const body = table(
    titles.map((title) => ({ title, align: right.has(title) ? 'right' : 'left' })),
    rows,
    look.colors.dim,
  );
  const panic = pool.panic ? look.colors.red(', panic: all get new flows, whatever their checks say') : '';
  return `${look.colors.bold(`Pool ${pool.name}`)} (${pool.scheduler}, generation ${pool.generation}${panic})\n${body}`;
}

function serverRow(server: ServerStatus, { colors, wallMs }: Look): string[] {
  return [
    server.name,
    server.address,
    stateText(server, colors),
    server.weight === server.configuredWeight ? String(server.weight) : `${Number(server.weight.toFixed(2))} of ${server.configuredWeight}`,
    healthText(server, colors),
    `${span(wallMs() - server.sinceWallMs)} ago`,
    server.usable ? 'yes' : colors.red('no'),
    server.nextHop === 'resolved' ? 'resolved' : colors.yellow('unresolved'),
    count(server.traffic.newFlows),
    bytes(server.traffic.bytesIn),
    bytes(server.traffic.bytesOut),
    server.reason,
    server.override === null ? '-' : setBy(server.override),
  ];
}

export function healthText({ health }: Pick<ServerStatus, 'health'>, colors: Look['colors']): string {
  if (health === 'up') return colors.green(health);
  return health === 'down' ? colors.red(health) : health;
}

function stateText({ state, backup, slowStartMs, advised }: ServerStatus, colors: Look['colors']): string {
  const wanted = [...(advised?.drain ? ['drain'] : []), ...(advised?.weightPercent === undefined ? [] : [`${advised.weightPercent}%`])];
  const notes = [
    ...(backup ? ['backup'] : []),
    ...(slowStartMs === null ? [] : [`slow start for ${span(slowStartMs)}`]),
    ...(wanted.length === 0 ? [] : [`agent says ${wanted.join(' ')}`]),
  ];
  const text = [state, ...notes].join(', ');
  return state === 'ready' && !advised?.drain ? text : colors.yellow(text);
}

const setBy = ({ node, by, why }: NonNullable<ServerStatus['override']>): string =>
  `${by === '' ? node : `${by} on ${node}`}${why === '' ? '' : ` (${why})`}`;
