/**
 * After a planned hand-over: what still arrives here goes on to the successor, once, for a while, and only without a fresh lease.
 */
import t, { type Test } from 'tap';
import { flowState } from '../../src/l4/abi.gen.js';
import { encodeServiceKey } from '../../src/l4/records.js';
import { arpFrame, icmpFrame, type Party, tcpFrame, udpFrame } from '../support/packet/build.js';
import { icmp6Frame, tcp6Frame } from '../support/packet/build6.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  INSTANCE,
  LOCAL,
  makeInterfaces,
  ROUTER,
  ROUTER6,
  SECOND_NS,
  VIP,
  VIP6,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const WEB = 0;
const DIRECT = 2;
const successor = { front: '02:00:00:00:01:02', back: '02:00:00:00:02:02' };
const VIRTUAL_MAC = '00:00:5e:00:01:33';
const client6: Party = { ...client, address: 'fd00:2::7' };
const vip6: Party = { mac: frontMac, address: VIP6, port: 22 };
const toClient: Party = { ...client, mac: backMac };

/** Handed over a moment ago: longer than the coarse clock lags, which the path of known flows reads. */
function handOver(world: World, windows: Parameters<World['release']>[1] = {}): void {
  for (const slot of [ROUTER, ROUTER6]) world.release(slot, windows);
  const until = world.plane.kernelNs() + SECOND_NS / 10n;
  while (world.plane.kernelNs() < until);
}

function steerAll(world: World): void {
  for (const slot of [ROUTER, ROUTER6]) {
    world.steer(slot, 'front', successor.front);
    world.steer(slot, 'back', successor.back);
  }
}

/** The same frame, but for both MACs, the TTL and the checksum that follows it. */
function isSteered(test: Test, world: World, frame: Buffer, on: 'front' | 'back', what: string): void {
  const isIpv6 = frame.readUInt16BE(12) === 0x86dd;
  const slot = isIpv6 ? ROUTER6 : ROUTER;
  const before = world.steered(slot);
  const out = world.send(frame, on);
  test.match(out, { verdict: 'REDIRECT', drops: {} }, what);
  test.match(out.parsed, { destinationMac: successor[on], sourceMac: on === 'front' ? frontMac : backMac }, what);
  test.equal(world.steered(slot) - before, 1, `${what}: counted`);
  const expected = Buffer.from(frame);
  out.packet.copy(expected, 0, 0, 12);
  const ttl = isIpv6 ? 21 : 22;
  expected[ttl] = (expected[ttl] ?? 0) - 1;
  if (!isIpv6) out.packet.copy(expected, 24, 24, 26);
  test.same(out.packet, expected, `${what}: nothing else changed`);
  if (!isIpv6) test.equal(out.parsed.ip?.isHeaderValid, true, what);
}

