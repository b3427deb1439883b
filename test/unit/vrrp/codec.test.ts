import fc from 'fast-check';
import t from 'tap';
import { addressOf, readIpv6 } from '../../../src/system/ip-address.js';
import { type Advert, REJECT_REASONS, type RejectReason, VRRP_GROUP, VRRP_GROUP_IPV6, vrrpGroup } from '../../../src/vrrp/codec/advert.js';
import { onesSum } from '../../../src/vrrp/codec/checksum.js';
import { decodeIpv4Advert, decodeIpv6Advert, encodeAdvert, refreshAdvert } from '../../../src/vrrp/codec/codec.js';

const ipv6 = (text: string): bigint => addressOf(text) as bigint;

const advert: Advert = {
  version: 3,
  source: addressOf('10.9.0.1'),
  destination: VRRP_GROUP,
  vrid: 51,
  priority: 200,
  intervalMs: 100,
  addresses: [addressOf('10.9.0.100')],
};
const version2: Advert = { ...advert, version: 2, intervalMs: 1000 };
const advert6: Advert = {
  ...advert,
  source: ipv6('fe80::1'),
  destination: VRRP_GROUP_IPV6,
  addresses: [ipv6('fe80::64'), ipv6('2001:db8::64')],
};

const v4 = fc.integer({ min: 0, max: 0xffffffff });
const v6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
const linkLocal = fc.bigInt({ min: 0n, max: (1n << 118n) - 1n }).map((rest) => (0x3fan << 118n) | rest);
const common = { vrid: fc.integer({ min: 1, max: 255 }), priority: fc.integer({ min: 0, max: 255 }) };
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 255 });
const centiseconds = fc.integer({ min: 1, max: 4095 }).map((cs) => cs * 10);
const three = { version: fc.constant(3 as const), intervalMs: centiseconds, ...common };

const anyIpv4 = fc.record<Advert>({ ...three, source: v4, destination: v4, addresses: list(v4) });
const anyIpv6 = fc.record<Advert>({
  ...three,
  source: linkLocal,
  destination: v6,
  addresses: fc.tuple(linkLocal, fc.array(v6, { maxLength: 254 })).map(([first, rest]) => [first, ...rest]),
});
const anyVersion2 = fc.record<Advert>({
  ...common,
  version: fc.constant(2 as const),
  intervalMs: fc.integer({ min: 1, max: 255 }).map((s) => s * 1000),
  source: v4,
  destination: v4,
  addresses: list(v4),
});

/** As a raw IPv6 socket shows a packet: the message, who sent it, and what it may have been sent to. */
const receive6 = (packet: Buffer, destinations: bigint[] = [readIpv6(packet, 24)]) =>
  decodeIpv6Advert(packet.subarray(40), readIpv6(packet, 8), destinations);

t.test('an advertisement byte by byte', async (t) => {
  const header = '45c00020 00000000 ff70 0a090001 e0000012'.replaceAll(' ', '');
  const hex = encodeAdvert(advert).toString('hex');
  t.equal(hex.slice(0, 20) + hex.slice(24, 40), header, 'version, TOS, length, TTL 255, protocol 112, addresses');
  t.equal(hex.slice(40), '3133c801000afc530a090064', 'as tshark has found correct');
});

t.test('version 2 byte by byte', async (t) => {
  const packet = encodeAdvert({ ...version2, intervalMs: 3000 });
  t.equal(packet.readUInt16BE(2), 40);
  t.equal(packet.toString('hex', 20, 26), '2133c8010003', 'no authentication, three seconds');
  t.equal(packet.toString('hex', 28), `0a090064${'00'.repeat(8)}`, 'the address, then authentication data');
  t.equal(onesSum(packet, 20, 20), 0xffff);
});

t.test('IPv6 byte by byte', async (t) => {
  const packet = encodeAdvert(advert6);
  t.equal(packet.toString('hex', 0, 8), '6c000000002870ff', 'class CS6, 40 bytes of protocol 112, hop limit 255');
  t.equal(packet.toString('hex', 8, 40), 'fe800000000000000000000000000001ff020000000000000000000000000012');
  t.equal(packet.toString('hex', 40, 46), '3133c802000a');
  t.equal(packet.toString('hex', 48), 'fe80000000000000000000000000006420010db8000000000000000000000064');
  t.equal(onesSum(packet, 8, 72, 112 + 40), 0xffff, 'over message and pseudo-header');
});

