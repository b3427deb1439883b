import t from 'tap';
import { createPeersView } from '../../../src/control/peers-view.js';
import { FakeClock } from '../../support/fake-clock.js';

t.test('a router is held while a connected peer says so', async (t) => {
  const view = createPeersView(new FakeClock());
  t.equal(view.isHeld('front'), false);
  view.heard('lb2', { type: 'holding', routers: ['front'] });
  view.heard('lb3', { type: 'holding', routers: ['back'] });
  t.equal(view.isHeld('front'), true);
  t.equal(view.isHeld('back'), true);
  t.same([...view.heldBy('lb3')], ['back']);
  view.heard('lb3', { type: 'holding', routers: [] });
  t.equal(view.isHeld('back'), false, 'given up');
  view.lost('lb2');
  t.equal(view.isHeld('front'), false, 'nobody says so any more');
  t.same([...view.heldBy('lb2')], []);
});

t.test('waiting for a peer to hold routers ends with its word or with the limit', async (t) => {
  const clock = new FakeClock();
  const view = createPeersView(clock);
  const both = view.waitToHold('lb2', ['front', 'back'], 1000);
  view.heard('lb3', { type: 'holding', routers: ['front', 'back'] });
  view.heard('lb2', { type: 'holding', routers: ['front'] });
  view.heard('lb2', { type: 'holding', routers: ['front', 'back'] });
  t.equal(await both, true);
  const never = view.waitToHold('lb2', ['side'], 1000);
  clock.advance(1000);
  t.equal(await never, false);
});

t.test('a key of before is one until another is heard', async (t) => {
  const view = createPeersView(new FakeClock(), new Map([['lb2', 'a'.repeat(32)]]));
  t.same([...view.beatKeys()], [['lb2', 'a'.repeat(32)]]);
  t.equal(view.heard('lb2', { type: 'beatKey', key: 'a'.repeat(32) }), false, 'nothing new');
  t.equal(view.heard('lb2', { type: 'beatKey', key: 'b'.repeat(32) }), true, 'it has booted since');
  t.same([...view.beatKeys()], [['lb2', 'b'.repeat(32)]]);
});

t.test('gateways of all peers, each once, also of one that is gone', async (t) => {
  const view = createPeersView(new FakeClock());
  view.heard('lb2', { type: 'nextHops', addresses: ['10.1.0.1', '10.1.0.2'] });
  view.heard('lb3', { type: 'nextHops', addresses: ['10.1.0.2'] });
  view.lost('lb2');
  t.same(view.nextHops(), ['10.1.0.1', '10.1.0.2']);
  t.equal(view.heard('lb2', { type: 'takeOver', routers: ['front'], reason: 'operator' }), false, 'not its business');
});

t.test('where a peer stands and how it signs are kept while it is away', async (t) => {
  const view = createPeersView(new FakeClock());
  const interfaces = [{ name: 'eth0', mac: '02:00:00:00:01:12', addresses: ['10.1.0.12'] }];
  t.equal(view.heard('lb2', { type: 'interfaces', interfaces }), true);
  t.equal(view.heard('lb2', { type: 'beatKey', key: 'a'.repeat(32) }), true);
  t.equal(view.heard('lb2', { type: 'beatKey', key: 'a'.repeat(32) }), false, 'nothing new');
  t.equal(view.heard('lb2', { type: 'beatKey', key: 'b'.repeat(32) }), true, 'another instance');
  view.lost('lb2');
  t.same([...view.interfaces()], [['lb2', interfaces]]);
  t.same([...view.beatKeys()], [['lb2', 'b'.repeat(32)]]);
});
