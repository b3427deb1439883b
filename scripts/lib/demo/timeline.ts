/**
 * Who was active when, as a few lines of text. Pure.
 */
import type { DemoResult } from './result.js';

export interface TimelineStyle {
  columns: number;
  active: (text: string) => string;
  fault: (text: string) => string;
  quiet: (text: string) => string;
}

export const PLAIN: TimelineStyle = { columns: 60, active: String, fault: String, quiet: String };

interface Window {
  fromMs: number;
  toMs: number;
}

/** The fault at a third; the rest is the outage with as much again around it, at least a twentieth of a second. */
export function windowFor(outageMs: number): Window {
  const after = Math.max(50, Math.ceil((outageMs * 2) / 50) * 50);
  return { fromMs: -after / 2, toMs: after };
}

const ACTIVE = '━';
const SILENT = '·';
const FAULT = '╿ fault';

/** One row for each node: a column is lit when the node answered in its span of time. */
export function renderTimeline(
  timeline: DemoResult['timeline'],
  nodes: readonly string[],
  outageMs: number,
  style: TimelineStyle,
): string[] {
  const window = windowFor(outageMs);
  const span = window.toMs - window.fromMs;
  const start = (column: number): number => window.fromMs + (span * column) / style.columns;
  const faultColumn = Math.round((-window.fromMs / span) * style.columns);
  const label = Math.max(...nodes.map((node) => node.length)) + 2;
  const rows = nodes.map((node) => {
    const own = timeline.filter((interval) => interval.node === node);
    const cells = Array.from({ length: style.columns }, (_, column) => {
      const lit = own.some((interval) => interval.toMs >= start(column) && interval.fromMs < start(column + 1));
      return lit ? style.active(ACTIVE) : style.quiet(SILENT);
    });
    return `${node.padEnd(label)}${cells.join('')}`;
  });
  return [`${' '.repeat(label + faultColumn)}${style.fault(FAULT)}`, ...rows, `${' '.repeat(label)}${scale(window, style)}`];
}

/** Left end, fault, right end, in milliseconds. */
function scale({ fromMs, toMs }: Window, { columns, quiet }: TimelineStyle): string {
  const left = `${fromMs} ms`;
  const right = `+${toMs} ms`;
  const faultColumn = Math.round((-fromMs / (toMs - fromMs)) * columns);
  const middle = `${' '.repeat(Math.max(1, faultColumn - left.length))}0`;
  return quiet(`${left}${middle}${right.padStart(Math.max(1, columns - left.length - middle.length))}`);
}
