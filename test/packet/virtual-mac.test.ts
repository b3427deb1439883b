/**
 * A virtual router with a virtual MAC, over IPv4: it answers with it, frames to it are ours under the lease and become frames to the
 * interface before the kernel sees them, and without the lease they are dropped (RFC 9568, sections 6.4.2, 7.3 and 8.1.2).
 */
import t from 'tap';
import { proves } from '../rfc/requirement.js';
import { arpFrame, BROADCAST_MAC, ethernet, etherTypes, icmpFrame, tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  GATEWAY_VIP,
  LOCAL,
  makeInterfaces,
  ROUTER,
  routerMac,
  SECOND_NS,
  VIP,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const WEB = 0;
const VIRTUAL_MAC = '00:00:5e:00:01:33';
const OTHER_VIRTUAL_MAC = '00:00:5e:00:01:34';
const askerMac = '02:00:00:00:09:09';
const virtual = (port: number) => ({ ...vip(port), mac: VIRTUAL_MAC });
const ask = (to: string) => arpFrame({ operation: 'request', senderMac: askerMac, senderAddress: '10.1.0.9', targetAddress: VIP, to });

/** Runs with a router that has the virtual MAC. */
const withVirtualMac = (interfaces: { front: number; back: number }, body: (world: World) => void) =>
  withWorld({}, interfaces, (world) => {
    world.router(ROUTER, { virtualMac: VIRTUAL_MAC });
    body(world);
  });

/** As it should reach the kernel. */
const toInterface = (frame: Buffer, mac: string): Buffer => Buffer.concat([Buffer.from(mac.replaceAll(':', ''), 'hex'), frame.subarray(6)]);

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test(
    'ARP is answered with the virtual MAC, in the message and as the source of the frame',
    proves({ positive: ['F14'] }, (test) =>
      withVirtualMac(interfaces, (world) => {
        for (const to of [BROADCAST_MAC, frontMac, VIRTUAL_MAC]) {
          const out = world.send(ask(to));
          test.equal(out.verdict, 'REDIRECT');
          test.match(out.parsed, { destinationMac: askerMac, sourceMac: VIRTUAL_MAC });
          test.match(out.parsed.arp, { operation: 2, senderMac: VIRTUAL_MAC, senderAddress: VIP, targetMac: askerMac });
        }
        const gateway = arpFrame({ operation: 'request', senderMac: askerMac, senderAddress: '10.2.0.21', targetAddress: GATEWAY_VIP });
        test.match(world.send(gateway, 'back').parsed.arp, { senderMac: VIRTUAL_MAC }, 'on every interface where it has an address');
      }),
    ),
  );

  t.test('ping is answered from the virtual MAC, at either MAC', (test) =>
    withVirtualMac(interfaces, (world) => {
      for (const to of [vip(0), virtual(0)]) {
        const out = world.send(icmpFrame({ from: client, to, type: 8 }));
        test.match(out, { verdict: 'REDIRECT', parsed: { destinationMac: client.mac, sourceMac: VIRTUAL_MAC, ip: { source: VIP } } });
      }
    }),
  );

  t.test(
    'packets to the virtual MAC are balanced like any other, both ways',
    proves({ positive: ['F14'] }, (test) =>
      withVirtualMac(interfaces, (world) => {
        const to = world.send(tcpFrame({ from: client, to: virtual(80), flags: 'S' }));
        const server = worldServers[world.hashed(WEB, client)] ?? worldServers[0];
        test.match(to, { verdict: 'REDIRECT', parsed: { destinationMac: server?.mac, sourceMac: backMac } });
        test.match(world.send(udpFrame({ from: client, to: virtual(53) })), { verdict: 'REDIRECT' });
        test.match(world.send(tcpFrame({ from: client, to: virtual(90), flags: 'S' })), { verdict: 'REDIRECT' }, 'dsr');
        const reply = tcpFrame({ from: server?.party ?? client, to: { ...client, mac: VIRTUAL_MAC }, flags: 'SA' });
        const back = world.send(reply, 'back');
        test.match(back, { verdict: 'REDIRECT', parsed: { destinationMac: routerMac, sourceMac: frontMac, ip: { source: VIP } } });
      }),
    ),
  );

  t.test(
    'what the kernel gets came to the interface',
    proves({ positive: ['F14'] }, (test) =>
      withVirtualMac(interfaces, (world) => {
        const frames = [
          tcpFrame({ from: client, to: { ...virtual(22), address: LOCAL }, flags: 'S' }),
          tcpFrame({ from: client, to: { ...virtual(22), address: '192.0.2.1' }, flags: 'S' }),
          arpFrame({ operation: 'request', senderMac: askerMac, senderAddress: '10.1.0.9', targetAddress: LOCAL, to: VIRTUAL_MAC }),
        ];
        for (const frame of frames) {
          const out = world.send(frame);
          test.match(out, { verdict: 'PASS', drops: {} });
          test.same(out.packet, toInterface(frame, frontMac));
        }
        const health = tcpFrame({ from: worldServers[0]?.party ?? client, to: { mac: VIRTUAL_MAC, address: LOCAL, port: 9 }, flags: 'SA' });
        test.same(world.send(health, 'back').packet, toInterface(health, backMac));
      }),
    ),
  );

  t.test(
    'without the lease frames to it are dropped, whatever they carry',
    proves({ positive: ['F5'] }, (test) =>
      withVirtualMac(interfaces, (world) => {
        world.send(tcpFrame({ from: client, to: virtual(80), flags: 'S' }));
        world.release(ROUTER);
        const frames = [
          tcpFrame({ from: client, to: virtual(80), flags: 'A' }),
          tcpFrame({ from: client, to: { ...virtual(22), address: LOCAL }, flags: 'S' }),
          tcpFrame({ from: client, to: { ...virtual(22), address: '192.0.2.1' }, flags: 'S' }),
          icmpFrame({ from: client, to: virtual(0), type: 8 }),
          ask(VIRTUAL_MAC),
        ];
        for (const frame of frames) test.match(world.send(frame), { verdict: 'DROP', drops: { notActive: 1 } });
        test.match(world.send(ask(BROADCAST_MAC)), { verdict: 'DROP', drops: { notForUs: 1 } });
      }),
    ),
  );

  t.test('while the lease drains, flows with a record go on, and nothing new begins', (test) =>
    withVirtualMac(interfaces, (world) => {
      world.send(tcpFrame({ from: client, to: virtual(80), flags: 'S' }));
      world.release(ROUTER, { drainNs: 60n * SECOND_NS });
      test.equal(world.send(tcpFrame({ from: client, to: virtual(80), flags: 'A' })).verdict, 'REDIRECT');
      const fresh = tcpFrame({ from: { ...client, port: 40001 }, to: virtual(80), flags: 'S' });
      test.match(world.send(fresh), { verdict: 'DROP', drops: { notActive: 1 } });
      test.match(world.send(ask(VIRTUAL_MAC)), { verdict: 'DROP', drops: { notForUs: 1 } });
    }),
  );

  t.test(
    'other virtual MACs, and this one on an interface without it, are foreign',
    proves({ negative: ['F14'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        const toVip = (mac: string) => tcpFrame({ from: client, to: { ...vip(80), mac }, flags: 'S' });
        test.match(world.send(toVip(VIRTUAL_MAC)), { verdict: 'DROP', drops: { notForUs: 1 } });
        world.router(ROUTER, { virtualMac: VIRTUAL_MAC });
        test.match(world.send(toVip(OTHER_VIRTUAL_MAC)), { verdict: 'DROP', drops: { notForUs: 1 } });
        const other = ethernet(VIRTUAL_MAC, client.mac, 0x88cc, Buffer.alloc(46));
        test.same(world.send(other).packet, other, 'neither IP nor ARP: the kernel takes no notice');
        test.equal(other.readUInt16BE(12) === etherTypes.ipv4, false);
      }),
    ),
  );

  t.test('claims: another MAC is foreign, both of ours are not', (test) =>
    withVirtualMac(interfaces, (world) => {
      const claim = (senderMac: string) => arpFrame({ operation: 'request', senderMac, senderAddress: VIP, targetAddress: VIP });
      for (const mac of [VIRTUAL_MAC, frontMac]) test.equal(world.send(claim(mac)).verdict, 'PASS');
      test.same(world.plane.drainNotices(), []);
      world.send(claim(OTHER_VIRTUAL_MAC));
      test.match(world.plane.drainNotices(), [{ kind: 'foreignClaim', address: VIP, mac: OTHER_VIRTUAL_MAC }]);
    }),
  );
});
