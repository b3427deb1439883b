/**
 * What only the machine can say: a row per difference between the file and the machine.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../../src/config/load.js';
import { checkMachine, type Machine, machineOf } from '../../../src/config/machine-checks.js';
import { projectRoot } from '../../../src/system/paths.js';

const text = readFileSync(join(projectRoot, 'config/nat-pair.yaml'), 'utf8');
const lb1: Machine = {
  interfaces: ['lo', 'eth0', 'eth1'],
  addresses: [
    { interface: 'lo', address: '127.0.0.1', prefixLength: 8 },
    { interface: 'eth0', address: '10.1.0.11', prefixLength: 24 },
    { interface: 'eth1', address: '10.2.0.11', prefixLength: 24 },
  ],
};

function found(machine: Machine, yaml = text): string[] {
  const loaded = parseConfig('f.yaml', yaml);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return checkMachine(loaded, machine, 'lb1').map((each) => `${each.line}:${each.column}: ${each.severity}: ${each.message}`);
}

const without = (name: string): Machine => ({ ...lb1, addresses: lb1.addresses.filter((each) => each.interface !== name) });

t.same(found(lb1), [], 'a machine that fits');

t.test('what does not fit', async (t) => {
  t.match(found({ ...lb1, interfaces: ['lo', 'eth0', 'eth2'] }), [
    '8:22: error: this machine has no interface "eth1"; did you mean "eth0"?',
  ]);
  t.match(
    found({ ...without('eth1'), addresses: [...without('eth1').addresses, { interface: 'eth1', address: '10.3.0.1', prefixLength: 16 }] }),
    ['14:33: error: 10.2.0.1 is outside the network of eth1 (10.3.0.1/16)'],
  );
  t.match(found(without('eth1')), ['14:33: error: eth1 has no IPv4 address']);
  t.match(found(without('eth0')), [
    '5:21: error: this machine does not have the address 10.1.0.11 of node "lb1"',
    '13:17: error: eth0 has no IPv4 address',
  ]);
  t.match(found({ ...lb1, addresses: [...lb1.addresses, { interface: 'eth0', address: '10.1.0.100', prefixLength: 32 }] }), [
    '13:17: error: 10.1.0.100 is configured on eth0; an address that moves must not be: `ip address del 10.1.0.100/32 dev eth0`',
  ]);
});

const IPV6 = text.replace(
  'services:',
  `  - name: front6
    id: 51
    interface: eth0
    addresses: ["fe80::51", "2001:db8:1::100"]
    priority: { lb1: 200, lb2: 100 }
services:`,
);
const ON_ETH0 = { interface: 'eth0', prefixLength: 64 };
const ipv6Of = (...addresses: string[]): Machine => ({
  ...lb1,
  addresses: [...lb1.addresses, ...addresses.map((address) => ({ ...ON_ETH0, address }))],
});

t.test('an IPv6 virtual router', async (t) => {
  t.same(found(ipv6Of('fe80::a', '2001:db8:1::11'), IPV6), []);
  t.match(found(ipv6Of('2001:db8:1::11'), IPV6), [
    '19:17: error: eth0 has no link-local IPv6 address, so adverts of fe80::51 could not be sent',
    '19:29: error: eth0 has no link-local IPv6 address',
  ]);
  t.match(found(ipv6Of('fe80::a', '2001:db8:2::11'), IPV6), [
    '19:29: error: 2001:db8:1::100 is outside the network of eth0 (fe80::a/64, 2001:db8:2::11/64)',
  ]);
  t.match(found(ipv6Of('fe80::a', 'fe80::51', '2001:db8:1::11'), IPV6), ['19:17: error: fe80::51 is configured on eth0']);
});

t.test('the owner of addresses has them', async (t) => {
  const owner = text.replace('lb1: 200', 'lb1: 255');
  t.match(found(lb1, owner), ['13:17: error: 10.1.0.100 is not on eth0, but priority 255 says that this node owns it']);
  t.same(found({ ...lb1, addresses: [...lb1.addresses, { interface: 'eth0', address: '10.1.0.100', prefixLength: 24 }] }, owner), []);
});

t.test('a tracked interface that is not there yet is said, no mistake', async (t) => {
  const yaml = text.replace('    priority', '    track: [{ kind: interface, interface: tun0 }]\n    priority');
  t.match(found(lb1, yaml), [/warning: this machine has no interface "tun0" now/]);
});

t.test('one-arm NAT in a large network is seen with the real prefix', async (t) => {
  const wide: Machine = {
    ...lb1,
    addresses: lb1.addresses.map((each) => ({ ...each, prefixLength: each.interface === 'eth0' ? 8 : each.prefixLength })),
  };
  t.match(found(wide), ['17:54: warning: server "be1" (10.2.0.21) is in the network of the VIP']);
});

t.test('a machine from the facts of its network', async (t) => {
  const link = (name: string, address?: string) => ({
    name,
    ifindex: 1,
    mac: '02:00:00:00:00:01',
    isUp: true,
    addresses: address === undefined ? [] : [{ address, prefixLength: 24 }],
  });
  t.same(machineOf({ links: [{ ...link('eth0'), ipv6Addresses: [{ address: 'fe80::1', prefixLength: 64 }] }], routes: [] }).addresses, [
    { interface: 'eth0', address: 'fe80::1', prefixLength: 64 },
  ]);
  t.same(machineOf({ links: [link('eth0', '10.1.0.11'), link('eth1')], routes: [] }), {
    interfaces: ['eth0', 'eth1'],
    addresses: [{ interface: 'eth0', address: '10.1.0.11', prefixLength: 24 }],
  });
});
