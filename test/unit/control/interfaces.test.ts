/** What a node tells its peers of its place on the wire. */
import t from 'tap';
import { ownInterfaces } from '../../../src/control/interfaces.js';
import type { Link } from '../../../src/system/network-facts.js';
import { sampleConfig } from '../../support/sample-config.js';

const link = (name: string, changes: Partial<Link> = {}): Link => ({
  name,
  ifindex: 1,
  mac: '02:00:00:00:01:11',
  isUp: true,
  addresses: [],
  ...changes,
});

t.test('addresses of both families, of the interfaces of the data plane alone', async (t) => {
  const config = sampleConfig();
  const [first = ''] = config.dataPlane.interfaces;
  const ipv6Addresses = [
    { address: 'fe80::11', prefixLength: 64 },
    { address: 'fd00:1::11', prefixLength: 64 },
  ];
  const links = [link(first, { addresses: [{ address: '10.1.0.11', prefixLength: 24 }], ipv6Addresses }), link('other0')];
  t.same(ownInterfaces(config, { links, routes: [] }), [
    { name: first, mac: '02:00:00:00:01:11', addresses: ['10.1.0.11', 'fe80::11', 'fd00:1::11'] },
  ]);
  t.same(ownInterfaces(config, { links: [link(first)], routes: [] }), [{ name: first, mac: '02:00:00:00:01:11', addresses: [] }]);
  t.same(ownInterfaces(config, { links: [], routes: [] }), [], 'one that is gone');
});
