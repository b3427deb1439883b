/**
 * Where packets leave when no next hop is known: by the kernel's routing table, or through the kernel, but never untranslated.
 */
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { flowLayout, nextHopState } from '../../src/l4/abi.gen.js';
import { encodeNextHopKey } from '../../src/l4/records.js';
import { type Party, tcpFrame } from '../support/packet/build.js';
import { inSandbox, run } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  makeInterfaces,
  routerMac,
  serverSlot,
  VIP,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const WEB = 0;
const DIRECT = 2;

const forwarded = (world: World, flags = 'A', port = 80, from: Party = client) => world.send(tcpFrame({ from, to: vip(port), flags }));
const replied = (world: World, flags = 'PA', to: Party = client) =>
  world.send(tcpFrame({ from: worldServers[world.hashed(WEB, to)]?.party ?? client, to: { ...to, mac: backMac }, flags }), 'back');
const forgetRouter = (world: World) =>
  world.plane.mapDelete('next_hop_index', encodeNextHopKey({ ifindex: world.front, address: '10.1.0.1' }));
const forgetHint = (world: World) => world.patch(WEB, (bytes) => bytes.writeUInt16LE(0, flowLayout.nextHop));

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();
  const neighbour = (number: number, verb: 'add' | 'del') => {
    const { party, mac } = worldServers[number] ?? { party: client, mac: '' };
    run(
      'ip',
      'neigh',
      verb,
      party.address,
      ...(verb === 'add' ? ['lladdr', mac] : []),
      'dev',
      'back',
      ...(verb === 'add' ? ['nud', 'permanent'] : []),
    );
  };

  t.test('a server without a next hop, or with an unresolved one, is found by the routing table', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(WEB, client);
      const expected = {
        verdict: 'REDIRECT',
        parsed: { destinationMac: worldServers[number]?.mac, sourceMac: backMac, ip: { ttl: 63, isHeaderValid: true } },
      };
      world.nextHop(1 + number, nextHopState.unresolved);
      test.match(forwarded(world, 'S'), expected);
      world.server(WEB, number, 1, 0);
      test.match(forwarded(world), expected);
      world.server(WEB, number, 1, 99999);
      test.match(forwarded(world), expected);
    }),
  );

  t.test('the way back is remembered in the record, already by the first packet of the client', (test) =>
    withWorld({}, interfaces, (world) => {
      forwarded(world, 'S');
      test.equal(world.flow(WEB)?.nextHop, 4);
      forgetHint(world);
      test.match(replied(world, 'SA'), { verdict: 'REDIRECT', parsed: { destinationMac: routerMac, sourceMac: frontMac } });
      test.equal(world.flow(WEB)?.nextHop, 4);
      test.same(world.plane.drainNotices(), []);
      forwarded(world, 'S', 90);
      test.equal(world.flow(DIRECT)?.nextHop, 0, 'dsr has no way back');
    }),
  );

  t.test('an unknown gateway is used and told to user space', (test) =>
    withWorld({}, interfaces, (world) => {
      forgetRouter(world);
      forwarded(world, 'S');
      test.match(world.plane.drainNotices(), [{ kind: 'nextHop', ifindex: world.front, address: '10.1.0.1' }]);
      test.equal(world.flow(WEB)?.nextHop, 0);
      test.match(replied(world, 'SA'), {
        verdict: 'REDIRECT',
        parsed: { destinationMac: routerMac, sourceMac: frontMac, ip: { source: VIP } },
      });
      test.equal(world.plane.drainNotices().length, 1);
    }),
  );

  t.test('no neighbour: the kernel gets the translated packet, with its TTL', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(WEB, client);
      world.server(WEB, number, 1, 0);
      neighbour(number, 'del');
      const out = forwarded(world, 'S');
      neighbour(number, 'add');
      test.equal(out.verdict, 'PASS');
      test.match(out.parsed.ip, { source: client.address, destination: worldServers[number]?.party.address, ttl: 64, isHeaderValid: true });
      test.match(out.parsed.segment, { destinationPort: 8080, isChecksumValid: true });
      test.equal(out.parsed.destinationMac, frontMac, 'addressed to this node, so that the kernel takes it');
      const onLink = { ...client, address: '10.1.0.66' };
      forwarded(world, 'S', 80, onLink);
      const back = replied(world, 'SA', onLink);
      test.equal(back.verdict, 'PASS');
      test.match(back.parsed.ip, { source: VIP, destination: onLink.address, ttl: 64, isHeaderValid: true });
      test.match(back.parsed.segment, { sourcePort: 80, isChecksumValid: true });
      const notices = world.plane.drainNotices();
      test.ok(notices.some(({ address, ifindex }) => address === onLink.address && ifindex === world.front));
    }),
  );

  t.test('dsr without a neighbour: dropped, and user space is told', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(DIRECT, client);
      world.server(DIRECT, number, 1, 0);
      test.match(forwarded(world, 'S', 90), {
        verdict: 'REDIRECT',
        parsed: { destinationMac: worldServers[number]?.mac, ip: { destination: VIP, ttl: 63, isHeaderValid: true } },
      });
      neighbour(number, 'del');
      const out = forwarded(world, 'A', 90);
      neighbour(number, 'add');
      test.match(out, { verdict: 'DROP', drops: { noRoute: 1 } });
      test.match(world.plane.drainNotices(), [{ kind: 'nextHop', ifindex: world.back, address: worldServers[number]?.party.address }]);
    }),
  );

  t.test('no route, a forbidden one, forwarding switched off: dropped', (test) =>
    withWorld({}, interfaces, (world) => {
      const lost = { ...client, address: '203.0.113.9' };
      forwarded(world, 'S', 80, lost);
      world.patch(WEB, (bytes) => bytes.writeUInt16LE(0, flowLayout.nextHop), lost);
      run('ip', 'route', 'add', 'unreachable', '203.0.113.0/24');
      test.match(replied(world, 'SA', lost), { verdict: 'DROP', drops: { noRoute: 1 } });
      run('ip', 'route', 'del', 'unreachable', '203.0.113.0/24');
      test.equal(replied(world, 'SA', lost).verdict, 'REDIRECT');
      world.server(WEB, world.hashed(WEB, client), 1, 0);
      writeFileSync('/proc/sys/net/ipv4/conf/front/forwarding', '0');
      const out = forwarded(world, 'S');
      writeFileSync('/proc/sys/net/ipv4/conf/front/forwarding', '1');
      test.match(out, { verdict: 'DROP', drops: { noRoute: 1 } });
      test.equal(world.flow(WEB)?.serverSlot, serverSlot(WEB, world.hashed(WEB, client)));
    }),
  );
});
