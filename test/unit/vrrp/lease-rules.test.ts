/** The rules of the lease inside the election machine: what goes beyond the RFC. */
import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import { LAPSE_HOLD_DOWN_MS, VERIFY_GAPS_MS } from '../../../src/vrrp/active.js';
import { active, backup, claiming, Driver, GREATER, heard, SMALLER, tell, types } from '../../support/vrrp-machine.js';

t.test('the lease is taken only after a successful send, and before the announcement', (t) => {
  const router = backup();
  router.hear(200);
  t.same(types(router.pass(361)), ['sendAdvert', 'acquireLease', 'announce', 'transition']);
  const mute = backup();
  mute.hear(200);
  mute.sendFails = true;
  t.same(mute.pass(361).map(tell), ['send:100', 'log:sendFailed']);
  t.equal(mute.state.kind, 'backup');
  t.end();
});

t.test('a lease is renewed by successful sends only, and counts from them', (t) => {
  const router = active();
  const until = (): number => (router.state.kind === 'active' ? router.state.leaseUntil : 0);
  const sentAt = until() - 295;
  router.sendFails = true;
  router.pass(150);
  t.equal(until(), sentAt + 295, 'failed sends renew nothing');
  t.ok(router.pass(150).map(tell).includes('active>backup:leaseLapsed'));
  t.end();
});

t.test('a stalled node is Backup before anything else, and sends nothing as active', (t) => {
  for (const event of [
    { type: 'timer', inputAt: 9000 as Monotonic },
    { type: 'advert', advert: heard(50, GREATER) },
  ] as const) {
    const router = active();
    router.now += 5000;
    const effects = router.feed(event).map(tell);
    t.notOk(
      effects.some((effect) => effect.startsWith('send') || effect.startsWith('announce')),
      event.type,
    );
    t.equal(router.state.kind, 'backup');
  }
  t.end();
});

t.test('a renewal that the kernel refused is not repeated, and what was just sent is taken back', (t) => {
  const router = active();
  router.leaseLapsed = true;
  t.same(router.pass(100).map(tell).slice(0, 5), ['send:100', 'renew', 'count:leaseLapses', 'send:0', 'active>backup:leaseLapsed']);
  t.end();
});

t.test('after a lapse it does not pre-empt until the daemon confirms, nor within the hold-down', (t) => {
  const router = active();
  router.now += 5000;
  router.timer();
  const followFor = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 100) {
      router.hear(50, SMALLER);
      router.pass(100);
    }
  };
  followFor(LAPSE_HOLD_DOWN_MS + 1000);
  t.equal(router.state.kind, 'backup');
  router.feed({ type: 'track', ready: true, inSync: true, peerInSync: true, canVerify: false });
  followFor(1000);
  t.not(router.state.kind, 'backup');
  t.end();
});

t.test('pre-emption waits for the other to let go', (t) => {
  const router = claiming();
  t.same(router.hear(0, SMALLER).map(tell), [], 'its parting word');
  t.same(router.timer().map(tell), ['send:100', 'acquire', 'announce', 'backup>active:preempt']);
  const alone = claiming();
  const effects = alone.pass(300).map(tell);
  t.equal(effects.at(-1), 'backup>active:preempt', 'or for the end of its lease');
  t.equal(effects.filter((effect) => effect === 'acquire').length, 1);
  t.end();
});

t.test('a claim that was stopped on its way out looks at its input again', (t) => {
  const router = claiming();
  router.hear(0, SMALLER);
  const inputAt = router.now as Monotonic;
  router.now += 50;
  t.same(router.feed({ type: 'timer', inputAt }).map(tell), ['send:100']);
  t.ok((router.waitMs ?? 1) <= 0, 'and asks for the timer, which comes after the input');
  t.same(router.timer().map(tell), ['send:100', 'acquire', 'announce', 'backup>active:preempt']);
  t.end();
});

t.test('a node that takes over from a silent one need not be in sync', (t) => {
  const router = backup({}, false);
  router.hear(50, SMALLER);
  t.ok(router.pass(361).map(tell).includes('backup>active:activeSilent'));
  t.end();
});

t.test('a node that loses its sync while claiming steps back', (t) => {
  const router = claiming();
  t.same(router.feed({ type: 'track', ready: true, inSync: false, peerInSync: true, canVerify: false }).map(tell), ['send:0']);
  t.equal(router.state.kind, 'backup');
  t.end();
});

