import t from 'tap';
import type { Config } from '../../../src/config/model.js';
import { flowLayout, flowState, nextHopState, recordKind, recordLayout, serverFlag } from '../../../src/l4/abi.gen.js';
import type { PoolGeneration, PoolMember } from '../../../src/l4/api.js';
import { createEngine, type L4Engine } from '../../../src/l4/engine.js';
import {
  decodeNextHop,
  decodeServer,
  decodeService,
  decodeSettings,
  encodeIndex,
  encodeNextHopKey,
  encodeRecord,
  encodeServiceKey,
} from '../../../src/l4/records.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeDataPlane } from '../../support/fake-data-plane.js';
import { FakeLinks, FakeNeighbours, twoNetworks } from '../../support/fake-network.js';
import { sampleConfig, samplePool, sampleServer, sampleService } from '../../support/sample-config.js';

interface Bench {
  engine: L4Engine;
  maps: FakeDataPlane;
  links: FakeLinks;
  neighbours: FakeNeighbours;
  clock: FakeClock;
  events: { name: string; fields: Record<string, unknown> }[];
}

async function started(config: Config = sampleConfig(), maps = new FakeDataPlane(), saved: PoolGeneration[] = []): Promise<Bench> {
  const bench = { maps, links: new FakeLinks(), neighbours: new FakeNeighbours(), clock: new FakeClock(), events: [] as Bench['events'] };
  const { links, neighbours, clock, events } = bench;
  const log = { event: (name: string, fields: Record<string, unknown>) => events.push({ name, fields }) };
  const engine = createEngine({ dataPlane: maps.asDataPlane, config, node: 'lb1', links, neighbours, clock, log: log as never, saved });
  await engine.start();
  return { ...bench, engine };
}

const webKey = encodeServiceKey({ address: '10.1.0.100', port: 80, protocol: 'tcp' });
const web = (maps: FakeDataPlane) => decodeService(maps.mapGet('services', webKey) ?? Buffer.alloc(0));
const server = (maps: FakeDataPlane, slot: number) => decodeServer(maps.mapGet('servers', encodeIndex(slot)) ?? Buffer.alloc(0));
const nextHop = (maps: FakeDataPlane, index: number) => decodeNextHop(maps.mapGet('next_hops', encodeIndex(index)) ?? Buffer.alloc(0));
const generation = (number: number, ...alive: string[]): PoolGeneration => ({
  pool: 'web',
  generation: number,
  members: samplePool.servers.map((one) => ({ ...one, alive: alive.includes(one.name) })),
});

t.test('start fills empty maps; the table is there before the service speaks of it, the address comes last', async (t) => {
  const { maps, engine } = await started();
  const order = maps.journal.filter((write) => !/next_hop|settings/.test(write));
  t.ok(order.indexOf('table 0') < order.indexOf('set services'));
  t.ok(order.lastIndexOf('set servers') < order.indexOf('table 0'));
  t.ok(order.indexOf('set addresses') > order.indexOf('set services'));
  t.equal(web(maps).currentSize, 251);
  t.same(engine.routerSlots(), [{ name: 'front', slot: 0 }]);
});

t.test('settings: not ready until said so; the offset of one boot is kept', async (t) => {
  const { maps, engine, clock } = await started();
  const settings = () => decodeSettings(maps.mapGet('settings', encodeIndex(0)) ?? Buffer.alloc(0));
  t.equal(engine.isReady(), false);
  t.match(settings(), { ready: false, nodeId: 1 });
  t.equal(settings().realtimeOffsetNs, BigInt(clock.wallMs()) * 1_000_000n - 1_000_000_000n);
  engine.setReady(true);
  t.equal(settings().ready, true);
  const again = await started(sampleConfig(), maps);
  again.clock.advance(50_000);
  again.engine.applyConfig(sampleConfig());
  t.equal(again.engine.isReady(), true, 'a restarted daemon does not stop a table that serves');
  t.equal(settings().realtimeOffsetNs, BigInt(clock.wallMs()) * 1_000_000n - 1_000_000_000n);
});

t.test('a second daemon on the same maps writes nothing', async (t) => {
  const { maps } = await started();
  maps.journal = [];
  maps.kernelTimeNs += 5_000_000_000n;
  await started(sampleConfig(), maps);
  t.same(
    maps.journal.filter((write) => write !== 'set next_hop_index'),
    [],
  );
});

