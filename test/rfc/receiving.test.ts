/** What is believed: adverts of version 3 and 2, over IPv4 and IPv6, as they come off the wire (RFC 9568 section 7.1, RFC 3768 section 7.1). */
import type { Monotonic } from '../../src/system/clock.js';
import { addressOf } from '../../src/system/ip-address.js';
import { VRRP_GROUP_IPV6 } from '../../src/vrrp/codec/advert.js';
import { decodeIpv4Advert, decodeIpv6Advert, encodeAdvert } from '../../src/vrrp/codec/codec.js';
import { RateLimit } from '../../src/vrrp/rate-limit.js';
import {
  ADVERTS,
  FAMILIES,
  forged,
  HEADER_BYTES,
  packetOf,
  packetV2,
  SENDER_IPV6,
  spoiled,
  verdict,
} from '../support/adverts-by-family.js';
import { active, backup, Driver, SMALLER, tell } from '../support/vrrp-machine.js';
import { advertOf, ipv4Router, ipv6Router, WireBench } from '../support/wire-bench.js';
import { requirement } from './requirement.js';

const VERSION_2 = { ...ipv4Router, version: 2 } as const;
const UNICAST = { ...ipv4Router, unicastPeers: ['10.9.0.2'] };

requirement('R1', {
  positive(t) {
    for (const family of FAMILIES) t.equal(verdict(packetOf(family)), 'accepted', family);
  },
  negative(t) {
    for (const ttl of [0, 1, 64, 254]) t.equal(verdict(spoiled(packetOf('ipv4'), 8, ttl)), 'ttl', `TTL ${ttl}`);
    const cut = packetOf('ipv6').subarray(40, 41);
    const decoded = decodeIpv6Advert(cut, SENDER_IPV6, [VRRP_GROUP_IPV6]);
    t.same(decoded, { ok: false, reason: 'ttl' }, 'IPv6: what the filter in the kernel cut');
    const unicast = new WireBench([UNICAST]);
    unicast.sockets[0]?.inbox.push({ packet: spoiled(encodeAdvert(advertOf({ from: '10.9.0.2' })), 8, 64), source: '' });
    unicast.wires.drainAll(1);
    t.same(unicast.rejected(), { ttl: 1 }, 'of a unicast peer, too');
  },
});

requirement('R2', {
  positive(t) {
    for (const packet of [packetOf('ipv4'), packetOf('ipv6'), packetV2()]) t.equal(verdict(packet), 'accepted');
  },
  negative(t) {
    for (const first of [0x01, 0x11, 0x41, 0x51, 0xf1]) t.equal(verdict(forged(packetOf('ipv4'), 0, first)), 'version', first.toString(16));
    for (const first of [0x30, 0x32, 0x3f, 0x22]) t.equal(verdict(forged(packetOf('ipv4'), 0, first)), 'type', first.toString(16));
    t.equal(verdict(forged(packetOf('ipv6'), 0, 0x21)), 'version', 'version 2 is for IPv4');
    t.equal(verdict(forged(packetOf('ipv6'), 0, 0x32)), 'type');
  },
});

requirement('R3', {
  positive: (t) =>
    t.equal(verdict(Buffer.concat([packetOf('ipv4', { addresses: [1] }), Buffer.alloc(14)])), 'accepted', 'padded to the least frame'),
  negative(t) {
    for (const family of FAMILIES) {
      t.equal(verdict(forged(packetOf(family), 3, 3)), 'truncated', 'more addresses promised than there are');
      t.equal(verdict(forged(packetOf(family), 3, 255)), 'truncated');
      t.equal(verdict(packetOf(family).subarray(0, HEADER_BYTES[family] + 7)), 'truncated');
    }
    t.equal(verdict(packetV2().subarray(0, -1)), 'truncated', 'authentication data belong to it');
    t.equal(verdict(spoiled(packetOf('ipv4'), 3, 27)), 'truncated', 'total length ends inside of the message');
    t.same([verdict(packetOf('ipv4').subarray(0, 19)), verdict(Buffer.alloc(0))], ['notIpv4', 'notIpv4']);
  },
});

