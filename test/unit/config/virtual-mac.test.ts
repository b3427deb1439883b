/**
 * The keys `virtualMac` and `accept`: their defaults, what they refuse, and that one virtual MAC is not in use twice on an interface.
 */
import t from 'tap';
import { parseConfig } from '../../../src/config/load.js';
import { addressesOf, interfacesOf, virtualMacOf } from '../../../src/config/virtual-mac.js';

const text = (front: string, back: string, backId = 51): string => `cluster: { name: shop, nodes: { lb1: { address: 10.1.0.11 } } }
dataPlane: { interfaces: [eth0, eth1] }
virtualRouters:
  - name: front
    id: 51
    interface: eth0
    addresses: [10.1.0.100]
    otherAddresses: [{ address: 10.2.0.1, interface: eth1 }]
    priority: { lb1: 200 }
    ${front}
  - name: back
    id: ${backId}
    interface: eth1
    addresses: [10.2.0.200]
    priority: { lb1: 200 }
    ${back}
`;

const said = (source: string): string[] => {
  const result = parseConfig('/etc/tandem/tandem.yaml', source);
  return result.ok ? [] : result.problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
};

t.test('off unless asked for', async (t) => {
  const result = parseConfig('/etc/tandem/tandem.yaml', text('virtualMac: true', 'accept: true'));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  t.match(result.config.virtualRouters, [
    { virtualMac: true, accept: false },
    { virtualMac: false, accept: true },
  ]);
});

t.test('true or false, nothing else', async (t) => {
  t.same(said(text('virtualMac: 00:00:5e:00:01:33', 'accept: [22]')), [
    '10:17 virtualRouters[0].virtualMac: expected true or false',
    '16:13 virtualRouters[1].accept: expected true or false',
  ]);
});

t.test('one id on two networks is allowed, until its virtual MAC follows it to a network that both are in', async (t) => {
  const both = ['virtualMac: true', 'virtualMac: true'] as const;
  t.same(said(text('virtualMac: true', 'virtualMac: false')), []);
  t.same(said(text(...both, 52)), []);
  t.same(said(text(...both)), [
    '16:5 virtual router "front" has the virtual MAC 00:00:5e:00:01:33 on eth1 already; choose another `id` for one of them',
  ]);
});

t.test('MAC, interfaces and addresses of a router', async (t) => {
  const router = { id: 7, interface: 'eth0', addresses: ['10.1.0.100'], otherAddresses: [{ address: '10.1.0.1', interface: 'eth0' }] };
  t.equal(virtualMacOf(router), '00:00:5e:00:01:07');
  t.equal(virtualMacOf({ id: 255, addresses: ['fe80::ff'] }), '00:00:5e:00:02:ff');
  t.same(interfacesOf(router), ['eth0']);
  t.same(addressesOf(router), ['10.1.0.100', '10.1.0.1']);
});
