import t from 'tap';
import { MAX_TARGETS, verifyTargets } from '../../../src/l4/verify-targets.js';
import { twoNetworks } from '../../support/fake-network.js';
import { sampleConfig } from '../../support/sample-config.js';

const [router] = sampleConfig().virtualRouters;
if (router === undefined) throw new Error('the sample has a router');
const everybodyHasAMac = (_name: string, address: string): string => `mac of ${address}`;
const addresses = (targets: { address: string }[]): string[] => targets.map(({ address }) => address);

t.test('the default gateway first, then recent next hops, a few of them', async (t) => {
  const recent = ['10.1.0.50', '10.1.0.1', '10.1.0.51', '10.1.0.52', '10.1.0.53'];
  const targets = verifyTargets([router], twoNetworks, () => recent, everybodyHasAMac);
  t.same(addresses(targets), ['10.1.0.1', '10.1.0.50', '10.1.0.51', '10.1.0.52']);
  t.equal(targets.length, MAX_TARGETS);
  t.same(targets[0], { interface: 'eth0', address: '10.1.0.1', mac: 'mac of 10.1.0.1' });
});

t.test('addresses from the configuration instead, by the MAC of their next hop', async (t) => {
  const configured = { ...router, verifyAddresses: ['192.0.2.53', '10.1.0.77'] };
  t.same(
    verifyTargets([configured], twoNetworks, () => ['10.1.0.50'], everybodyHasAMac),
    [
      { interface: 'eth0', address: '192.0.2.53', mac: 'mac of 10.1.0.1' },
      { interface: 'eth0', address: '10.1.0.77', mac: 'mac of 10.1.0.77' },
    ],
  );
});

t.test('nobody without a MAC, nobody on another interface, nobody twice', async (t) => {
  const onServersSide = { ...router, verifyAddresses: ['10.2.0.21'] };
  t.same(
    verifyTargets([onServersSide], twoNetworks, () => [], everybodyHasAMac),
    [],
  );
  t.same(
    verifyTargets(
      [router],
      twoNetworks,
      () => [],
      () => null,
    ),
    [],
  );
  const two = verifyTargets([router, { ...router, name: 'second' }], twoNetworks, () => [], everybodyHasAMac);
  t.same(addresses(two), ['10.1.0.1']);
});
