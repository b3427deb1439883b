import fc from 'fast-check';
import t from 'tap';
import { flowState, nextHopState, recordKind, recordLayout } from '../../../src/l4/abi.gen.js';
import * as codec from '../../../src/l4/records.js';

const address = fc.ipV4();
const port = fc.nat(65_535);
const protocol = fc.constantFrom('tcp' as const, 'udp' as const);
const u8 = fc.nat(255);
const u32 = fc.nat(0xffffffff);
const u64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/(..)(?!$)/g, '$1:'),
);

t.test('bytes as the BPF program reads them', async (t) => {
  const hex = (bytes: Buffer): string => bytes.toString('hex');
  t.equal(hex(codec.encodeServiceKey({ address: '10.1.0.100', port: 80, protocol: 'tcp' })), '0a01006400500600');
  t.equal(hex(codec.encodeServerAddressKey('10.2.0.21')), '0a02001500000000');
  t.equal(
    hex(
      codec.encodeService({
        slot: 1,
        currentSize: 251,
        previousSize: 0,
        virtualRouter: 2,
        forward: 1,
        scheduler: 0,
        generationSinceNs: 5n,
      }),
    ),
    '01000000fb0000000000000002010000' + '0500000000000000',
  );
  t.equal(
    hex(
      codec.encodeServer({
        address: '10.2.0.21',
        port: 8080,
        protocol: 'udp',
        forward: 0,
        vipAddress: '10.1.0.100',
        vipPort: 53,
        virtualRouter: 3,
        flags: 1,
        serviceSlot: 4,
        nextHop: 5,
      }),
    ),
    '0a0200151f901100' + '0a010064003503010400000005000000',
  );
  t.equal(hex(codec.encodeEndpoint([7, 9])), `020000000700000009000000${'00'.repeat(24)}`);
  t.equal(hex(codec.encodeAddress({ ifindex: 2, virtualRouter: 1, kind: 3 })), '0200000001030000');
  t.equal(
    hex(
      codec.encodeNextHop({
        ifindex: 3,
        address: '10.2.0.1',
        destinationMac: '02:00:00:00:00:01',
        sourceMac: '02:00:00:00:00:02',
        state: nextHopState.resolved,
      }),
    ),
    '020000000001020000000002030000000a02000101000000',
  );
  t.equal(hex(codec.encodeNextHopKey({ ifindex: 3, address: '10.2.0.1' })), '030000000a020001');
});

t.test('what is encoded is decoded', async () => {
  const service = fc.record({
    slot: u32,
    currentSize: u32,
    previousSize: u32,
    virtualRouter: u8,
    forward: u8,
    scheduler: u8,
    generationSinceNs: u64,
  });
  const server = fc.record({
    address,
    port,
    protocol,
    forward: u8,
    vipAddress: address,
    vipPort: port,
    virtualRouter: u8,
    flags: u8,
    serviceSlot: u32,
    nextHop: u32,
  });
  const nextHop = fc.record({ ifindex: u32, address, destinationMac: mac, sourceMac: mac, state: u32 });
  const settings = fc.record({
    realtimeOffsetNs: u64,
    timeoutNs: fc.array(u64, { minLength: flowState.states, maxLength: flowState.states }),
    secondChanceNs: u64,
    nodeId: u32,
    ready: fc.boolean(),
  });
  const same = (a: unknown, b: unknown): boolean => text(a) === text(b);
  const text = (value: unknown): string => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part), 0);
  const check = <T extends object>(values: fc.Arbitrary<T>, encode: (value: T) => Buffer, decode: (bytes: Buffer) => T): void =>
    fc.assert(fc.property(values, (value) => same(sorted(decode(encode(value))), sorted(value))));
  const sorted = (value: object): object => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  check(service, codec.encodeService, codec.decodeService);
  check(server, codec.encodeServer, codec.decodeServer);
  check(nextHop, codec.encodeNextHop, codec.decodeNextHop);
  check(settings, codec.encodeSettings, codec.decodeSettings);
  check(fc.record({ address, port, protocol }), codec.encodeServiceKey, codec.decodeServiceKey);
  check(fc.record({ ifindex: u32, virtualRouter: u8, kind: u8 }), codec.encodeAddress, codec.decodeAddress);
  check(fc.record({ ifindex: u32, address }), codec.encodeNextHopKey, codec.decodeNextHopKey);
  check(fc.array(u32, { maxLength: 8 }), (slots) => codec.encodeEndpoint(slots), codec.decodeEndpoint);
});

t.test('a flow record at any place of a batch', async (t) => {
  const record: codec.FlowRecord = {
    key: { clientAddress: '192.0.2.7', clientPort: 40_000, vipAddress: '10.1.0.100', vipPort: 443, protocol: 'tcp' },
    serverAddress: '10.2.0.21',
    serverPort: 8443,
    state: flowState.established,
    flags: 2,
    generation: (7n << 56n) | 1234n,
    ageMs: 4321,
    serverSlot: 11,
    nextHop: 513,
  };
  const batch = Buffer.concat([Buffer.alloc(recordLayout.size, 0xff), codec.encodeRecord(recordKind.upsert, record)]);
  t.same(codec.decodeRecord(batch, recordLayout.size), record);
  t.equal(codec.originId(record.generation), 7);
});
