/**
 * The result of `scripts/bench failover` for people: Tandem beside its peers, medians with ranges, ratios. Pure.
 */
import { activeDownMs, DEFAULT_ELECTION } from '../../../test/support/lab/system-under-test.js';
import type { BusyRow, FailoverResult, OutageRow, Range, SurvivalRow } from './failover-plan.js';

export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

export const number = (value: number): string => (value === 0 ? '0' : value.toFixed(value < 100 ? 1 : 0));
export const spread = (range: Range | null): string =>
  range === null ? '-' : `${number(range.median)} (${number(range.min)}..${number(range.max)})`;

/** 754 -> 12 min 34 s */
export const duration = (seconds: number): string => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);

/** Two nodes, and who takes over has either priority, by turns: the bound is that of the lower one. */
const bound = (advertMs: number): number => activeDownMs(advertMs, Math.min(...DEFAULT_ELECTION.priorities));

/** The same event at the same interval, for each system that was measured. */
export function sameEvent(rows: readonly OutageRow[]): OutageRow[][] {
  const groups = new Map<string, OutageRow[]>();
  for (const row of rows) {
    const key = `${row.case} ${row.advertMs}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

/** Outage beside keepalived's of the same run; null: that is the row itself, was not measured, or had none. */
export function ratio(row: OutageRow, group: readonly OutageRow[]): number | null {
  const theirs = group.find(({ system }) => system === 'keepalived');
  if (theirs === undefined || theirs === row || theirs.outageMs.median === 0) return null;
  return row.outageMs.median / theirs.outageMs.median;
}

export function outageTable(rows: readonly OutageRow[]): string {
  return table(
    ['event', 'advert', 'system', 'outage ms', 'beside keepalived', 'take-over ms', 'advert silence ms', 'lost probes', 'in all'],
    sameEvent(rows).flatMap((group) =>
      group.map((row) => [
        row.case,
        `${row.advertMs} ms`,
        row.system,
        spread(row.outageMs),
        ratio(row, group)?.toFixed(2) ?? '',
        spread(row.takeoverMs),
        spread(row.silenceMs),
        `${row.lostProbes.median} (${row.lostProbes.min}..${row.lostProbes.max})`,
        String(row.lostInAll),
      ]),
    ),
  );
}

export function busyTable(rows: readonly BusyRow[]): string {
  return table(
    ['system', 'real-time', 'take-overs', 'longest advert silence ms'],
    rows.map((row) => [row.system, row.isRealtime ? 'yes' : 'no', String(row.takeovers), number(row.longestSilenceMs)]),
  );
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
  const parts = [...outageParts(result), ...busyParts(result), ...survivalParts(result)];
  const machine = `kernel ${result.kernel}, ${result.cpus} CPUs, ${duration(result.seconds)}`;
  return [...parts, machine, ...result.notes.map((note) => `note: ${note}`)].join('\n');
}

function outageParts({ outage, trials }: FailoverResult): string[] {
  if (outage.length === 0) return [];
  const adverts = [...new Set(outage.map((row) => row.advertMs))];
  const bounds = adverts.map((advertMs) => `${number(bound(advertMs))} ms at ${advertMs} ms`).join(', ');
  return [
    `UDP probe each millisecond: median (min..max) of ${trials} trials`,
    outageTable(outage),
    ...outage
      .filter((row) => row.movedBefore > 0)
      .map(
        (row) => `${row.system}, ${row.advertMs} ms ${row.case}: ${row.movedBefore} trials repeated, the VIP had moved without an event`,
      ),
    `RFC 9568 allows a crash 3 x advert + skew: ${bounds}. An outage of 0: no probe was lost or late.`,
    '',
  ];
}

function busyParts({ busy }: FailoverResult): string[] {
  const [first] = busy;
  if (first === undefined) return [];
  const what = `${first.loops} busy loops for ${first.seconds} s at advert ${first.advertMs} ms, no fault`;
  return [`${what}: take-overs that should not have been`, busyTable(busy), ''];
}

function survivalParts({ survival }: FailoverResult): string[] {
  const [first] = survival;
  if (first === undefined) return [];
  const { fault, advertMs, rounds } = first;
  const what = `TCP connections through ${fault} of the active node, advert ${advertMs} ms, ${rounds} rounds, a message each 100 ms`;
  return [what, survivalTable(survival), ''];
}