t.test('yield: lease, then priority 0, then no pre-emption for a while', (t) => {
  const router = active();
  t.same(router.feed({ type: 'yield', reason: 'switchover', holdDownMs: 1000 }).map(tell), [
    'release:planned',
    'send:0',
    'active>backup:switchover',
  ]);
  for (let passed = 0; passed < 900; passed += 100) {
    router.hear(50, SMALLER);
    router.pass(100);
  }
  t.equal(router.state.kind, 'backup');
  for (let passed = 0; passed < 1000; passed += 100) {
    router.hear(50, SMALLER);
    router.pass(100);
  }
  t.not(router.state.kind, 'backup');
  t.end();
});

t.test('takeOver: active at once, and late advertisements of the one before do not undo it', (t) => {
  const router = backup({ priority: 50 });
  router.hear(200);
  router.hear(0);
  t.same(router.feed({ type: 'takeOver', reason: 'switchover' }).map(tell), ['send:50', 'acquire', 'announce', 'backup>active:switchover']);
  t.same(router.hear(200), [], 'still under way');
  router.pass(150);
  t.ok(router.hear(200).map(tell).includes('active>backup:betterActive'), 'but not for long');
  t.end();
});

t.test('takeOver: whoever is still heard has not said goodbye, or leads again', (t) => {
  const again = backup({ priority: 50 });
  again.hear(200);
  t.same(again.feed({ type: 'takeOver', reason: 'switchover' }).map(tell), ['log:takeOverWaits'], 'left alone');
  for (let passed = 0; passed < 1000; passed += 100) t.same([...again.hear(200), ...again.pass(100)].map(tell), []);
  t.same(again.hear(0).map(tell), [], 'a goodbye long after is no answer to that order');
  t.ok((again.waitMs ?? 0) > 0);

  const lost = backup({ priority: 50 });
  lost.hear(200);
  lost.feed({ type: 'takeOver', reason: 'switchover' });
  t.notOk(lost.pass(300).map(tell).includes('acquire'));
  t.ok(lost.pass(100).map(tell).includes('acquire'), 'the goodbye was lost: its lease must have ended');

  const late = backup({ priority: 50 });
  late.hear(200);
  late.feed({ type: 'takeOver', reason: 'switchover' });
  t.same(late.hear(200), [], 'sent before the goodbye');
  t.same(late.hear(0).map(tell), ['send:50', 'acquire', 'announce', 'backup>active:switchover'], 'the goodbye came behind the order');
  t.same(late.hear(200), [], 'and this one, too, is of before');
  t.end();
});

t.test('yield: the goodbye of another router is not that of the successor', (t) => {
  const given = active();
  given.feed({ type: 'yield', reason: 'switchover', holdDownMs: 5000 });
  given.hear(0, SMALLER);
  t.same(given.pass(200).map(tell), [], 'who was told to take over has its time');
  t.ok(given.pass(250).map(tell).includes('acquire'), 'but not for ever');
  const followed = active();
  followed.feed({ type: 'yield', reason: 'switchover', holdDownMs: 5000 });
  followed.hear(50, SMALLER);
  followed.hear(0, SMALLER);
  t.ok(followed.pass(100).map(tell).includes('acquire'), 'the successor itself says goodbye');
  t.end();
});

t.test('takeOver: not when somebody has had a later lease than the one that was given up', (t) => {
  const late = backup({ priority: 50 });
  late.state = { ...late.state, term: 8 };
  t.match(late.feed({ type: 'takeOver', reason: 'switchover', term: 7 }), [
    { type: 'log', event: 'takeOverLate', fields: { term: 7, known: 8 } },
  ]);
  t.equal(late.state.kind, 'backup');
  for (const isOld of [true, false]) {
    const held = active();
    held.feed({ type: 'yield', reason: 'switchover', holdDownMs: 5000 });
    held.feed({ type: 'takeOver', reason: 'switchover', term: held.state.term - (isOld ? 0 : 1), ageMs: isOld ? 201 : 0 });
    t.match(held.state, { kind: 'backup', holdDownUntil: null }, 'but asked it was, so it may pre-empt again');
  }
  for (const term of [8, 9, null]) {
    const punctual = backup({ priority: 50 });
    punctual.state = { ...punctual.state, term: 8 };
    t.ok(punctual.feed({ type: 'takeOver', reason: 'switchover', term }).map(tell).includes('acquire'), `term ${term}`);
  }
  t.end();
});

