import t from 'tap';
import type { Config } from '../../../src/config/model.js';
import { addressKind, flowState, forward, scheduler, serverFlag } from '../../../src/l4/abi.gen.js';
import type { PoolGeneration, PoolMember } from '../../../src/l4/api.js';
import { compile, compileSettings, SECOND_CHANCE_MS } from '../../../src/l4/compile.js';
import { type Contents, emptyContents } from '../../../src/l4/contents.js';
import { type Change, changes } from '../../../src/l4/map-changes.js';
import { adoptGenerations } from '../../../src/l4/pool-generations.js';
import { encodeMacKey } from '../../../src/l4/router-records.js';
import { assignSlots } from '../../../src/l4/slots.js';
import { twoNetworks } from '../../support/fake-network.js';
import { sampleConfig, samplePool, sampleService } from '../../support/sample-config.js';

function compiled(config: Config, options: { present?: Contents; generations?: PoolGeneration[]; nowNs?: bigint } = {}): Contents {
  const present = options.present ?? emptyContents;
  const generations = new Map((options.generations ?? adoptGenerations(config, present)).map((one) => [one.pool, one]));
  const slots = assignSlots(config, generations, present, new Set());
  const nextHops = new Map([
    ['10.2.0.21', 5],
    ['10.2.0.22', 6],
  ]);
  return compile({ config, generations, slots, facts: twoNetworks, nextHops, present, nowNs: options.nowNs ?? 100n });
}

t.test('the sample configuration, as it must lie in the maps', async (t) => {
  const contents = compiled(sampleConfig());
  const service = contents.services.get('10.1.0.100:80/tcp');
  t.same([...contents.services.keys()], ['10.1.0.100:80/tcp']);
  t.match(service, { slot: 0, virtualRouter: 0, forward: forward.nat, scheduler: scheduler.hash });
  t.equal(service?.tables.current.length, 251);
  t.equal(service?.tables.previous.length, 0);
  t.equal(service?.tables.sinceNs, 100n);
  t.same([...new Set(service?.tables.current)].sort(), [1, 2]);
  const server = {
    port: 8080,
    protocol: 'tcp',
    forward: forward.nat,
    vipAddress: '10.1.0.100',
    vipPort: 80,
    virtualRouter: 0,
    flags: serverFlag.alive,
    serviceSlot: 0,
  };
  t.same(
    [...contents.servers],
    [
      [1, { ...server, address: '10.2.0.21', nextHop: 5 }],
      [2, { ...server, address: '10.2.0.22', nextHop: 6 }],
    ],
  );
  t.same(
    [...contents.endpoints],
    [
      ['0a0200151f900600', [1]],
      ['0a02001500000000', []],
      ['0a0200161f900600', [2]],
      ['0a02001600000000', []],
    ],
  );
  t.same(
    [...contents.addresses],
    [
      ['10.1.0.11', { ifindex: 0, virtualRouter: 0, kind: addressKind.local }],
      ['10.2.0.11', { ifindex: 0, virtualRouter: 0, kind: addressKind.local }],
      ['10.2.0.1', { ifindex: 3, virtualRouter: 0, kind: addressKind.other }],
      ['10.1.0.100', { ifindex: 2, virtualRouter: 0, kind: addressKind.virtual }],
    ],
  );
});

t.test('a virtual address that is also local stays virtual', async (t) => {
  const config = sampleConfig();
  const [router] = config.virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  const contents = compiled({ ...config, virtualRouters: [{ ...router, addresses: ['10.1.0.100', '10.1.0.11'] }] });
  t.equal(contents.addresses.get('10.1.0.11')?.kind, addressKind.virtual);
});

t.test('two services of one pool share endpoints', async (t) => {
  const secure = { ...sampleService, name: 'secure', port: 443, forward: 'dsr' as const };
  const contents = compiled(sampleConfig({ services: [sampleService, secure] }));
  t.same(contents.endpoints.get('0a0200151f900600'), [1, 3]);
  t.equal(contents.servers.get(3)?.forward, forward.dsr);
  t.equal(contents.services.get('10.1.0.100:443/tcp')?.slot, 1);
});

t.test('a ninth service on the same endpoint is refused', async (t) => {
  const services = Array.from({ length: 9 }, (_, index) => ({ ...sampleService, name: `web${index}`, port: 80 + index }));
  t.doesNotThrow(() => compiled(sampleConfig({ services: services.slice(0, 8) })));
  t.throws(() => compiled(sampleConfig({ services })), { code: 'ENDPOINT_SHARED_TOO_OFTEN', source: 'config' });
});