const server = (world: World): Party => worldServers[world.hashed(WEB, client)]?.party ?? client;

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test('packets of clients: with a record, without one, mid-flow, to no service, ping, DSR', (test) =>
    withWorld({}, interfaces, (world) => {
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' }));
      world.send(tcpFrame({ from: client, to: vip(90), flags: 'S' }));
      handOver(world, { drainNs: 60n * SECOND_NS, admitNs: 60n * SECOND_NS });
      steerAll(world);
      const stranger = { ...client, port: 41000 };
      const frames: [string, Buffer][] = [
        ['known', tcpFrame({ from: client, to: vip(80), flags: 'PA', payload: Buffer.from('more') })],
        ['known, over DSR', tcpFrame({ from: client, to: vip(90), flags: 'A' })],
        ['new, although new ones are still admitted', tcpFrame({ from: stranger, to: vip(80), flags: 'S' })],
        ['mid-flow', tcpFrame({ from: stranger, to: vip(80), flags: 'A' })],
        ['reset', tcpFrame({ from: stranger, to: vip(80), flags: 'R' })],
        ['UDP', udpFrame({ from: stranger, to: vip(53) })],
        ['no service', tcpFrame({ from: client, to: vip(22), flags: 'S' })],
        ['with options', tcpFrame({ from: client, to: vip(80), flags: 'A', options: Buffer.from([1, 1, 1, 0]) })],
        ['ping', icmpFrame({ from: client, to: vip(0), type: 8 })],
        ['an ICMP error', icmpFrame({ from: client, to: vip(0), type: 3 })],
        ['ping over IPv6', icmp6Frame({ from: client6, to: vip6, type: 128 })],
        ['TCP over IPv6', tcp6Frame(client6, vip6)],
      ];
      for (const [what, frame] of frames) isSteered(test, world, frame, 'front', what);
      test.equal(world.flow(WEB)?.state, flowState.syn, 'the record is as it was: its holder is elsewhere');
      test.equal(world.flow(WEB, stranger), null);
      test.equal(world.flow(DIRECT)?.state, flowState.syn);
    }),
  );

  t.test('replies of servers: with a record, without one, whatever their flags', (test) =>
    withWorld({}, interfaces, (world) => {
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' }));
      handOver(world, { drainNs: 60n * SECOND_NS });
      steerAll(world);
      isSteered(test, world, tcpFrame({ from: server(world), to: toClient, flags: 'SA' }), 'back', 'known');
      for (const flags of ['SA', 'PA', 'A', 'FA', 'R']) {
        const frame = tcpFrame({ from: server(world), to: { ...toClient, port: 41000 }, flags });
        isSteered(test, world, frame, 'back', `${flags} without a record`);
      }
      isSteered(test, world, udpFrame({ from: worldServers[0]?.party ?? client, to: toClient }), 'back', 'UDP');
    }),
  );

  t.test('a service that is still held here keeps the replies of a shared endpoint', (test) =>
    withWorld({}, interfaces, (world) => {
      const slot = 9;
      const key = encodeServiceKey({ address: VIP, port: 81, protocol: 'tcp' });
      test.ok(world.plane.mapGet('services', key));
      world.leases.acquire(slot, 60n * SECOND_NS, 0n, INSTANCE);
      for (const number of [0, 1, 2]) world.serverRouter(4, number, slot);
      handOver(world);
      steerAll(world);
      const out = world.send(tcpFrame({ from: server(world), to: { ...toClient, port: 41000 }, flags: 'R' }), 'back');
      test.match(out, { verdict: 'DROP', drops: { noRecord: 1 } });
      test.equal(world.steered(ROUTER), 0);
    }),
  );

  t.test('at the virtual MAC, also when the drain window is over', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER, { virtualMac: VIRTUAL_MAC });
      handOver(world);
      steerAll(world);
      isSteered(test, world, tcpFrame({ from: client, to: { ...vip(80), mac: VIRTUAL_MAC }, flags: 'A' }), 'front', 'client');
      isSteered(test, world, tcpFrame({ from: server(world), to: { ...toClient, mac: VIRTUAL_MAC }, flags: 'A' }), 'back', 'server');
    }),
  );

  t.test('never twice: a frame from a peer is served, or dropped, here', (test) =>
    withWorld({}, interfaces, (world) => {
      const peer = { ...client, mac: successor.front };
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' }));
      handOver(world, { drainNs: 60n * SECOND_NS });
      steerAll(world);
      isSteered(test, world, tcpFrame({ from: peer, to: vip(80), flags: 'A' }), 'front', 'before it is known as a peer');
      world.peerMac('front', successor.front);
      const known = world.send(tcpFrame({ from: peer, to: vip(80), flags: 'A' }));
      test.match(known, { verdict: 'REDIRECT', parsed: { sourceMac: backMac } }, 'the drain window is still open: served');
      const refused: [string, Buffer][] = [
        ['new', tcpFrame({ from: { ...peer, port: 41000 }, to: vip(80), flags: 'S' })],
        ['ping', icmpFrame({ from: peer, to: vip(0), type: 8 })],
        ['IPv6', tcp6Frame({ ...client6, mac: successor.front }, vip6)],
      ];
      for (const [what, frame] of refused) test.match(world.send(frame), { verdict: 'DROP', drops: { notActive: 1 } }, what);
      const other = tcpFrame({ from: { ...client, port: 41000 }, to: vip(80), flags: 'S' });
      isSteered(test, world, other, 'front', 'a client’s own goes on');
      const elsewhere = tcpFrame({ from: { ...server(world), mac: successor.front }, to: toClient, flags: 'R' });
      isSteered(test, world, elsewhere, 'back', 'a MAC is a peer’s on its own interface only');
    }),
  );

  t.test('under a fresh lease nothing is steered', (test) =>
    withWorld({}, interfaces, (world) => {
      steerAll(world);
      const served = [
        tcpFrame({ from: client, to: vip(80), flags: 'S' }),
        tcpFrame({ from: client, to: vip(80), flags: 'A' }),
        icmpFrame({ from: client, to: vip(0), type: 8 }),
        icmp6Frame({ from: client6, to: vip6, type: 128 }),
      ];
      for (const frame of served) test.equal(world.send(frame).verdict, 'REDIRECT');
      test.match(world.send(tcpFrame({ from: server(world), to: toClient, flags: 'SA' }), 'back'), { parsed: { ip: { source: VIP } } });
      handOver(world);
      isSteered(test, world, served[1] ?? Buffer.alloc(0), 'front', 'without it');
      world.leases.acquire(ROUTER, 60n * SECOND_NS, 0n, INSTANCE);
      test.match(world.send(tcpFrame({ from: client, to: vip(80), flags: 'A' })).parsed, { sourceMac: backMac }, 'taken back');
      test.equal(world.steered(ROUTER), 1);
    }),
  );

  t.test('when the time is over, for another router, and on another interface: as if nobody had said anything', (test) =>
    withWorld({}, interfaces, (world) => {
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' }));
      handOver(world);
      const known = tcpFrame({ from: client, to: vip(80), flags: 'A' });
      const fresh = tcpFrame({ from: { ...client, port: 41000 }, to: vip(80), flags: 'S' });
      const isLeft = (why: string) => {
        test.match(world.send(known), { verdict: 'DROP', drops: { drained: 1 } }, why);
        test.match(world.send(fresh), { verdict: 'DROP', drops: { notActive: 1 } }, why);
        test.equal(world.steered(ROUTER), 0, why);
      };
      isLeft('nobody named');
      world.steer(ROUTER, 'front', successor.front, 0n);
      isLeft('over');
      world.steer(ROUTER6, 'front', successor.front);
      isLeft('another router');
      world.plane.mapEntries('steers').forEach(([key]) => {
        world.plane.mapDelete('steers', key);
      });
      world.steer(ROUTER, 'back', successor.back);
      isLeft('another interface');
    }),
  );

  t.test('the last hop is not stretched', (test) =>
    withWorld({}, interfaces, (world) => {
      handOver(world);
      steerAll(world);
      for (const ttl of [0, 1]) {
        test.match(world.send(tcpFrame({ from: client, to: vip(80), flags: 'S', ttl })), { verdict: 'DROP', drops: { ttl: 1 } });
        test.match(world.send(tcp6Frame(client6, vip6, { hopLimit: ttl })), { verdict: 'DROP', drops: { ttl: 1 } });
      }
      isSteered(test, world, tcpFrame({ from: client, to: vip(80), flags: 'S', ttl: 2 }), 'front', 'two hops left');
    }),
  );

  t.test('what is not the router’s is left alone', (test) =>
    withWorld({}, interfaces, (world) => {
      handOver(world);
      steerAll(world);
      const others = [
        tcpFrame({ from: client, to: { ...vip(22), address: LOCAL }, flags: 'S' }),
        tcpFrame({ from: client, to: { ...vip(22), address: '192.0.2.1' }, flags: 'S' }),
      ];
      for (const frame of others) test.same(world.send(frame).packet, frame);
      const health = tcpFrame({ from: server(world), to: { mac: backMac, address: LOCAL, port: 9 }, flags: 'SA' });
      test.match(world.send(health, 'back'), { verdict: 'PASS' });
      const foreign = tcpFrame({ from: client, to: { ...vip(80), mac: '02:00:00:00:77:77' }, flags: 'S' });
      test.same(world.send(foreign).drops, { notForUs: 1 });
      const arp = arpFrame({ operation: 'request', senderMac: client.mac, senderAddress: '10.1.0.9', targetAddress: VIP });
      test.same(world.send(arp).drops, { notForUs: 1 });
      test.equal(world.steered(ROUTER), 0);
    }),
  );
});
