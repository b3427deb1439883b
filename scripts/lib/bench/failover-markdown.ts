/** The tables of docs/figures.md, "Failover", from one run. Pure. */
import { type FailoverResult, OUTAGE_CASES, type OutageRow } from './failover-plan.js';
import { number, ratio, sameEvent } from './failover-report.js';

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(head),
  row(head.map(() => '---')),
  ...rows.map(row),
];

/** Outage with its range, and take-over. */
function figures(found: OutageRow | undefined): string {
  if (found === undefined) return '';
  const { outageMs, takeoverMs } = found;
  const outage = outageMs.max === 0 ? '0' : `${number(outageMs.median)} (${number(outageMs.min)}–${number(outageMs.max)})`;
  return takeoverMs === null ? outage : `${outage} / ${number(takeoverMs.median)}`;
}

function outageLines(rows: readonly OutageRow[]): string[] {
  const lines = sameEvent(rows).map((group) => {
    const of = (name: string): OutageRow | undefined => group.find(({ system }) => system === name);
    const [first] = group;
    const tandem = of('tandem');
    const title = OUTAGE_CASES.find(({ name }) => name === first?.case)?.title ?? '';
    const beside = tandem === undefined ? null : ratio(tandem, group);
    const cells = [figures(tandem), figures(of('tandem fast')), figures(of('keepalived')), beside?.toFixed(2) ?? ''];
    return [title, `${first?.advertMs} ms`, ...cells];
  });
  return table(['event', 'advert', 'Tandem', 'Tandem, fast liveness', 'keepalived', 'ratio'], lines);
}

export function renderMarkdown({ outage, busy, survival, trials, notes }: FailoverResult): string {
  const parts: string[][] = [];
  if (outage.length > 0)
    parts.push(
      [`Outage: median (least–greatest) of ${trials} trials, / median of the take-over, ms; ratio of the outages.`],
      outageLines(outage),
    );
  if (busy.length > 0) {
    const lines = busy.map((one) => [one.system, one.isRealtime ? 'yes' : 'no', String(one.takeovers), number(one.longestSilenceMs)]);
    parts.push(
      [`${busy[0]?.loops} busy loops for ${busy[0]?.seconds} s, advert ${busy[0]?.advertMs} ms, no fault:`],
      table(['system', 'real-time', 'take-overs', 'longest time without an advert, ms'], lines),
    );
  }
  if (survival.length > 0) {
    const lines = survival.map((one) => [
      one.system,
      `${one.survived.median} of ${one.connections}`,
      `${one.young.survived} of ${one.young.established}`,
      number(one.gapMs.median),
    ]);
    parts.push(
      [`Connections through a crash, advert ${survival[0]?.advertMs} ms, ${survival[0]?.rounds} rounds:`],
      table(['system', 'survived', 'of those opened in the last 20 ms', 'silence of a connection (median), ms'], lines),
    );
  }
  return [...parts, notes.map((note) => `note: ${note}`)]
    .map((lines) => lines.join('\n'))
    .join('\n\n')
    .trimEnd();
}