t.test('a dead server keeps its slot and loses its entries; the table before stays as second chance', async (t) => {
  const before = compiled(sampleConfig());
  const members = samplePool.servers.map((server) => ({ ...server, alive: server.name === 'be1' }));
  const after = compiled(sampleConfig(), { present: before, generations: [{ pool: 'web', generation: 2, members }], nowNs: 200n });
  const tables = after.services.get('10.1.0.100:80/tcp')?.tables;
  t.same([...new Set(tables?.current)], [1]);
  t.same(tables?.previous, before.services.get('10.1.0.100:80/tcp')?.tables.current);
  t.equal(tables?.sinceNs, 200n);
  t.equal(after.servers.get(2)?.flags, 0);
});

t.test('onServerDown: drop is written with the server', async (t) => {
  const contents = compiled(sampleConfig({ pools: [{ ...samplePool, onServerDown: 'drop' }] }));
  t.equal(contents.servers.get(1)?.flags, serverFlag.alive | serverFlag.dropFlows);
});

t.test('members that only the lease holder knows are compiled too; servers it does not know get no new flows', async (t) => {
  const members = [{ name: 'be9', address: '10.2.0.29', port: 8080, weight: 1, alive: true }];
  const contents = compiled(sampleConfig(), { generations: [{ pool: 'web', generation: 4, members }] });
  const named = [...contents.servers].map(([slot, server]) => [slot, server.address, server.flags]);
  t.same(named, [
    [1, '10.2.0.29', serverFlag.alive],
    [2, '10.2.0.21', 0],
    [3, '10.2.0.22', 0],
  ]);
  t.same([...new Set(contents.services.get('10.1.0.100:80/tcp')?.tables.current)], [1]);
});

t.test('a drained server keeps its life and loses its entries; the size of the table stays', async (t) => {
  const [first, second] = samplePool.servers.map(({ name, address, port }) => ({ name, address, port, weight: 1, alive: true }));
  if (first === undefined || second === undefined) throw new Error('the sample pool has two servers');
  const compiledWith = (member: Partial<PoolMember>) =>
    compiled(sampleConfig(), { generations: [{ pool: 'web', generation: 4, members: [{ ...first, ...member }, second] }] });
  const tableOf = (contents: Contents) => contents.services.get('10.1.0.100:80/tcp')?.tables.current ?? new Uint32Array(0);
  const drained = compiledWith({ weight: 0, sizeWeight: 1000, state: 'drain' });
  t.equal(drained.servers.get(1)?.flags, serverFlag.alive, 'flows in progress are served');
  t.same([...new Set(tableOf(drained))], [2]);
  t.equal(tableOf(drained).length, tableOf(compiledWith({})).length);
  const tenth = tableOf(compiledWith({ milliWeight: 100, sizeWeight: 1000 })).filter((slot) => slot === 1).length;
  t.equal(tenth, 23, 'a tenth of the weight of the other: 1 of 11 entries');
});

t.test('nothing changed: nothing to write', async (t) => {
  const contents = compiled(sampleConfig());
  t.same(changes(contents, compiled(sampleConfig(), { present: contents, nowNs: 999n })), []);
});

t.test('one more service leaves the others alone', async (t) => {
  const before = compiled(sampleConfig());
  const dns = { ...sampleService, name: 'dns', port: 53, protocol: 'udp' as const };
  const list = changes(before, compiled(sampleConfig({ services: [dns, sampleService] }), { present: before }));
  const touched = list.map((change) => (change.type === 'table' ? `table ${change.index}` : `${change.type} ${change.map}`));
  t.same(touched, ['set endpoints', 'set endpoints', 'set servers', 'set servers', 'table 2', 'set services']);
});

t.test('a server that dies is written after the tables that named it, and so is one that comes back', async (t) => {
  const generation = (number: number, isAlive: boolean): PoolGeneration => ({
    pool: 'web',
    generation: number,
    members: samplePool.servers.map((server, index) => ({ ...server, alive: index > 0 || isAlive })),
  });
  const all = compiled(sampleConfig(), { generations: [generation(1, true)] });
  const one = compiled(sampleConfig(), { generations: [generation(2, false)], present: all, nowNs: 200n });
  const again = compiled(sampleConfig(), { generations: [generation(3, true)], present: one, nowNs: 300n });
  const order = (from: Contents, to: Contents): string[] =>
    changes(from, to).map((change) => (change.type === 'table' ? `table ${change.index}` : `${change.type} ${change.map}`));
  t.same(order(all, one), ['table 1', 'set services', 'table 0', 'set servers']);
  // The second chance still names it for flows that have moved to another server meanwhile.
  t.ok(one.services.get('10.1.0.100:80/tcp')?.tables.previous.includes(1));
  t.same(order(one, again), ['table 1', 'set services', 'table 0', 'set servers']);
});