t.test('after a restart, servers and gateways are told apart from neighbours learnt from packets', async (t) => {
  const { maps, engine } = await started();
  engine.handleNotices([{ kind: 'nextHop', ifindex: 2, address: '10.1.0.50', mac: '' }]);
  const again = await started(sampleConfig(), maps);
  t.same(again.engine.localNextHops(), ['10.1.0.50']);
});

t.test('slots survive a restart with another order, more services and fewer servers', async (t) => {
  const dns = { ...sampleService, name: 'dns', port: 53, protocol: 'udp' as const };
  const { maps } = await started(sampleConfig({ services: [sampleService, dns] }));
  const mail = { ...sampleService, name: 'mail', port: 25 };
  const pools = [{ ...samplePool, servers: samplePool.servers.slice(1) }];
  await started(sampleConfig({ services: [mail, dns, sampleService], pools }), maps);
  t.equal(web(maps).slot, 0);
  t.equal(
    decodeService(maps.mapGet('services', encodeServiceKey({ address: '10.1.0.100', port: 53, protocol: 'udp' })) ?? Buffer.alloc(0)).slot,
    1,
  );
  t.match(server(maps, 2), { address: '10.2.0.22', vipPort: 80, serviceSlot: 0 }, 'be2 of web is where it was');
  t.match(server(maps, 4), { address: '10.2.0.22', vipPort: 53, serviceSlot: 1 });
  t.equal(server(maps, 1).port, 0, 'be1 is gone');
  t.match(server(maps, 5), { address: '10.2.0.22', vipPort: 25, serviceSlot: 2 }, 'the newcomer took a free slot');
});

t.test('a generation takes effect: flags, tables, second chance', async (t) => {
  const { maps, engine } = await started();
  const before = maps.getTable(0);
  maps.kernelTimeNs = 7_000_000_000n;
  maps.journal = [];
  engine.setGenerations([generation(2, 'be2')]);
  t.same(maps.journal, ['table 1', 'set services', 'table 0', 'set servers'], 'the dead server is marked after the tables forgot it');
  t.same(new Set(maps.getTable(0)), new Set([2]));
  t.same(maps.getTable(1), before);
  t.match(web(maps), { currentSize: 251, previousSize: 251, generationSinceNs: 7_000_000_000n });
  t.equal(server(maps, 1).flags & serverFlag.alive, 0);
  t.equal(server(maps, 2).flags & serverFlag.alive, serverFlag.alive);
  maps.journal = [];
  engine.setGenerations([generation(3, 'be1', 'be2')]);
  t.same(
    maps.journal,
    ['table 1', 'set services', 'table 0', 'set servers'],
    'a returning server is marked after the second chance forgot it',
  );
  t.same(maps.getTable(0), before, 'and gets its old entries');
});

t.test('the same members under another number write nothing', async (t) => {
  const { maps, engine } = await started();
  maps.journal = [];
  engine.setGenerations([generation(9, 'be1', 'be2')]);
  t.same(maps.journal, []);
  t.equal(engine.generations()[0]?.generation, 9);
});

t.test('nobody alive: the service stays and has no table', async (t) => {
  const { maps, engine } = await started();
  engine.setGenerations([generation(2)]);
  t.match(web(maps), { currentSize: 0, previousSize: 251 });
  t.equal(maps.getTable(0), null);
});

t.test('a restarted daemon goes on with the servers that were alive', async (t) => {
  const { maps, engine } = await started();
  engine.setGenerations([generation(2, 'be2')]);
  const again = await started(sampleConfig(), maps);
  t.same(
    again.engine.generations()[0]?.members.map((member) => member.alive),
    [false, true],
  );
  t.same(new Set(maps.getTable(0)), new Set([2]));
  t.match(web(maps), { previousSize: 251 }, 'the second chance is not lost either');
});

t.test('a restarted daemon begins with what was saved: a drained server gets nothing for a moment', async (t) => {
  const { maps, engine } = await started();
  const [be1, be2] = generation(2, 'be1', 'be2').members as [PoolMember, PoolMember];
  const drained: PoolGeneration = { pool: 'web', generation: 2, members: [{ ...be1, weight: 0, sizeWeight: 1000, state: 'drain' }, be2] };
  engine.setGenerations([drained]);
  maps.journal = [];
  const again = await started(sampleConfig(), maps, [drained, { ...drained, pool: 'gone' }]);
  t.same(again.engine.generations(), [drained]);
  t.same(
    maps.journal.filter((write) => /table|services|servers/.test(write)),
    [],
    'nothing is written anew',
  );
});

