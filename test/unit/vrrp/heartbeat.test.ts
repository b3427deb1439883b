/** The heartbeat shell around one or two routers. */
import t from 'tap';
import { addressOf } from '../../../src/system/ip-address.js';
import { VRRP_GROUP } from '../../../src/vrrp/codec/advert.js';
import { decodeIpv4Advert, encodeAdvert } from '../../../src/vrrp/codec/codec.js';
import type { HeartbeatGroup } from '../../../src/vrrp/heartbeat-api.js';
import { advert, Bench, member, router } from '../../support/heartbeat-bench.js';

t.test('alone it becomes active, holds the lease, announces, and says why', (t) => {
  const bench = new Bench(router()).begin().pass(550);
  t.equal(bench.status.role, 'active');
  t.ok(bench.status.leaseRemainingMs > 190 && bench.deadline > bench.agenda.now);
  t.equal(bench.frames.length, 2, 'both announcements');
  t.equal(bench.sent[0]?.destination, '224.0.0.18');
  const transitions = bench.reports.flatMap((message) =>
    message.type === 'transition' ? [`${message.from}>${message.to}:${message.reason}`] : [],
  );
  t.same(transitions, ['initialize>backup:started', 'backup>active:alone']);
  t.same(bench.status.counters.transitions, { 'backup:started': 1, 'active:alone': 1 });
  t.end();
});

t.test('every reject is counted by its reason', (t) => {
  const bench = new Bench(router({ unicastPeers: ['10.9.0.2'] })).begin();
  const broken = advert(200);
  broken[22] = 1;
  const rejected: [string, Buffer][] = [
    ['checksum', broken],
    ['unknownRouter', advert(200, { vrid: 52 })],
    ['unknownPeer', advert(200, { source: '10.9.0.3' })],
    ['ownSource', advert(200, { source: '10.9.0.1' })],
  ];
  for (const [, packet] of rejected) bench.receive(packet);
  t.same(bench.status.counters.advertsRejected, Object.fromEntries(rejected.map(([reason]) => [reason, 1])));
  t.equal(bench.status.counters.advertsReceived, 0);
  bench.receive(advert(200));
  t.equal(bench.status.counters.advertsReceived, 1);
  t.same(bench.status.activePeer, { address: '10.9.0.2', priority: 200, heardMsAgo: 0 });
  t.end();
});

t.test('other addresses in an advertisement are told, not refused', (t) => {
  const bench = new Bench(router()).begin().receive(advert(200, { addresses: ['10.9.0.101'] }));
  t.equal(bench.status.counters.advertsReceived, 1);
  t.ok(bench.reports.some((message) => message.type === 'log' && message.event === 'addressesDiffer'));
  t.end();
});

t.test('unicast peers get one packet each', (t) => {
  const bench = new Bench(router({ unicastPeers: ['10.9.0.2', '10.9.0.3'] })).begin().pass(365);
  t.same(
    bench.sent.slice(0, 2).map(({ destination }) => destination),
    ['10.9.0.2', '10.9.0.3'],
  );
  t.end();
});

t.test('the checksum follows the peers when it is asked to', (t) => {
  const formOf = (bench: Bench): unknown => {
    const decoded = decodeIpv4Advert(bench.sent.at(-1)?.packet ?? Buffer.alloc(0));
    return decoded.ok && decoded.checksumForm;
  };
  const old = encodeAdvert(
    {
      source: addressOf('10.9.0.2'),
      destination: VRRP_GROUP,
      vrid: 51,
      priority: 50,
      version: 3,
      intervalMs: 100,
      addresses: [addressOf('10.9.0.100')],
    },
    'rfc5798',
  );
  const follows = new Bench(router({ checksum: 'auto' })).begin().pass(500).receive(old).pass(100);
  const insists = new Bench(router()).begin().pass(500).receive(old).pass(100);
  t.same([formOf(follows), formOf(insists)], ['rfc5798', 'rfc9568']);
  t.equal(insists.status.counters.advertsOldChecksum, 1);
  t.end();
});

t.test('what waits in the socket is read before a timer fires', (t) => {
  const bench = new Bench(router()).begin().receive(advert(200));
  bench.inbox.push(advert(200));
  bench.agenda.add(bench.agenda.now + 300, () => bench.inbox.push(advert(200)));
  bench.pass(400);
  t.equal(bench.status.role, 'backup');
  t.end();
});