requirement('R4', {
  positive(t) {
    const forms = (['rfc9568', 'rfc5798'] as const).map((form) => decodeIpv4Advert(encodeAdvert(ADVERTS.ipv4, form)));
    t.same(
      forms.map((decoded) => decoded.ok && decoded.checksumForm),
      ['rfc9568', 'rfc5798'],
    );
    for (const packet of [packetOf('ipv6'), packetV2()]) t.equal(verdict(packet), 'accepted');
  },
  negative(t) {
    for (const packet of [packetOf('ipv4'), packetOf('ipv6'), packetV2()]) {
      const at = packet[0] === 0x45 ? HEADER_BYTES.ipv4 : HEADER_BYTES.ipv6;
      t.equal(verdict(spoiled(packet, packet.length - 1, 0x77)), 'checksum', 'its last byte');
      t.equal(verdict(spoiled(packet, at + 2, 151)), 'checksum', 'its priority');
    }
    const unasked = new WireBench([{ ...ipv4Router, checksum: 'rfc9568' }]);
    unasked.sockets[0]?.inbox.push({ packet: spoiled(encodeAdvert(advertOf(), 'rfc5798'), 22, 1), source: '' });
    unasked.wires.drainAll(1);
    t.same(unasked.rejected(), { checksum: 1 }, 'whatever the setting is');
  },
});

requirement('R5', {
  positive(t) {
    const bench = new WireBench([ipv4Router, { ...ipv4Router, name: 'back', vrid: 52 }]).deliver(advertOf({ vrid: 52 }));
    t.match(bench.heard, [{ router: 'back', advert: { priority: 50 } }]);
  },
  negative(t) {
    const bench = new WireBench([ipv4Router, { ...ipv6Router, vrid: 53 }]).deliver(advertOf({ vrid: 53 }));
    t.same([bench.heard, bench.rejected()], [[], { unknownRouter: 1 }], 'not even when the other family has it');
  },
});

requirement('R6', {
  positive: (t) => t.equal(verdict(packetOf('ipv4', { addresses: [1] })), 'accepted'),
  negative(t) {
    for (const packet of [packetOf('ipv4'), packetOf('ipv6'), packetV2()]) t.equal(verdict(forged(packet, 3, 0)), 'noAddresses');
  },
});

requirement('R7', {
  positive: (t) =>
    t.same(
      [10, 40950].map((intervalMs) => verdict(packetOf('ipv6', { intervalMs }))),
      ['accepted', 'accepted'],
    ),
  negative(t) {
    const zero = (packet: Buffer): Buffer => forged(forged(packet, 4, 0), 5, 0);
    for (const family of FAMILIES) t.equal(verdict(zero(packetOf(family))), 'interval', family);
    t.equal(verdict(forged(packetV2(), 5, 0)), 'interval', 'version 2');
  },
});

requirement('R8', {
  positive: (t) => t.equal(verdict(packetOf('ipv6', { addresses: [addressOf('fe80::7')] })), 'accepted'),
  negative: (t) => t.equal(verdict(forged(packetOf('ipv6'), 8, 0x20)), 'notLinkLocal'),
});

requirement('R9', {
  positive(t) {
    const bench = new WireBench([ipv4Router], { priority: 255, advertIntervalMs: 1000 }).deliver(advertOf({ priority: 254 }));
    t.match(bench.logs, [{ event: 'ownerHears', fields: { from: '10.9.0.9', priority: 254 } }], 'told');
    const owner = new Driver({ priority: 255 });
    owner.begin();
    t.equal(owner.hear(254).map(tell)[0], 'send:255', 'answered');
    t.equal(owner.state.kind, 'active', 'not moved');
  },
  negative(t) {
    t.same(new WireBench([ipv4Router]).deliver(advertOf()).logs, [], 'nobody else tells');
    const router = active({ priority: 254 });
    router.hear(255, SMALLER);
    t.equal(router.state.kind, 'backup', 'and anybody else gives way to the owner');
  },
});

requirement('R10', {
  positive(t) {
    const bench = new WireBench([ipv4Router]).deliver(advertOf({ intervalMs: 2000 }));
    t.equal(bench.heard[0]?.advert?.intervalMs, 2000, 'version 3 hands it on');
    t.equal(bench.members[0]?.counters.advertsOtherInterval, 1);
    t.ok(backup().hear(200, undefined, 2000).map(tell).includes('log:intervalDiffers'), 'told');
    t.same(new WireBench([VERSION_2]).deliver(advertOf({ version: 2 })).heard[0]?.advert?.intervalMs, 1000, 'version 2: ours');
  },
  negative(t) {
    const bench = new WireBench([VERSION_2]).deliver(advertOf({ version: 2, intervalMs: 2000 }));
    t.same([bench.rejected(), bench.heard[0]?.advert], [{ intervalMismatch: 1 }, null], 'version 2: any other');
    t.match(bench.logs, [{ event: 'advertRejected', fields: { reason: 'intervalMismatch', heardMs: 2000 } }]);
  },
});

