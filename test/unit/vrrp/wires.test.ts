/** Sockets and virtual routers: which packet is for whom, which socket is opened for what. */
import t from 'tap';
import { advertOf, ipv4Router, ipv6Router, WireBench } from '../../support/wire-bench.js';

t.test('IPv4 and IPv6 routers with one VRID on one interface are different virtual routers', async (t) => {
  const bench = new WireBench([ipv4Router, ipv6Router]);
  t.same(
    bench.sockets.map(({ interface: name, sourceAddress, joinGroup }) => [name, sourceAddress, joinGroup]),
    [
      ['eth0', '10.9.0.5', true],
      ['eth0', 'fe80::5', true],
    ],
  );
  bench.deliver(advertOf()).deliver(advertOf({ from: 'fe80::9' }));
  t.match(bench.heard, [
    { router: 'front', advert: { from: 'front 10.9.0.9', isGreater: true, priority: 50, intervalMs: 1000 } },
    { router: 'front6', advert: { from: 'front6 fe80::9', isGreater: true } },
  ]);
});

t.test('several routers share a socket; what is for none of them is counted and told once', async (t) => {
  const bench = new WireBench([ipv4Router, { ...ipv4Router, name: 'back', vrid: 52 }]);
  t.equal(bench.sockets.length, 1);
  bench.deliver(advertOf({ vrid: 52 }));
  t.same(
    bench.heard.map(({ router }) => router),
    ['back'],
  );
  bench.deliver(advertOf({ vrid: 53 })).deliver(advertOf({ vrid: 53 }));
  t.same([bench.rejected(0), bench.rejected(1)], [{ unknownRouter: 2 }, {}]);
  t.same(bench.logs, [{ event: 'advertRejected', fields: { router: 'front', reason: 'unknownRouter', from: '10.9.0.9', vrid: 53 } }]);
  bench.deliver(advertOf({ vrid: 51, version: 2 }));
  t.equal(bench.logs.length, 2, 'another reason is told by itself');
});

t.test('an IPv6 packet with another hop limit arrives cut, and is counted so', async (t) => {
  const bench = new WireBench([ipv6Router]);
  const [socket] = bench.sockets;
  socket?.inbox.push({ packet: Buffer.from([0x31]), source: 'fe80::9' }, { packet: Buffer.alloc(40), source: 'nonsense' });
  bench.wires.drainAll(8);
  t.same(bench.rejected(), { ttl: 1, checksum: 1 });
});

t.test('solicited-node groups of every address are joined once, also of new ones', async (t) => {
  const bench = new WireBench([ipv6Router]);
  t.same(bench.sockets[0]?.joined, ['ff02::1:ff00:51 eth0', 'ff02::1:ff00:100 eth0']);
  bench.wires.has(ipv6Router);
  bench.wires.has({ ...ipv6Router, announced: [...ipv6Router.announced, { address: '2001:db8:2::7', interface: 'eth1' }] });
  t.same(bench.sockets[0]?.joined.slice(2), ['ff02::1:ff00:7 eth1']);
});

t.test('the group is joined when one router of the family uses it', async (t) => {
  const unicast = { ...ipv4Router, unicastPeers: ['10.9.0.9'] };
  t.equal(new WireBench([unicast]).sockets[0]?.joinGroup, false);
  t.equal(new WireBench([unicast, { ...ipv4Router, vrid: 52 }]).sockets[0]?.joinGroup, true);
  t.equal(new WireBench([unicast, { ...ipv6Router }]).sockets[0]?.joinGroup, false);
});

t.test('sockets follow the source address, and go when nobody needs them', async (t) => {
  const bench = new WireBench([ipv4Router, ipv6Router]);
  t.ok(bench.wires.has({ ...ipv4Router, sourceAddress: '10.9.0.6' }));
  t.same(
    bench.sockets.map(({ isOpen }) => isOpen),
    [false, true, true],
  );
  bench.members.pop();
  bench.wires.closeUnused();
  t.same(
    bench.sockets.map(({ isOpen }) => isOpen),
    [false, false, true],
  );
  bench.wires.closeAll();
  t.notOk(bench.sockets.some(({ isOpen }) => isOpen));
  t.throws(() => bench.wires.send(ipv4Router, Buffer.alloc(1), '10.9.0.9'), /no socket on eth0/);
});

t.test('a socket that cannot be opened is told, and tried again', async (t) => {
  const bench = new WireBench([ipv4Router]);
  bench.openError = 'Operation not permitted';
  t.notOk(bench.wires.has(ipv6Router));
  t.same(bench.problems, ['eth0: Operation not permitted']);
  bench.openError = null;
  t.ok(bench.wires.has(ipv6Router));
});
