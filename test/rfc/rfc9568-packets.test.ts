/** RFC 9568, transmission and reception of IPv4 advertisements (sections 5 and 7). Ids: T transmit, R receive. */

import { addressOf as ipv4 } from '../../src/system/ip-address.js';
import { type Advert, VRRP_GROUP } from '../../src/vrrp/codec/advert.js';
import { onesSum } from '../../src/vrrp/codec/checksum.js';
import { decodeIpv4Advert as decodeAdvert, encodeAdvert } from '../../src/vrrp/codec/codec.js';
import { requirement } from './requirement.js';

const advert: Advert = {
  version: 3,
  source: ipv4('10.0.0.1'),
  destination: VRRP_GROUP,
  vrid: 7,
  priority: 150,
  intervalMs: 1000,
  addresses: [ipv4('10.0.0.100'), ipv4('10.0.0.101')],
};

const RFC9568 = 'RFC 9568 section ';
const packet = (change: Partial<Advert> = {}): Buffer => encodeAdvert({ ...advert, ...change });

/** Changes a byte of the VRRP message and mends the checksum, so that only the change can be the reason. */
function forged(offset: number, value: number): Buffer {
  const bytes = packet();
  bytes[20 + offset] = value;
  bytes.writeUInt16BE(0, 26);
  bytes.writeUInt16BE(0xffff ^ onesSum(bytes, 20, bytes.length - 20), 26);
  return bytes;
}

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = packet();
  change(bytes);
  return bytes;
}

const reasonOf = (bytes: Uint8Array): string => {
  const decoded = decodeAdvert(bytes);
  return decoded.ok ? 'accepted' : decoded.reason;
};

requirement({
  id: 'T1',
  section: `${RFC9568}5.1.1.3`,
  text: 'the TTL is 255',
  positive: (t) => t.equal(packet()[8], 255),
  negative: (t) =>
    t.equal(reasonOf(changed((bytes) => bytes.writeUInt8(254, 8))), 'ttl', 'our own packet with any other TTL is no advertisement'),
});

requirement({
  id: 'T2',
  section: `${RFC9568}5.1.1`,
  text: 'protocol 112, to 224.0.0.18, from the primary address',
  positive: (t) => t.same([packet()[9], packet().readUInt32BE(16), packet().readUInt32BE(12)], [112, ipv4('224.0.0.18'), ipv4('10.0.0.1')]),
  negative: (t) => t.equal(reasonOf(changed((bytes) => bytes.writeUInt8(17, 9))), 'protocol'),
});

requirement({
  id: 'T4',
  section: `${RFC9568}5.2`,
  text: 'version 3, type 1, reserved bits 0, interval of 12 bits in centiseconds',
  positive(t) {
    t.equal(packet()[20], 0x31);
    t.equal(packet({ intervalMs: 40950 }).readUInt16BE(24), 0x0fff);
    t.equal(packet({ intervalMs: 10 }).readUInt16BE(24), 1);
  },
  negative: (t) => t.throws(() => packet({ intervalMs: 40960 }), RangeError),
});

requirement({
  id: 'T5',
  section: `${RFC9568}5.2.5`,
  text: 'at least one address',
  positive: (t) => t.equal(packet()[23], 2),
  negative: (t) => t.throws(() => packet({ addresses: [] }), RangeError),
});

requirement({
  id: 'T6',
  section: `${RFC9568}5.2.8`,
  text: 'the checksum of IPv4 is over the VRRP message only',
  positive: (t) => t.equal(onesSum(packet(), 20, packet().length - 20), 0xffff),
  negative: (t) =>
    t.not(onesSum(encodeAdvert(advert, 'rfc5798'), 20, packet().length - 20), 0xffff, 'the older form has a pseudo-header in it'),
});

