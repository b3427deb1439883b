/**
 * The TCP load of a client: thousands of connections that each exchange a verified message every 100 ms or so, spread evenly over time.
 */
import type { LoadApi, LoadCounts, LoadOptions, LoadReport, Spread } from '../workload-api.js';
import { monotonicMs, serveCalls } from './agent-host.js';
import { Connection } from './connection.js';

const TICK_MS = 5;

interface Group {
  connections: Connection[];
  /** Connections by the tick in which they send. */
  wheel: Connection[][];
  talking: boolean;
}

const groups = new Map<string, Group>();
let nextStream = 1;
let churning: { group: string; options: LoadOptions; sinceMs: number; opened: number } | null = null;

function groupOf(name: string, everyMs: number): Group {
  const known = groups.get(name);
  if (known !== undefined) return known;
  const group: Group = {
    connections: [],
    wheel: Array.from({ length: Math.max(1, Math.round(everyMs / TICK_MS)) }, () => []),
    talking: true,
  };
  groups.set(name, group);
  return group;
}

const existing = (name: string): Group => groups.get(name) ?? { connections: [], wheel: [], talking: false };

function add(name: string, options: LoadOptions, settled: (connection: Connection) => void): void {
  const group = groupOf(name, options.everyMs);
  const connection = new Connection(name, nextStream++, options, settled);
  group.wheel[group.connections.length % group.wheel.length]?.push(connection);
  group.connections.push(connection);
}

let tick = Math.floor(monotonicMs() / TICK_MS);
function onTick(): void {
  const now = Math.floor(monotonicMs() / TICK_MS);
  // A late wake sends what was missed, but never one connection's message twice.
  const due = Math.min(now - tick, 20);
  for (let t = now - due + 1; t <= now; t += 1) {
    for (const group of groups.values()) {
      if (group.talking) for (const connection of group.wheel[t % group.wheel.length] ?? []) connection.send();
    }
  }
  tick = now;
  if (churning !== null) churnOn(churning);
}
setInterval(onTick, TICK_MS);

function churnOn(churn: NonNullable<typeof churning>): void {
  const due = Math.floor(((monotonicMs() - churn.sinceMs) * churn.options.perSecond) / 1000);
  for (; churn.opened < due; churn.opened += 1) add(churn.group, churn.options, () => undefined);
}

/** Opens in small portions, so that the handshakes do not overflow any backlog. */
function open({ group, ...options }: { group: string } & LoadOptions): Promise<LoadCounts> {
  return new Promise((resolve) => {
    const startMs = monotonicMs();
    let opened = 0;
    let settled = 0;
    const timer = setInterval(() => {
      const due = Math.min(options.connections, Math.ceil(((monotonicMs() - startMs) * options.perSecond) / 1000));
      for (; opened < due; opened += 1) add(group, options, onSettled);
      if (opened === options.connections) clearInterval(timer);
    }, TICK_MS);
    const seen = new Set<Connection>();
    function onSettled(connection: Connection): void {
      if (seen.has(connection)) return;
      seen.add(connection);
      settled += 1;
      if (settled === options.connections) resolve(countGroup(group));
    }
  });
}

function countGroup(name: string): LoadCounts {
  const { connections } = existing(name);
  const inState = (state: Connection['state']): number => connections.filter((c) => c.state === state).length;
  return {
    tried: connections.length,
    established: connections.filter((c) => c.isEstablished).length,
    alive: inState('open'),
    reset: inState('reset'),
    closed: inState('closed'),
    corrupted: inState('corrupted'),
    silent: 0,
    failed: inState('failed'),
    bytesVerified: connections.reduce((sum, c) => sum + c.bytesVerified, 0),
  };
}

function spread(values: number[]): Spread {
  const sorted = values.sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}

async function finish({ group: name, limitMs, faultMs, youngMs }: Parameters<LoadApi['finish']>[0]): Promise<LoadReport> {
  const group = existing(name);
  group.talking = false;
  for (const connection of group.connections) connection.send();
  const limit = monotonicMs() + limitMs;
  while (monotonicMs() < limit && group.connections.some((c) => c.isOutstanding || c.state === 'connecting')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const isAlive = (c: Connection): boolean => c.state === 'open' && !c.isOutstanding && c.lastAnswerMs > faultMs;
  const established = group.connections.filter((c) => c.isEstablished);
  const alive = established.filter(isAlive);
  const young = established.filter((c) => c.establishedMs <= faultMs && c.establishedMs > faultMs - youngMs);
  const servers: Record<string, number> = {};
  for (const { server } of established) servers[server || '?'] = (servers[server || '?'] ?? 0) + 1;
  return {
    ...countGroup(name),
    alive: alive.length,
    silent: established.filter((c) => c.state === 'open' && !isAlive(c)).length,
    gapMs: spread(alive.map((c) => c.longestGapMs)),
    roundTripMs: spread(alive.map((c) => c.longestRoundTripMs)),
    servers,
    young: { established: young.length, alive: young.filter(isAlive).length },
  };
}

const api: LoadApi = {
  hello: () => null,
  open,
  churn: ({ group, ...options }) => {
    churning = { group, options, sinceMs: monotonicMs(), opened: 0 };
    return null;
  },
  stopChurn: () => {
    const opened = churning?.opened ?? 0;
    churning = null;
    return { opened };
  },
  mark: () => {
    for (const group of groups.values()) for (const connection of group.connections) connection.mark();
    return null;
  },
  counts: ({ group }) => countGroup(group),
  finish,
  closeAll: () => {
    for (const group of groups.values()) for (const connection of group.connections) connection.close();
    groups.clear();
    return null;
  },
};
serveCalls(api);
