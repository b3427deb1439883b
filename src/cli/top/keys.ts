/**
 * What keys do to the view. Pure.
 */
import type { Rates } from './rates.js';

export const SORTS = ['newFlows', 'packetsIn', 'packetsOut', 'bitsIn', 'bitsOut', 'name'] as const satisfies (keyof Rates | 'name')[];
export type Sort = (typeof SORTS)[number];

export interface View {
  sort: Sort;
  /** The busiest last, or names from the end. */
  isReversed: boolean;
  isPaused: boolean;
  /** Lines of the body above the screen. */
  offset: number;
  isOver: boolean;
}

export const FIRST_VIEW: View = { sort: 'newFlows', isReversed: false, isPaused: false, offset: 0, isOver: false };

/** How much of the body is seen at once, and how far it can be scrolled. */
export interface Page {
  rows: number;
  maxOffset: number;
}

type Key = 'quit' | 'sort' | 'reverse' | 'pause' | 'up' | 'down' | 'pageUp' | 'pageDown' | 'home' | 'end';

/** Of two that begin alike the longer one first. Terminals differ in their codes; capital letters are the ends of codes. */
const CODES: readonly (readonly [code: string, key: Key])[] = [
  ['q', 'quit'],
  ['\u0003', 'quit'],
  ['s', 'sort'],
  ['r', 'reverse'],
  ['p', 'pause'],
  ['\u001b[A', 'up'],
  ['\u001bOA', 'up'],
  ['\u001b[B', 'down'],
  ['\u001bOB', 'down'],
  ['\u001b[5~', 'pageUp'],
  ['\u001b[6~', 'pageDown'],
  [' ', 'pageDown'],
  ['\u001b[H', 'home'],
  ['\u001b[1~', 'home'],
  ['\u001b[F', 'end'],
  ['\u001b[4~', 'end'],
];

/** Everything that was typed, in order; what means nothing here does nothing. */
export function typed(view: View, text: string, page: Page): View {
  let [result, at] = [view, 0];
  while (at < text.length) {
    const known = CODES.find(([code]) => text.startsWith(code, at));
    if (known !== undefined) result = pressed(result, known[1], page);
    at += known?.[0].length ?? 1;
  }
  return result;
}

function pressed(view: View, key: Key, { rows, maxOffset }: Page): View {
  const scrolled = (offset: number): View => ({ ...view, offset: Math.min(Math.max(offset, 0), maxOffset) });
  switch (key) {
    case 'quit':
      return { ...view, isOver: true };
    case 'sort':
      return { ...view, sort: SORTS[(SORTS.indexOf(view.sort) + 1) % SORTS.length] ?? view.sort };
    case 'reverse':
      return { ...view, isReversed: !view.isReversed };
    case 'pause':
      return { ...view, isPaused: !view.isPaused };
    case 'up':
      return scrolled(view.offset - 1);
    case 'down':
      return scrolled(view.offset + 1);
    case 'pageUp':
      return scrolled(view.offset - rows);
    case 'pageDown':
      return scrolled(view.offset + rows);
    case 'home':
      return scrolled(0);
    case 'end':
      return scrolled(maxOffset);
  }
}
