/**
 * Where frames go that arrive after a role was lost, for how long, and how they are counted.
 */
import t from 'tap';
import { sharedSegments } from '../../../src/control/interfaces.js';
import { createStragglers, type HandOverEffect, STEER_MS } from '../../../src/control/stragglers.js';
import type { EngineCounters } from '../../../src/l4/traffic.js';
import { FakeClock } from '../../support/fake-clock.js';

function setup() {
  const clock = new FakeClock();
  const world = { steered: 100, notActive: 7, drained: 2, holder: null as string | null };
  const steers: [string, string, number][] = [];
  const ends: [string, HandOverEffect][] = [];
  const news: string[] = [];
  const stragglers = createStragglers({
    clock,
    engine: {
      counters: () => ({ drops: { notActive: world.notActive, drained: world.drained, noService: 99 } }) as unknown as EngineCounters,
      steered: () => [{ router: 'front', packets: world.steered }],
      steer: (router, to, forMs) => steers.push([router, to.map(({ mac }) => mac).join(), forMs]),
    },
    holderOf: () => world.holder,
    placesOf: (node) => [{ interface: 'eth0', mac: `mac of ${node}` }],
    onSteering: (router, successor, interfaces) => news.push(`${router} ${successor} ${interfaces}`),
    onEnd: (router, effect) => ends.push([router, effect]),
  });
  return { clock, world, steers, ends, news, stragglers };
}

t.test('to whoever says that it holds the role, for the rest of the grace period', async (t) => {
  const { clock, world, steers, ends, news, stragglers } = setup();
  stragglers.begin('front');
  stragglers.review();
  t.same(steers, [], 'nobody has said so: this node drains');
  clock.advance(500);
  world.holder = 'lb2';
  stragglers.review();
  stragglers.review();
  t.same(steers, [['front', 'mac of lb2', STEER_MS - 500]], 'once');
  world.steered += 12;
  world.drained += 1;
  world.notActive += 2;
  t.same(stragglers.effect('front'), { successor: 'lb2', steered: 12, lost: 3 });
  world.holder = 'lb3';
  stragglers.review();
  t.same(steers.at(-1), ['front', 'mac of lb3', STEER_MS - 500], 'it went on');
  t.same(news, ['front lb2 eth0', 'front lb3 eth0']);
  clock.advance(STEER_MS);
  t.same(ends, [['front', { successor: 'lb3', steered: 12, lost: 3 }]]);
  t.same(stragglers.effect('front'), { successor: null, steered: 0, lost: 0 }, 'it is over');
});

t.test('counts from the first word on; nothing is told of what was not lost', async (t) => {
  const { clock, world, ends, stragglers } = setup();
  stragglers.begin('front');
  world.notActive += 1;
  stragglers.begin('front');
  t.equal(stragglers.effect('front').lost, 1);
  stragglers.end('front', false);
  clock.advance(STEER_MS);
  t.same(ends, []);
});

t.test('a role that comes back ends it, and nothing is left to steer by', async (t) => {
  const { world, steers, ends, stragglers } = setup();
  stragglers.begin('front');
  world.holder = 'lb2';
  stragglers.review();
  stragglers.end('front', true);
  t.same(steers.at(-1), ['front', '', 0]);
  t.match(ends, [['front', { successor: 'lb2' }]]);
  stragglers.end('front', true);
  t.equal(ends.length, 1, 'once');
});

t.test('a node that ends tells what it knows, and leaves the data plane to go on', async (t) => {
  const { world, steers, ends, stragglers } = setup();
  stragglers.begin('front');
  world.holder = 'lb2';
  stragglers.review();
  stragglers.stop();
  t.equal(steers.length, 1);
  t.equal(ends.length, 1);
});

t.test('a peer is met where an address of it belongs to our segment', async (t) => {
  const link = (name: string, ifindex: number, address: string) => ({
    name,
    ifindex,
    mac: `02:00:00:00:00:0${ifindex}`,
    isUp: true,
    addresses: [{ address, prefixLength: 24 }],
    ipv6Addresses: [{ address: 'fe80::1', prefixLength: 64 }],
  });
  const facts = { links: [link('eth0', 1, '10.1.0.11'), link('eth1', 2, '10.2.0.11')], routes: [] };
  const theirs = [
    { name: 'eth1', mac: '02:00:00:00:01:12', addresses: ['10.1.0.12'] },
    { name: 'eth0', mac: '02:00:00:00:03:12', addresses: ['10.3.0.12', 'fe80::2'] },
  ];
  t.same(sharedSegments(['eth0', 'eth1', 'eth9'], facts, theirs), [{ interface: 'eth0', mac: '02:00:00:00:01:12' }]);
  const six = [{ name: 'x', mac: '02:00:00:00:05:12', addresses: ['2001:db8::12'] }];
  const own = { ...link('eth0', 1, '10.1.0.11'), ipv6Addresses: [{ address: '2001:db8::11', prefixLength: 64 }] };
  t.same(sharedSegments(['eth0'], { links: [own], routes: [] }, six), [{ interface: 'eth0', mac: '02:00:00:00:05:12' }]);
});
