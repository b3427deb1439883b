/**
 * Numbers, times and tables for people. Widths count what is seen: colour codes have none. Pure.
 */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const SI_UNITS = ['', 'k', 'M', 'G', 'T'];
const DURATION_UNITS: [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

export function bytes(value: number): string {
  const [amount, unit] = scaled(value, 1024, BYTE_UNITS);
  return `${unit === 'B' ? amount : amount.toFixed(1)} ${unit}`;
}

/** Three digits at most before the point, one behind it below a hundred: `0`, `7.5`, `812`, `12.3k`. */
export function si(value: number): string {
  const [amount, unit] = scaled(value, 1000, SI_UNITS);
  return `${amount < 100 ? amount.toFixed(1).replace(/\.0$/, '') : Math.round(amount)}${unit}`;
}

function scaled(value: number, base: number, units: readonly string[]): [amount: number, unit: string] {
  let [amount, step] = [value, 0];
  for (; Math.round(amount) >= base && step < units.length - 1; step++) amount /= base;
  return [amount, units[step] ?? ''];
}

/** The two largest units: `3d 4h`, `12s`, `340ms`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  const parts: string[] = [];
  let rest = Math.floor(ms);
  for (const [unit, size] of DURATION_UNITS) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) parts.push(`${amount}${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(' ');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what colour codes begin with
const COLOR_CODE = /(\u001b\[[0-9;]*m)/g;
export const visibleWidth = (text: string): number => text.replace(COLOR_CODE, '').length;

/** The first characters, as many as are seen on `width` columns; no colour goes on behind them. */
export function clip(text: string, width: number): string {
  let left = width;
  const cut = (part: string): string => {
    const shown = part.slice(0, left);
    left -= shown.length;
    return shown;
  };
  // What a pattern with a group splits by comes out between the parts.
  return text
    .split(COLOR_CODE)
    .map((part, i) => (i % 2 === 1 ? part : cut(part)))
    .join('');
}

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/** Aligned columns with two spaces between them, each line indented by two. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], heading: (text: string) => string): string {
  const widths = columns.map((column, i) => Math.max(column.title.length, ...rows.map((row) => visibleWidth(row[i] ?? ''))));
  const isLast = (i: number): boolean => i === columns.length - 1;
  const cell = (text: string, i: number): string =>
    isLast(i) && columns[i]?.align !== 'right' ? text : pad(text, widths[i] ?? 0, columns[i]?.align);
  const head = columns.map((column, i) => heading(cell(column.title, i)));
  return [head, ...rows.map((row) => row.map(cell))].map((cells) => `  ${cells.join('  ')}`).join('\n');
}

function pad(text: string, width: number, align: Column['align']): string {
  const space = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return align === 'right' ? space + text : text + space;
}