t.test('a service that leaves takes everything of its own along, addresses first', async (t) => {
  const before = compiled(sampleConfig());
  const list = changes(before, compiled(sampleConfig({ services: [], virtualRouters: [] }), { present: before }));
  const touched = list.map((change) =>
    change.type === 'table' ? `table ${change.index} ${change.slots.length}` : `${change.type} ${change.map}`,
  );
  t.same(touched, [
    'delete addresses',
    'delete addresses',
    'delete services',
    'table 0 0',
    'table 1 0',
    'set servers',
    'set servers',
    'delete endpoints',
    'delete endpoints',
    'delete endpoints',
    'delete endpoints',
  ]);
});

t.test('timeouts by flow state', async (t) => {
  const settings = compileSettings({ config: sampleConfig(), nodeId: 2, ready: true, realtimeOffsetNs: 5n });
  t.equal(settings.timeoutNs.length, flowState.states);
  t.same(
    settings.timeoutNs.map((timeout) => Number(timeout / 1_000_000n)),
    [60_000, 60_000, 60_000, 900_000, 120_000, 120_000, 10_000, 180_000],
  );
  t.match(settings, { nodeId: 2, ready: true, realtimeOffsetNs: 5n, secondChanceNs: BigInt(SECOND_CHANCE_MS) * 1_000_000n });
});

t.test('IPv6 addresses in their one spelling, on the interface of their router', async (t) => {
  const [router] = sampleConfig().virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  const six = { ...router, name: 'six', addresses: ['FE80::0033', 'fd00:1:0:0::100'], otherAddresses: [] };
  const config = sampleConfig({ virtualRouters: [router, six] });
  const contents = compiled(config);
  t.same(contents.addresses.get('fe80::33'), { ifindex: 2, virtualRouter: 1, kind: addressKind.virtual });
  t.same(contents.addresses.get('fd00:1::100'), { ifindex: 2, virtualRouter: 1, kind: addressKind.virtual });
  t.same([...contents.virtualRouters], [], 'ordinary routers are not entered');
  const written = changes(emptyContents, contents).filter((change) => change.type === 'set' && change.map === 'addresses6');
  t.match(written, [
    { key: Buffer.from('fe800000000000000000000000000033', 'hex') },
    { key: Buffer.from('fd000001000000000000000000000100', 'hex') },
  ]);
  t.equal(compiled(config, { present: contents }).addresses.get('fe80::33')?.virtualRouter, 1, 'the slot is found again');
});

t.test('the owner of the addresses accepts without being told; a node that has them not does not', async (t) => {
  const [router] = sampleConfig().virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  const accepts = (addresses: string[], lb2: number): boolean[] => {
    const config = sampleConfig({ virtualRouters: [{ ...router, addresses, priority: { lb1: 100, lb2 } }] });
    return [...compiled(config).virtualRouters.values()].map(({ accept }) => accept);
  };
  t.same(accepts(['10.1.0.11'], 255), [true]);
  t.same(accepts(['10.1.0.100'], 255), [], 'they are on another node');
  t.same(accepts(['10.1.0.11', '10.1.0.100'], 255), [], 'one of two is not ownership');
  t.same(accepts(['10.1.0.11'], 254), [], 'nobody says 255');
});

t.test('virtual MACs by family, on every interface of the router; written before the addresses, removed after them', async (t) => {
  const [router] = sampleConfig().virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  const six = { ...router, name: 'six', id: 255, addresses: ['fe80::ff'], otherAddresses: [], virtualMac: true };
  const contents = compiled(sampleConfig({ virtualRouters: [{ ...router, virtualMac: true, accept: true }, six] }));
  t.same(
    [...contents.virtualRouters],
    [
      [0, { virtualMac: '00:00:5e:00:01:33', accept: true }],
      [1, { virtualMac: '00:00:5e:00:02:ff', accept: false }],
    ],
  );
  const key = (ifindex: number, mac: string) => encodeMacKey({ ifindex, mac }).toString('hex');
  t.same(
    [...contents.virtualMacs],
    [
      [key(2, '00:00:5e:00:01:33'), 0],
      [key(3, '00:00:5e:00:01:33'), 0],
      [key(2, '00:00:5e:00:02:ff'), 1],
    ],
  );
  const maps = (list: Change[]) => list.flatMap((change) => (change.type === 'table' ? [] : [`${change.type} ${change.map}`]));
  const coming = maps(changes(emptyContents, contents));
  t.ok(coming.lastIndexOf('set virtual_macs') < coming.indexOf('set addresses'));
  t.ok(coming.lastIndexOf('set virtual_routers') < coming.indexOf('set addresses'));
  const going = maps(changes(contents, emptyContents));
  t.ok(going.indexOf('delete virtual_macs') > going.lastIndexOf('delete addresses'));
  t.equal(going.filter((what) => what === 'set virtual_routers').length, 2, 'zeroed');
  t.same(changes(contents, contents), []);
});