requirement({
  id: 'R1',
  section: `${RFC9568}7.1`,
  text: 'a TTL other than 255 is discarded',
  positive: (t) => t.equal(reasonOf(packet()), 'accepted'),
  negative(t) {
    for (const ttl of [0, 1, 64, 254]) t.equal(reasonOf(changed((bytes) => bytes.writeUInt8(ttl, 8))), 'ttl', `TTL ${ttl}`);
  },
});

requirement({
  id: 'R2',
  section: `${RFC9568}7.1`,
  text: 'another version or type is discarded',
  positive: (t) => t.equal(reasonOf(forged(0, 0x31)), 'accepted'),
  negative(t) {
    t.equal(reasonOf(forged(0, 0x51)), 'version');
    t.equal(reasonOf(forged(0, 0x11)), 'version');
    t.equal(reasonOf(forged(0, 0x41)), 'version');
    t.equal(reasonOf(forged(0, 0x32)), 'type');
  },
});

requirement({
  id: 'R3',
  section: `${RFC9568}7.1`,
  text: 'an incomplete packet is discarded before its addresses are read; padding is not part of it',
  positive: (t) => t.equal(reasonOf(Buffer.concat([packet({ addresses: [1] }), Buffer.alloc(14)])), 'accepted', 'padded to 46 bytes'),
  negative(t) {
    t.equal(reasonOf(forged(3, 3)), 'truncated', 'more addresses promised than there are');
    t.equal(reasonOf(packet().subarray(0, 27)), 'truncated');
    t.equal(reasonOf(changed((bytes) => bytes.writeUInt16BE(27, 2))), 'truncated', 'total length ends inside of the message');
    t.equal(reasonOf(packet().subarray(0, 19)), 'notIpv4');
    t.equal(reasonOf(Buffer.alloc(0)), 'notIpv4');
  },
});

requirement({
  id: 'R4',
  section: `${RFC9568}7.1`,
  text: 'a wrong checksum is discarded; the form of RFC 5798 is told apart',
  positive(t) {
    const forms = (['rfc9568', 'rfc5798'] as const).map((form) => decodeAdvert(encodeAdvert(advert, form)));
    t.same(
      forms.map((decoded) => decoded.ok && decoded.checksumForm),
      ['rfc9568', 'rfc5798'],
    );
  },
  negative(t) {
    t.equal(reasonOf(changed((bytes) => bytes.writeUInt8(151, 22))), 'checksum');
    t.equal(reasonOf(changed((bytes) => bytes.writeUInt16BE(0, 26))), 'checksum');
  },
});

requirement({
  id: 'R6',
  section: `${RFC9568}5.2.5, erratum 8299`,
  text: 'an advertisement without addresses is ignored',
  positive: (t) => t.equal(reasonOf(packet({ addresses: [1] })), 'accepted'),
  negative: (t) => t.equal(reasonOf(forged(3, 0)), 'noAddresses'),
});

requirement({
  id: 'R7',
  section: `${RFC9568}5.2.7, erratum 8301`,
  text: 'an interval of 0 is discarded',
  positive: (t) => t.equal(reasonOf(packet({ intervalMs: 10 })), 'accepted'),
  negative: (t) => t.equal(reasonOf(forged(5, 0)), 'interval'),
});

requirement({
  id: 'R12',
  section: `${RFC9568}5.2.6`,
  text: 'the reserved bits are ignored',
  positive(t) {
    const decoded = decodeAdvert(forged(4, 0xf0));
    t.equal(decoded.ok && decoded.advert.intervalMs, 1000);
  },
  negative(t) {
    const decoded = decodeAdvert(forged(4, 0xf1));
    t.equal(decoded.ok && decoded.advert.intervalMs, 3560, 'the bit beside them is not');
  },
});

requirement({
  id: 'R13',
  section: `${RFC9568}5.2.3`,
  text: 'the VRID is 1 to 255',
  positive: (t) =>
    t.same(
      [1, 255].map((vrid) => reasonOf(packet({ vrid }))),
      ['accepted', 'accepted'],
    ),
  negative: (t) => t.equal(reasonOf(forged(1, 0)), 'vrid'),
});
