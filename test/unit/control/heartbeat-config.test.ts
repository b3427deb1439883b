/**
 * What the heartbeat is told about a virtual router: this node's own part of a file that all nodes share.
 */
import t from 'tap';
import type { VirtualRouterConfig } from '../../../src/config/model.js';
import { heartbeatConfig } from '../../../src/control/heartbeat-config.js';
import { sampleConfig } from '../../support/sample-config.js';

const facts = {
  node: 'lb2',
  instance: '7',
  pinDir: '/pins',
  socketPath: '/run/heartbeat.sock',
  realtimePriority: 10,
  beatKey: '00'.repeat(16),
  clusterId: '99',
  slotOf: () => 3,
  addressOf: () => '10.1.0.12',
};

function groupWith(change: Partial<VirtualRouterConfig>) {
  const config = sampleConfig();
  const [router] = config.virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  return heartbeatConfig({ ...config, virtualRouters: [{ ...router, ...change }] }, facts).groups[0];
}

const routerWith = (change: Partial<VirtualRouterConfig>) => groupWith(change)?.members[0];

t.test("the node's own priority, address and slot", async (t) => {
  t.match(groupWith({}), { name: 'front', priority: 100, advertIntervalMs: 100, leaseIntervalMs: 100 });
  t.match(routerWith({}), { slot: 3, sourceAddress: '10.1.0.12' });
  t.throws(() => groupWith({ priority: { lb1: 200 } }), /no priority for lb2/);
});

t.test('unicast peers are the others', async (t) => {
  t.same(routerWith({ unicastPeers: { lb1: '10.1.0.11', lb2: '10.1.0.12' } })?.unicastPeers, ['10.1.0.11']);
});

t.test('unicast routers beside the cluster are peers, too', async (t) => {
  const change = { unicastPeers: { lb1: '10.1.0.11', lb2: '10.1.0.12' }, unicastRouters: ['10.1.0.13'], unicastSourceCheck: false };
  t.match(routerWith(change), { unicastPeers: ['10.1.0.11', '10.1.0.13'], unicastSourceCheck: false });
});

t.test('IPv6 and version 2', async (t) => {
  const asked: string[] = [];
  const config = sampleConfig();
  const addressOf = (name: string, family: string): string => {
    asked.push(`${name} ${family}`);
    return family === 'ipv6' ? 'fe80::12' : '10.1.0.12';
  };
  const [router] = config.virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  const routers = [
    { ...router, name: 'old', version: 2 as const, advertIntervalMs: 2000 },
    { ...router, name: 'new', addresses: ['fe80::51'], otherAddresses: [], virtualMac: true },
  ];
  const { groups } = heartbeatConfig({ ...config, virtualRouters: routers }, { ...facts, addressOf });
  t.match(groups, [
    { skewIntervalMs: 1000, advertIntervalMs: 2000, members: [{ version: 2, sourceAddress: '10.1.0.12', virtualMac: false }] },
    { members: [{ version: 3, sourceAddress: 'fe80::12', virtualMac: true, announced: [{ address: 'fe80::51', interface: 'eth0' }] }] },
  ]);
  t.equal(groups[1]?.skewIntervalMs, undefined);
  t.same(asked, ['eth0 ipv4', 'eth0 ipv6']);
});

t.test('the form of the checksum', async (t) => {
  for (const checksum of ['rfc9568', 'rfc5798', 'auto'] as const) t.equal(routerWith({ checksum })?.checksum, checksum);
});

t.test('a sync group is one election over its routers, and the others have one each', async (t) => {
  const config = sampleConfig();
  const [front] = config.virtualRouters;
  if (front === undefined) throw new Error('the sample has a router');
  const routers = [front, { ...front, name: 'back', id: 52, interface: 'eth1' }, { ...front, name: 'alone', id: 53 }];
  const { groups } = heartbeatConfig(
    { ...config, virtualRouters: routers, syncGroups: [{ name: 'site', virtualRouters: ['back', 'front'] }] },
    facts,
  );
  t.same(
    groups.map((group) => [group.name, group.members.map((member) => member.vrid)]),
    [
      ['site', [51, 52]],
      ['alone', [53]],
    ],
    'in the order of the routers, the same on every node',
  );
});
