import fc from 'fast-check';
import t from 'tap';
import { flowHash, murmur3, tableIndex } from '../../../src/l4/flow-hash.js';
import { encodeFlowKey } from '../../../src/l4/records.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

t.test('MurmurHash3_x86_32, published vectors', async (t) => {
  t.equal(murmur3(bytes(''), 0), 0);
  t.equal(murmur3(bytes(''), 1), 0x514e28b7);
  t.equal(murmur3(bytes(''), 0xffffffff), 0x81f16f39);
  t.equal(murmur3(Uint8Array.of(0x21, 0x43, 0x65, 0x87), 0), 0xf55b516b);
  t.equal(murmur3(Uint8Array.of(0x21, 0x43, 0x65), 0), 0x7e4a8634);
  t.equal(murmur3(Uint8Array.of(0x21, 0x43), 0), 0xa0f7b07a);
  t.equal(murmur3(Uint8Array.of(0x21), 0), 0x72661cf4);
  t.equal(murmur3(Uint8Array.of(0, 0, 0, 0), 0), 0x2362f9de);
  t.equal(murmur3(bytes('aaaa'), 0x9747b28c), 0x5a97808a);
  t.equal(murmur3(bytes('Hello, world!'), 0x9747b28c), 0x24884cba);
  t.equal(murmur3(bytes('The quick brown fox jumps over the lazy dog'), 0x9747b28c), 0x2fa826cd);
});

/** An independent reading of the BPF program: four little-endian words, 64-bit arithmetic. */
function reference(key: Buffer): number {
  const mask = 0xffffffffn;
  const rotl = (word: bigint, bits: bigint): bigint => ((word << bits) | (word >> (32n - bits))) & mask;
  let hash = 0x74616e64n;
  for (let at = 0; at < 16; at += 4) {
    const word = (rotl((BigInt(key.readUInt32LE(at)) * 0xcc9e2d51n) & mask, 15n) * 0x1b873593n) & mask;
    hash = (rotl(hash ^ word, 13n) * 5n + 0xe6546b64n) & mask;
  }
  hash ^= 16n;
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return Number(hash ^ (hash >> 16n));
}

t.test('flow keys hash as four little-endian words', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (key) => flowHash(key) === reference(Buffer.from(key))),
    { numRuns: 300 },
  );
});

t.test('one flow key, fixed for all time: nodes of different versions must agree', async (t) => {
  const key = { clientAddress: '192.0.2.7', clientPort: 40_000, vipAddress: '10.1.0.100', vipPort: 80, protocol: 'tcp' } as const;
  const encoded = encodeFlowKey(key);
  t.equal(encoded.toString('hex'), 'c00002070a0100649c40005006000000');
  t.equal(flowHash(encoded), 0x83de31d0);
});

t.test('the index is (hash * size) >> 32 and stays inside the table', async (t) => {
  t.equal(tableIndex(0xffffffff, 65537), 65536);
  t.equal(tableIndex(0, 251), 0);
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.integer({ min: 1, max: 65537 }), (hash, size) => {
      return tableIndex(hash, size) === Number((BigInt(hash) * BigInt(size)) >> 32n);
    }),
  );
});
