/** The beats around the heartbeat: what is said, who is told, and when leases are short. */
import t from 'tap';
import { knownBefore } from '../../../src/control/known-before.js';
import { nameHash } from '../../../src/system/name-hash.js';
import { decodeBeat, type GroupBeat } from '../../../src/vrrp/beat-codec.js';
import type { BeatSettings } from '../../../src/vrrp/heartbeat-api.js';
import { advert, Bench, router } from '../../support/heartbeat-bench.js';

const settings = (change: Partial<BeatSettings> = {}): BeatSettings => ({
  nodeId: 1,
  cluster: '77',
  key: '01'.repeat(16),
  port: 7946,
  paths: ['10.9.0.1', '10.8.0.1'],
  peers: [{ node: 'lb2', id: 2, addresses: ['10.9.0.2', '10.8.0.2'], advertAddresses: ['10.9.0.2'] }],
  intervalMs: 50,
  fast: null,
  references: [],
  ...change,
});

function talking(change: Partial<BeatSettings> = {}): Bench {
  const bench = new Bench(router());
  bench.config = { ...bench.config, beats: settings(change) };
  bench.restart();
  return bench.begin();
}

const tellKey = (bench: Bench, byte: string | null): void =>
  bench.heartbeat.receive({ type: 'peerKey', node: 'lb2', key: byte?.repeat(16) ?? null, addresses: [] });

const beat = (change: Partial<GroupBeat> = {}): GroupBeat => ({
  nameHash: nameHash('front'),
  rank: 0x0a090002n,
  term: 4,
  role: 'active',
  reason: 'other',
  priority: 200,
  isEligible: true,
  inSync: true,
  followsActive: false,
  isPlanned: false,
  unheardId: 0,
  adverts: 0,
  ...change,
});

const saying = (bench: Bench): GroupBeat | undefined => decodeBeat(bench.beats.said)?.[0];

t.test('opened with what the configuration says, and says what each election is', async (t) => {
  const bench = talking();
  t.match(bench.beats.options, {
    cluster: 77n,
    nodeId: 1,
    port: 7946,
    paths: [{ address: '10.9.0.1' }, { address: '10.8.0.1' }],
    intervalUs: 50_000,
  });
  t.match(saying(bench), { nameHash: nameHash('front'), role: 'backup', priority: 100, isEligible: true, inSync: true, term: 0 });
  bench.pass(550);
  t.match(saying(bench), { role: 'active', term: 1 });
});

t.test('terms go on where they were before the process', async (t) => {
  const bench = talking();
  bench.heartbeat.receive({ type: 'term', router: 'other', term: 90 });
  bench.heartbeat.receive({ type: 'term', router: 'front', term: 40 });
  bench.pass(550);
  t.match(saying(bench), { role: 'active', term: 41 });
  bench.heartbeat.receive({ type: 'term', router: 'front', term: 60 });
  t.match(saying(bench), { role: 'active', term: 41 }, 'a lease has the number that it got');
  bench.beats.hear([beat({ term: 40, priority: 200 })]);
  bench.receive(advert(200));
  t.match(saying(bench), { role: 'active', term: 41 }, 'not for one that was paused since before, however good it is');
});

t.test('a heartbeat that is started while its daemon hangs knows what that one knew', async (t) => {
  const bench = talking().pass(550);
  bench.restart();
  bench.heartbeat.start(null, knownBefore(new Map([['lb2', 'ab'.repeat(16)]]), new Map([['front', 7]])));
  t.equal(bench.beats.keys.get(2), 'ab'.repeat(16), 'so it understands what its peers say');
  t.match(saying(bench), { role: 'active', term: 7 }, 'and they know its lease for the present one');
});

t.test('each advert that was sent is told, for whoever it does not reach', async (t) => {
  const bench = talking().pass(550);
  const before = saying(bench)?.adverts ?? 0;
  bench.pass(300);
  t.equal(saying(bench)?.adverts, before + 3);

  const deaf = talking().receive(advert(200));
  const hears = (adverts: number): void => deaf.beats.hear([beat({ adverts })], { atNs: BigInt(deaf.agenda.now * 1e6) });
  hears(7);
  deaf.pass(90);
  hears(8);
  deaf.pass(150);
  deaf.beats.emit({ type: 'silent', peer: 2, silentUs: 125_000 });
  deaf.pass(90 + 290 - 240);
  t.equal(deaf.status.role, 'backup', 'its lease may live');
  // The skew of priority 100.
  deaf.pass(10 + 61);
  t.match(deaf.status, { role: 'active', reason: 'activeSilent' });
});

