/** What the election makes of the beats of other nodes. */
import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import type { PeerWord } from '../../../src/vrrp/state.js';
import { active, backup, claiming, Driver, tell } from '../../support/vrrp-machine.js';
import { following, says, silent, TAKEN } from '../../support/vrrp-peers.js';

t.test('the active node says over another path that it gave up: the best takes over at once', async (t) => {
  const driver = following();
  t.same(says(driver, { role: 'initialize', term: 4, reason: 'linkDown', isEligible: false }), [...TAKEN, 'backup>active:told:linkDown']);
  t.equal(driver.state.term, 5, 'in the next term');
});

t.test('by plan: somebody has been told, the others wait as after a goodbye', async (t) => {
  const driver = following();
  t.same(says(driver, { role: 'backup', term: 4, isPlanned: true }), []);
  t.equal(driver.waitMs, 60.938);
  t.match(driver.feed({ type: 'takeOver', reason: 'switchover' }).map(tell), [...TAKEN, 'backup>active:switchover']);
});

t.test('an order that waits for a goodbye: the beat that tells of it is as good', async (t) => {
  const resigned = { role: 'backup', term: 4, isPlanned: true } as const;
  const ordered = following();
  t.same(ordered.feed({ type: 'takeOver', reason: 'switchover', term: 4 }).map(tell), ['log:takeOverWaits']);
  t.same(says(ordered, resigned), [...TAKEN, 'backup>active:switchover']);

  const others = following();
  others.feed({ type: 'advert', advert: { from: 'lb3', isGreater: true, priority: 150, intervalMs: 100 } });
  others.feed({ type: 'takeOver', reason: 'switchover', term: 4 });
  t.same(says(others, resigned), [], 'a third one leads');

  const late = following();
  late.feed({ type: 'takeOver', reason: 'switchover', term: 4 });
  late.pass(150);
  late.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 } });
  late.pass(60);
  t.same(says(late, resigned), [], 'too late for that order');
});

t.test('the word that it gave up waited to be read: whether it leads again, only the adverts tell', async (t) => {
  for (const waitedMs of [50, 51]) {
    const driver = following();
    driver.pass(100);
    driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 } });
    const heardAt = (driver.now - waitedMs) as Monotonic;
    const effects = says(driver, { role: 'backup', term: 4, reason: 'leaseLapsed', heardAt });
    t.same(effects, waitedMs === 50 ? [...TAKEN, 'backup>active:told:leaseLapsed'] : []);
    if (waitedMs > 50) t.same(driver.pass(355).map(tell), [], 'its adverts count');
    if (waitedMs > 50) t.same(driver.pass(10).map(tell), [...TAKEN, 'backup>active:activeSilent']);
  }
});

t.test('somebody gives up whom a node that has just started never followed: it listens to the end', async (t) => {
  for (const isFollowed of [true, false]) {
    const driver = backup();
    if (isFollowed) driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 } });
    says(driver, { role: 'active', term: 4, priority: 200 });
    const effects = says(driver, { role: 'backup', term: 4, reason: 'linkDown' });
    t.same(effects, isFollowed ? [...TAKEN, 'backup>active:told:linkDown'] : []);
    if (!isFollowed) t.same(driver.pass(300).map(tell), []);
  }
});

t.test('the word that it gave up comes late, and it follows a successor: nothing is vacant', async (t) => {
  for (const isPlanned of [false, true]) {
    const driver = following();
    t.same(says(driver, { role: 'backup', term: 4, isPlanned, followsActive: true }), []);
    t.ok((driver.waitMs ?? 0) > 300, 'the adverts decide');
  }
});

t.test('one that was cut off while it led gives up after somebody else has led: nothing is vacant', async (t) => {
  const driver = following();
  silent(driver, { isLeaseOver: false });
  says(driver, { node: 'lb3', role: 'active', term: 5, priority: 150 });
  silent(driver, { node: 'lb3', isLeaseOver: false });
  const { waitMs } = driver;
  t.same(says(driver, { role: 'backup', term: 5 }), []);
  t.match(driver.state, { waitsFor: 'activeSilent' });
  t.equal(driver.waitMs, waitMs, 'the adverts decide when');
});

t.test('a better one that is left goes first; one that is not in sync, or cannot, does not count', async (t) => {
  const left = (change: Partial<PeerWord>): string[] => {
    const driver = following();
    says(driver, { node: 'lb3', role: 'backup', term: 4, priority: 150, ...change });
    return says(driver, { role: 'initialize', term: 4, reason: 'linkDown', isEligible: false }).slice(0, 1);
  };
  t.same(left({}), [], 'waits');
  t.same(left({ priority: 90 }), ['send:100']);
  t.same(left({ inSync: false }), ['send:100']);
  t.same(left({ isEligible: false }), ['send:100']);
  t.same(left({ isReachable: false }), ['send:100']);
  t.same(left({ priority: 100, isGreater: true }), [], 'tie on the address');
});

