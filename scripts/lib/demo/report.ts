/**
 * The demo's result for people: timeline, table, verdict. Pure.
 */
import pc from 'picocolors';
import type { LoadReport, Spread } from '../../../test/support/lab/workload-api.js';
import type { DemoFault } from './options.js';
import { type DemoResult, lostConnections } from './result.js';
import { PLAIN, renderTimeline } from './timeline.js';

export const FAULT_TEXT: Record<DemoFault, (victim: string) => string> = {
  crash: (victim) => `power cut of ${victim}: kill -9 of all its processes, and its cables pulled`,
  kill: (victim) => `kill -9 of all processes of ${victim}`,
  stop: (victim) => `all processes of ${victim} stopped (SIGSTOP)`,
  cable: (victim) => `both cables of ${victim} pulled`,
  switchover: (victim) => `tandem switchover on ${victim}`,
};

const count = (value: number): string => value.toLocaleString('en-US');
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row, index) => {
    const line = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('   ');
    return index === 0 ? pc.dim(line) : line;
  });
}

const connectionRow = (name: string, report: LoadReport): string[] => [
  name,
  count(report.established),
  count(report.alive),
  count(report.reset),
  count(report.established - report.alive - report.reset),
  count(report.bytesVerified),
  longest(report.gapMs),
];

const longest = (gap: Spread): string => `${Math.round(gap.median)} / ${ms(gap.max)}`;

export function renderReport(result: DemoResult, nodes: readonly string[]): string {
  const style = { ...PLAIN, active: pc.green, fault: pc.red, quiet: pc.dim };
  const { probe, http, connections } = result;
  const takeover =
    result.successor === null ? pc.red('nobody took over') : `${result.successor} answered after ${ms(result.takeoverMs ?? 0)}`;
  return [
    '',
    pc.bold('Who was active'),
    ...renderTimeline(result.timeline, nodes, result.outageMs, style),
    '',
    `${pc.bold('Outage')} ${ms(result.outageMs)}; ${takeover}; ${allowance(result)}`,
    '',
    ...table([
      ['Connections', 'established', 'survived', 'reset', 'lost', 'bytes verified', 'silence median / max'],
      connectionRow('TCP by NAT', connections.nat),
      connectionRow('TCP by DSR', connections.dsr),
    ]),
    '',
    ...table([
      ['Datagrams and requests', 'sent', 'answered', 'lost'],
      ['UDP, one each ms', count(probe.sent), count(probe.answered), count(probe.lost)],
      ['HTTP, new connections', count(http.requests), count(http.ok), count(http.requests - http.ok)],
    ]),
    '',
    verdict(result),
  ].join('\n');
}

const allowance = ({ fault, allowedMs, advertMs }: DemoResult): string =>
  fault === 'switchover'
    ? 'planned, so nothing has to be noticed first'
    : `noticing it may take ${ms(allowedMs)} (3 x ${advertMs} ms advert + skew)`;

function verdict(result: DemoResult): string {
  const { nat, dsr } = result.connections;
  const lost = lostConnections(result.connections);
  const established = nat.established + dsr.established;
  const missing = nat.tried + dsr.tried - established;
  if (missing > 0) return pc.red(`✗ ${count(missing)} connections could not be opened`);
  if (lost > 0) return pc.red(`✗ ${count(lost)} of ${count(established)} established connections were lost`);
  return pc.green(`✓ all ${count(established)} connections survived, every byte as expected, ${result.resets} resets on the wire`);
}

export interface Surroundings {
  prefix: string;
  nodes: { name: string; stateDir: string; log: string }[];
  configFile: string;
  metricsPort: number;
}

/** Commands to look around in a cluster that is left up. The active node comes first. */
export function renderCommands({ prefix, nodes, configFile, metricsPort }: Surroundings): string {
  const enter = (name: string): string => `nsenter --net=/run/netns/${prefix}-${name}`;
  const rows: [string, string][] = [
    ...nodes.map(({ name, stateDir }): [string, string] => [`${name}: status`, `scripts/tandem status --state-dir ${stateDir}`]),
    ...nodes.slice(0, 1).flatMap(({ name, stateDir, log }): [string, string][] => [
      [`${name}: connections`, `scripts/tandem flows --state-dir ${stateDir}`],
      [`${name}: metrics`, `${enter(name)} curl -s http://127.0.0.1:${metricsPort}/metrics`],
      [`${name}: log`, `tail -f ${log}`],
      [`${name}: shell`, `${enter(name)} bash`],
      [`${name}: hand over`, `scripts/tandem switchover --state-dir ${stateDir}`],
    ]),
    ['client: request', `${enter('cl1')} curl -s http://10.1.0.100/`],
    ['configuration', configFile],
  ];
  const width = Math.max(...rows.map(([what]) => what.length));
  return [pc.bold('Look around'), ...rows.map(([what, command]) => `  ${pc.dim(what.padEnd(width))}  ${command}`)].join('\n');
}