t.test('what is encoded is decoded: IPv4 with either checksum', async (t) => {
  fc.assert(
    fc.property(anyIpv4, fc.constantFrom('rfc9568' as const, 'rfc5798' as const), (sent, form) => {
      const decoded = decodeIpv4Advert(encodeAdvert(sent, form));
      t.same(decoded.ok && decoded.advert, { ...sent });
      if (decoded.ok && form === 'rfc9568') t.equal(decoded.checksumForm, form);
      return decoded.ok;
    }),
    { numRuns: 100 },
  );
});

t.test('what is encoded is decoded: version 2, and IPv6 among several possible destinations', async (t) => {
  fc.assert(
    fc.property(anyVersion2, (sent) => {
      const decoded = decodeIpv4Advert(encodeAdvert(sent));
      t.same(decoded, { ok: true, advert: { ...sent }, checksumForm: 'rfc9568' });
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(anyIpv6, (sent) => {
      const packet = encodeAdvert(sent);
      const decoded = receive6(packet, [sent.destination as bigint, VRRP_GROUP_IPV6]);
      t.same(decoded, { ok: true, advert: { ...sent }, checksumForm: 'rfc9568' });
    }),
    { numRuns: 50 },
  );
});

t.test('an IPv6 advertisement is valid for its destination only', async (t) => {
  const own = ipv6('fe80::2');
  const packet = encodeAdvert({ ...advert6, destination: own });
  const decoded = receive6(packet, [VRRP_GROUP_IPV6, own]);
  t.equal(decoded.ok && decoded.advert.destination, own, 'the checksum tells which of two it was');
  t.same(receive6(packet, [VRRP_GROUP_IPV6]), { ok: false, reason: 'checksum' });
});

t.test('a packet is refreshed in place', async (t) => {
  for (const [before, destination] of [
    [advert, addressOf('10.9.0.2')],
    [version2, addressOf('10.9.0.2')],
    [advert6, ipv6('fe80::2')],
  ] as const) {
    for (const form of ['rfc9568', 'rfc5798'] as const) {
      const packet = encodeAdvert(before);
      refreshAdvert(packet, 0, destination, form);
      t.same(packet, encodeAdvert({ ...before, priority: 0, destination }, form));
    }
  }
  t.same(encodeAdvert(advert6, 'rfc5798'), encodeAdvert(advert6), 'IPv6 has one form of checksum');
  t.same(encodeAdvert(version2, 'rfc5798'), encodeAdvert(version2), 'and version 2');
});

/** Changes bytes of a message and mends its checksum, so that only the change can be the reason. */
function forged(sent: Advert, changes: Record<number, number>, length?: number): Buffer {
  const packet = encodeAdvert(sent);
  const at = typeof sent.source === 'number' ? 20 : 40;
  for (const [offset, value] of Object.entries(changes)) packet[at + Number(offset)] = value;
  packet.writeUInt16BE(0, at + 6);
  const pseudo = at === 40 ? onesSum(packet, 8, 32, 112 + packet.length - at) : 0;
  packet.writeUInt16BE(0xffff ^ onesSum(packet, at, packet.length - at, pseudo), at + 6);
  return packet.subarray(0, length);
}

t.test('each reason to reject', async (t) => {
  const header = (change: (packet: Buffer) => void, sent = advert): Buffer => {
    const packet = encodeAdvert(sent);
    change(packet);
    return packet;
  };
  const ipv4Cases: [RejectReason, Buffer][] = [
    ['notIpv4', Buffer.alloc(0)],
    ['notIpv4', header((packet) => packet.writeUInt8(0x65, 0))],
    ['notIpv4', header((packet) => packet.writeUInt8(0x44, 0))],
    ['protocol', header((packet) => packet.writeUInt8(17, 9))],
    ['authHeader', header((packet) => packet.writeUInt8(51, 9))],
    ['fragment', header((packet) => packet.writeUInt16BE(0x2000, 6))],
    ['fragment', header((packet) => packet.writeUInt16BE(1, 6))],
    ['ttl', header((packet) => packet.writeUInt8(254, 8))],
    ['truncated', forged(advert, {}, 31)],
    ['truncated', header((packet) => packet.writeUInt16BE(27, 2))],
    ['truncated', header((packet) => packet.writeUInt16BE(19, 2))],
    ['truncated', forged(advert, { 3: 2 })],
    ['truncated', forged(version2, { 3: 2 })],
    ['truncated', header((packet) => packet.writeUInt16BE(39, 2), version2)],
    ['version', forged(advert, { 0: 0x41 })],
    ['version', forged(advert, { 0: 0x11 })],
    ['type', forged(advert, { 0: 0x32 })],
    ['type', forged(version2, { 0: 0x20 })],
    ['vrid', forged(advert, { 1: 0 })],
    ['vrid', forged(version2, { 1: 0 })],
    ['noAddresses', forged(advert, { 3: 0 })],
    ['noAddresses', forged(version2, { 3: 0 })],
    ['interval', forged(advert, { 5: 0 })],
    ['interval', forged(version2, { 5: 0 })],
    ['checksum', header((packet) => packet.writeUInt8(1, 22))],
    ['checksum', header((packet) => packet.writeUInt8(1, 39), version2)],
    ['authSimpleText', forged(version2, { 4: 1 })],
    ['authHeader', forged(version2, { 4: 2 })],
    ['authType', forged(version2, { 4: 3 })],
  ];
  for (const [reason, packet] of ipv4Cases) t.same(decodeIpv4Advert(packet), { ok: false, reason }, reason);
  const two = { ...advert6, addresses: advert6.addresses.toReversed() };
  const swapped = encodeAdvert(advert6);
  swapped.copyWithin(48, 64, 80);
  const ipv6Cases: [RejectReason, Buffer][] = [
    ['ttl', encodeAdvert(advert6).subarray(0, 41)],
    ['truncated', encodeAdvert(advert6).subarray(0, 40)],
    ['truncated', encodeAdvert(advert6).subarray(0, 47)],
    ['truncated', forged(advert6, { 3: 3 })],
    ['version', forged(advert6, { 0: 0x21 })],
    ['type', forged(advert6, { 0: 0x30 })],
    ['vrid', forged(advert6, { 1: 0 })],
    ['noAddresses', forged(advert6, { 3: 0 })],
    ['interval', forged(advert6, { 5: 0 })],
    ['checksum', swapped],
    ['notLinkLocal', forged(advert6, { 8: 0x20 })],
  ];
  for (const [reason, packet] of ipv6Cases) t.same(receive6(packet), { ok: false, reason }, reason);
  t.throws(() => encodeAdvert(two), RangeError);
});

t.test('any bytes are answered, never with an exception', async () => {
  const reasons = new Set<string>(REJECT_REASONS);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), v6, (bytes, source) => {
      const answers = [decodeIpv4Advert(bytes), decodeIpv6Advert(bytes, source, [VRRP_GROUP_IPV6])];
      return answers.every((decoded) => decoded.ok || reasons.has(decoded.reason));
    }),
  );
});