t.test('takeOver: an order that comes after the fact ends the hold-down all the same', (t) => {
  const router = active();
  router.feed({ type: 'yield', reason: 'switchover', holdDownMs: Number.MAX_SAFE_INTEGER });
  for (let passed = 0; passed < 1000 && router.state.kind !== 'active'; passed += 50) router.pass(50);
  t.equal(router.state.kind, 'active', 'nobody else was there');
  t.ok(router.state.holdDownUntil !== null);
  t.same(router.feed({ type: 'takeOver', reason: 'switchover' }), []);
  t.equal(router.state.holdDownUntil, null);
  t.end();
});

t.test('a restarted process with its own fresh lease resumes with an advertisement', (t) => {
  const router = new Driver();
  const effects = router.feed({ type: 'start', leaseRemainingMs: 120 }).map(tell);
  t.same(effects, ['initialize>active:resumed', 'send:100', 'renew', 'announce']);
  const stale = new Driver();
  stale.feed({ type: 'start', leaseRemainingMs: 0 });
  t.equal(stale.state.kind, 'initialize');
  t.end();
});

t.test('a restarted process that cannot go on lets its own lease go, and says so', (t) => {
  const faults = {
    fault: { type: 'fault', reason: 'interfaceDown:eth1' },
    link: { type: 'link', isUp: false, reason: 'linkDown:eth0' },
    program: { type: 'dataPlane', isUsable: false, reason: 'detached:eth0' },
  } as const;
  for (const [name, fault] of Object.entries(faults)) {
    const router = new Driver();
    router.feed(fault);
    t.same(router.feed({ type: 'start', leaseRemainingMs: 120 }).map(tell), ['release', 'send:0'], name);
    t.equal(router.state.kind, 'initialize');
    const empty = new Driver();
    empty.feed(fault);
    t.same(empty.feed({ type: 'start', leaseRemainingMs: 0 }), [], 'none of its own');
  }
  t.end();
});

t.test('a refused lease is told to the peers, and keeps the node out until the data plane is back', (t) => {
  const router = backup();
  router.hear(200);
  router.leaseRefused = true;
  t.same(router.pass(361).map(tell), ['send:100', 'acquire', 'send:0', 'log:leaseRefused', 'backup>initialize:leaseRefused']);
  t.same(router.pass(5000), []);
  t.same(router.feed({ type: 'dataPlane', isUsable: true, reason: '' }).map(tell), ['initialize>backup:started']);
  t.end();
});

t.test('announcements: a burst at take-over, bursts for refresh, another after a conflict', (t) => {
  const router = active();
  const count = (ms: number): number => router.pass(ms).filter((effect) => effect.type === 'announce').length;
  t.equal(count(1000), 2, 'the rest of the first three');
  t.equal(count(30_000), 3, 'a refresh');
  router.hear(50, SMALLER);
  t.equal(count(1000), 3, 'the other may have announced itself');
  t.equal(count(2000), 0, 'once');
  router.hear(0, SMALLER);
  t.equal(count(1000), 3, 'so may one that was not heard before it gave way');
  t.end();
});

t.test('a goodbye during the first announcements prolongs nothing', (t) => {
  const router = active();
  router.hear(0, SMALLER);
  t.equal(router.pass(1000).filter((effect) => effect.type === 'announce').length, 2, 'the rest of the first three');
  t.end();
});

t.test('verification: growing gaps, bounded, late proof counts', (t) => {
  const router = active();
  const first = router.feed({ type: 'track', ready: true, inSync: true, peerInSync: true, canVerify: true });
  t.same(types(first), ['verify']);
  const effects = router.pass(VERIFY_GAPS_MS.reduce((sum, gap) => sum + gap, 0));
  t.equal(effects.filter((effect) => effect.type === 'verify').length, VERIFY_GAPS_MS.length - 1);
  t.ok(effects.map(tell).includes('log:verifyFailed'));
  const status = (): unknown => router.state.kind === 'active' && router.state.verification.status;
  t.equal(status(), 'no');
  t.same(router.feed({ type: 'verified', at: router.now as Monotonic }).map(tell), ['log:verified']);
  t.equal(status(), 'yes');
  t.same(router.feed({ type: 'verified', at: router.now as Monotonic }), [], 'once');
  t.end();
});