t.test('tables that were caught half-written are written anew', async (t) => {
  const { maps } = await started();
  maps.setTable(0, new Uint32Array(509).fill(2));
  await started(sampleConfig(), maps);
  t.equal(maps.getTable(0)?.length, 251);
  t.same(new Set(maps.getTable(0)), new Set([1, 2]));
});

t.test('next hops of servers: an index at once, the MAC when it is known, news when it changes', async (t) => {
  const { maps, neighbours, links, engine } = await started();
  const index = server(maps, 1).nextHop;
  t.not(index, 0);
  t.ok(neighbours.managed.has('eth1 10.2.0.21'));
  t.equal(nextHop(maps, index).state, nextHopState.unresolved);
  t.equal(engine.counters().services[0]?.servers[0]?.nextHop, 'unresolved');
  neighbours.answer('eth1', '10.2.0.21', '02:00:00:00:02:21');
  t.match(nextHop(maps, index), {
    state: nextHopState.resolved,
    destinationMac: '02:00:00:00:02:21',
    sourceMac: '02:00:00:00:02:11',
    ifindex: 3,
  });
  t.equal(engine.counters().services[0]?.servers[0]?.nextHop, 'resolved');
  const [lo, eth0, eth1] = twoNetworks.links;
  if (lo === undefined || eth0 === undefined || eth1 === undefined) throw new Error('the sample network has three links');
  links.become({ ...twoNetworks, links: [lo, eth0, { ...eth1, mac: '02:00:00:00:02:99' }] });
  t.equal(nextHop(maps, index).sourceMac, '02:00:00:00:02:99');
  links.become({ ...twoNetworks, links: [lo, eth0, { ...eth1, isUp: false }] });
  t.equal(nextHop(maps, index).state, nextHopState.unresolved);
});

t.test('own addresses are followed', async (t) => {
  const { maps, links } = await started();
  const key = (text: string): Buffer => Buffer.from(text.split('.').map(Number));
  t.ok(maps.mapGet('addresses', key('10.2.0.11')));
  const renumbered = twoNetworks.links.map((link) =>
    link.name === 'eth1' ? { ...link, addresses: [{ address: '10.2.0.12', prefixLength: 24 }] } : link,
  );
  links.become({ ...twoNetworks, links: renumbered });
  t.notOk(maps.mapGet('addresses', key('10.2.0.11')));
  t.ok(maps.mapGet('addresses', key('10.2.0.12')));
});

t.test('a notice of the data plane: the neighbour gets an index, the peer is told, a verify target is found', async (t) => {
  const { maps, neighbours, engine } = await started();
  const told: string[][] = [];
  engine.onLocalNextHops((addresses) => told.push(addresses));
  const notice = { kind: 'nextHop' as const, ifindex: 2, address: '10.1.0.50', mac: '' };
  engine.handleNotices([notice, notice]);
  t.same(told, [['10.1.0.50']], 'told once');
  const index = maps.mapGet('next_hop_index', encodeNextHopKey({ ifindex: 2, address: '10.1.0.50' }))?.readUInt32LE(0) ?? 0;
  t.equal(nextHop(maps, index).address, '10.1.0.50');
  t.ok(maps.journal.lastIndexOf('set next_hops') < maps.journal.lastIndexOf('set next_hop_index'));
  t.same(engine.verifyTargets(), [], 'nobody answers yet');
  neighbours.answer('eth0', '10.1.0.50', '02:00:00:00:01:50');
  neighbours.answer('eth0', '10.1.0.1', '02:00:00:00:01:01');
  t.same(engine.verifyTargets(), [
    { interface: 'eth0', address: '10.1.0.1', mac: '02:00:00:00:01:01' },
    { interface: 'eth0', address: '10.1.0.50', mac: '02:00:00:00:01:50' },
  ]);
});

