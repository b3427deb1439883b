/**
 * The history on disk: it survives, it stays bounded, it waits for a disk, and rows are put together from whatever is there.
 */
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createHistory, type TransitionContext, toRows } from '../../../src/control/history.js';
import { MAX_WAITING_LINES, openHistoryFile } from '../../../src/control/history-file.js';
import type { RouterRole, TransitionMessage } from '../../../src/vrrp/heartbeat-api.js';

const place = (t: Test): string => {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-history-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'history.jsonl');
};
const open = (path: string, maxBytes?: number) => {
  const troubles: (string | null)[] = [];
  const file = openHistoryFile({ path, onTrouble: (reason) => troubles.push(reason), ...(maxBytes === undefined ? {} : { maxBytes }) });
  return { file, troubles };
};

const transition = (to: RouterRole, atWallMs: number, router = 'front'): TransitionMessage => ({
  type: 'transition',
  router,
  from: to === 'active' ? 'backup' : 'active',
  to,
  reason: 'because',
  atWallMs,
  heardMs: 310,
  claimMs: to === 'active' ? 0.5 : null,
  announceMs: to === 'active' ? 0.1 : null,
});
const context: TransitionContext = { priority: 150, tracked: ['x'], flows: 7 };

t.test('a transition with its cause, timings and effect survives a restart', async (t) => {
  const path = place(t);
  const first = createHistory(open(path).file);
  first.started('1.0.0', 1000);
  first.transition(transition('active', 2000), context);
  first.verified('front', 22.5, 2100);
  await first.settled();
  t.equal(statSync(path).mode & 0o777, 0o600);
  const second = createHistory(open(path).file);
  second.started('1.1.0', 3000);
  second.transition(transition('backup', 4000), { ...context, flows: 9 });
  const order = { pool: 'web', server: 'be1', change: 'state drain', node: 'lb2', by: 'ops', why: 'kernel' };
  second.ordered(order, 5000);
  second.ordered({ ...order, by: '', why: '' }, 6000);
  second.panicked({ pool: 'web', isPanicking: true, up: 1, wanted: 4 }, 7000);
  const rows = await second.rows({ limit: 10 });
  t.match(rows, [
    { atWallMs: 1000, router: null, reason: 'daemon started, version 1.0.0' },
    {
      router: 'front',
      from: 'backup',
      to: 'active',
      reason: 'because',
      heardMs: 310,
      claimMs: 0.5,
      announceMs: 0.1,
      verifiedAfterMs: 22.5,
      priority: 150,
      tracked: ['x'],
      flows: 7,
    },
    { atWallMs: 3000, router: null },
    { atWallMs: 4000, to: 'backup', verifiedAfterMs: null, flows: 9 },
    { atWallMs: 5000, router: null, reason: 'server web/be1: state drain, by ops on lb2 (kernel)' },
    { atWallMs: 6000, router: null, reason: 'server web/be1: state drain, by somebody on lb2' },
    { atWallMs: 7000, router: null, reason: 'pool web: 1 of 4 servers are up, panic: all get new flows' },
  ]);
  t.match(await second.rows({ limit: 1 }), [{ atWallMs: 7000 }], 'the latest');
  t.same(
    (await second.rows({ limit: 10, router: 'front' })).map((row) => row.atWallMs),
    [2000, 4000],
  );
  t.same(
    (await second.rows({ limit: 10, sinceWallMs: 3000 })).map((row) => row.atWallMs),
    [3000, 4000, 5000, 6000, 7000],
  );
  t.same(await second.rows({ limit: 10, router: 'back' }), []);
});

t.test('it stays within two files', async (t) => {
  const path = place(t);
  const { file } = open(path, 2000);
  for (let i = 0; i < 500; i++) {
    file.append({ i });
    await file.settled();
  }
  t.same(readdirSync(join(path, '..')).sort(), ['history.1.jsonl', 'history.jsonl']);
  t.ok(statSync(path).size <= 2020 && statSync(path.replace('.jsonl', '.1.jsonl')).size <= 2020);
  const kept = (await file.read()) as { i: number }[];
  t.equal(kept.at(-1)?.i, 499);
  t.ok(kept.length > 150, `${kept.length} kept`);
  t.same(
    kept.map(({ i }) => i),
    Array.from({ length: kept.length }, (_, at) => 500 - kept.length + at),
    'without a hole',
  );
});

t.test('what cannot be written waits, is shown, and is written later', async (t) => {
  const path = place(t);
  mkdirSync(path);
  const { file, troubles } = open(path);
  file.append({ i: 1 });
  file.append({ i: 2 });
  t.same(await file.read(), [{ i: 1 }, { i: 2 }]);
  t.match(troubles, [/EISDIR/], 'said once');
  t.same(file.counts(), { waiting: 2, dropped: 0 });
  rmdirSync(path);
  file.append({ i: 3 });
  await file.settled();
  t.equal(readFileSync(path, 'utf8'), '{"i":1}\n{"i":2}\n{"i":3}\n');
  t.match(troubles, [/EISDIR/, null]);
  t.same(file.counts(), { waiting: 0, dropped: 0 });
});

t.test('waiting is bounded and what was lost is counted', async (t) => {
  const path = place(t);
  mkdirSync(path);
  const { file } = open(path);
  for (let i = 0; i < MAX_WAITING_LINES + 3; i++) file.append({ i });
  await file.settled();
  t.same(file.counts(), { waiting: MAX_WAITING_LINES, dropped: 3 });
  t.match((await file.read())[0], { i: 3 }, 'the oldest went');
});

t.test('half a line of a machine that lost power does not spoil the next', async (t) => {
  const path = place(t);
  writeFileSync(path, '{"i":1}\n{"i":');
  const { file } = open(path);
  file.append({ i: 3 });
  t.same(await file.read(), [{ i: 1 }, { i: 3 }]);
});

t.test('rows from events that nobody understands', async (t) => {
  const path = place(t);
  appendFileSync(path, '[]\nnull\n7\n{"event":"moon"}\n{"event":"transition"}\n{"event":"verified","router":"front","afterMs":1}\n');
  const { file } = open(path);
  t.same(toRows(await file.read()), []);
  const proofAfterTheEnd = [
    { event: 'transition', ...transition('active', 1), ...context },
    { event: 'transition', ...transition('backup', 2), ...context },
    { event: 'verified', router: 'front', afterMs: 5 },
  ];
  t.match(toRows(proofAfterTheEnd), [{ verifiedAfterMs: null }, { verifiedAfterMs: null }]);
});

t.test('what became of the frames of a lost role is told with its loss', async (t) => {
  const path = place(t);
  const history = createHistory(open(path).file);
  history.transition(transition('active', 1000), context);
  history.transition(transition('backup', 2000), context);
  history.transition(transition('backup', 2000, 'back'), context);
  history.handedOver('front', { successor: 'lb2', steered: 37, lost: 1 }, 5000);
  t.match(await history.rows({ limit: 10 }), [
    { to: 'active', successor: null, steered: null, lost: null },
    { router: 'front', to: 'backup', successor: 'lb2', steered: 37, lost: 1 },
    { router: 'back', to: 'backup', successor: null, steered: null, lost: null },
  ]);
  t.match(toRows([{ event: 'handedOver', router: 'front', steered: 1 }]), [], 'of a loss that is not known any more');
  await history.settled();
});