t.test('a node out of sync lets a worse one in sync go first', async (t) => {
  const driver = following();
  driver.feed({ type: 'track', ready: true, inSync: false, peerInSync: true, canVerify: false });
  says(driver, { node: 'lb3', role: 'backup', term: 4, priority: 20 });
  t.same(says(driver, { role: 'initialize', term: 4, reason: 'linkDown' }), []);
  t.ok((driver.waitMs ?? 0) < 100);
});

t.test('the beats of an active node that promised stop: its lease has ended, the best takes over', async (t) => {
  const driver = following();
  driver.now += 9;
  t.same(silent(driver), ['send:1'], 'asked on the wire first');
  t.same(driver.pass(2).map(tell), [...TAKEN, 'backup>active:peerSilent'], 'and nobody answers');
  t.same(silent(following(), { silentMs: 9 }), [], 'but not while its adverts arrive');
  const unpromised = following();
  unpromised.now += 9;
  t.same(silent(unpromised, { isLeaseOver: false }), [], 'nor when it promised nothing: the adverts decide');
  t.same(silent(following(), { node: 'lb9' }), [], 'nor for a stranger');
});

t.test('who asks whether it is cut off takes no lease on a silence', async (t) => {
  const pre = (): Driver => {
    const driver = claiming();
    driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: false, priority: 50, intervalMs: 100 } });
    says(driver, { role: 'active', term: 4, priority: 50 });
    driver.state = { ...driver.state, others: driver.state.others.filter(({ from }) => from === 'lb2') };
    driver.pass(20);
    return driver;
  };
  const reached = pre();
  silent(reached);
  t.match(reached.pass(1).map(tell), ['send:100', 'acquire', 'announce'], 'what it waited for has ended');
  const asking = pre();
  asking.feed({ type: 'reference', verdict: 'asking' });
  silent(asking);
  t.notOk(asking.pass(20).map(tell).includes('acquire'), 'its own cable may be the reason');
  asking.feed({ type: 'reference', verdict: 'lost' });
  t.equal(asking.state.kind, 'backup');
});

t.test('a node that was only silent, and leads still: the wait of its successors is off', async (t) => {
  const second = following();
  second.now += 9;
  says(second, { node: 'lb3', role: 'backup', term: 4, priority: 150 });
  silent(second);
  t.match(second.state, { kind: 'backup', waitsFor: 'priorityZero' }, 'a better one goes first');
  says(second, { role: 'active', term: 4, priority: 200 });
  t.match(second.state, { kind: 'backup', waitsFor: 'activeSilent' });
  t.ok((second.waitMs ?? 0) > 300);
});

t.test('the beats of a living node are lost on every path: its answer on the wire keeps the role where it is', async (t) => {
  const answer = (driver: Driver, priority: number): void => {
    driver.now += 1;
    driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority, intervalMs: 100 } });
  };
  const driver = following();
  driver.now += 50;
  silent(driver);
  answer(driver, 200);
  t.same(driver.pass(300).map(tell), [], 'it counts like any advert');
  t.equal(driver.state.kind, 'backup');

  // One that is worse, and is not to be pre-empted yet: the timer is what it was.
  const held = following({ priority: 50 });
  held.feed({ type: 'configure', settings: { ...held.state.settings, preemptDelayMs: 60_000 } });
  answer(held, 50);
  held.now += 20;
  const before = held.waitMs;
  silent(held);
  t.equal(held.waitMs, 1.5);
  held.now += 1;
  says(held, { role: 'active', term: 4, priority: 50 });
  t.equal(held.waitMs, (before ?? 0) - 1, 'also when its beats are heard again');

  const other = following();
  other.now += 9;
  silent(other);
  other.feed({ type: 'advert', advert: { from: 'lb3', isGreater: false, priority: 50, intervalMs: 100 } });
  t.match(other.pass(2).map(tell), ['send:100'], 'the answer of another says nothing about it');
});

