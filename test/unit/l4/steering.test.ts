/**
 * Peers' MACs and where to steer, as they lie in the maps.
 */
import t from 'tap';
import { decodeMacKey, decodeRouter, decodeSteer, decodeSteerKey, encodeMacKey, encodeRouter } from '../../../src/l4/router-records.js';
import { Steering } from '../../../src/l4/steering.js';
import { FakeDataPlane } from '../../support/fake-data-plane.js';
import { twoNetworks } from '../../support/fake-network.js';

const PEER = '02:00:00:00:01:12';
const OTHER = '02:00:00:00:01:13';

function setup() {
  const maps = new FakeDataPlane();
  const steering = new Steering(maps.asDataPlane);
  const peers = () => maps.mapEntries('peer_macs').map(([key]) => decodeMacKey(key));
  const steers = () => maps.mapEntries('steers').map(([key, value]) => ({ ...decodeSteerKey(key), ...decodeSteer(value) }));
  return { maps, steering, peers, steers };
}

t.test('peers: those named, where their interface is; only differences are written', async (t) => {
  const { maps, steering, peers } = setup();
  steering.setPeerMacs(
    [
      { interface: 'eth0', mac: PEER },
      { interface: 'eth9', mac: PEER },
    ],
    twoNetworks,
  );
  t.same(peers(), [{ ifindex: 2, mac: PEER }]);
  maps.journal = [];
  steering.place(twoNetworks);
  t.same(maps.journal, []);
  const eth0 = twoNetworks.links.map((link) => (link.name === 'eth0' ? { ...link, ifindex: 7 } : link));
  steering.place({ ...twoNetworks, links: eth0 });
  t.same(peers(), [{ ifindex: 7, mac: PEER }], 'the interface was made anew');
  steering.setPeerMacs([{ interface: 'eth1', mac: OTHER }], twoNetworks);
  t.same(peers(), [{ ifindex: 3, mac: OTHER }]);
  steering.setPeerMacs([], twoNetworks);
  t.same(peers(), []);
});

t.test('steering: until, by the kernel clock; said anew, it replaces; other routers stay', async (t) => {
  const { maps, steering, steers } = setup();
  maps.kernelTimeNs = 5_000_000_000n;
  const both = [
    { interface: 'eth0', mac: PEER },
    { interface: 'eth1', mac: OTHER },
    { interface: 'eth9', mac: OTHER },
  ];
  steering.steer(1, both, 1500, twoNetworks);
  steering.steer(2, [{ interface: 'eth0', mac: OTHER }], 0.5, twoNetworks);
  t.same(steers(), [
    { ifindex: 2, virtualRouter: 1, mac: PEER, untilNs: 6_500_000_000n },
    { ifindex: 3, virtualRouter: 1, mac: OTHER, untilNs: 6_500_000_000n },
    { ifindex: 2, virtualRouter: 2, mac: OTHER, untilNs: 5_000_500_000n },
  ]);
  steering.steer(1, [{ interface: 'eth0', mac: OTHER }], 100, twoNetworks);
  t.same(
    steers().filter(({ virtualRouter }) => virtualRouter === 1),
    [{ ifindex: 2, virtualRouter: 1, mac: OTHER, untilNs: 5_100_000_000n }],
  );
  steering.steer(1, both, 0, twoNetworks);
  t.same(
    steers().map(({ virtualRouter }) => virtualRouter),
    [2],
    'no time: not any more',
  );
});

t.test('steered packets by the names of the routers', async (t) => {
  const { maps, steering } = setup();
  maps.steeredWords[3] = 12n;
  const routers = new Map([
    ['front', 3],
    ['back', 0],
  ]);
  t.same(steering.steered(routers), [
    { router: 'front', packets: 12 },
    { router: 'back', packets: 0 },
  ]);
});

t.test('bytes as the BPF program reads them', async (t) => {
  t.equal(encodeMacKey({ ifindex: 258, mac: PEER }).toString('hex'), '02010000' + '020000000112' + '0000');
  t.equal(encodeRouter({ virtualMac: '00:00:5e:00:01:33', accept: false }).toString('hex'), '00005e000133' + '0100');
  t.equal(encodeRouter({ virtualMac: null, accept: true }).toString('hex'), '000000000000' + '0200');
  for (const value of [
    { virtualMac: null, accept: false },
    { virtualMac: PEER, accept: true },
  ]) {
    t.same(decodeRouter(encodeRouter(value)), value);
  }
});
