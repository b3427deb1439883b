/**
 * Hooks: which happening goes to which, one at a time, bounded, and what becomes of those that fail or hang. The last test runs a real one.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { NotifyConfig } from '../../../src/config/model.js';
import { createNotifier, MAX_WAITING_DOCUMENTS } from '../../../src/control/notify.js';
import { systemClock } from '../../../src/system/clock.js';
import type { CommandEnd, CommandOptions } from '../../../src/system/run-command.js';
import { FakeClock } from '../../support/fake-clock.js';

const hook = (change: Partial<NotifyConfig> = {}): NotifyConfig => ({
  name: 'pager',
  command: ['/bin/pager'],
  on: ['active', 'backup', 'initialize'],
  routers: [],
  timeoutMs: 1000,
  ...change,
});

function setup(...hooks: NotifyConfig[]) {
  const clock = new FakeClock();
  const runs: { options: CommandOptions; end(end: Partial<CommandEnd>): void }[] = [];
  const said: string[] = [];
  const notifier = createNotifier({
    hooks,
    cluster: 'shop',
    node: 'lb1',
    clock,
    log: { event: (name, fields) => said.push(`${name} ${fields.hook}`) },
    run: (options, onEnd) => runs.push({ options, end: (end) => onEnd({ status: 0, output: '', error: null, ...end }) }),
  });
  const documents = () => runs.map(({ options }) => JSON.parse(options.input) as Record<string, unknown>);
  return { clock, runs, said, notifier, documents };
}

t.test('one JSON document on standard input, with the time limit of the hook', async (t) => {
  const { runs, notifier, documents } = setup(hook());
  notifier.tell({ event: 'active', router: 'front', from: 'backup', to: 'active', reason: 'activeSilent', heardMs: 310 });
  t.match(runs[0]?.options, { command: ['/bin/pager'], timeoutMs: 1000, input: /\n$/ });
  t.same(documents()[0], {
    version: 1,
    event: 'active',
    cluster: 'shop',
    node: 'lb1',
    at: new Date(1_700_000_001_000).toISOString(),
    router: 'front',
    from: 'backup',
    to: 'active',
    reason: 'activeSilent',
    heardMs: 310,
    dropped: 0,
  });
});

t.test('only what is asked for', async (t) => {
  const { notifier, runs } = setup(hook({ on: ['backup'], routers: ['front'] }));
  notifier.tell({ event: 'active', router: 'front' });
  notifier.tell({ event: 'backup', router: 'back' });
  t.equal(runs.length, 0);
  notifier.tell({ event: 'backup', router: 'front' });
  t.equal(runs.length, 1);
});

t.test('one at a time per hook, in order, and hooks do not wait for each other', async (t) => {
  const { notifier, runs, documents } = setup(hook(), hook({ name: 'log' }));
  notifier.tell({ event: 'active', router: 'a' });
  notifier.tell({ event: 'backup', router: 'a' });
  t.equal(runs.length, 2, 'one of each');
  runs[1]?.end({});
  t.equal(runs.length, 3);
  runs[0]?.end({});
  t.same(
    documents().map(({ event }) => event),
    ['active', 'active', 'backup', 'backup'],
  );
});

t.test('a slow hook loses the oldest, and the next document says how many', async (t) => {
  const { notifier, runs, documents, said } = setup(hook());
  for (let i = 0; i < MAX_WAITING_DOCUMENTS + 4; i++) notifier.tell({ event: 'active', router: `r${i}` });
  t.match(notifier.status(), [{ hook: 'pager', waiting: MAX_WAITING_DOCUMENTS, counts: { dropped: 3 } }]);
  t.equal(said.filter((line) => line === 'notify.dropped pager').length, 3);
  runs[0]?.end({});
  runs[1]?.end({});
  t.match(documents().slice(0, 3), [
    { router: 'r0', dropped: 0 },
    { router: 'r4', dropped: 3 },
    { router: 'r5', dropped: 0 },
  ]);
});

t.test('results are counted and said', async (t) => {
  const { notifier, runs, said, clock } = setup(hook());
  const tell = (): void => notifier.tell({ event: 'active', router: 'front' });
  tell();
  runs[0]?.end({ output: 'paged 3 people\n' });
  tell();
  runs[1]?.end({ status: 3 });
  tell();
  runs[2]?.end({ status: null, error: 'cannot be started' });
  tell();
  clock.advance(1000);
  runs[3]?.end({ status: null, error: 'killed after 1000 ms' });
  t.same(notifier.status(), [{ hook: 'pager', waiting: 0, counts: { ok: 1, failed: 2, timeout: 1, dropped: 0 } }]);
  t.same(said, ['notify.output pager', 'notify.failed pager', 'notify.failed pager', 'notify.failed pager']);
});

t.test('the end waits for hooks, not for ever', async (t) => {
  const { notifier, runs, clock } = setup(hook());
  await notifier.settled(1000);
  notifier.tell({ event: 'active', router: 'front' });
  let isSettled = false;
  const settled = notifier.settled(1000).then(() => {
    isSettled = true;
  });
  runs[0]?.end({});
  await settled;
  t.equal(isSettled, true);
  notifier.tell({ event: 'active', router: 'front' });
  const hanging = notifier.settled(1000);
  clock.advance(1000);
  await hanging;
});

t.test('a real one, and one that hangs with a child', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-notify-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'got');
  const notifier = createNotifier({
    hooks: [
      hook({ command: ['/bin/sh', '-c', `cat > ${file}; echo done`] }),
      hook({ name: 'hangs', command: ['/bin/sh', '-c', 'sleep 60 & sleep 60'], timeoutMs: 100 }),
    ],
    cluster: 'shop',
    node: 'lb1',
    clock: systemClock,
    log: { event: () => undefined },
  });
  notifier.tell({ event: 'active', router: 'front', reason: 'test' });
  await notifier.settled(10_000);
  t.match(JSON.parse(readFileSync(file, 'utf8')), { event: 'active', router: 'front', reason: 'test' });
  t.match(notifier.status(), [{ counts: { ok: 1 } }, { counts: { timeout: 1, ok: 0 } }]);
});
