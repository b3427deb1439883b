/**
 * `tandem status`: what this node is, why, and how it stands with its peers.
 */
import type { Command } from 'commander';
import type { NodeStatus, TransitionRow } from '../control/status.js';
import { adminClient } from './admin-client.js';
import type { CliContext } from './context.js';
import { bytes, count, span, table } from './format.js';
import { jsonOption, stateDirOption } from './options.js';

/** Transitions shown below the tables. */
const LAST_TRANSITIONS = 5;

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show role, lease, peers, services and flows of this node')
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  tandem status\n  tandem status --json | jq .routers\n  tandem status --state-dir /run/tandem/lb1')
    .action(async (options: { stateDir: string; json?: true }) => {
      const client = adminClient(options.stateDir);
      const status = await client.get<NodeStatus>('/v1/status');
      if (options.json) return context.out(JSON.stringify(status, null, 2));
      const transitions = await client.get<TransitionRow[]>('/v1/transitions');
      context.out(statusText(status, transitions, context));
    });
}

type Look = Pick<CliContext, 'colors' | 'wallMs'>;

export function statusText(status: NodeStatus, transitions: readonly TransitionRow[], look: Look): string {
  const sections = [
    headText(status, look),
    section('Virtual routers', routersTable(status, look), look),
    ...handOverText(status, look),
    ...(status.tracking.some((each) => each.objects.length > 0) ? [section('Tracking', trackingTable(status, look), look)] : []),
    section('Peers', status.peers.length === 0 ? '  none' : peersTable(status, look), look),
    section('Services', status.services.length === 0 ? '  none' : servicesTable(status, look), look),
    section('Data plane', dataPlaneText(status, look), look),
  ];
  const last = transitions.slice(-LAST_TRANSITIONS);
  if (last.length > 0) sections.push(section('Last transitions', transitionsTable(last, look), look));
  return sections.join('\n\n');
}

const section = (title: string, body: string, { colors }: Look): string => `${colors.bold(title)}\n${body}`;

function headText(status: NodeStatus, { colors, wallMs }: Look): string {
  const ready = status.ready ? colors.green('ready') : colors.red('not ready');
  const sync = status.inSync ? colors.green('in sync') : colors.yellow('not in sync');
  const { heartbeat } = status;
  const realtime = heartbeat.realtime ? 'real-time' : colors.yellow('no real-time priority');
  const beat = heartbeat.connected ? `connected, pid ${heartbeat.pid ?? '?'}, ${realtime}` : colors.red('not connected');
  const { beats } = heartbeat;
  return [
    `Node ${colors.bold(status.node)} of cluster ${status.cluster}: ${ready} (${status.readyReason}), ${sync}`,
    `  tandem ${status.version}, pid ${status.pid}, up ${span(wallMs() - status.startedAtWallMs)}; heartbeat ${beat}`,
    ...(beats === null ? [] : [`  beats ${beatsText(beats, colors)}`]),
    `  configuration ${status.configFile}, digest ${status.configDigest.slice(0, 12)}; metrics on ${status.metricsAddress}`,
  ].join('\n');
}

function beatsText(beats: NonNullable<NodeStatus['heartbeat']['beats']>, colors: Look['colors']): string {
  const peers = beats.peers.map(({ node, isReachable, hasKey, paths }) => {
    const heard = paths.filter((isHeard) => isHeard).length;
    if (!hasKey) return `${node} ${colors.yellow('key not exchanged yet')}`;
    if (!isReachable) return `${node} ${colors.red('not heard')}`;
    const text = `${heard} of ${paths.length} paths`;
    return `${node} ${heard < paths.length ? colors.yellow(text) : text}`;
  });
  const fast = beats.fast === 'disabled' ? '' : `; fast liveness ${beats.fast === 'on' ? colors.green('on') : colors.yellow(beats.fast)}`;
  const hung = beats.silenced ? colors.yellow(`; hung and silenced: ${beats.silenced}`) : '';
  const priority = beats.isRealtime ? '' : colors.yellow(', no real-time priority');
  return `${peers.join(', ')}; latest by ${span(beats.lateMaxMs)}${priority}${hung}${fast}`;
}

export function roleText(role: string, { colors }: Pick<Look, 'colors'>): string {
  if (role === 'active') return colors.green(role);
  return role === 'backup' ? colors.cyan(role) : colors.yellow(role);
}

