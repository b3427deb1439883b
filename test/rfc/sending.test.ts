/** What leaves: adverts of version 3 and 2, over IPv4 and IPv6 (RFC 9568 sections 5 and 7, RFC 3768 section 5). */
import { parseConfig } from '../../src/config/load.js';
import { checkMachine, type Machine } from '../../src/config/machine-checks.js';
import { addressOf, formatAddress, readIpv6 } from '../../src/system/ip-address.js';
import { onesSum, pseudoHeaderSum } from '../../src/vrrp/codec/checksum.js';
import { encodeAdvert } from '../../src/vrrp/codec/codec.js';
import { ADVERTS, FAMILIES, forged, HEADER_BYTES, packetOf, packetV2, spoiled, verdict } from '../support/adverts-by-family.js';
import { GOOD } from '../support/config-mistakes.js';
import { active, backup, GREATER, tell } from '../support/vrrp-machine.js';
import { ipv4Router, ipv6Router, OWN_MAC, WireBench } from '../support/wire-bench.js';
import { requirement } from './requirement.js';

const HOP_LIMIT = { ipv4: 8, ipv6: 7 } as const;
const PROTOCOL = { ipv4: 9, ipv6: 6 } as const;

requirement('T1', {
  positive(t) {
    for (const family of FAMILIES) t.equal(packetOf(family)[HOP_LIMIT[family]], 255, family);
    t.equal(packetV2()[HOP_LIMIT.ipv4], 255, 'version 2');
  },
  negative: (t) =>
    t.equal(verdict(spoiled(packetOf('ipv4'), HOP_LIMIT.ipv4, 254)), 'ttl', 'our own packet with any other TTL is no advertisement'),
});

requirement('T2', {
  positive(t) {
    for (const family of FAMILIES) t.equal(packetOf(family)[PROTOCOL[family]], 112, family);
    t.same([packetOf('ipv4').readUInt32BE(16), packetOf('ipv4').readUInt32BE(12)], [addressOf('224.0.0.18'), addressOf('10.0.0.1')]);
    t.same([readIpv6(packetOf('ipv6'), 24), readIpv6(packetOf('ipv6'), 8)], [addressOf('ff02::12'), addressOf('fe80::1')]);
  },
  negative(t) {
    t.equal(verdict(spoiled(packetOf('ipv4'), PROTOCOL.ipv4, 17)), 'protocol');
    t.throws(() => packetOf('ipv4', { destination: addressOf('ff02::12') }), RangeError, 'source and group are of one family');
  },
});

requirement('T3', {
  positive(t) {
    for (const [router, mac] of [
      [ipv4Router, '00005e000133'],
      [ipv6Router, '00005e000233'],
    ] as const) {
      const bench = new WireBench([{ ...router, virtualMac: true }]);
      bench.members[0]?.send(100, null);
      t.equal(bench.frames[0]?.toString('hex', 6, 12), mac, router.name);
    }
  },
  negative(t) {
    const bench = new WireBench([ipv4Router]);
    bench.members[0]?.send(100, null);
    bench.members[0]?.announce();
    t.equal(bench.packets.length, 1, 'without it the kernel makes the frame of an advert');
    t.same(bench.frames[0]?.subarray(6, 12), OWN_MAC, 'and an announcement shows the MAC of the interface');
  },
});

requirement('T4', {
  positive(t) {
    for (const family of FAMILIES) {
      const at = HEADER_BYTES[family];
      t.equal(packetOf(family)[at], 0x31, 'version and type');
      t.equal(packetOf(family, { intervalMs: 40950 }).readUInt16BE(at + 4), 0x0fff, 'the longest, reserved bits zero');
      t.equal(packetOf(family, { intervalMs: 10 }).readUInt16BE(at + 4), 1, 'the shortest');
    }
  },
  negative(t) {
    for (const intervalMs of [0, 4, 40960]) t.throws(() => packetOf('ipv4', { intervalMs }), RangeError, `${intervalMs} ms`);
  },
});

requirement('T5', {
  positive(t) {
    t.equal(packetOf('ipv4')[HEADER_BYTES.ipv4 + 3], 2);
    t.equal(packetOf('ipv6')[HEADER_BYTES.ipv6 + 3], 2);
    t.equal(formatAddress(readIpv6(packetOf('ipv6'), HEADER_BYTES.ipv6 + 8)), 'fe80::7', 'the link-local one in front');
    t.equal(packetOf('ipv4', { addresses: Array.from({ length: 255 }, (_, host) => host) })[HEADER_BYTES.ipv4 + 3], 255);
  },
  negative(t) {
    t.throws(() => packetOf('ipv4', { addresses: [] }), RangeError, 'none');
    t.throws(
      () => packetOf('ipv4', { addresses: Array.from({ length: 256 }, (_, host) => host) }),
      RangeError,
      'more than one byte counts',
    );
    t.throws(() => packetOf('ipv4', { addresses: [addressOf('fe80::1')] }), RangeError, 'of the other family');
    t.throws(() => packetOf('ipv6', { addresses: [addressOf('2001:db8::100'), addressOf('fe80::7')] }), RangeError, 'in another order');
  },
});

