/**
 * The history of this node: every change of role with its cause, its timings and its effect, every start of the daemon, every command to a
 * server, and every panic of a pool. What is kept on disk are events as they happened; rows for people are put together when somebody asks.
 * Pure but for the file handed in.
 */
import type { TransitionMessage } from '../vrrp/heartbeat-api.js';
import type { HistoryFile } from './history-file.js';
import type { HistoryRow } from './status.js';
import type { HandOverEffect } from './stragglers.js';

/** What was so at the moment of a transition. */
export interface TransitionContext {
  priority: number | null;
  tracked: readonly string[];
  /** Connections in the flow table of this router. */
  flows: number;
}

export interface HistoryFilter {
  router?: string;
  sinceWallMs?: number;
  limit: number;
}

export interface ServerOrder {
  pool: string;
  server: string;
  /** In words. */
  change: string;
  node: string;
  by: string;
  why: string;
}

/** A pool began or ceased to panic. */
export interface PanicChange {
  pool: string;
  isPanicking: boolean;
  up: number;
  wanted: number;
}

export interface History {
  started(version: string, atWallMs: number): void;
  transition(message: TransitionMessage, context: TransitionContext): void;
  verified(router: string, afterMs: number, atWallMs: number): void;
  /** What became of the frames of a role that was lost. */
  handedOver(router: string, effect: HandOverEffect, atWallMs: number): void;
  /** A command to a server, given on whatever node. */
  ordered(order: ServerOrder, atWallMs: number): void;
  panicked(change: PanicChange, atWallMs: number): void;
  rows(filter: HistoryFilter): Promise<HistoryRow[]>;
  counts(): { waiting: number; dropped: number };
  settled(): Promise<void>;
}

export function createHistory(file: HistoryFile): History {
  return {
    started: (version, atWallMs) => file.append({ event: 'started', atWallMs, version }),
    transition({ type: _, ...rest }, context) {
      file.append({ event: 'transition', ...rest, ...context });
    },
    verified: (router, afterMs, atWallMs) => file.append({ event: 'verified', router, afterMs, atWallMs }),
    handedOver: (router, effect, atWallMs) => file.append({ event: 'handedOver', router, ...effect, atWallMs }),
    ordered: (order, atWallMs) => file.append({ event: 'serverOrder', ...order, atWallMs }),
    panicked: (change, atWallMs) => file.append({ event: 'poolPanic', ...change, atWallMs }),
    async rows(filter) {
      return select(toRows(await file.read()), filter);
    },
    counts: () => file.counts(),
    settled: () => file.settled(),
  };
}

type Fields = Record<string, unknown>;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null);
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : []);

/** Events as they were written, by whatever version; what cannot be understood is left out. */
export function toRows(events: readonly unknown[]): HistoryRow[] {
  const rows: HistoryRow[] = [];
  /** The rows that a proof of a take-over, and the effect of a loss, belong to. */
  const lastActive = new Map<string, HistoryRow>();
  const lastLost = new Map<string, HistoryRow>();
  for (const event of events) {
    if (typeof event !== 'object' || event === null) continue;
    const fields = event as Fields;
    if (fields.event === 'verified') {
      const row = lastActive.get(text(fields.router));
      if (row !== undefined) row.verifiedAfterMs = number(fields.afterMs);
      continue;
    }
    if (fields.event === 'handedOver') {
      const row = lastLost.get(text(fields.router));
      if (row !== undefined) Object.assign(row, effectOf(fields));
      continue;
    }
    const row = READERS[text(fields.event)]?.(fields) ?? null;
    if (row === null) continue;
    rows.push(row);
    if (row.router !== null) {
      if (row.from === 'active') lastLost.set(row.router, row);
      if (row.to === 'active') lastActive.set(row.router, row);
      else lastActive.delete(row.router);
    }
  }
  return rows;
}

function transitionRow(fields: Fields): HistoryRow | null {
  const atWallMs = number(fields.atWallMs);
  if (atWallMs === null || text(fields.router) === '') return null;
  return {
    atWallMs,
    router: text(fields.router),
    from: text(fields.from),
    to: text(fields.to),
    reason: text(fields.reason),
    heardMs: number(fields.heardMs),
    claimMs: number(fields.claimMs),
    announceMs: number(fields.announceMs),
    verifiedAfterMs: null,
    priority: number(fields.priority),
    tracked: texts(fields.tracked),
    flows: number(fields.flows),
    ...noEffect,
  };
}

const noEffect = { successor: null, steered: null, lost: null };

const effectOf = (fields: Fields): Pick<HistoryRow, 'successor' | 'steered' | 'lost'> => ({
  successor: typeof fields.successor === 'string' ? fields.successor : null,
  steered: number(fields.steered),
  lost: number(fields.lost),
});

/** Of something that is no change of role. */
function plainRow(fields: Fields, reason: string): HistoryRow | null {
  const atWallMs = number(fields.atWallMs);
  if (atWallMs === null) return null;
  const nothing = { heardMs: null, claimMs: null, announceMs: null, verifiedAfterMs: null, priority: null, tracked: [], flows: null };
  return { atWallMs, router: null, from: '', to: '', reason, ...nothing, ...noEffect };
}

function orderRow(fields: Fields): HistoryRow | null {
  const [by, why] = [text(fields.by), text(fields.why)];
  const who = `by ${by === '' ? 'somebody' : by} on ${text(fields.node)}`;
  return plainRow(
    fields,
    `server ${text(fields.pool)}/${text(fields.server)}: ${text(fields.change)}, ${who}${why === '' ? '' : ` (${why})`}`,
  );
}

const panicRow = (fields: Fields): HistoryRow | null =>
  plainRow(
    fields,
    `pool ${text(fields.pool)}: ${number(fields.up)} of ${number(fields.wanted)} servers are up, ${fields.isPanicking === true ? 'panic: all get new flows' : 'no panic any more'}`,
  );

const READERS: Record<string, (fields: Fields) => HistoryRow | null> = {
  transition: transitionRow,
  started: (fields) => plainRow(fields, `daemon started, version ${text(fields.version)}`),
  serverOrder: orderRow,
  poolPanic: panicRow,
};

/** The latest of those that are asked for, oldest first. */
function select(rows: readonly HistoryRow[], { router, sinceWallMs, limit }: HistoryFilter): HistoryRow[] {
  return rows
    .filter((row) => router === undefined || row.router === router)
    .filter((row) => sinceWallMs === undefined || row.atWallMs >= sinceWallMs)
    .slice(-limit);
}
