import t from 'tap';
import { limit, nextHopState, recordKind } from '../../../src/l4/abi.gen.js';
import { createNextHops, FREE_LOW } from '../../../src/l4/next-hops.js';
import { decodeNextHop, encodeIndex, encodeNextHopKey, encodeRecord } from '../../../src/l4/records.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeDataPlane } from '../../support/fake-data-plane.js';
import { FakeNeighbours, twoNetworks } from '../../support/fake-network.js';

function table(maps = new FakeDataPlane()) {
  const neighbours = new FakeNeighbours();
  const clock = new FakeClock();
  let learnt = 0;
  const nextHops = createNextHops({ maps, neighbours, clock, onLearnt: () => learnt++ });
  nextHops.adopt(twoNetworks);
  return { maps, neighbours, clock, nextHops, learnt: () => learnt };
}

const client = (number: number): string => `10.1.${16 + Math.floor(number / 250)}.${1 + (number % 250)}`;
const indexOf = (maps: FakeDataPlane, address: string, ifindex = 2): number | null =>
  maps.mapGet('next_hop_index', encodeNextHopKey({ ifindex, address }))?.readUInt32LE(0) ?? null;
const entry = (maps: FakeDataPlane, index: number) => decodeNextHop(maps.mapGet('next_hops', encodeIndex(index)) ?? Buffer.alloc(0));
const flowThrough = (nextHop: number): Buffer =>
  encodeRecord(recordKind.upsert, {
    key: { clientAddress: '192.0.2.7', clientPort: 1, vipAddress: '10.1.0.100', vipPort: 80, protocol: 'tcp' },
    serverAddress: '10.2.0.21',
    serverPort: 80,
    state: 3,
    flags: 0,
    generation: 1n,
    ageMs: 0,
    serverSlot: 1,
    nextHop,
  });

t.test('index 0 is never given away; a neighbour keeps its index', async (t) => {
  const { maps, nextHops, learnt } = table();
  nextHops.learn(2, '10.1.0.50');
  nextHops.learn(2, '10.1.0.51');
  nextHops.learn(2, '10.1.0.50');
  t.equal(indexOf(maps, '10.1.0.50'), 1);
  t.equal(indexOf(maps, '10.1.0.51'), 2);
  t.equal(learnt(), 2);
});

t.test('a notice from an interface that is gone is ignored', async (t) => {
  const { maps, nextHops } = table();
  nextHops.learn(77, '10.1.0.50');
  t.same(maps.journal, []);
});

t.test('a restart finds the same indexes and fills the gaps last', async (t) => {
  const { maps, nextHops } = table();
  for (const last of [50, 51, 52]) nextHops.learn(2, `10.1.0.${last}`);
  maps.mapSet('next_hops', encodeIndex(2), Buffer.alloc(24));
  const again = table(maps);
  again.nextHops.learn(2, '10.1.0.53');
  t.equal(indexOf(maps, '10.1.0.50'), 1);
  t.equal(indexOf(maps, '10.1.0.52'), 3);
  t.equal(indexOf(maps, '10.1.0.53'), 4);
  t.ok(again.neighbours.managed.has('eth0 10.1.0.52'));
});

t.test('a neighbour that fails is not used; one that answers again is', async (t) => {
  const { maps, neighbours, nextHops } = table();
  nextHops.learn(2, '10.1.0.50');
  neighbours.answer('eth0', '10.1.0.50', '02:00:00:00:01:50');
  t.equal(nextHops.isResolved(1), true);
  neighbours.answer('eth0', '10.1.0.50', null);
  t.equal(entry(maps, 1).state, nextHopState.unresolved);
  neighbours.answer('eth0', '10.1.0.50', '02:00:00:00:01:51');
  t.equal(entry(maps, 1).destinationMac, '02:00:00:00:01:51');
  t.equal(nextHops.isResolved(2), false);
});

t.test('a full table turns newcomers away', async (t) => {
  const { maps, nextHops } = table();
  for (let number = 0; number < limit.maxNextHops - 1; number++) nextHops.learn(2, client(number));
  nextHops.learn(2, '10.1.0.99');
  t.equal(indexOf(maps, client(0)), 1);
  t.equal(indexOf(maps, '10.1.0.99'), null);
});

t.test('near the end idle neighbours are forgotten, but none that a flow names or that is required', async (t) => {
  const { maps, clock, nextHops, neighbours } = table();
  const hop = { interface: 'eth0', ifindex: 2, address: client(1), isGateway: false };
  const count = Math.ceil(limit.maxNextHops - FREE_LOW) + 1;
  for (let number = 0; number < count; number++) nextHops.learn(2, client(number));
  nextHops.require(new Map([['server', hop]]));
  clock.advance(59_000);
  nextHops.learn(2, client(2));
  clock.advance(2000);
  maps.flows = Array.from({ length: 5000 }, (_, index) => flowThrough(index === 4999 ? 1 : 0));

  nextHops.reclaimStep();
  t.equal(indexOf(maps, client(0)), null, 'candidates are not given to new flows while the walk goes on');
  t.equal(entry(maps, 1).address, client(0), 'but still serve the flows that name them');
  nextHops.reclaimStep();
  nextHops.learn(2, client(3));
  t.equal(indexOf(maps, client(3)), 4, 'a notice brings a candidate back');
  for (let step = 0; step < 5; step++) nextHops.reclaimStep();

  t.equal(indexOf(maps, client(0)), 1, 'named by a flow');
  t.equal(indexOf(maps, client(1)), 2, 'required');
  t.equal(indexOf(maps, client(2)), 3, 'seen lately');
  t.equal(indexOf(maps, client(3)), 4);
  t.equal(indexOf(maps, client(4)), null);
  t.equal(entry(maps, 5).state, nextHopState.empty);
  t.notOk(neighbours.managed.has(`eth0 ${client(4)}`));
  t.equal(nextHops.learnt().length, 4);
});

t.test('with room enough nothing is walked or forgotten', async (t) => {
  const { maps, clock, nextHops } = table();
  nextHops.learn(2, '10.1.0.50');
  clock.advance(1_000_000);
  for (let step = 0; step < 5; step++) nextHops.reclaimStep();
  t.equal(indexOf(maps, '10.1.0.50'), 1);
});

t.test('reused indexes are those forgotten longest ago, after all fresh ones', async (t) => {
  const { maps, clock, nextHops } = table();
  const count = Math.ceil(limit.maxNextHops - FREE_LOW) + 1;
  for (let number = 0; number < count; number++) nextHops.learn(2, client(number));
  clock.advance(61_000);
  for (let step = 0; step < 3; step++) nextHops.reclaimStep();
  t.equal(nextHops.learnt().length, 0);
  nextHops.learn(2, '10.1.0.99');
  t.equal(indexOf(maps, '10.1.0.99'), count + 1);
});