function routersTable(status: NodeStatus, look: Look): string {
  const rows = status.routers.map((router) => {
    const lease = router.role === 'active' ? `${span(router.leaseAgeMs)}, ${span(router.leaseRemainingMs)} left` : '-';
    const peer =
      router.activePeer === null
        ? '-'
        : `${router.activePeer.address} (${router.activePeer.priority}), ${span(router.activePeer.heardMsAgo)} ago`;
    const after = router.verifiedAfterMs === null ? '' : ` after ${span(router.verifiedAfterMs)}`;
    const verified =
      router.verified === 'notApplicable' ? '-' : `${router.verified === 'no' ? look.colors.red('no') : router.verified}${after}`;
    const since = `${span(look.wallMs() - router.sinceWallMs)} ago`;
    return [
      router.name,
      String(router.vrid),
      roleText(router.role, look),
      since,
      router.reason,
      priorityText(router.name, router.priority, status, look),
      lease,
      verified,
      peer,
    ];
  });
  const titles = ['NAME', 'VRID', 'ROLE', 'SINCE', 'REASON', 'PRIORITY', 'LEASE AGE', 'VERIFIED', 'ACTIVE PEER'];
  return table(
    titles.map((title) => ({ title, align: title === 'VRID' || title === 'PRIORITY' ? 'right' : 'left' })),
    rows,
    look.colors.dim,
  );
}

/** The last planned hand-over from here, and a rehearsal that is under way. */
function handOverText({ switchovers, routers }: NodeStatus, { colors, wallMs }: Look): string[] {
  const lines: string[] = [];
  const { last, drillSinceWallMs } = switchovers;
  if (drillSinceWallMs !== null) lines.push(colors.yellow(`  a drill is under way since ${span(wallMs() - drillSinceWallMs)}`));
  if (last !== null) {
    const steered = last.routers.reduce((sum, row) => sum + row.steered, 0);
    const figures = last.ok ? `; ${count(steered)} packets passed on, ${count(last.lost)} lost` : '';
    lines.push(
      `  last ${span(wallMs() - last.atWallMs)} ago (${last.reason}): ${last.ok ? last.message : colors.red(last.message)}${figures}`,
    );
  }
  const held = routers.filter(({ role, holdDownMs }) => role !== 'active' && holdDownMs !== null);
  for (const { name, holdDownMs } of held) lines.push(`  ${name} does not pre-empt ${holdDownText(holdDownMs ?? 0)}`);
  return lines.length === 0 ? [] : [`${colors.bold('Planned hand-over')}\n${lines.join('\n')}`];
}

/** Longer than any that ends by itself. */
const UNTIL_ASKED_MS = 86_400_000;
const holdDownText = (ms: number): string => (ms > UNTIL_ASKED_MS ? 'until it is asked to take over' : `for ${span(ms)}`);

/** The priority, and what tracking has made of it. */
function priorityText(router: string, priority: number, { tracking }: NodeStatus, { colors }: Look): string {
  const own = tracking.find((each) => each.router === router);
  if (own === undefined || own.effectivePriority === priority) return String(priority);
  return `${priority} now ${colors.yellow(String(own.effectivePriority))}`;
}

function trackingTable(status: NodeStatus, { colors, wallMs }: Look): string {
  const rows = status.tracking.flatMap(({ router, objects }) =>
    objects.map((each) => {
      const state = each.state === 'up' ? colors.green('up') : each.state === 'down' ? colors.red('down') : colors.yellow('unknown');
      const weight = each.weight === null ? 'needed' : each.weight > 0 ? `+${each.weight}` : String(each.weight);
      return [
        router,
        each.kind,
        each.name,
        each.isFault ? colors.red('down, gives up') : state,
        weight,
        each.sinceWallMs === null ? '-' : `${span(wallMs() - each.sinceWallMs)} ago`,
        each.reason,
      ];
    }),
  );
  const titles = ['ROUTER', 'KIND', 'NAME', 'STATE', 'WEIGHT', 'SINCE', 'REASON'];
  return table(
    titles.map((title) => ({ title, align: title === 'WEIGHT' ? 'right' : 'left' })),
    rows,
    colors.dim,
  );
}

