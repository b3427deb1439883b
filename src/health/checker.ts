/**
 * Runs the checks of all servers of all pools and tells what changed. Timers, sockets and the log are here; when to probe and what a result
 * means is the machine's business.
 */
import type { HealthCheckConfig, PoolConfig, ServerConfig } from '../config/model.js';
import type { Clock } from '../system/clock.js';
import type { Log } from '../telemetry/log.js';
import { type CheckEffect, type CheckEvent, type CheckState, type HealthState, initialCheck, nextDeadline, stepCheck } from './machine.js';
import { type CancelProbe, type Probe, type ProbeTarget, probe as realProbe, type ServerAdvice } from './probe.js';

export interface HealthChange {
  pool: string;
  server: string;
  from: HealthState;
  to: HealthState;
  reason: string;
}

export interface ServerHealth {
  pool: string;
  server: string;
  state: HealthState;
  /** What the last probe said. */
  reason: string;
  sinceWallMs: number;
  /** What the agent on the server has asked for, each word until it says another; null: nothing. */
  advice: ServerAdvice | null;
}

export interface HealthCheckerOptions {
  pools: readonly PoolConfig[];
  clock: Clock;
  onChange(change: HealthChange): void;
  /** An agent asks for something else than before. */
  onAdvice?(): void;
  log: Pick<Log, 'event'>;
  probe?: Probe;
}

export interface HealthChecker {
  start(): void;
  stop(): void;
  /** Checks that did not change go on undisturbed; those that changed keep what they know. */
  applyPools(pools: readonly PoolConfig[]): void;
  status(pool: string, server: string): ServerHealth | undefined;
  all(): ServerHealth[];
}

interface Check {
  pool: string;
  server: ServerConfig;
  config: HealthCheckConfig | null;
  state: CheckState;
  sinceWallMs: number;
  advice: ServerAdvice | null;
  cancelTimer(): void;
  cancelProbe: CancelProbe;
}

const nothing = (): void => undefined;
const keyOf = (pool: string, server: string): string => `${pool}/${server}`;

export function createHealthChecker(options: HealthCheckerOptions): HealthChecker {
  const { pools, clock, onChange, log, probe = realProbe } = options;
  const checks = new Map<string, Check>();
  let isRunning = false;

  const feed = (check: Check, event: CheckEvent): void => {
    if (check.config === null) return;
    const { state, effects } = stepCheck(check.state, event, clock.now(), check.config);
    check.state = state;
    for (const effect of effects) perform(check, check.config, effect);
    check.cancelTimer();
    const deadline = nextDeadline(check.state);
    check.cancelTimer = deadline === null ? nothing : clock.at(deadline, () => feed(check, { type: 'wake' }));
  };

  const perform = (check: Check, config: HealthCheckConfig, effect: CheckEffect): void => {
    switch (effect.type) {
      case 'probe':
        check.cancelProbe = probe(targetOf(check), config, ({ ok, reason, advice }) => {
          const isNews = advice !== undefined && takeAdvice(check, advice, reason);
          feed(check, { type: 'result', probe: effect.probe, ok, reason });
          if (isNews) options.onAdvice?.();
        });
        break;
      case 'cancelProbe':
        check.cancelProbe();
        break;
      case 'changed': {
        const { from, to, reason } = effect;
        check.sinceWallMs = clock.wallMs();
        log.event(to === 'up' ? 'server.up' : 'server.down', { pool: check.pool, server: check.server.name, reason, from });
        onChange({ pool: check.pool, server: check.server.name, from, to, reason });
      }
    }
  };

  const takeAdvice = (check: Check, said: ServerAdvice, reason: string): boolean => {
    const advice = { ...check.advice, ...said };
    const isNew = Object.entries(said).some(([word, value]) => check.advice?.[word as keyof ServerAdvice] !== value);
    check.advice = advice;
    // Nobody counts connections; who reads the log should not believe it.
    const ignored = said.maxConnections === undefined ? {} : { ignored: 'maxConnections' };
    if (isNew) log.event('server.advice', { pool: check.pool, server: check.server.name, reason, ...advice, ...ignored });
    return isNew;
  };

  const startAll = (started: readonly Check[]): void => {
    started.forEach((check, index) => {
      feed(check, { type: 'start', spread: index / started.length });
    });
  };

  const apply = (wanted: readonly PoolConfig[]): Check[] => {
    const fresh: Check[] = [];
    const keys = new Set<string>();
    for (const pool of wanted) {
      for (const server of pool.servers) {
        const key = keyOf(pool.name, server.name);
        keys.add(key);
        const old = checks.get(key);
        if (old !== undefined && isSame(old, server, pool.healthCheck)) continue;
        if (old !== undefined) feed(old, { type: 'stop' });
        const known = old?.config && isSamePlace(old.server, server) ? old : null;
        const check = newCheck(pool, server, known, old?.sinceWallMs ?? clock.wallMs());
        checks.set(key, check);
        fresh.push(check);
      }
    }
    for (const [key, check] of checks) {
      if (keys.has(key)) continue;
      feed(check, { type: 'stop' });
      checks.delete(key);
    }
    return fresh;
  };
  apply(pools);

  return {
    start() {
      if (isRunning) return;
      isRunning = true;
      startAll([...checks.values()]);
    },
    stop() {
      isRunning = false;
      for (const check of checks.values()) feed(check, { type: 'stop' });
    },
    applyPools(wanted) {
      const fresh = apply(wanted);
      if (isRunning) startAll(fresh);
    },
    status(pool, server) {
      const check = checks.get(keyOf(pool, server));
      return check && describe(check);
    },
    all: () => [...checks.values()].map(describe),
  };
}

function newCheck(pool: PoolConfig, server: ServerConfig, known: Check | null, sinceWallMs: number): Check {
  const { healthCheck: config } = pool;
  const state = known?.state ?? initialCheck;
  // Another type of check would never take back what an agent said.
  const advice = config?.type === 'agent' ? (known?.advice ?? null) : null;
  return { pool: pool.name, server, config, state, sinceWallMs, advice, cancelTimer: nothing, cancelProbe: nothing };
}

const targetOf = ({ pool, server: { name, address, port } }: Check): ProbeTarget => ({ pool, server: name, address, port });

function describe(check: Check): ServerHealth {
  const { pool, server, config, state, sinceWallMs, advice } = check;
  const where = { pool, server: server.name, sinceWallMs, advice };
  if (config === null) return { ...where, state: 'unchecked', reason: 'the pool has no health check' };
  return { ...where, state: state.health, reason: state.reason };
}

const isSamePlace = (a: ServerConfig, b: ServerConfig): boolean => a.address === b.address && a.port === b.port;
const isSame = (check: Check, server: ServerConfig, config: HealthCheckConfig | null): boolean =>
  isSamePlace(check.server, server) && JSON.stringify(check.config) === JSON.stringify(config);
