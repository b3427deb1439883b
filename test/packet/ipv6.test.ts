/**
 * Packets to the virtual IPv6 addresses, apart from Neighbour Discovery: ping, the echo that verifies a take-over, everything else; with and
 * without accepting, with and without the lease.
 */
import t from 'tap';
import { limit } from '../../src/l4/abi.gen.js';
import { proves } from '../rfc/requirement.js';
import type { Party } from '../support/packet/build.js';
import { type Icmp6Options, icmp6Frame, tcp6Frame } from '../support/packet/build6.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  frontMac,
  makeInterfaces,
  ROUTER6,
  routerMac,
  SECOND_NS,
  VIP6,
  VIP6_LINK_LOCAL,
  type World,
  withWorld,
} from '../support/packet/world.js';

const VIRTUAL_MAC = '00:00:5e:00:02:33';
const client: Party = { mac: routerMac, address: 'fd00:2::7', port: 40000 };
const vip: Party = { mac: frontMac, address: VIP6, port: 22 };
const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
const icmp = (type: number, change: Partial<Icmp6Options> = {}): Buffer => icmp6Frame({ from: client, to: vip, type, ...change });
const ping = (change: Partial<Icmp6Options> = {}): Buffer => icmp(ECHO_REQUEST, change);

/** What no service can be for: an error, another protocol, a fragment, TCP. */
const withNextHeader = (frame: Buffer, nextHeader: number): Buffer => {
  const copy = Buffer.from(frame);
  copy[14 + 6] = nextHeader;
  return copy;
};
const others: [string, Buffer, string][] = [
  ['TCP', tcp6Frame(client, vip), 'noService'],
  ['an error', icmp(1), 'icmpError'],
  ['an echo with a code', ping({ code: 1 }), 'icmpError'],
  ['a stranger’s echo reply', icmp(ECHO_REPLY, { id: 1 }), 'icmpError'],
  ['a fragment', withNextHeader(tcp6Frame(client, vip), 44), 'fragment'],
  ['another protocol', withNextHeader(tcp6Frame(client, vip), 47), 'noService'],
];

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test(
    'ping is answered in place, whatever its hop limit and size',
    proves({ negative: ['F5'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        for (const change of [
          {},
          { hopLimit: 1 },
          { hopLimit: 255 },
          { size: 8 },
          { size: 1201 },
          { to: { ...vip, address: VIP6_LINK_LOCAL } },
        ]) {
          const out = world.send(ping({ id: 77, ...change }));
          test.match(out, { verdict: 'REDIRECT', parsed: { destinationMac: client.mac, sourceMac: frontMac } });
          const source = change.to?.address ?? VIP6;
          test.match(out.parsed.ip6, { source, destination: client.address, hopLimit: 64 });
          test.same(out.parsed.ip6?.icmp, { type: ECHO_REPLY, code: 0, id: 77, isChecksumValid: true });
        }
      }),
    ),
  );

  t.test('a router with a virtual MAC answers from it, at either MAC', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER6, { virtualMac: VIRTUAL_MAC, accept: true });
      for (const mac of [frontMac, VIRTUAL_MAC]) {
        const out = world.send(ping({ to: { ...vip, mac } }));
        test.match(out, { verdict: 'REDIRECT', parsed: { destinationMac: client.mac, sourceMac: VIRTUAL_MAC } });
      }
    }),
  );

  t.test('broken ones are dropped', (test) =>
    withWorld({}, interfaces, (world) => {
      const wrongVersion = ping();
      wrongVersion[14] = 0x50;
      const broken = [
        wrongVersion,
        ping({ payloadLength: 17 }),
        ping({ payloadLength: 7 }),
        ping({ size: 6 }),
        ping().subarray(0, 14 + 40 + 7),
        ping({ from: { ...client, address: '::' } }),
        ping({ from: { ...client, address: 'ff02::1' } }),
        tcp6Frame(client, vip, { payloadLength: 21 }),
      ];
      world.router(ROUTER6, { accept: true });
      for (const frame of broken) test.match(world.send(frame), { verdict: 'DROP', drops: { malformed: 1 } });
    }),
  );

  t.test('the verification echo is noted in the lease and ends here', (test) =>
    withWorld({}, interfaces, (world) => {
      test.equal(world.leases.read(ROUTER6).verifiedNs, 0n);
      const before = world.plane.kernelNs();
      const out = world.send(icmp(ECHO_REPLY, { id: limit.verifyEchoId }));
      test.match(out, { verdict: 'DROP', drops: {} });
      test.ok(world.leases.read(ROUTER6).verifiedNs >= before);
    }),
  );

  t.test(
    'what nobody listens for is dropped and counted; accepted, it goes to the kernel as it is',
    proves({ positive: ['F15'], negative: ['F15'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        for (const [what, frame, reason] of others) {
          test.same(world.send(frame).drops, { [reason]: 1 }, what);
          world.router(ROUTER6, { accept: true });
          const out = world.send(frame);
          test.match(out, { verdict: 'PASS', drops: {} }, what);
          test.same(out.packet, frame, what);
          world.router(ROUTER6, { accept: false });
        }
      }),
    ),
  );

  t.test(
    'without a fresh lease all of it is dropped, accepting or not',
    proves({ positive: ['F5'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        world.release(ROUTER6, { drainNs: 60n * SECOND_NS, admitNs: 60n * SECOND_NS });
        for (const accept of [false, true]) {
          world.router(ROUTER6, { accept });
          for (const [what, frame] of [...others, ['ping', ping()] as const]) {
            test.match(world.send(frame), { verdict: 'DROP', drops: { notActive: 1 } }, what);
          }
          const echo = icmp(ECHO_REPLY, { id: limit.verifyEchoId });
          test.match(world.send(echo), { verdict: 'DROP', drops: { notForUs: 1 } }, 'the answer to the successor');
        }
      }),
    ),
  );

  t.test('at the MAC of another node, or of a group, it is not for us', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER6, { accept: true });
      for (const mac of ['02:00:00:00:77:77', '33:33:00:00:00:01', 'ff:ff:ff:ff:ff:ff', VIRTUAL_MAC]) {
        for (const frame of [ping({ to: { ...vip, mac } }), tcp6Frame(client, { ...vip, mac })]) {
          test.match(world.send(frame), { verdict: 'DROP', drops: { notForUs: 1 } }, mac);
        }
      }
    }),
  );

  t.test('packets for anybody else pass untouched', (test) =>
    withWorld({}, interfaces, (world) => {
      const passes = (frame: Buffer, on: World['send'] extends (f: Buffer, on?: infer O) => unknown ? O : never = 'front') => {
        const out = world.send(frame, on);
        test.match(out, { verdict: 'PASS', drops: {} });
        test.same(out.packet, frame);
      };
      for (const address of ['fd00:1::101', 'fe80::1', 'ff02::1', 'ff02::12']) {
        passes(ping({ to: { ...vip, address } }));
        passes(tcp6Frame(client, { ...vip, address, mac: '02:00:00:00:77:77' }));
      }
      for (let length = 14; length < 54; length += 1) passes(ping().subarray(0, length));
      passes(ping({ from: { ...client, address: VIP6 }, to: { ...vip, address: 'fd00:1::101' } }));
    }),
  );
});
