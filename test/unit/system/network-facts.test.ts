import t from 'tap';
import { ipv4Number, ipv4Text, isInPrefix } from '../../../src/system/ipv4.js';
import { checkKernelSettings } from '../../../src/system/kernel-settings.js';
import { parseNeighbourLine, parseNeighbours } from '../../../src/system/neighbour-facts.js';
import {
  defaultGateway,
  type Link,
  localAddresses,
  nextHopTo,
  parseLinks,
  parseRoutes,
  primaryAddress,
} from '../../../src/system/network-facts.js';
import { twoNetworks } from '../../support/fake-network.js';

function linkAt(links: readonly Link[], index: number): Link {
  const link = links[index];
  if (link === undefined) throw new Error(`no link ${index}`);
  return link;
}

t.test('links as ip 6.1 prints them', async (t) => {
  const printed = [
    {
      ifindex: 1,
      ifname: 'lo',
      flags: ['LOOPBACK', 'UP'],
      address: '00:00:00:00:00:00',
      addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8 }],
    },
    {
      ifindex: 3,
      ifname: 'a0',
      flags: ['BROADCAST', 'UP'],
      address: '9a:1f:2f:ba:f5:db',
      addr_info: [
        { family: 'inet', local: '10.9.0.1', prefixlen: 24 },
        { family: 'inet6', local: 'fe80::9', prefixlen: 64, dadfailed: true },
        { family: 'inet6', local: '2001:db8::1', prefixlen: 64 },
        { family: 'inet6', local: 'fe80::1', prefixlen: 64 },
      ],
    },
    {},
  ];
  const links = parseLinks(printed);
  t.same(links[1], {
    name: 'a0',
    ifindex: 3,
    mac: '9a:1f:2f:ba:f5:db',
    isUp: true,
    addresses: [{ address: '10.9.0.1', prefixLength: 24 }],
    ipv6Addresses: [
      { address: '2001:db8::1', prefixLength: 64 },
      { address: 'fe80::1', prefixLength: 64 },
    ],
  });
  t.same([primaryAddress(linkAt(links, 1), 'ipv4'), primaryAddress(linkAt(links, 1), 'ipv6')], ['10.9.0.1', 'fe80::1']);
  t.same([primaryAddress(linkAt(links, 0), 'ipv4'), primaryAddress(linkAt(links, 0), 'ipv6')], ['127.0.0.1', null]);
  t.equal(links.length, 2);
  t.same(localAddresses({ links, routes: [] }), ['10.9.0.1'], 'loopback does not count');
  t.same(parseLinks('nonsense'), []);
});

t.test('routes as ip 6.1 prints them', async (t) => {
  const printed = [
    { dst: 'default', gateway: '10.9.0.2', dev: 'a0', metric: 5, flags: [] },
    { dst: '10.9.0.0/24', dev: 'a0', prefsrc: '10.9.0.1', flags: [] },
    { dst: '10.9.7.7', dev: 'a0' },
    {
      dst: '10.78.0.0/16',
      flags: [],
      nexthops: [
        { gateway: '10.9.0.2', dev: 'a0' },
        { gateway: '10.9.0.3', dev: 'a0' },
      ],
    },
    { type: 'blackhole', dst: '10.79.0.0/16', flags: [] },
  ];
  t.same(parseRoutes(printed), [
    { network: '0.0.0.0', prefixLength: 0, gateway: '10.9.0.2', interface: 'a0', metric: 5 },
    { network: '10.9.0.0', prefixLength: 24, gateway: null, interface: 'a0', metric: 0 },
    { network: '10.9.7.7', prefixLength: 32, gateway: null, interface: 'a0', metric: 0 },
    { network: '10.78.0.0', prefixLength: 16, gateway: '10.9.0.2', interface: 'a0', metric: 0 },
  ]);
});

t.test('the next hop: longest prefix, least metric, link up', async (t) => {
  t.same(nextHopTo(twoNetworks, '10.2.0.21'), { interface: 'eth1', ifindex: 3, address: '10.2.0.21', isGateway: false });
  t.same(nextHopTo(twoNetworks, '192.0.2.1'), { interface: 'eth0', ifindex: 2, address: '10.1.0.1', isGateway: true });
  t.equal(nextHopTo(twoNetworks, '10.1.0.11'), null, 'our own');
  t.equal(nextHopTo(twoNetworks, 'not an address'), null);
  const [first] = twoNetworks.routes;
  if (first === undefined) throw new Error('the sample has routes');
  const two = {
    ...twoNetworks,
    routes: [
      { ...first, gateway: '10.1.0.9', metric: 10 },
      { ...first, metric: 5 },
    ],
  };
  t.equal(nextHopTo(two, '192.0.2.1')?.address, '10.1.0.1');
  const down = { ...twoNetworks, links: twoNetworks.links.map((link) => ({ ...link, isUp: link.name !== 'eth1' })) };
  t.equal(nextHopTo(down, '10.2.0.21')?.address, '10.1.0.1', 'the default route, as the kernel does');
  t.equal(defaultGateway(two, 'eth0'), '10.1.0.1');
  t.equal(defaultGateway(two, 'eth1'), null);
});

