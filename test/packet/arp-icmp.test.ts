/**
 * What a node says for its addresses: ARP and ping, under the lease only; foreign claims; the echo that verifies a take-over.
 */
import t from 'tap';
import { limit } from '../../src/l4/abi.gen.js';
import { proves } from '../rfc/requirement.js';
import { type ArpOptions, arpFrame, BROADCAST_MAC, icmpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  GATEWAY_VIP,
  INSTANCE,
  LOCAL,
  makeInterfaces,
  SECOND_NS,
  VIP,
  vip,
  withWorld,
} from '../support/packet/world.js';

const askerMac = '02:00:00:00:09:09';
const request = (change: Partial<ArpOptions> = {}) =>
  arpFrame({ operation: 'request', senderMac: askerMac, senderAddress: '10.1.0.9', targetAddress: VIP, ...change });
const claim = (change: Partial<ArpOptions> = {}) => request({ senderAddress: VIP, ...change });

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test(
    'ARP requests for a virtual address are answered in place',
    proves({ negative: ['F5'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        for (const to of [BROADCAST_MAC, frontMac, '01:00:5e:00:00:01']) {
          const out = world.send(request({ to }));
          test.equal(out.verdict, 'REDIRECT');
          test.match(out.parsed, { destinationMac: askerMac, sourceMac: frontMac });
          test.same(out.parsed.arp, {
            operation: 2,
            senderMac: frontMac,
            senderAddress: VIP,
            targetMac: askerMac,
            targetAddress: '10.1.0.9',
          });
        }
        const gateway = world.send(request({ targetAddress: GATEWAY_VIP, senderAddress: '10.2.0.21' }), 'back');
        test.match(gateway, { verdict: 'REDIRECT', parsed: { arp: { senderMac: backMac, senderAddress: GATEWAY_VIP } } });
        test.equal(world.send(request({ senderAddress: '0.0.0.0' })).verdict, 'REDIRECT', 'a probe for a duplicate is told the truth');
      }),
    ),
  );

  t.test(
    'without a fresh lease nobody answers, also not in the drain window',
    proves({ positive: ['F5'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        world.leases.release(0, 60n * SECOND_NS, 60n * SECOND_NS, INSTANCE);
        test.match(world.send(request()), { verdict: 'DROP', drops: { notForUs: 1 } });
        test.match(world.send(icmpFrame({ from: client, to: vip(0), type: 8 })), { verdict: 'DROP', drops: { notActive: 1 } });
        const echo = icmpFrame({ from: client, to: vip(0), type: 0, id: limit.verifyEchoId });
        test.match(world.send(echo), { verdict: 'DROP', drops: { notForUs: 1 } }, 'the answer to the successor is no packet of a client');
        world.leases.acquire(0, 0n, 60n * SECOND_NS, INSTANCE);
        test.match(world.send(request()), { verdict: 'DROP', drops: { notForUs: 1 } });
      }),
    ),
  );

  t.test('every other ARP packet passes untouched', (test) =>
    withWorld({}, interfaces, (world) => {
      const whole = request();
      const frames = [
        request({ targetAddress: LOCAL }),
        request({ targetAddress: '10.1.0.77' }),
        request({ targetAddress: GATEWAY_VIP }), // lives on the other interface
        request({ to: '02:00:00:00:77:77' }),
        request({ operation: 'reply' }),
        ...[0, 1, 2, 3, 4, 5].map((at) => Buffer.from(whole.map((byte, index) => (index === 14 + at ? byte ^ 0x40 : byte)))),
        ...Array.from({ length: 28 }, (_, length) => whole.subarray(0, 14 + length)),
      ];
      for (const frame of frames) {
        const result = world.plane.testRun('front', frame, 1);
        test.equal(result.verdict, 'PASS');
        test.same(result.packet, frame);
      }
      test.same(world.plane.drainNotices(), []);
    }),
  );

  t.test('a foreign claim is reported and passed, never answered', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const frame of [claim(), claim({ operation: 'reply' }), claim({ targetAddress: '10.1.0.77' })]) {
        const out = world.send(frame);
        test.equal(out.verdict, 'PASS');
        test.same(out.packet, frame);
        test.match(world.plane.drainNotices(), [{ kind: 'foreignClaim', ifindex: world.front, address: VIP, mac: askerMac }]);
      }
      test.equal(world.send(claim({ senderMac: frontMac })).verdict, 'PASS', 'our own, reflected');
      world.leases.release(0, 0n, 0n, INSTANCE);
      test.equal(world.send(claim()).verdict, 'PASS', 'without a lease the claim is right');
      test.same(world.plane.drainNotices(), []);
    }),
  );

  t.test('ping is answered in place, whatever its TTL and options', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const change of [{}, { ttl: 1 }, { ttl: 255 }, { options: Buffer.from([1, 1, 1, 0]) }]) {
        const out = world.send(icmpFrame({ from: client, to: vip(0), type: 8, id: 77, ...change }));
        test.match(out, { verdict: 'REDIRECT', parsed: { destinationMac: client.mac, sourceMac: frontMac } });
        test.match(out.parsed.ip, { source: VIP, destination: client.address, ttl: 64, isHeaderValid: true });
        test.same(out.parsed.icmp, { type: 0, code: 0, id: 77, isChecksumValid: true });
      }
    }),
  );

  t.test('ICMP errors to a VIP are dropped, to this node they pass', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const change of [{ type: 3 }, { type: 11 }, { type: 0, id: 1 }, { type: 8, code: 1 }]) {
        test.match(world.send(icmpFrame({ from: client, to: vip(0), ...change })), { verdict: 'DROP', drops: { icmpError: 1 } });
        test.equal(world.send(icmpFrame({ from: client, to: { ...vip(0), address: LOCAL }, ...change })).verdict, 'PASS');
      }
      test.match(world.send(icmpFrame({ from: client, to: vip(0), type: 8 }).subarray(0, 14 + 20 + 7)), {
        verdict: 'DROP',
        drops: { malformed: 1 },
      });
    }),
  );

  t.test('the verification echo is noted in the lease and ends here', (test) =>
    withWorld({}, interfaces, (world) => {
      test.equal(world.leases.read(0).verifiedNs, 0n);
      const before = world.plane.kernelNs();
      const out = world.send(icmpFrame({ from: client, to: vip(0), type: 0, id: limit.verifyEchoId }));
      test.equal(out.verdict, 'DROP');
      test.same(out.drops, {}, 'not a loss');
      test.ok(world.leases.read(0).verifiedNs >= before);
    }),
  );

  t.test('other protocols to a VIP are dropped, as nothing listens there', (test) =>
    withWorld({}, interfaces, (world) => {
      const frame = icmpFrame({ from: client, to: vip(0), type: 8 });
      frame[14 + 9] = 47;
      test.match(world.send(frame), { verdict: 'DROP', drops: { noService: 1 } });
    }),
  );
});