t.test("the peer's gateways are resolved early, but not told back as our own", async (t) => {
  const { maps, neighbours, engine } = await started();
  engine.setRemoteNextHops(['10.1.0.60', '192.0.2.1', '10.1.0.11']);
  t.ok(neighbours.managed.has('eth0 10.1.0.60'));
  t.notOk(
    [...neighbours.managed].some((key) => key.includes('192.0.2.1')),
    'not a neighbour of ours',
  );
  t.ok(maps.mapGet('next_hop_index', encodeNextHopKey({ ifindex: 2, address: '10.1.0.60' })));
  t.same(engine.localNextHops(), []);
});

t.test('a foreign claim raises an alarm', async (t) => {
  const { engine, events } = await started();
  engine.handleNotices([{ kind: 'foreignClaim', ifindex: 2, address: '10.1.0.100', mac: '02:00:00:00:66:66' }]);
  t.match(events, [{ name: 'address.foreignClaim', fields: { address: '10.1.0.100', mac: '02:00:00:00:66:66', interface: 'eth0' } }]);
});

t.test('dsr through a gateway and servers without a route are pointed out, once', async (t) => {
  const servers = [sampleServer({ name: 'far', address: '198.51.100.9', port: 80 })];
  const config = sampleConfig({ services: [{ ...sampleService, forward: 'dsr' }], pools: [{ ...samplePool, servers }] });
  const { engine, links, events } = await started(config);
  engine.applyConfig(config);
  t.match(events, [{ name: 'config.warning', fields: { place: 'services.web', reason: /behind the gateway 10\.1\.0\.1/ } }]);
  links.become({ ...twoNetworks, routes: [] });
  t.match(events[1], { fields: { reason: /no route leads to server far/ } });
  t.equal(events.length, 2);
});

t.test('flows are swept only while a lease is held, a little at a time', async (t) => {
  const { maps, engine, clock } = await started();
  clock.advance(5000);
  t.equal(maps.sweeps, 0);
  engine.setHolding([0]);
  maps.sweepStepsPerRound = 10;
  maps.onSweep = () => clock.pause(1);
  clock.advance(50);
  t.equal(maps.sweeps, 2, 'two milliseconds per tick');
  clock.advance(400);
  t.equal(maps.sweeps, 10, 'one round, then a rest');
  engine.setHolding([]);
  clock.advance(5000);
  t.equal(maps.sweeps, 10);
});

t.test('counters by name', async (t) => {
  const { maps, engine } = await started();
  maps.trafficWords.set([10n, 1000n, 20n, 2000n, 3n], 5);
  maps.trafficWords.set([1n, 100n, 2n, 200n, 1n], 10);
  maps.dropWords[8] = 4n;
  const counters = engine.counters();
  t.same(counters.services[0]?.traffic, { packetsIn: 11, bytesIn: 1100, packetsOut: 22, bytesOut: 2200, newFlows: 4 });
  t.match(counters.services[0]?.servers, [
    { server: 'be1', address: '10.2.0.21:8080', isUsable: true, traffic: { packetsIn: 10 } },
    { server: 'be2', traffic: { newFlows: 1 } },
  ]);
  t.equal(counters.drops.noRecord, 4);
  t.notOk('reasons' in counters.drops);
  t.same(counters.flows, [{ router: 'front', flows: 7 }]);
});