t.test('a lost link ends the role, its return begins anew', (t) => {
  const bench = new Bench(router()).begin().pass(500);
  const { interfaces } = bench;
  bench.interfaces = new Map();
  bench.pass(60);
  t.equal(bench.status.role, 'initialize');
  t.equal(bench.status.reason, 'linkDown:eth0');
  t.equal(bench.priorities().at(-1), 0);
  bench.interfaces = interfaces;
  bench.pass(300);
  t.equal(bench.status.role, 'backup');
  t.end();
});

t.test('without a data plane nothing is claimed; it is found when it comes', (t) => {
  const bench = new Bench(router());
  bench.hasDataPlane = false;
  bench.begin().pass(2000);
  t.same([bench.status.role, bench.sent.length], ['initialize', 0]);
  bench.hasDataPlane = true;
  bench.pass(1000);
  t.equal(bench.status.role, 'active');
  t.end();
});

t.test('the take-over is verified by the echo', (t) => {
  const bench = new Bench(router()).begin([{ interface: 'eth0', address: '10.9.0.254', mac: '02:00:00:00:00:fe' }]).pass(420);
  t.equal(bench.status.verified, 'pending');
  const echoes = bench.frames.filter((frame) => frame.readUInt16BE(12) === 0x0800);
  t.ok(echoes.length > 0);
  t.equal(echoes[0]?.subarray(0, 6).toString('hex'), '0200000000fe');
  bench.verifiedNs = BigInt(Math.round((bench.agenda.now - 1) * 1e6));
  bench.pass(200);
  t.equal(bench.status.verified, 'yes');
  t.ok((bench.status.verifiedAfterMs ?? -1) >= 0);
  t.end();
});

t.test('stop: lease gone, priority 0, told', (t) => {
  const bench = new Bench(router()).begin().pass(500);
  bench.heartbeat.receive({ type: 'stop', reason: 'asked' });
  t.equal(bench.priorities().at(-1), 0);
  t.ok(bench.deadline <= bench.agenda.now);
  t.same([bench.reports.at(-1)?.type, bench.isStopped], ['status', true]);
  const sent = bench.sent.length;
  bench.pass(1000);
  t.equal(bench.sent.length, sent, 'and silent afterwards');
  t.end();
});

t.test('an order to take over that was read too late is void', (t) => {
  const bench = new Bench(router()).begin();
  bench.receive(advert(200));
  const { now } = bench.agenda;
  bench.heartbeat.receive({ type: 'takeOver', routers: [], reason: 'switchover', atMs: now - 201 });
  t.equal(bench.status.role, 'backup');
  t.match(bench.reports.at(-1), { type: 'log', event: 'takeOverExpired', fields: { reason: 'switchover', ageMs: 201 } });
  bench.receive(advert(0));
  bench.heartbeat.receive({ type: 'takeOver', routers: [], reason: 'switchover', atMs: now - 199 });
  t.equal(bench.status.role, 'active');
  t.end();
});

t.test('reload changes in place what can change in place', (t) => {
  const bench = new Bench(router()).begin().pass(500);
  const { sinceWallMs } = bench.status;
  bench.config = { ...bench.config, groups: [router({ priority: 150 }), router({ name: 'back', vrid: 52, slot: 1 })] };
  bench.heartbeat.receive({ type: 'reload' });
  bench.pass(100);
  t.same([bench.status.role, bench.status.sinceWallMs, bench.status.priority], ['active', sinceWallMs, 150]);
  t.ok(bench.priorities().includes(150));
  t.equal(bench.heartbeat.status().routers.length, 2);
  bench.config = { ...bench.config, groups: [router({ name: 'back', vrid: 52, slot: 1 })] };
  bench.heartbeat.receive({ type: 'reload' });
  t.same(
    bench.heartbeat.status().routers.map(({ name }) => name),
    ['back'],
  );
  t.end();
});

const site = (): HeartbeatGroup => ({
  ...router(),
  name: 'site',
  members: [member(), member({ name: 'back', vrid: 52, slot: 1, addresses: ['10.9.1.100'], announced: [] })],
});

t.test('the routers of a group advertise, become active and give way together', (t) => {
  const bench = new Bench(site()).begin().pass(550);
  const roles = (): string[] => bench.heartbeat.status().routers.map(({ name, group, role }) => `${group}/${name} ${role}`);
  t.same(roles(), ['site/front active', 'site/back active']);
  t.same(
    bench.sent.slice(0, 2).map(({ packet }) => packet[21]),
    [51, 52],
    'one advertisement for each VRID',
  );
  bench.receive(advert(200, { vrid: 52, addresses: ['10.9.1.100'] }));
  t.same(roles(), ['site/front backup', 'site/back backup'], 'a better one was heard for one of them');
  t.ok(bench.deadline <= bench.agenda.now, 'leases are given up');
  t.end();
});

