/** A heartbeat that lets go for another process of its node: nothing of it is to be seen on the wire or in the reports. */
import t from 'tap';
import type { Legacy } from '../../../src/vrrp/legacy.js';
import { advert, Bench, router } from '../../support/heartbeat-bench.js';

/** What the heartbeat of this bench leaves; null: it has not let go yet. */
function retire(bench: Bench): () => Legacy | null {
  let left: Legacy | null = null;
  bench.heartbeat.retire((legacy) => {
    left = structuredClone(legacy);
  });
  return () => left;
}

const transitions = (bench: Bench) => bench.reports.filter((report) => report.type === 'transition');

t.test('an active one lets go with a fresh lease, and its successor goes on in the same rhythm', (t) => {
  const bench = new Bench(router()).begin().pass(1000);
  t.equal(bench.status.role, 'active');
  const before = { transitions: transitions(bench).length, sent: bench.sent.length, counters: structuredClone(bench.status.counters) };
  const left = retire(bench)();
  t.equal(left?.groups[0]?.state.kind, 'active');
  t.equal(bench.sent.length, before.sent + 1, 'one more advert, for the lease');
  t.ok(bench.deadline > bench.agenda.now + 200, 'which was renewed');
  t.equal(bench.isStopped, false, 'nobody is told that it stopped');
  bench.pass(500);
  t.equal(bench.sent.length, before.sent + 1, 'then it says nothing any more');

  const next = new Bench(router()).begin().pass(1000);
  const legacy = retire(next)();
  next.restart();
  next.pass(20);
  const sent = next.sent.length;
  next.heartbeat.start(legacy);
  t.match(next.status, { role: 'active', reason: 'alone', term: 1 });
  t.equal(next.sent.length, sent, 'the next advert is not due');
  next.pass(85);
  t.equal(next.sent.length, sent + 1, 'and comes an interval after the last one');
  next.pass(300);
  t.notOk(next.priorities().includes(0), 'nobody was told goodbye');
  t.equal(transitions(next).length, before.transitions, 'and nothing changed');
  t.match(next.status.counters, { advertsSent: before.counters.advertsSent + 5, leaseLapses: 0 }, 'it goes on counting');
  t.end();
});

t.test('a backup goes on waiting where the other stopped, ready as it was', (t) => {
  const bench = new Bench(router()).begin().receive(advert(200)).pass(200);
  const legacy = retire(bench)();
  bench.restart();
  bench.heartbeat.start(legacy);
  t.match(bench.status, { role: 'backup', activePeer: { priority: 200 } });
  bench.pass(170);
  t.equal(bench.status.role, 'active', 'three intervals and the skew after the advert');
  t.match(transitions(bench).at(-1), { reason: 'activeSilent' });
  t.end();
});

t.test('without a legacy the lease is found, as after a crash', (t) => {
  const bench = new Bench(router()).begin().pass(1000);
  retire(bench);
  bench.restart();
  bench.heartbeat.start(null);
  t.match(bench.status, { role: 'active', reason: 'resumed' });
  t.end();
});

t.test('a successor that comes after the lease is a backup that says why', (t) => {
  const bench = new Bench(router()).begin().pass(1000);
  const legacy = retire(bench)();
  bench.restart();
  bench.pass(400);
  bench.heartbeat.start(legacy);
  bench.pass(10);
  t.match(bench.status, { role: 'backup', reason: 'leaseLapsed', counters: { leaseLapses: 1 } });
  t.end();
});

t.test('a claim under way is brought to its end first', (t) => {
  const bench = new Bench(router({ priority: 200 })).begin();
  for (let waited = 0; bench.sent.length === 0 && waited < 100; waited++) bench.receive(advert(100)).pass(5);
  t.equal(bench.status.role, 'backup', 'it advertises, and waits for the other to let go');
  const left = retire(bench);
  t.equal(left(), null);
  bench.receive(advert(0)).pass(300);
  t.equal(left()?.groups[0]?.state.kind, 'active');
  t.end();
});