t.test('any change of a good packet is answered, and a cut one never accepted', async () => {
  fc.assert(
    fc.property(fc.oneof(anyIpv4, anyVersion2), fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, position, flip) => {
      const packet = encodeAdvert(sent);
      const cut = decodeIpv4Advert(packet.subarray(0, packet.length - 1));
      const changed = Buffer.from(packet);
      const at = 20 + (position % (packet.length - 20));
      changed[at] = (changed[at] ?? 0) ^ flip;
      return !cut.ok && typeof decodeIpv4Advert(changed).ok === 'boolean';
    }),
  );
  fc.assert(fc.property(anyIpv6, fc.nat(), (sent, cut) => !receive6(encodeAdvert(sent).subarray(0, -1 - (cut % 8))).ok));
});

t.test('what cannot be encoded is refused', async (t) => {
  const wrong: [Advert, Partial<Advert>][] = [
    [advert, { vrid: 0 }],
    [advert, { vrid: 256 }],
    [advert, { addresses: [] }],
    [advert, { addresses: Array(256).fill(1) }],
    [advert, { intervalMs: 0 }],
    [advert, { intervalMs: 40_960 }],
    [advert, { addresses: [1n] }],
    [advert, { destination: 1n }],
    [version2, { intervalMs: 500 }],
    [version2, { intervalMs: 1500 }],
    [version2, { intervalMs: 256_000 }],
    [advert6, { version: 2, intervalMs: 1000 }],
    [advert6, { addresses: [1] }],
    [advert6, { addresses: [ipv6('2001:db8::1')] }],
  ];
  for (const [sent, part] of wrong) t.throws(() => encodeAdvert({ ...sent, ...part }), RangeError);
});

t.test('each family has its group', async (t) => t.same([vrrpGroup('ipv4'), vrrpGroup('ipv6')], [VRRP_GROUP, VRRP_GROUP_IPV6]));