t.test('flows by filter', async (t) => {
  const { maps, engine, clock } = await started();
  const flow = (clientPort: number, serverAddress: string, state: number): Buffer =>
    encodeRecord(recordKind.upsert, {
      key: { clientAddress: '192.0.2.7', clientPort, vipAddress: '10.1.0.100', vipPort: 80, protocol: 'tcp' },
      serverAddress,
      serverPort: 8080,
      state,
      flags: 0,
      generation: 2n << 56n,
      ageMs: 5,
      serverSlot: 1,
      nextHop: 0,
    });
  maps.flows = Array.from({ length: 5000 }, (_, index) =>
    flow(10_000 + index, index % 2 === 0 ? '10.2.0.21' : '10.2.0.22', index === 4999 ? flowState.syn : flowState.established),
  );
  const answer = async <T>(promise: Promise<T>): Promise<T> => {
    let isThere = false;
    void promise.finally(() => {
      isThere = true;
    });
    while (!isThere) {
      clock.advance(0);
      await Promise.resolve();
    }
    return promise;
  };
  const ask = (filter: Parameters<L4Engine['flows']>[0], limit: number) => answer(engine.flows(filter, limit));
  t.same(await ask({ state: 'syn' }, 10), [
    {
      protocol: 'tcp',
      client: '192.0.2.7:14999',
      listen: '10.1.0.100:80',
      server: '10.2.0.22:8080',
      state: 'syn',
      forward: 'nat',
      idleMs: 5,
      origin: 'lb2',
    },
  ]);
  t.equal((await ask({ server: 'be1' }, 10_000)).length, 2500);
  t.equal((await ask({ server: '10.2.0.22' }, 10_000)).length, 2500);
  t.equal((await ask({ service: 'web' }, 7)).length, 7);
  t.same(await ask({ service: 'other' }, 7), []);
  t.equal((await ask({ client: '192.0.2.7:10001' }, 7)).length, 1);

  const be = (last: number, pool = 'web') => ({ pool, address: `10.2.0.2${last}`, port: 8080 });
  t.same(await answer(engine.countFlows([be(2), be(1), be(1, 'other'), be(9)])), [2500, 2500, 0, 0]);
  maps.flows = maps.flows.slice(0, 10).map((record) => {
    record[recordLayout.flow + flowLayout.state] = flowState.closed;
    return record;
  });
  maps.flows.push(flow(9999, '10.2.0.21', flowState.finClient));
  t.same(await answer(engine.countFlows([be(1), be(2)])), [1, 0], 'closed on both sides is over');
});

t.test('a configuration that does not fit leaves the one before in force', async (t) => {
  const { maps, engine } = await started();
  maps.journal = [];
  const services = Array.from({ length: 9 }, (_, index) => ({ ...sampleService, name: `web${index}`, port: 80 + index }));
  t.throws(() => engine.applyConfig(sampleConfig({ services })), { code: 'ENDPOINT_SHARED_TOO_OFTEN' });
  t.same(maps.journal, []);
  engine.setGenerations([generation(2, 'be1')]);
  t.same(new Set(maps.getTable(0)), new Set([1]));
});

t.test('after stop nothing is followed any more', async (t) => {
  const { maps, engine, links, neighbours, clock } = await started();
  engine.setHolding([0]);
  engine.stop();
  maps.journal = [];
  links.become({ links: [], routes: [] });
  neighbours.answer('eth1', '10.2.0.21', '02:00:00:00:02:21');
  const { sweeps } = maps;
  clock.advance(5000);
  t.same(maps.journal, []);
  t.equal(maps.sweeps, sweeps);
});

t.test('foreign claims of either family are counted and logged once', async (t) => {
  const { engine, events } = await started();
  const claim = (address: string) => ({ kind: 'foreignClaim' as const, ifindex: 2, address, mac: '02:00:00:00:66:66' });
  engine.handleNotices([claim('10.1.0.100'), claim('10.1.0.100'), claim('fe80::33'), { ...claim('10.1.0.100'), ifindex: 99 }]);
  const told = events.filter(({ name }) => name === 'address.foreignClaim').map(({ fields }) => fields);
  t.match(told, [
    { address: '10.1.0.100', mac: '02:00:00:00:66:66', interface: 'eth0', reason: /^an ARP message/ },
    { address: 'fe80::33', interface: 'eth0', reason: /^a Neighbour Discovery message/ },
  ]);
  t.equal(told.length, 2);
  t.match(engine.foreignClaims(), [{ address: '10.1.0.100', interface: 'ifindex 99', claims: 3 }, { claims: 1 }]);
});

t.test('steering is named by routers and follows the links', async (t) => {
  const { engine, maps, links } = await started();
  engine.setPeerMacs([{ interface: 'eth0', mac: '02:00:00:00:01:12' }]);
  engine.steer('front', [{ interface: 'eth0', mac: '02:00:00:00:01:12' }], 1000);
  t.equal(maps.mapEntries('peer_macs').length, 1);
  t.equal(maps.mapEntries('steers').length, 1);
  t.throws(() => engine.steer('nobody', [], 1000), /no virtual router nobody/);
  maps.steeredWords[0] = 4n;
  t.same(engine.steered(), [{ router: 'front', packets: 4 }]);
  links.become({ ...twoNetworks, links: twoNetworks.links.filter((link) => link.name !== 'eth0') });
  t.equal(maps.mapEntries('peer_macs').length, 0);
});