t.test('a peer whose carrier is lost is succeeded at once', async (t) => {
  const bench = talking().receive(advert(200));
  bench.beats.hear([beat()]);
  bench.beats.hear([beat({ role: 'initialize', reason: 'linkDown:eth0', isEligible: false })]);
  t.match(bench.status, { role: 'active', reason: 'told:linkDown', term: 5 });
});

t.test('our own lost carrier is told as soon as the kernel says so', async (t) => {
  const bench = talking().pass(550);
  bench.interfaces.delete('eth0');
  bench.onLinks();
  t.match(saying(bench), { role: 'initialize', reason: 'linkDown', isEligible: false, isPlanned: false });
  t.ok(bench.deadline <= bench.agenda.now, 'and the lease is gone before');
});

t.test('silence is judged by the rhythm of the peer, and by its promise', async (t) => {
  const bench = talking().receive(advert(200));
  bench.beats.hear([beat()], { intervalUs: 50_000 });
  t.equal(bench.beats.watched.get(2), 125_000);
  bench.beats.hear([beat()], { intervalUs: 2000, promiseUs: 8000 });
  t.equal(bench.beats.watched.get(2), 9000);
  bench.pass(20);
  bench.beats.emit({ type: 'silent', peer: 2, silentUs: 9000 });
  t.same(bench.priorities(), [1], 'asked once more, on the wire');
  bench.pass(2.1);
  t.match(bench.status, { role: 'active', reason: 'peerSilent' });
  t.match(bench.heartbeat.status().beats?.peers, [{ node: 'lb2', isReachable: false }]);
});

t.test('a promise whose silence was none is not relied on for a while', async (t) => {
  const bench = talking().receive(advert(200));
  const fast = { intervalUs: 2000, promiseUs: 8000 };
  const relied = () => bench.heartbeat.status().beats?.peers[0]?.promiseMs;
  bench.beats.hear([beat({ priority: 200 })], fast);
  bench.pass(20);
  t.equal(relied(), 8);
  bench.beats.emit({ type: 'silent', peer: 2, silentUs: 9000 });
  bench.pass(5);
  t.equal(bench.status.role, 'active');
  bench.receive(advert(200));
  bench.beats.hear([beat({ priority: 200, term: 9 })], fast);
  t.equal(bench.status.role, 'backup', 'it was there all the time');
  t.equal(relied(), 0, 'which the status says');
  bench.receive(advert(200)).pass(20);
  bench.beats.emit({ type: 'silent', peer: 2, silentUs: 9000 });
  bench.pass(5);
  t.equal(bench.status.role, 'backup', 'late once more: the adverts decide');
  for (let waited = 0; waited < 5000; waited += 100) bench.receive(advert(200)).pass(100);
  bench.beats.hear([beat({ priority: 200, term: 10 })], fast);
  bench.pass(20);
  t.equal(bench.status.role, 'backup');
  t.equal(relied(), 0, 'the time counts from the beat that was late');
  for (let waited = 0; waited < 5000; waited += 100) bench.receive(advert(200)).pass(100);
  t.equal(relied(), 8);
});

t.test('a peer that was booted anew has another key: what it promised before says nothing about its leases', async (t) => {
  const promising = (): Bench => {
    const bench = talking().receive(advert(200));
    tellKey(bench, 'ab');
    bench.beats.hear([beat()], { intervalUs: 2000, promiseUs: 8000 });
    return bench.pass(20);
  };
  const silence = (bench: Bench): string => {
    bench.beats.emit({ type: 'silent', peer: 2, silentUs: 9000 });
    return bench.pass(5).status.role;
  };
  const anew = promising();
  tellKey(anew, 'cd');
  t.equal(anew.beats.watched.get(2), 5000, 'its beats may be missed as those of anybody');
  t.equal(silence(anew), 'backup', 'the adverts decide');
  const behind = promising();
  tellKey(behind, 'cd');
  behind.beats.hear([beat({ term: 5 })], { intervalUs: 2000, promiseUs: 8000 });
  t.equal(silence(behind), 'backup', 'a beat of then came out of the socket after the word of the new key');
  behind.beats.hear([beat({ term: 6 })]);
  for (let waited = 0; waited < 5000; waited += 100) behind.receive(advert(200)).pass(100);
  behind.beats.hear([beat({ term: 7 })], { intervalUs: 2000, promiseUs: 8000 });
  behind.pass(20);
  t.equal(silence(behind), 'active', 'it promises again');
  const same = promising();
  tellKey(same, null);
  tellKey(same, 'ab');
  t.equal(same.beats.watched.get(2), 9000, 'it was reached again, no more');
  t.equal(silence(same), 'active');
});

