/**
 * Real servers under the eyes of the checker that a node has, with its own clock.
 */
import type { Test } from 'tap';
import { createHealthChecker, type ServerHealth } from '../../../src/health/checker.js';
import { systemClock } from '../../../src/system/clock.js';
import { waitFor } from '../lab/wait-for.js';
import { checkOf } from '../probe-bench.js';
import { samplePool, sampleServer } from '../sample-config.js';
import type { Daemon } from './daemon.js';

/** Short, and long enough for a machine that has other things to do; one result decides. */
const PACE = { interval: '400ms', timeout: '400ms', rise: 1, fall: 1 };

export interface Watched {
  port: number;
  keys: object;
}

type Wanted = Pick<ServerHealth, 'state'> & { reason?: RegExp };

/** Waits until each check, by its name, says this. */
export function watch(t: Test, watched: Readonly<Record<string, Watched>>): (wanted: Wanted) => Promise<void> {
  const pools = Object.entries(watched).map(([name, { port, keys }]) => ({
    ...samplePool,
    name,
    servers: [{ ...sampleServer({ name: 'be1', address: '127.0.0.1' }), port }],
    healthCheck: checkOf({ ...keys, ...PACE }),
  }));
  const checker = createHealthChecker({ pools, clock: systemClock, onChange: () => undefined, log: { event: () => undefined } });
  checker.start();
  t.teardown(() => checker.stop());
  return async ({ state, reason }) => {
    for (const { name } of pools) {
      const seen = (): ServerHealth | undefined => checker.status(name, 'be1');
      const isSeen = (): boolean => seen()?.state === state && (reason?.test(seen()?.reason ?? '') ?? true);
      await waitFor(`${name}: ${state}`, isSeen).catch(() => undefined);
      t.match(seen(), { state, ...(reason && { reason }) }, `${name}: ${state}`);
    }
  };
}

/** Up, stopped in its tracks, up again, ended. */
export async function livesAndDies(t: Test, daemon: Daemon, watched: Readonly<Record<string, Watched>>): Promise<void> {
  const until = watch(t, watched);
  await until({ state: 'up' });
  daemon.signal('SIGSTOP');
  await until({ state: 'down', reason: /^no answer within 400 ms$/ });
  daemon.signal('SIGCONT');
  await until({ state: 'up' });
  await daemon.end();
  await until({ state: 'down', reason: /^(UNAVAILABLE: )?connection refused$/ });
}