function peersTable(status: NodeStatus, look: Look): string {
  const { colors } = look;
  const match = (value: boolean | null): string => (value === null ? '-' : value ? 'yes' : colors.red('no'));
  const yes = (value: boolean): string => (value ? colors.green('yes') : colors.yellow('no'));
  const rows = status.peers.map((peer) => {
    const state = peer.connected ? peer.state : colors.red(peer.state);
    return [
      peer.node,
      peer.address,
      state,
      yes(peer.inSync),
      yes(peer.receivedInSync),
      `${Math.round(peer.lagMs)}ms`,
      count(peer.queuedRecords),
      count(peer.gaps),
      count(peer.resyncs),
      match(peer.digestMatch),
      match(peer.configDigestMatch),
      peer.reason,
    ];
  });
  const left = new Set(['NODE', 'ADDRESS', 'STATE', 'REASON']);
  const titles = ['NODE', 'ADDRESS', 'STATE', 'HAS OURS', 'WE HAVE ITS', 'LAG', 'QUEUE', 'GAPS', 'RESYNCS', 'DIGEST', 'CONFIG', 'REASON'];
  return table(
    titles.map((title) => ({ title, align: left.has(title) ? 'left' : 'right' })),
    rows,
    colors.dim,
  );
}

function servicesTable(status: NodeStatus, look: Look): string {
  const rows = status.services.map((service) => {
    const servers = `${service.usableServers}/${service.servers}`;
    const { traffic } = service;
    return [
      service.name,
      service.listen,
      service.forward,
      service.pool,
      service.usableServers === 0 ? look.colors.red(servers) : servers,
      count(traffic.newFlows),
      count(traffic.packetsIn),
      bytes(traffic.bytesIn),
      service.forward === 'nat' ? count(traffic.packetsOut) : '-',
      service.forward === 'nat' ? bytes(traffic.bytesOut) : '-',
    ];
  });
  const titles = ['NAME', 'LISTEN', 'FORWARD', 'POOL', 'SERVERS', 'NEW FLOWS', 'PACKETS IN', 'BYTES IN', 'PACKETS OUT', 'BYTES OUT'];
  return table(
    titles.map((title, i) => ({ title, align: i < 4 ? 'left' : 'right' })),
    rows,
    look.colors.dim,
  );
}

function dataPlaneText(status: NodeStatus, { colors }: Look): string {
  const { dataPlane } = status;
  const interfaces = dataPlane.interfaces.map((each) => {
    if (!each.attached) return `${each.name} ${colors.red('not attached')}`;
    return each.fallbackReason === null ? `${each.name} ${each.mode}` : `${each.name} ${each.mode} (${each.fallbackReason})`;
  });
  const share = dataPlane.maxFlows === 0 ? 0 : (100 * dataPlane.flows) / dataPlane.maxFlows;
  const drops = Object.entries(dataPlane.drops)
    .filter(([, packets]) => packets > 0)
    .map(([reason, packets]) => `${reason} ${count(packets)}`);
  const steered = dataPlane.steered.filter(({ packets }) => packets > 0).map(({ router, packets }) => `${router} ${count(packets)}`);
  const commanded = status.pools.flatMap(({ name, servers }) =>
    servers.flatMap(({ name: server, override }) => (override === null ? [] : `${name}/${server} ${overrideText(override)}`)),
  );
  const panicking = status.pools.flatMap(({ name, panic }) => (panic ? name : []));
  const claims = dataPlane.foreignClaims.map(({ address, mac, claims: times }) => `${address} by ${mac} (${count(times)})`);
  return [
    `  interfaces  ${interfaces.join(', ')}`,
    `  flows       ${count(dataPlane.flows)} of ${count(dataPlane.maxFlows)} (${share.toFixed(1)} %), ${bytes(dataPlane.flowTableBytes)}`,
    `  drops       ${drops.length === 0 ? 'none' : drops.join(', ')}`,
    ...(steered.length === 0 ? [] : [`  steered     ${steered.join(', ')}`]),
    ...(claims.length === 0 ? [] : [`  claimed     ${colors.red(claims.join(', '))}`]),
    ...(panicking.length === 0 ? [] : [`  panic       ${colors.red(panicking.join(', '))}`]),
    ...(commanded.length === 0 ? [] : [`  commanded   ${colors.yellow(commanded.join(', '))}`]),
  ].join('\n');
}

const overrideText = ({ state, weight }: NonNullable<NodeStatus['pools'][number]['servers'][number]['override']>): string =>
  [...(state === null ? [] : [state]), ...(weight === null ? [] : [`weight ${weight}`])].join(', ');

function transitionsTable(rows: readonly TransitionRow[], look: Look): string {
  return table(
    [{ title: 'TIME' }, { title: 'ROUTER' }, { title: 'FROM' }, { title: 'TO' }, { title: 'REASON' }],
    rows.map((row) => [new Date(row.atWallMs).toISOString(), row.router, row.from, roleText(row.to, look), row.reason]),
    look.colors.dim,
  );
}