requirement('T6', {
  positive(t) {
    t.equal(onesSum(packetOf('ipv4'), 20, packetOf('ipv4').length - 20), 0xffff, 'IPv4: the message alone');
    const { source, destination } = ADVERTS.ipv6;
    const length = packetOf('ipv6').length - 40;
    t.equal(
      onesSum(packetOf('ipv6'), 40, length, pseudoHeaderSum(source, destination, 112, length)),
      0xffff,
      'IPv6: and what is before it',
    );
  },
  negative(t) {
    const old = encodeAdvert(ADVERTS.ipv4, 'rfc5798');
    t.not(onesSum(old, 20, old.length - 20), 0xffff, 'the older form has a pseudo-header in it');
    t.not(onesSum(packetOf('ipv6'), 40, packetOf('ipv6').length - 40), 0xffff, 'IPv6 is not summed without');
  },
});

const ON_ETH0 = { interface: 'eth0', prefixLength: 24 };
const machine: Machine = {
  interfaces: ['eth0', 'eth1'],
  addresses: [
    { ...ON_ETH0, address: '10.1.0.11' },
    { interface: 'eth1', address: '10.2.0.11', prefixLength: 24 },
  ],
};
const owner: Machine = {
  ...machine,
  addresses: [...machine.addresses, ...['10.1.0.100', '10.1.0.101'].map((address) => ({ ...ON_ETH0, address }))],
};

function refusals(priority: number, on: Machine): string[] {
  const loaded = parseConfig('tandem.yaml', GOOD.replace('lb1: 200', `lb1: ${priority}`));
  const problems = loaded.ok ? checkMachine(loaded, on, 'lb1') : loaded.problems;
  return problems.filter(({ severity }) => severity === 'error').map(({ message }) => message);
}

requirement('T7', {
  positive(t) {
    t.same(refusals(255, owner), [], 'the owner says 255');
    t.same(refusals(254, machine), [], 'anybody else less');
    t.same(active().feed({ type: 'stop', reason: 'asked' }).map(tell).includes('send:0'), true, '0 when it gives up');
  },
  negative(t) {
    t.match(refusals(255, machine), [/10.1.0.100 is not on eth0, but priority 255/, /10.1.0.101 is not on eth0/]);
    t.match(refusals(254, owner), [/10.1.0.100 is configured on eth0/, /10.1.0.101 is configured on eth0/]);
    t.match(refusals(0, machine), [/expected a whole number from 1 to 255/]);
    t.notOk(active().pass(1000).map(tell).includes('send:0'), 'never while it is active');
    t.notOk(backup().hear(200, GREATER).map(tell).includes('send:0'), 'nor from one that never was');
  },
});

requirement('T8', {
  positive(t) {
    const packet = packetV2({ intervalMs: 255_000 });
    t.equal(packet[20], 0x21, 'version 2, type 1');
    t.same([packet[24], packet[25]], [0, 255], 'authentication type, interval');
    t.same(packet.subarray(-8), Buffer.alloc(8), 'authentication data');
    t.equal(packet.length, 20 + 8 + 2 * 4 + 8);
    t.equal(onesSum(packet, 20, packet.length - 20), 0xffff, 'no pseudo-header');
  },
  negative(t) {
    for (const intervalMs of [0, 100, 1500, 256_000]) t.throws(() => packetV2({ intervalMs }), RangeError, `${intervalMs} ms`);
    t.throws(() => packetOf('ipv6', { version: 2 }), RangeError, 'IPv4 only');
    t.equal(verdict(forged(packetV2(), 5, 0)), 'interval');
  },
});

const orderOf = (addresses: string[]): string[] => {
  const bench = new WireBench([{ ...ipv4Router, addresses }]);
  bench.members[0]?.send(100, null);
  const sent = bench.lastAdvert();
  return sent.ok ? sent.advert.addresses.map(formatAddress) : [];
};

requirement('T9', {
  positive: (t) => t.same(orderOf(['10.9.0.102', '10.9.0.100', '10.9.0.101']), ['10.9.0.102', '10.9.0.100', '10.9.0.101']),
  negative: (t) => t.same(orderOf(['10.9.0.100', '10.9.0.102']), ['10.9.0.100', '10.9.0.102'], 'another configuration, another order'),
});

requirement('T10', {
  positive: (t) =>
    t.same(
      [1, 255].map((vrid) => verdict(packetOf('ipv4', { vrid }))),
      ['accepted', 'accepted'],
    ),
  negative(t) {
    for (const vrid of [0, 256]) t.throws(() => packetOf('ipv4', { vrid }), RangeError, `${vrid}`);
    for (const family of FAMILIES) t.equal(verdict(forged(packetOf(family), 1, 0)), 'vrid');
    t.equal(verdict(forged(packetV2(), 1, 0)), 'vrid');
  },
});