requirement('R11', {
  positive(t) {
    const bench = new WireBench([ipv4Router]).deliver(advertOf({ addresses: [addressOf('10.9.0.101')] }));
    t.equal(bench.heard[0]?.advert?.priority, 50, 'accepted');
    t.equal(bench.members[0]?.counters.advertsOtherAddresses, 1, 'counted');
    t.match(bench.logs, [{ event: 'addressesDiffer', fields: { heard: ['10.9.0.101'] } }], 'told');
    bench.deliver(advertOf({ addresses: ['10.9.0.100', '10.9.0.101'].map(addressOf) }));
    t.equal(bench.members[0]?.counters.advertsOtherAddresses, 2, 'more than ours, too');
  },
  negative(t) {
    for (const [router, from] of [
      [ipv4Router, '10.9.0.9'],
      [ipv6Router, 'fe80::9'],
    ] as const) {
      const bench = new WireBench([router]).deliver(advertOf({ from }));
      t.same([bench.members[0]?.counters.advertsOtherAddresses, bench.logs], [0, []], 'the same ones are no news');
    }
  },
});

requirement('R12', {
  positive(t) {
    for (const family of FAMILIES) t.equal(verdict(forged(packetOf(family), 4, 0xf0)), 'accepted', family);
    const decoded = decodeIpv4Advert(forged(packetOf('ipv4'), 4, 0xf0));
    t.equal(decoded.ok && decoded.advert.intervalMs, 1000, 'and no part of the interval');
  },
  negative(t) {
    const decoded = decodeIpv4Advert(forged(packetOf('ipv4'), 4, 0xf1));
    t.equal(decoded.ok && decoded.advert.intervalMs, 3560, 'the bit beside them is');
  },
});

requirement('R14', {
  positive(t) {
    const bench = new WireBench([ipv4Router]);
    for (let count = 0; count < 100; count++) bench.deliver(advertOf({ vrid: 99 }));
    t.same([bench.rejected(), bench.logs.length], [{ unknownRouter: 100 }, 1], 'all counted, one told');
    const limit = new RateLimit();
    const told = [0, 1, 999, 1000, 1001, 2000].map((at) => limit.take('checksum', at as Monotonic));
    t.same(told, [0, null, null, 2, null, 1], 'then once a second, with the number of those left out');
  },
  negative(t) {
    const bench = new WireBench([UNICAST]);
    bench
      .deliver(advertOf({ vrid: 99 }))
      .deliver(advertOf({ from: '10.9.0.9' }))
      .deliver(advertOf({ from: '10.9.0.2', version: 2 }));
    t.same(bench.rejected(), { unknownRouter: 1, unknownPeer: 1, version: 1 });
    t.same(
      bench.logs.map(({ fields }) => fields.reason),
      ['unknownRouter', 'unknownPeer', 'version'],
      'one kind does not silence another',
    );
    t.same(bench.deliver(advertOf({ from: '10.9.0.2' })).logs.length, 3, 'a good one is no news');
  },
});

requirement('R15', {
  positive: (t) => t.equal(verdict(packetV2()), 'accepted'),
  negative: (t) =>
    t.same(
      [1, 2, 3, 254].map((type) => verdict(forged(packetV2(), 4, type))),
      ['authSimpleText', 'authHeader', 'authType', 'authType'],
    ),
});

requirement('R16', {
  positive(t) {
    const bench = new WireBench([UNICAST]).deliver(advertOf({ from: '10.9.0.2' }));
    t.same([bench.heard[0]?.advert?.from, bench.rejected()], ['lb2', {}]);
    const open = new WireBench([{ ...UNICAST, unicastSourceCheck: false }]).deliver(advertOf({ from: '10.9.0.9' }));
    t.same(open.rejected(), {}, 'anybody where that is asked for');
  },
  negative(t) {
    const bench = new WireBench([UNICAST]).deliver(advertOf({ from: '10.9.0.9', priority: 254 }));
    t.same([bench.heard[0]?.advert, bench.rejected()], [null, { unknownPeer: 1 }]);
  },
});