t.test('what was heard while the process was stopped: who leads now comes before who did once', async (t) => {
  const bench = talking().receive(advert(200));
  bench.beats.hear([beat({ priority: 200 })]);
  bench.inbox.push(advert(150, { source: '10.9.0.3' }));
  bench.beats.hear([beat({ role: 'initialize', reason: 'linkDown', isEligible: false, priority: 200 })]);
  t.equal(bench.status.role, 'backup', 'the advert of a successor waited in the socket');
});

t.test('a peer is told that its adverts do not arrive', async (t) => {
  const bench = talking().receive(advert(200));
  bench.beats.hear([beat()]);
  bench.pass(400);
  t.match([bench.status.role, saying(bench)], ['backup', { unheardId: 2 }]);
  bench.receive(advert(200));
  t.match(saying(bench), { unheardId: 0 });
});

t.test('keys and addresses of peers, also over a reload', async (t) => {
  const bench = talking();
  bench.heartbeat.receive({ type: 'peerKey', node: 'lb2', key: 'ab'.repeat(16), addresses: ['10.9.0.22'], latest: '7' });
  t.equal(bench.beats.keys.get(2), 'ab'.repeat(16));
  t.equal(bench.beats.latest, 7n);
  t.match(bench.heartbeat.status().beats?.peers, [{ node: 'lb2', hasKey: true, paths: [false, false] }]);
  bench.beats.keys.clear();
  bench.config = { ...bench.config, beats: settings({ intervalMs: 20 }) };
  bench.heartbeat.receive({ type: 'reload' });
  t.equal(bench.beats.options?.intervalUs, 20_000);
  t.equal(bench.beats.keys.get(2), 'ab'.repeat(16), 'known still');
  t.equal(bench.beats.latest, undefined, 'it has gone on since');
});

t.test('an election without beats is one by the RFC', async (t) => {
  const bench = new Bench(router());
  bench.config = { ...bench.config, beats: settings() };
  bench.beats.refuses = true;
  bench.restart();
  bench.begin().pass(550);
  t.equal(bench.status.role, 'active');
  t.ok(bench.reports.some((message) => message.type === 'log' && message.event === 'beatsFailed'));
  t.equal(bench.heartbeat.status().beats, null);
});

t.test('the channel hears from this process five times before it would fall silent; that it did is told', async (t) => {
  const bench = talking();
  const told = () => bench.reports.flatMap((message) => (message.type === 'log' && message.event === 'beatsSilenced' ? [message] : []));
  const looks = bench.beats.looks;
  bench.pass(1000);
  t.ok(bench.beats.looks - looks >= 10, `${bench.beats.looks - looks} looks in a second`);
  t.same(told(), []);
  bench.beats.silenced = 1;
  bench.pass(200);
  t.match(told(), [{ level: 'warn', fields: { reason: /main thread/ } }], 'once');
  const hungMs = Number(told()[0]?.fields.hungMs);
  t.ok(hungMs > 0 && hungMs <= 100, 'since it last looked');
  t.equal(bench.heartbeat.status().beats?.silenced, 1);
});

t.test('fast liveness: short leases first, then the promise; back in the other order', async (t) => {
  const bench = talking({ fast: { intervalMs: 2, lifeMs: 8 } });
  t.equal(bench.beats.options?.intervalUs, 2000, 'a lease that was resumed needs quick beats at once');
  bench.pass(550);
  t.same(bench.beats.calls, ['interval 50000'], 'nobody believes in an old promise any more');
  bench.beats.hear([beat({ role: 'backup', priority: 50, term: 1 })]);
  bench.beats.calls.length = 0;
  bench.pass(5000);
  t.same(bench.beats.calls.slice(0, 3), ['hold 0 8000', 'interval 2000', 'promise 8000']);
  t.ok(bench.deadline - bench.agenda.now <= 8, 'the lease itself is short');
  t.equal(bench.heartbeat.status().beats?.fast, 'on');
  t.ok(bench.beats.calls.filter((call) => call === 'hold 0 8000').length > 1, 'named again with each advert');

  bench.beats.lateMaxUs = 5000;
  bench.beats.calls.length = 0;
  bench.pass(60);
  const back = bench.beats.calls.filter((call) => !call.startsWith('hold 0'));
  t.same(back[0], 'promise 0');
  bench.pass(150);
  t.same(bench.beats.calls.slice(-2), ['hold  8000', 'interval 50000']);
  t.ok(bench.deadline - bench.agenda.now > 100, 'the lease is that of the adverts again');
  t.equal(bench.heartbeat.status().beats?.fast, 'off');
});

