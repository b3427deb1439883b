/**
 * Tables and lists that fit a width: a table loses its least important columns first. Pure.
 */
import { type Column, clip, table, visibleWidth } from '../format.js';

export interface GridColumn<Row> extends Column {
  /** The higher, the earlier it is left out; 0 stays in any case. */
  rank: number;
  cell(row: Row): string;
}

/** What `table` puts before a line, and between columns. */
const GAP = 2;

export function grid<Row>(
  columns: readonly GridColumn<Row>[],
  rows: readonly Row[],
  width: number,
  heading: (text: string) => string,
): string[] {
  const widths = new Map(columns.map((each) => [each, Math.max(each.title.length, ...rows.map((row) => visibleWidth(each.cell(row))))]));
  const kept = fitting(widths, width);
  const shown = columns.filter((each) => kept.has(each));
  const cells = rows.map((row) => shown.map((each) => each.cell(row)));
  return table(shown, cells, heading)
    .split('\n')
    .map((line) => clip(line, width));
}

function fitting<Row>(widths: ReadonlyMap<GridColumn<Row>, number>, room: number): Set<GridColumn<Row>> {
  const kept = new Set<GridColumn<Row>>();
  let used = 0;
  for (const [column, width] of [...widths].sort(([a], [b]) => a.rank - b.rank)) {
    used += GAP + width;
    if (used > room && column.rank > 0) break;
    kept.add(column);
  }
  return kept;
}

/** Words with two spaces between them, on as many lines as they need. */
export function flowing(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const longer = `${lines.at(-1)}${' '.repeat(GAP)}${word}`;
    if (lines.length > 0 && visibleWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(clip(word, width));
  }
  return lines;
}