t.test('a process that finds the lease of one router of a group lapsed lets go of the others', (t) => {
  for (const isWhole of [true, false]) {
    const bench = new Bench(site()).begin().pass(550);
    if (!isWhole) bench.lapsedSlots.add(1);
    bench.restart();
    bench.begin();
    t.equal(bench.status.role, isWhole ? 'active' : 'backup');
    t.equal(bench.deadline > bench.agenda.now, isWhole);
  }
  t.end();
});

t.test('a group takes part only while all its links are there', (t) => {
  const bench = new Bench({
    ...site(),
    members: [member(), member({ name: 'back', vrid: 52, slot: 1, announced: [{ address: '10.2.0.1', interface: 'eth1' }] })],
  });
  bench.begin().pass(550);
  t.same([bench.status.role, bench.status.reason], ['initialize', 'notStarted']);
  bench.interfaces.set('eth1', { mac: Buffer.from('020000000002', 'hex'), addresses: ['10.2.0.11'] });
  bench.pass(800);
  t.equal(bench.status.role, 'active');
  bench.interfaces.delete('eth1');
  bench.pass(100);
  t.same([bench.status.role, bench.status.reason], ['initialize', 'linkDown:eth1']);
  t.end();
});

t.test('what is tracked changes the priority, or takes the group out of the election', (t) => {
  const bench = new Bench(router({ trackedInterfaces: [{ name: 'eth1', weight: -40 }] })).begin().pass(550);
  t.match(bench.status, { role: 'active', priority: 100, effectivePriority: 60, tracked: ['interface eth1 is down (-40)'] });
  t.equal(bench.priorities().at(-1), 60, 'and so say the advertisements');
  const track = (fault: string | null): void =>
    bench.heartbeat.receive({
      type: 'track',
      ready: true,
      inSync: true,
      peerInSync: true,
      verifyTargets: [],
      tracked: [{ router: 'front', fault, priorityDelta: 10, reasons: [] }],
    });
  track(null);
  t.equal(bench.status.effectivePriority, 70);
  track('scriptFailed:check');
  t.match(bench.status, { role: 'initialize', reason: 'scriptFailed:check' });
  t.equal(bench.priorities().at(-1), 0);
  track(null);
  bench.pass(800);
  t.equal(bench.status.role, 'active', 'and back when it is over');
  t.end();
});

t.test('a process that finds its lease fresh, but what is tracked faulty, does not go on', (t) => {
  const tracked = { trackedInterfaces: [{ name: 'eth1', weight: null }] };
  for (const isUp of [true, false]) {
    const bench = new Bench(router(tracked));
    bench.interfaces.set('eth1', { mac: Buffer.from('020000000002', 'hex'), addresses: [] });
    bench.begin().pass(550);
    t.equal(bench.status.role, 'active');
    if (!isUp) bench.interfaces.delete('eth1');
    bench.restart();
    bench.begin();
    t.equal(bench.status.role, isUp ? 'active' : 'initialize');
    t.equal(bench.priorities().at(-1), isUp ? 100 : 0);
    t.equal(bench.deadline > bench.agenda.now, isUp);
  }
  t.end();
});

t.test('a silence that ends: links are looked at a little before, once, and what they say decides', (t) => {
  for (const isCut of [false, true]) {
    const bench = new Bench(router()).begin();
    // Looks of the watch come every 100 ms from the start; the silence of 360.9375 ms ends between two of them.
    bench.receive(advert(200));
    const downAt = bench.agenda.now + 300 + (156 * 100) / 256;
    const looks: number[] = [];
    const views = bench.interfaces;
    bench.pass(310);
    Object.defineProperty(bench, 'interfaces', {
      get: () => {
        looks.push(bench.agenda.now);
        return isCut ? new Map() : views;
      },
    });
    bench.pass(downAt - bench.agenda.now + 0.01);
    t.same(
      looks.map((at) => Math.round((downAt - at) * 1000) / 1000),
      [1],
    );
    t.equal(bench.priorities().length, isCut ? 0 : 1, isCut ? 'no claim on a dead cable' : 'the claim goes out on time');
  }
  t.end();
});
