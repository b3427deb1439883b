import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import {
  addressBytes,
  addressOf,
  canonicalAddress,
  familyOf,
  familyOfText,
  formatAddress,
  isInNetwork,
  isLinkLocal,
  parseAddress,
  parseIpv6,
  readIpv4,
  readIpv6,
  solicitedNodeGroup,
  writeAddress,
} from '../../../src/system/ip-address.js';

t.test('text to number and back, in the one spelling of RFC 5952', async (t) => {
  const spellings: [string, string][] = [
    ['10.1.0.100', '10.1.0.100'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::1:0:0', '2001:db8::1:0:0'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.33', '::ffff:c000:221'],
    ['fe80::1', 'fe80::1'],
  ];
  for (const [text, canonical] of spellings) t.equal(canonicalAddress(text), canonical, text);
});

t.test('what is not an address', async (t) => {
  const wrong = [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '1.2.3',
  ];
  for (const text of [...wrong, '::1.2.3', '::1.2.3.4:5', '1.2.3.4::', ':1:2:3:4:5:6:7:8', '1:', '1.2.3.4/24', '::1/64', ' ::1']) {
    t.equal(parseAddress(text), null, JSON.stringify(text));
    t.equal(canonicalAddress(text), null);
    t.throws(() => addressOf(text), /not an IP address/);
  }
});

t.test('any IPv6 address', async () => {
  const any = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
  const sparse = fc
    .array(fc.constantFrom(0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n));
  fc.assert(
    fc.property(fc.oneof(any, sparse), (address) => {
      const text = formatAddress(address);
      const buffer = Buffer.alloc(20);
      writeAddress(buffer, address, 3);
      return isIPv6(text) && parseIpv6(text) === address && readIpv6(buffer, 3) === address && parseIpv6(text.toUpperCase()) === address;
    }),
  );
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('0', 'f', ':', '::', '1', '.', 'abcd'), maxLength: 16 }),
      (text) => (parseIpv6(text) !== null) === isIPv6(text),
    ),
  );
});

t.test('the value tells the family, and compares unsigned', async (t) => {
  t.same([familyOf(addressOf('1.2.3.4')), familyOf(addressOf('::1'))], ['ipv4', 'ipv6']);
  t.same([familyOfText('1.2.3.4'), familyOfText('::1')], ['ipv4', 'ipv6']);
  t.same([addressBytes('ipv4'), addressBytes('ipv6')], [4, 16]);
  t.ok(addressOf('200.0.0.1') > addressOf('100.255.255.255'));
  t.ok(addressOf('fe80::1') > addressOf('2001:db8::1'));
  const buffer = Buffer.alloc(4);
  writeAddress(buffer, addressOf('200.1.2.3'), 0);
  t.equal(buffer.toString('hex'), 'c8010203');
  t.equal(readIpv4(buffer, 0), 0xc8010203);
  t.equal(readIpv4(buffer, 2), 0x02030000, 'bytes behind the end are zero');
});

t.test('link-local addresses and solicited-node groups', async (t) => {
  for (const text of ['fe80::', 'fe80::1', 'febf:ffff::1']) t.ok(isLinkLocal(addressOf(text)), text);
  for (const text of ['fec0::1', 'fe7f::1', '2001:db8::1', '::', '169.254.0.1']) t.notOk(isLinkLocal(addressOf(text)), text);
  t.equal(formatAddress(solicitedNodeGroup(addressOf('2001:db8::12ab:cdef') as bigint)), 'ff02::1:ffab:cdef');
});

t.test('networks', async (t) => {
  const isIn = (address: string, network: string, length: number): boolean => isInNetwork(addressOf(address), addressOf(network), length);
  t.ok(isIn('2001:db8::1:0:0:1', '2001:db8:0:0:ffff::', 64));
  t.notOk(isIn('2001:db8:0:1::1', '2001:db8::', 64));
  t.ok(isIn('fe80::1', '::', 0));
  t.notOk(isIn('fe80::1', 'fe80::2', 128));
  t.ok(isIn('10.1.0.100', '10.1.0.11', 24));
  t.notOk(isIn('10.1.1.100', '10.1.0.11', 24));
  t.notOk(isIn('::a01:64', '10.1.0.100', 0), 'not across families');
});