t.test('adverts that do not arrive from a node that says it is active: no claim, but a word', async (t) => {
  const driver = following();
  driver.pass(370);
  t.equal(driver.state.kind, 'backup');
  t.equal(driver.state.kind === 'backup' && driver.state.unheard, 'lb2');
  t.same(driver.pass(400).map(tell), [], 'said once');
  driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 } });
  t.equal(driver.state.kind === 'backup' && driver.state.unheard, null, 'heard again');
  silent(driver, { isLeaseOver: false });
  driver.pass(400);
  t.equal(driver.state.kind, 'active', 'and when the beats stop too it is dead');
});

t.test('a goodbye that its advertisements have overtaken: by its beats it leads still, so its lease is waited for', async (t) => {
  const goodbye = { from: 'lb2', isGreater: true, priority: 0, intervalMs: 100 };
  const late = following();
  late.feed({ type: 'advert', advert: goodbye });
  t.equal(late.waitMs, 60.938);
  t.same(late.pass(61).map(tell), []);
  silent(late, { isLeaseOver: false });
  t.same(late.pass(355).map(tell), [], 'killed meanwhile');
  t.same(late.pass(10).map(tell), [...TAKEN, 'backup>active:activeSilent']);

  const honest = following();
  honest.feed({ type: 'advert', advert: goodbye });
  says(honest, { role: 'backup', term: 4, isPlanned: true });
  t.same(honest.pass(61).map(tell), [...TAKEN, 'backup>active:priorityZero'], 'its beats say the same');
});

t.test('one that is heard and worse is pre-empted, beats or not', async (t) => {
  const driver = backup();
  for (let waited = 0; waited < 400 && driver.state.kind === 'backup'; waited += 50) {
    driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: false, priority: 50, intervalMs: 100 } });
    says(driver, { role: 'active', term: 4, priority: 50 });
    driver.pass(50);
  }
  t.match(driver.state, { kind: 'claiming', reason: 'preempt' });
});

t.test('an active node announces its addresses anew when a peer is heard again: that one may have claimed them meanwhile', async (t) => {
  const driver = active();
  const isAnnounced = (ms: number): boolean => driver.pass(ms).some(({ type }) => type === 'announce');
  driver.pass(1000);
  says(driver, {});
  t.ok(isAnnounced(1), 'heard for the first time: it may have led before this process knew of it');
  driver.pass(1000);
  says(driver, {});
  t.notOk(isAnnounced(500), 'not for any other word');
  silent(driver, { isLeaseOver: false });
  t.notOk(isAnnounced(500), 'nor for silence');
  says(driver, {});
  t.ok(isAnnounced(1));
  says(driver, {});
  driver.pass(1000);
  t.notOk(isAnnounced(500), 'and it ends');
});

t.test('an active node that a peer does not hear has to prove that it is heard', async (t) => {
  const unproved = active();
  t.same(says(unproved, { hearsUs: false }), ['count:oneWay', 'log:challenged', 'release:planned', 'send:0', 'active>backup:unheard']);
  t.ok((unproved.state.holdDownUntil ?? 0) > unproved.now + 9000, 'and it does not come back at once');

  const again = active();
  again.state = { ...again.state, unheardUntil: (again.now + 5000) as Monotonic };
  t.same(says(again, { hearsUs: false }), ['count:oneWay', 'log:challenged'], 'its successor was not heard either: it stays');
  const lapsed = active();
  lapsed.state = { ...lapsed.state, holdDownUntil: (lapsed.now + 5000) as Monotonic };
  t.ok(says(lapsed, { hearsUs: false }).includes('active>backup:unheard'), 'held down for another reason: it leaves');

  const proved = active();
  proved.feed({ type: 'track', ready: true, inSync: true, peerInSync: true, canVerify: true });
  proved.feed({ type: 'verified', at: proved.now as Monotonic });
  t.same(says(proved, { hearsUs: false }), ['count:oneWay', 'log:challenged', 'verify']);
  proved.feed({ type: 'verified', at: (proved.now - 5) as Monotonic });
  t.ok(proved.state.kind === 'active' && proved.state.challengedUntil !== null, 'an old proof is none');
  proved.feed({ type: 'verified', at: (proved.now + 1) as Monotonic });
  proved.pass(300);
  t.equal(proved.state.kind, 'active', 'proved');

  const failed = active();
  failed.feed({ type: 'track', ready: true, inSync: true, peerInSync: true, canVerify: true });
  says(failed, { hearsUs: false });
  t.same(
    failed
      .pass(200)
      .map(tell)
      .filter((word) => word !== 'renew' && word !== 'announce' && word !== 'send:100'),
    ['verify', 'verify', 'verify', 'release:planned', 'send:0', 'active>backup:unheard'],
  );
});

