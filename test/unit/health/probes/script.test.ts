/**
 * Commands that check a server.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { createHealthChecker, type HealthChange } from '../../../../src/health/checker.js';
import { systemClock } from '../../../../src/system/clock.js';
import { waitFor } from '../../../support/lab/wait-for.js';
import { ask, checkOf, FAMILIES } from '../../../support/probe-bench.js';
import { samplePool, sampleServer } from '../../../support/sample-config.js';

const shell = (text: string) => ({ type: 'script', command: ['/bin/sh', '-c', text] });

t.test('by its exit status', async (t) => {
  t.same(await ask(1, shell('exit 0')), { ok: true, reason: 'exit status 0' });
  t.same(await ask(1, shell('echo no table >&2; exit 3')), { ok: false, reason: 'exit status 3: no table' });
  t.same(await ask(1, shell('kill -9 $$')), { ok: false, reason: 'ended by SIGKILL' });
  t.match(await ask(1, { type: 'script', command: ['/no/such/program'] }), { ok: false, reason: /cannot be started/ });
});

for (const address of FAMILIES) {
  t.test(`${address}: it is told which server is meant`, async (t) => {
    const words = 'echo $TANDEM_POOL $TANDEM_SERVER $TANDEM_SERVER_ADDRESS $TANDEM_SERVER_PORT $LANG';
    const { reason } = await ask(8080, { ...shell(words), environment: { LANG: 'C.test' } }, address);
    t.equal(reason, `exit status 0: web be1 ${address} 8080 C.test`);
    t.match(await ask(8080, { ...shell(words), port: 9000 }, address), { reason: new RegExp(` ${address} 9000`) });
  });
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie is over, too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

t.test('the time limit ends it and what it started', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'tandem-script-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'pid');
  const healthCheck = checkOf({ ...shell(`sleep 600 & echo $! > ${file}; wait`), interval: '10s', timeout: '2s' });
  const pool = { ...samplePool, servers: [sampleServer({ name: 'be1', address: '127.0.0.1' })], healthCheck };
  const change = await new Promise<HealthChange>((resolve) => {
    const checker = createHealthChecker({ pools: [pool], clock: systemClock, log: { event: () => undefined }, onChange: resolve });
    checker.start();
    t.teardown(() => checker.stop());
  });
  t.match(change, { to: 'down', reason: 'no answer within 2000 ms' });
  const pid = Number(readFileSync(file, 'utf8'));
  t.ok(pid > 0, 'it had started something');
  await waitFor('what it started to end', async () => !isRunning(pid));
});
