/**
 * A virtual router that accepts, over IPv4: what comes for its addresses and for no service goes to the kernel, under the lease; services,
 * ping and ARP stay where they are. Without `accept` it is dropped and counted.
 */
import t from 'tap';
import { limit } from '../../src/l4/abi.gen.js';
import { proves } from '../rfc/requirement.js';
import { icmpFrame, tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  GATEWAY_VIP,
  makeInterfaces,
  ROUTER,
  SECOND_NS,
  vip,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const WEB = 0;
const VIRTUAL_MAC = '00:00:5e:00:01:33';
const gre = (frame: Buffer): Buffer => {
  const copy = Buffer.from(frame);
  copy[14 + 9] = 47;
  return copy;
};

/** [what, frame, why it is dropped otherwise] */
const unserved: [string, Buffer, string][] = [
  ['a first packet', tcpFrame({ from: client, to: vip(22), flags: 'S' }), 'noService'],
  ['a packet in mid-flow', tcpFrame({ from: client, to: vip(22), flags: 'PA', payload: Buffer.from('x') }), 'noService'],
  ['a reset', tcpFrame({ from: client, to: vip(22), flags: 'R' }), 'noService'],
  ['its last hop', tcpFrame({ from: client, to: vip(22), flags: 'S', ttl: 1 }), 'noService'],
  ['UDP', udpFrame({ from: client, to: vip(123) }), 'noService'],
  ['the other protocol of a port that is served', udpFrame({ from: client, to: vip(80) }), 'noService'],
  ['an ICMP error', icmpFrame({ from: client, to: vip(0), type: 3, code: 4 }), 'icmpError'],
  ['an echo reply', icmpFrame({ from: client, to: vip(0), type: 0, id: 9 }), 'icmpError'],
  ['another protocol', gre(icmpFrame({ from: client, to: vip(0), type: 8 })), 'noService'],
];

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test(
    'what no service listens for: dropped, or the kernel’s',
    proves({ positive: ['F15'], negative: ['F15'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        for (const [what, frame, reason] of unserved) {
          test.same(world.send(frame).drops, { [reason]: 1 }, what);
          world.router(ROUTER, { accept: true });
          const out = world.send(frame);
          test.match(out, { verdict: 'PASS', drops: {} }, what);
          test.same(out.packet, frame, what);
          world.router(ROUTER, {});
        }
      }),
    ),
  );

  t.test('also while the table is not ready: no flow is concerned', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER, { accept: true });
      world.settings({ ready: false });
      test.equal(world.send(tcpFrame({ from: client, to: vip(22), flags: 'S' })).verdict, 'PASS');
      test.same(world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' })).drops, { notReady: 1 });
    }),
  );

  t.test(
    'without a fresh lease it is dropped, in the drain window and while new flows are still admitted, too',
    proves({ positive: ['F5'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        world.router(ROUTER, { accept: true });
        world.release(ROUTER, { drainNs: 60n * SECOND_NS, admitNs: 60n * SECOND_NS });
        for (const [what, frame] of unserved) {
          const out = world.send(frame);
          test.equal(out.verdict, 'DROP', what);
          test.equal(Object.values(out.drops).length, 1, what);
        }
      }),
    ),
  );

  t.test('services and ping are answered as ever, and the verification ends here', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER, { accept: true });
      test.equal(world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' })).verdict, 'REDIRECT');
      test.equal(world.flow(WEB)?.serverPort, 8080);
      test.match(world.send(icmpFrame({ from: client, to: vip(0), type: 8 })), { verdict: 'REDIRECT', parsed: { icmp: { type: 0 } } });
      test.match(world.send(icmpFrame({ from: client, to: vip(0), type: 0, id: limit.verifyEchoId })), { verdict: 'DROP', drops: {} });
    }),
  );

  t.test('what cannot be judged stays out: fragments and broken packets', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER, { accept: true });
      test.same(world.send(tcpFrame({ from: client, to: vip(22), flags: 'S', fragment: 0x2000 })).drops, { fragment: 1 });
      test.same(world.send(tcpFrame({ from: client, to: vip(22), flags: 'S' }).subarray(0, 50)).drops, { malformed: 1 });
    }),
  );

  t.test('the gateway address accepts like the others; to another MAC nothing is accepted', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER, { accept: true });
      const from = { ...(worldServers[0]?.party ?? client), port: 5353 };
      const to = { mac: backMac, address: GATEWAY_VIP, port: 53 };
      test.equal(world.send(udpFrame({ from, to }), 'back').verdict, 'PASS');
      test.same(world.send(udpFrame({ from, to: { ...to, mac: '02:00:00:00:77:77' } }), 'back').drops, { notForUs: 1 });
      test.same(world.send(tcpFrame({ from: client, to: { ...vip(22), mac: VIRTUAL_MAC }, flags: 'S' })).drops, { notForUs: 1 });
    }),
  );

  t.test('at the virtual MAC: the kernel gets it at the interface’s own', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER, { virtualMac: VIRTUAL_MAC, accept: true });
      const out = world.send(tcpFrame({ from: client, to: { ...vip(22), mac: VIRTUAL_MAC }, flags: 'S' }));
      test.match(out, { verdict: 'PASS', parsed: { destinationMac: frontMac, sourceMac: client.mac } });
    }),
  );
});