t.test('fast liveness: the promise is taken back before the process lets go', async (t) => {
  const bench = talking({ fast: { intervalMs: 2, lifeMs: 8 } }).pass(550);
  bench.beats.hear([beat({ role: 'backup', priority: 50, term: 1 })]);
  const promises = () => bench.beats.calls.filter((call) => call.startsWith('promise'));
  bench.pass(5500);
  t.same(promises(), ['promise 8000']);
  let legacy: unknown = null;
  bench.heartbeat.retire((left) => {
    legacy = left;
  });
  t.same(promises(), ['promise 8000', 'promise 0']);
  bench.pass(20);
  t.equal(legacy, null, 'the leases are short still');
  bench.pass(100);
  t.not(legacy, null);
  t.equal(bench.beats.isClosed, true);
  t.ok(bench.deadline > bench.agenda.now + 100, 'they are long again');
});

t.test('fast liveness: while a promise is out, an advert does not lengthen the lease, and is not sent without one', async (t) => {
  const bench = talking({ fast: { intervalMs: 50, lifeMs: 200 } }).pass(550);
  bench.beats.hear([beat({ role: 'backup', priority: 50, term: 1 })]);
  bench.pass(5200);
  bench.beats.areSent = false;
  const ends = bench.deadline;
  const before = bench.priorities().length;
  bench.pass(150);
  t.ok(bench.priorities().length > before, 'an advert was sent');
  t.equal(bench.deadline, ends, 'the lease ends at the time that the beats gave it');
  bench.pass(Math.max(0, ends - bench.agenda.now));
  const last = bench.priorities().length;
  bench.pass(120);
  t.match(bench.status, { role: 'backup', reason: 'leaseLapsed' });
  t.same([...new Set(bench.priorities().slice(last))], [0], 'and nothing says otherwise');
});

t.test('fast liveness: a resumed lease stays short until the promise of the process before it is forgotten', async (t) => {
  const bench = talking({ fast: { intervalMs: 2, lifeMs: 8 } }).pass(550);
  t.ok(bench.deadline - bench.agenda.now > 100);
  bench.restart();
  bench.begin();
  t.match(bench.status, { role: 'active', reason: 'resumed' });
  t.ok(bench.deadline - bench.agenda.now <= 8);
  t.equal(bench.beats.calls.at(-1), 'hold 0 8000', 'and beats renew it');
});

t.test('a lease that lapsed between two adverts ends the role', async (t) => {
  const bench = talking({ fast: { intervalMs: 2, lifeMs: 8 } }).pass(550);
  bench.beats.emit({ type: 'lapsed', slot: 0 });
  t.match(bench.status, { role: 'backup', reason: 'leaseLapsed' });
});

t.test('stop: says so, and ends the beats last', async (t) => {
  const bench = talking().pass(550);
  bench.heartbeat.receive({ type: 'stop', reason: 'signal' });
  t.match(saying(bench), { role: 'initialize', isPlanned: true });
  t.ok(bench.beats.isClosed && bench.isStopped);
});

t.test('references: a beat ends the question; what it says of its sender decides', async (t) => {
  for (const role of ['active', 'backup'] as const) {
    const bench = talking({ references: ['10.9.0.254'] })
      .receive(advert(200))
      .receive(advert(0));
    bench.pass(70);
    t.match([bench.status.role, bench.heartbeat.status().beats?.reference], ['backup', 'asking'], 'would have claimed');
    bench.beats.hear([beat({ role })]);
    bench.pass(5);
    t.equal(bench.status.role, role === 'active' ? 'backup' : 'active');
    t.equal(bench.priorities().includes(100), role === 'backup', 'not even for a moment');
  }
});

t.test('references: asked when nobody is heard, and decisive then', async (t) => {
  const bench = talking({ references: ['10.9.0.254', '10.8.0.254'] });
  t.same([...new Set(bench.pings.map(({ address }) => address))], ['10.9.0.254', '10.8.0.254'], 'alone from the start');
  bench.pass(1000);
  t.match([bench.status.role, bench.heartbeat.status().beats?.reference], ['backup', 'lost']);
  bench.pings.at(-1)?.onAnswer(true);
  bench.pass(150);
  t.equal(bench.status.role, 'backup', 'whoever leads is to be heard first');
  bench.pass(100);
  t.match([bench.status.role, bench.heartbeat.status().beats?.reference], ['active', 'open']);
  bench.beats.hear([beat({ role: 'backup', term: 1, priority: 50 })]);
  const asked = bench.pings.length;
  bench.pass(2000);
  t.equal(bench.pings.length, asked, 'not while somebody is heard');
  bench.beats.emit({ type: 'silent', peer: 2, silentUs: 125_000 });
  t.ok(bench.pings.length > asked);
  bench.pass(150);
  t.match(bench.status, { role: 'backup', reason: 'cutOff' });
});