t.test('a complaint of one that could not serve is no reason to leave', async (t) => {
  t.same(says(active(), { hearsUs: false, inSync: false }), []);
  t.same(says(active(), { hearsUs: false, isEligible: false }), []);
});

t.test('and when one that was active beside it has given up', async (t) => {
  for (const role of ['active', 'backup'] as const) {
    const driver = active();
    driver.pass(1000);
    says(driver, { role, priority: 50 });
    driver.pass(5000);
    says(driver, { role: 'backup', priority: 50, reason: 'betterActive' });
    t.equal(
      driver.pass(1).some(({ type }) => type === 'announce'),
      role === 'active',
    );
  }
});

t.test('two are active: the later term stays, whatever the priorities', async (t) => {
  const older = active();
  t.same(says(older, { role: 'active', term: 2, priority: 10 }), [
    'release',
    'send:0:one',
    'count:staleTerms',
    'log:staleTerm',
    'active>backup:staleTerm',
  ]);
  t.match(older.state, { term: 2, conditions: { inSync: false } }, 'and has to get in sync before it pre-empts');
  t.ok(older.state.holdDownUntil !== null);

  const later = active();
  later.state = { ...later.state, term: 3 };
  t.match(says(later, { role: 'active', term: 2, priority: 200 }), ['count:conflicts', 'log:conflict', 'send:100', 'renew']);
  const advert = { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 };
  const answer = later.feed({ type: 'advert', advert }).map(tell);
  t.same(answer, ['count:conflicts', 'log:conflict'], 'its adverts are not obeyed; nor answered, for it answers ours at once');
  t.same(later.pass(0).map(tell), ['announce'], 'but neighbours are told');
  t.equal(later.state.kind, 'active');
  t.equal(active().feed({ type: 'advert', advert }).map(tell)[0], 'release:planned', 'as those of anybody else would be');
});

t.test('a silent node is taken at its last word for three adverts; then the adverts decide', async (t) => {
  const later = active();
  later.state = { ...later.state, term: 3 };
  says(later, { role: 'active', term: 2, priority: 200 });
  silent(later, { isLeaseOver: false });
  const advert = { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 };
  const hear = (): string | undefined => later.feed({ type: 'advert', advert }).map(tell)[0];
  t.equal(hear(), 'count:conflicts', 'resumed after a pause: its beats will tell');
  later.pass(290);
  t.equal(hear(), 'count:conflicts');
  later.pass(20);
  t.equal(hear(), 'release:planned', 'no beats came: a plain VRRP router');
});

t.test('a better node that insists on an older term does not hear our beats: after three adverts it is obeyed', async (t) => {
  const later = active();
  later.state = { ...later.state, term: 3 };
  says(later, { role: 'active', term: 2, priority: 200 });
  const advert = { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 };
  const hear = (): string | undefined => later.feed({ type: 'advert', advert }).map(tell)[0];
  t.equal(hear(), 'count:conflicts');
  later.pass(290);
  says(later, { role: 'active', term: 2, priority: 200, inSync: false });
  t.equal(hear(), 'count:conflicts');
  later.pass(20);
  t.equal(hear(), 'release:planned');
});

t.test('its time begins with its beats: adverts that were lost all along are obeyed when they come', async (t) => {
  const advert = { from: 'lb2', isGreater: true, priority: 200, intervalMs: 100 };
  const insistent = (): Driver => {
    const driver = active();
    driver.state = { ...driver.state, term: 3 };
    says(driver, { role: 'active', term: 2, priority: 200 });
    return driver;
  };
  const hear = (driver: Driver): string | undefined => driver.feed({ type: 'advert', advert }).map(tell)[0];
  const soon = insistent();
  soon.pass(290);
  t.equal(hear(soon), 'count:conflicts', 'it may just not have heard of ours');
  const late = insistent();
  late.pass(310);
  t.equal(hear(late), 'release:planned');

  const back = insistent();
  silent(back, { isLeaseOver: false });
  back.pass(2000);
  t.equal(hear(back), 'count:conflicts', 'out of hearing meanwhile, so it could not hear us: anew');
  back.pass(290);
  t.equal(hear(back), 'count:conflicts');
  back.pass(20);
  t.equal(hear(back), 'release:planned');
});

t.test('two are active in the same term: the better one stays', async (t) => {
  t.same(says(active(), { role: 'active', term: 1, priority: 200 }), [
    'count:conflicts',
    'release:planned',
    'send:0:one',
    'active>backup:betterActive',
  ]);
  t.match(says(active(), { role: 'active', term: 1, priority: 50 }), ['count:conflicts', 'log:conflict', 'send:100']);
});

