/**
 * The result of `scripts/bench failover` for people: Tandem beside its peers, medians with ranges, ratios. Pure.
 */
import { activeDownMs, DEFAULT_ELECTION } from '../../../test/support/lab/system-under-test.js';
import type { FailoverResult, OutageRow, Range, SurvivalRow } from './failover-plan.js';

export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

const number = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
const spread = (range: Range | null): string =>
  range === null ? '-' : `${number(range.median)} (${number(range.min)}..${number(range.max)})`;

/** Who takes over has either priority, by turns: the bound is that of the lower one. */
const bound = (advertMs: number): number => activeDownMs(advertMs, Math.min(...DEFAULT_ELECTION.priorities));

export function outageTable(rows: readonly OutageRow[]): string {
  const systems = [...new Set(rows.map((row) => row.system))];
  const cases = [...new Map(rows.map((row) => [`${row.advertMs} ${row.fault}`, row])).values()];
  const head = [
    'advert, fault',
    ...systems.flatMap((system) => [`${system} outage`, 'take-over', 'lost']),
    ...(systems.length > 1 ? ['outage ratio'] : []),
  ];
  const body = cases.map(({ advertMs, fault }) => {
    const found = systems.map((system) => rows.find((row) => row.system === system && row.advertMs === advertMs && row.fault === fault));
    const cells = found.flatMap((row) =>
      row === undefined ? ['-', '-', '-'] : [spread(row.outageMs), spread(row.takeoverMs), number(row.lostProbes.median)],
    );
    return [`${advertMs} ms ${fault}`, ...cells, ...(systems.length > 1 ? [ratio(found[0], found[1])] : [])];
  });
  return table(head, body);
}

function ratio(ours: OutageRow | undefined, theirs: OutageRow | undefined): string {
  if (ours === undefined || theirs === undefined) return '-';
  // No outage on either side is no ratio.
  return theirs.outageMs.median === 0 ? '-' : (ours.outageMs.median / theirs.outageMs.median).toFixed(2);
}

export function survivalTable(rows: readonly SurvivalRow[]): string {
  return table(
    ['system', 'survived (min..max)', 'reset', 'opened in the last 20 ms', 'gap median', 'p99', 'max ms', 'bytes verified'],
    rows.map((row) => [
      row.system,
      `${row.survived.median} (${row.survived.min}..${row.survived.max}) of ${row.connections}`,
      String(row.reset.median),
      `${row.young.survived} of ${row.young.established}`,
      number(row.gapMs.median),
      number(row.gapMs.p99),
      number(row.gapMs.max),
      String(row.bytesVerified),
    ]),
  );
}

export function renderFailover(result: FailoverResult): string {
  const parts: string[] = [];
  if (result.outage.length > 0) {
    const adverts = [...new Set(result.outage.map((row) => row.advertMs))];
    const bounds = adverts.map((advertMs) => `${number(bound(advertMs))} ms at ${advertMs} ms`).join(', ');
    parts.push(
      `Outage and take-over in ms, UDP probe each millisecond: median (min..max) of ${result.rounds} rounds`,
      outageTable(result.outage),
      ...result.outage
        .filter((row) => row.movedBefore > 0)
        .map(
          (row) => `${row.system}, ${row.advertMs} ms ${row.fault}: ${row.movedBefore} trials repeated, the VIP had moved without a fault`,
        ),
      `RFC 9568 allows a crash 3 x advert + skew: ${bounds}. An outage of 0: no probe was lost or late.`,
      '',
    );
  }
  if (result.survival.length > 0) {
    const [{ fault, advertMs, rounds } = { fault: 'crash', advertMs: 0, rounds: 0 }] = result.survival;
    parts.push(
      `TCP connections through ${fault} of the active node, advert ${advertMs} ms, ${rounds} rounds, a message each 100 ms`,
      survivalTable(result.survival),
      '',
    );
  }
  parts.push(`kernel ${result.kernel}, ${result.cpus} CPUs`, ...result.notes.map((note) => `note: ${note}`));
  return parts.join('\n');
}