t.test('neighbours as ip 6.1 prints them', async (t) => {
  const line = (text: string) => parseNeighbourLine(text);
  const seen = { interface: 'a0', address: '10.9.0.2', isGone: false };
  t.same(line('10.9.0.2 dev a0 lladdr 02:00:00:00:00:99 managed STALE '), { ...seen, mac: '02:00:00:00:00:99', isManaged: true });
  t.same(line('10.9.0.2 dev a0 lladdr 02:00:00:00:00:99 REACHABLE'), { ...seen, mac: '02:00:00:00:00:99', isManaged: false });
  t.same(line('10.9.0.2 dev a0 lladdr 02:00:00:00:00:99 FAILED'), { ...seen, mac: null, isManaged: false });
  t.same(line('10.9.0.2 dev a0 managed FAILED '), { ...seen, mac: null, isManaged: true });
  t.same(line('Deleted 10.9.0.2 dev a0 lladdr 02:00:00:00:00:99 STALE'), { ...seen, mac: null, isManaged: false, isGone: true });
  t.equal(line('fe80::1 dev a0 lladdr 02:00:00:00:00:99 router STALE'), null);
  t.equal(line(''), null);
  t.equal(line('10.9.0.2 dev'), null);
  t.same(
    parseNeighbours([
      { dst: '10.9.0.77', dev: 'a0', managed: null, state: ['INCOMPLETE'] },
      { dst: '10.9.0.2', dev: 'a0', lladdr: '92:fb:19:94:f9:03', state: ['REACHABLE'] },
      { dst: 'fe80::1', dev: 'a0', lladdr: '92:fb:19:94:f9:03', state: ['REACHABLE'] },
      {},
    ]),
    [
      { interface: 'a0', address: '10.9.0.77', mac: null, isManaged: true, isGone: false },
      { interface: 'a0', address: '10.9.0.2', mac: '92:fb:19:94:f9:03', isManaged: false, isGone: false },
    ],
  );
});

t.test('addresses as numbers', async (t) => {
  t.equal(ipv4Number('10.1.0.100'), 0x0a010064);
  t.equal(ipv4Number('255.255.255.255'), 0xffffffff);
  for (const wrong of ['10.1.0', '10.1.0.256', '10.1.0.1.2', '', '::1', '10.1.0.x']) t.equal(ipv4Number(wrong), null, wrong);
  t.equal(ipv4Text(0xc0000207), '192.0.2.7');
  t.ok(isInPrefix(0x0a010064, 0x0a010000, 24));
  t.notOk(isInPrefix(0x0a010164, 0x0a010000, 24));
  t.ok(isInPrefix(0xffffffff, 0, 0));
});

t.test('kernel settings that break forwarding, with the command that mends them', async (t) => {
  const settings = (values: Record<string, string>) => (key: string) => values[key] ?? null;
  t.same(checkKernelSettings(['eth0'], settings({ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.all.rp_filter': '0' })), []);
  const problems = checkKernelSettings(
    ['eth0', 'eth1.100'],
    settings({
      'net.ipv4.ip_forward': '0',
      'net.ipv4.conf.all.rp_filter': '0',
      'net.ipv4.conf.eth0.rp_filter': '2',
      'net.ipv4.conf.eth1/100.rp_filter': '1',
    }),
  );
  t.match(problems, [
    { key: 'net.ipv4.ip_forward', message: /run: sysctl -w net\.ipv4\.ip_forward=1$/ },
    { key: 'net.ipv4.conf.eth1/100.rp_filter', message: /run: sysctl -w net\.ipv4\.conf\.eth1\/100\.rp_filter=0$/ },
  ]);
  const strictForAll = checkKernelSettings(['eth0', 'eth1'], settings({ 'net.ipv4.conf.all.rp_filter': '1' }));
  t.same(
    strictForAll.map(({ key }) => key),
    ['net.ipv4.conf.all.rp_filter'],
    'said once',
  );
});