t.test('a backup that knows a later term', async (t) => {
  const gone = active();
  t.same(says(gone, { term: 7, followsActive: false }), [], 'of somebody who is gone: ours is the later one now');
  t.equal(gone.state.term, 8);
  const past = active();
  says(past, { term: 1 });
  t.match(says(past, { term: 7, followsActive: true }), ['release', 'count:staleTerms'], 'of somebody it follows: we are the past');
  const first = active();
  t.same(says(first, { term: 7, followsActive: true }), [], 'but with its first word it may mean us');
  t.equal(first.state.term, 7);
});

t.test('a resumed lease learns its term from the others', async (t) => {
  const resumed = (): Driver => {
    const driver = backup();
    driver.state = { ...active().state, term: 0, isTermKnown: false };
    driver.now = active().now;
    return driver;
  };
  const driver = resumed();
  t.same(says(driver, { term: 6 }), []);
  t.match(driver.state, { kind: 'active', term: 6 });
  t.match(
    says(driver, { role: 'active', term: 6, priority: 1 }),
    ['release', 'send:0:one', 'count:staleTerms'],
    'of a later one, it turns out',
  );
  t.match(says(resumed(), { role: 'active', term: 6 }), ['release', 'send:0:one', 'count:staleTerms']);
});

t.test('a resumed lease has at least the term that its node remembers', async (t) => {
  const driver = active();
  driver.state = { ...active().state, term: 0, isTermKnown: false };
  driver.feed({ type: 'term', term: 7 });
  t.match(driver.state, { kind: 'active', term: 7 });
  t.match(
    says(driver, { role: 'active', term: 6, priority: 250 }).join(),
    /conflict/,
    'one that was paused since before is not given way to',
  );
  t.equal(driver.state.kind, 'active');
});

t.test('a claim against somebody who then says that it resigned goes on at once', async (t) => {
  const driver = claiming();
  driver.feed({ type: 'advert', advert: { from: 'lb2', isGreater: false, priority: 50, intervalMs: 100 } });
  says(driver, { role: 'active', term: 1 });
  says(driver, { role: 'backup', term: 1, reason: 'betterActive' });
  const others = driver.state.others.map((other) => other.from);
  t.notOk(others.includes('lb2'), 'its lease is not waited for');
});

t.test('a claim against a node that was only silent, and leads still, is given up', async (t) => {
  const waiting = (): Driver => {
    const driver = claiming();
    driver.feed({ type: 'advert', advert: { from: 'lb3', isGreater: false, priority: 50, intervalMs: 100 } });
    says(driver, { role: 'active', term: 4, priority: 50 });
    silent(driver);
    return driver;
  };
  const driver = waiting();
  t.same(says(driver, { role: 'active', term: 4, priority: 50 }), ['send:0:one', 'log:claimLost']);
  t.match(driver.state, { kind: 'backup', waitsFor: 'activeSilent' });
  const older = waiting();
  older.state = { ...older.state, term: 5 };
  says(older, { role: 'active', term: 4, priority: 50 });
  t.equal(older.state.kind, 'claiming', 'unless somebody has led since');
});

t.test('the owner comes back: whoever stood in for it is told, and lets go before it takes them', async (t) => {
  const driver = new Driver({ priority: 255 });
  says(driver, { role: 'active', term: 4 });
  t.same(driver.begin().map(tell), ['send:255', 'log:claimStarted']);
  t.equal(driver.waitMs, 100, 'and says so again as long as it waits');
  says(driver, { role: 'backup', term: 4 });
  t.same(driver.pass(1).map(tell), ['send:255', 'acquire', 'announce', 'initialize>active:preempt']);
  t.equal(driver.state.term, 5);
  const deaf = new Driver({ priority: 255 });
  says(deaf, { role: 'active', term: 4 });
  deaf.begin();
  t.ok(deaf.pass(300).map(tell).includes('initialize>active:preempt'), 'it does not wait for ever');
});

t.test('the owner that took them before it heard any beat is not stale: the first word of a peer is about earlier', async (t) => {
  for (const change of [{ role: 'active' as const }, { role: 'backup' as const, followsActive: true }]) {
    const driver = new Driver({ priority: 255 });
    t.same(driver.begin().map(tell), ['send:255', 'acquire', 'announce', 'initialize>active:owner']);
    t.notOk(says(driver, { ...change, term: 7 }).some((each) => each.includes('staleTerm')));
    t.same([driver.state.kind, driver.state.term], ['active', 8]);
    says(driver, { ...change, term: 9 });
    t.equal(driver.state.kind, 'backup', 'what it hears later may be news');
  }
});
