import fc from 'fast-check';
import t from 'tap';
import { type Advert, decodeAdvert, encodeAdvert, REJECT_REASONS, refreshAdvert, VRRP_GROUP } from '../../../src/vrrp/codec.js';
import { ipv4 } from '../../../src/vrrp/ipv4.js';

const advert: Advert = {
  source: ipv4('10.9.0.1'),
  destination: VRRP_GROUP,
  vrid: 51,
  priority: 200,
  intervalCs: 10,
  addresses: [ipv4('10.9.0.100')],
};

const address = fc.integer({ min: 0, max: 0xffffffff });
const anyAdvert = fc.record({
  source: address,
  destination: address,
  vrid: fc.integer({ min: 1, max: 255 }),
  priority: fc.integer({ min: 0, max: 255 }),
  intervalCs: fc.integer({ min: 1, max: 4095 }),
  addresses: fc.array(address, { minLength: 1, maxLength: 255 }),
});

t.test('an advertisement byte by byte', (t) => {
  const header = '45c00020 00000000 ff70 0a090001 e0000012'.replaceAll(' ', '');
  const hex = encodeAdvert(advert).toString('hex');
  t.equal(hex.slice(0, 20) + hex.slice(24, 40), header, 'version, TOS, length, TTL 255, protocol 112, addresses');
  t.equal(hex.slice(40), '3133c801000afc530a090064', 'as tshark has found correct');
  t.end();
});

t.test('what is encoded is decoded, with either checksum', (t) => {
  fc.assert(
    fc.property(anyAdvert, fc.constantFrom('rfc9568' as const, 'rfc5798' as const), (sent, form) => {
      const decoded = decodeAdvert(encodeAdvert(sent, form));
      t.same(decoded.ok && decoded.advert, { ...sent });
      if (decoded.ok && form === 'rfc9568') t.equal(decoded.checksumForm, form);
      return decoded.ok;
    }),
    { numRuns: 200 },
  );
  t.end();
});

t.test('a packet is refreshed in place', (t) => {
  const packet = encodeAdvert(advert);
  refreshAdvert(packet, 0, ipv4('10.9.0.2'));
  t.same(packet, encodeAdvert({ ...advert, priority: 0, destination: ipv4('10.9.0.2') }));
  t.end();
});

t.test('any bytes are answered, never with an exception', (t) => {
  const reasons = new Set<string>(REJECT_REASONS);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const decoded = decodeAdvert(bytes);
      return decoded.ok || reasons.has(decoded.reason);
    }),
  );
  t.end();
});

t.test('any change of a good packet is answered, and a cut one never accepted', (t) => {
  fc.assert(
    fc.property(anyAdvert, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, position, flip) => {
      const packet = encodeAdvert(sent);
      const cut = decodeAdvert(packet.subarray(0, packet.length - 1));
      const changed = Buffer.from(packet);
      const at = 20 + (position % (packet.length - 20));
      changed[at] = (changed[at] ?? 0) ^ flip;
      return !cut.ok && typeof decodeAdvert(changed).ok === 'boolean';
    }),
  );
  t.end();
});

t.test('what cannot be encoded is refused', (t) => {
  const wrong: Partial<Advert>[] = [{ vrid: 0 }, { vrid: 256 }, { addresses: [] }, { intervalCs: 0 }, { intervalCs: 4096 }];
  for (const part of wrong) t.throws(() => encodeAdvert({ ...advert, ...part }), RangeError);
  t.end();
});
