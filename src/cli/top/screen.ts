/**
 * What `tandem top` shows: the lines of a reading, as wide as they may be, and the part of them that is on the screen. Pure.
 */
import type { NodeStatus } from '../../control/status.js';
import type { Size } from '../../system/terminal.js';
import type { CliContext } from '../context.js';
import { clip, count, si, span } from '../format.js';
import { healthText } from '../servers.js';
import { roleText } from '../status.js';
import { flowing, type GridColumn, grid } from './grid.js';
import type { Page, Sort, View } from './keys.js';
import type { Rates, Reading, ServerRates, ServiceRates } from './rates.js';

type Look = Pick<CliContext, 'colors' | 'wallMs'>;

const TITLES: Record<Sort, string> = {
  newFlows: 'FLOWS/S',
  packetsIn: 'PKT/S IN',
  packetsOut: 'PKT/S OUT',
  bitsIn: 'BIT/S IN',
  bitsOut: 'BIT/S OUT',
  name: 'NAME',
};

/** Everything, for a printer of lines. */
export function report(reading: Reading, view: View, width: number, look: Look): string {
  return [...head(reading, width, look), ...body(reading, view, width, look)].join('\n');
}

/** One screen: head and foot stay, the body scrolls between them. */
export function screen(reading: Reading, view: View, { columns, rows }: Size, look: Look): { lines: string[]; page: Page } {
  const above = [...head(reading, columns, look), ...notice(reading, columns, look)];
  const below = [foot(view, columns, look)];
  const all = body(reading, view, columns, look);
  const room = Math.max(0, rows - above.length - below.length);
  const maxOffset = Math.max(0, all.length - room);
  const offset = Math.min(view.offset, maxOffset);
  const seen = all.slice(offset, offset + room);
  const empty = Array<string>(room - seen.length).fill('');
  return { lines: [...above, ...seen, ...empty, ...below].slice(0, rows), page: { rows: room, maxOffset } };
}

function head({ sample: { status } }: Reading, width: number, look: Look): string[] {
  const { colors, wallMs } = look;
  const { flows, maxFlows } = status.dataPlane;
  const node = [
    `${colors.bold(status.node)} of ${status.cluster}`,
    status.ready ? colors.green('ready') : colors.red('not ready'),
    status.inSync ? colors.green('in sync') : colors.yellow('not in sync'),
    `up ${span(wallMs() - status.startedAtWallMs)}`,
    `${count(flows)} of ${count(maxFlows)} flows`,
  ];
  const routers = status.routers.map((router) => routerText(router, look));
  const peers = status.peers.map((peer) => peerText(peer, look));
  return [node, routers, peers].flatMap((words) => flowing(words, width));
}

function routerText({ name, role, leaseRemainingMs }: NodeStatus['routers'][number], look: Look): string {
  const lease = role === 'active' ? `, lease ${span(leaseRemainingMs)}` : '';
  return `${name} ${roleText(role, look)}${lease}`;
}

function peerText({ node, state, connected, inSync, lagMs, queuedRecords }: NodeStatus['peers'][number], { colors }: Look): string {
  const sync = inSync ? 'in sync' : colors.yellow('not in sync');
  const queue = queuedRecords === 0 ? '' : `, ${count(queuedRecords)} queued`;
  return `peer ${node} ${connected ? state : colors.red(state)}, ${sync}, lag ${span(lagMs)}${queue}`;
}

function notice({ failure, sample }: Reading, width: number, { colors, wallMs }: Look): string[] {
  if (failure === null) return [];
  return [colors.red(clip(`figures of ${span(wallMs() - sample.atWallMs)} ago, trying again: ${failure}`, width))];
}

function body({ rates }: Reading, view: View, width: number, look: Look): string[] {
  const { dim } = look.colors;
  const services = grid(serviceColumns(look), sorted(rates.services, view, serviceName), width, dim);
  const servers = grid(serverColumns(look), sorted(rates.servers, view, serverName), width, dim);
  const dropped = Object.entries(rates.drops).filter(([, packets]) => packets !== null && packets > 0);
  const drops = grid(DROP_COLUMNS, dropped, width, dim);
  return [services, servers, ...(dropped.length === 0 ? [] : [drops])].flatMap((lines) => ['', ...lines]);
}

const serviceName = ({ name }: ServiceRates): string => name;
const serverName = ({ pool, name }: ServerRates): string => `${pool}/${name}`;

/** Rates begin with the busiest, names with the first; what is not known counts as nothing. */
export function sorted<Row extends Rates>(rows: readonly Row[], { sort, isReversed }: View, nameOf: (row: Row) => string): Row[] {
  const byName = (a: Row, b: Row): number => (nameOf(a) < nameOf(b) ? -1 : 1);
  const compare = (a: Row, b: Row): number => (sort === 'name' ? byName(a, b) : (b[sort] ?? 0) - (a[sort] ?? 0) || byName(a, b));
  return [...rows].sort((a, b) => (isReversed ? compare(b, a) : compare(a, b)));
}

const perSecond = (rate: number | null): string => (rate === null ? '-' : si(rate));

const rateColumn = (rate: keyof Rates, rank: number): GridColumn<Rates> => ({
  title: TITLES[rate],
  align: 'right',
  rank,
  cell: (row) => perSecond(row[rate]),
});

/** The ranks of the other columns stand between these. */
const RATE_COLUMNS = [
  rateColumn('newFlows', 1),
  rateColumn('packetsIn', 7),
  rateColumn('packetsOut', 8),
  rateColumn('bitsIn', 2),
  rateColumn('bitsOut', 3),
];

const serviceColumns = ({ colors }: Look): GridColumn<ServiceRates>[] => [
  { title: 'SERVICE', rank: 0, cell: serviceName },
  { title: 'LISTEN', rank: 9, cell: ({ listen }) => listen },
  {
    title: 'SERVERS',
    align: 'right',
    rank: 4,
    cell: ({ usableServers, servers }) => {
      const text = `${usableServers}/${servers}`;
      return usableServers === 0 ? colors.red(text) : text;
    },
  },
  ...RATE_COLUMNS,
];

const serverColumns = ({ colors }: Look): GridColumn<ServerRates>[] => [
  { title: 'SERVER', rank: 0, cell: serverName },
  { title: 'ADDRESS', rank: 9, cell: ({ address }) => address },
  { title: 'STATE', rank: 5, cell: ({ state }) => (state === 'ready' ? state : colors.yellow(state)) },
  { title: 'HEALTH', rank: 4, cell: (server) => healthText(server, colors) },
  { title: 'SHARE', align: 'right', rank: 6, cell: ({ share }) => (share === null ? '-' : `${Math.round(share * 100)}%`) },
  ...RATE_COLUMNS,
];

const DROP_COLUMNS: GridColumn<[reason: string, packets: number | null]>[] = [
  { title: 'DROPPED', rank: 0, cell: ([reason]) => reason },
  { title: 'PKT/S', align: 'right', rank: 1, cell: ([, packets]) => perSecond(packets) },
];

function foot({ sort, isReversed, isPaused }: View, width: number, { colors }: Look): string {
  const order = `${TITLES[sort]}${isReversed ? ' reversed' : ''}`;
  const keys = `q quit  s sort: ${order}  r reverse  p ${isPaused ? 'go on' : 'pause'}  arrows scroll`;
  return clip(`${isPaused ? `${colors.yellow('PAUSED')}  ` : ''}${colors.dim(keys)}`, width);
}
