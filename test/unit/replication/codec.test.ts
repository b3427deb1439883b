/** Frames to bytes and back, and everything that is not a frame. */
import fc from 'fast-check';
import t from 'tap';
import type { ControlMessage } from '../../../src/replication/api.js';
import { decode, encode } from '../../../src/replication/codec.js';
import type { DecodeReason, Frame, Hello } from '../../../src/replication/frames.js';
import { CHUNK_HEADER_BYTES, FRAME_HEADER_BYTES, MAX_FRAME_BYTES, RECORD_BYTES } from '../../../src/replication/limits.js';

const name = fc.string({ maxLength: 40 });
const names = fc.array(name, { maxLength: 5 });
const natural = fc.nat();
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const records = fc
  .integer({ min: 1, max: 5 })
  .chain((count) => fc.uint8Array({ minLength: count * RECORD_BYTES, maxLength: count * RECORD_BYTES }).map((bytes) => Buffer.from(bytes)));
const reason = name;

const hello: fc.Arbitrary<Hello> = fc.record({
  versionMin: natural,
  versionMax: natural,
  capabilities: natural,
  node: name,
  cluster: name,
  configDigest: name,
  instance: name,
  abi: natural,
  recordBytes: natural,
  byteOrder: fc.constantFrom('little', 'big'),
  software: name,
});
const adminState = fc.constantFrom('ready' as const, 'drain' as const, 'disable' as const);
const advice = fc.record({ drain: fc.constant(true as const), weightPercent: natural }, { requiredKeys: [] });
const member = fc.record(
  {
    ...{ name, address: name, port: natural, weight: natural, alive: fc.boolean() },
    ...{ milliWeight: natural, sizeWeight: natural, state: adminState, up: fc.boolean(), slowStartMs: natural, advice },
  },
  { requiredKeys: ['name', 'address', 'port', 'weight', 'alive'] },
);
const overridePlace = { pool: name, server: name, origin: fc.record({ stamp: natural, node: name, by: name, why: reason }) };
const override = fc.oneof(
  fc.record({ ...overridePlace, about: fc.constant('state' as const), value: fc.option(adminState) }),
  fc.record({
    ...overridePlace,
    about: fc.constant('weight' as const),
    value: fc.option(fc.oneof(fc.record({ weight: natural }), fc.record({ percent: natural }))),
  }),
);
const generation = fc.record({ pool: name, generation: natural, members: fc.array(member, { maxLength: 3 }) });
const peerInterface = fc.record({ name, mac: fc.constantFrom('02:00:00:00:01:0a', 'ff:ff:ff:ff:ff:ff'), addresses: names });
const control: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({ type: fc.constant('pools' as const), generations: fc.array(generation, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('overrides' as const), overrides: fc.array(override, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('nextHops' as const), addresses: names }),
  fc.record({ type: fc.constant('holding' as const), routers: names }),
  fc.record({ type: fc.constant('takeOver' as const), routers: names, reason }),
  fc.record({ type: fc.constant('takeOver' as const), routers: names, reason, terms: fc.array(natural, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('drill' as const), routers: names, returnMs: natural }),
  fc.record({ type: fc.constant('drillOver' as const), routers: names }),
  fc.record({ type: fc.constant('verified' as const), router: name }),
  fc.record({ type: fc.constant('handBack' as const), id: name, routers: names }),
  fc.record({
    type: fc.constant('handedBack' as const),
    ...{ id: name, ok: fc.boolean(), message: reason, durationUs: natural, connections: natural, steered: natural, lost: natural },
  }),
  fc.record({ type: fc.constant('interfaces' as const), interfaces: fc.array(peerInterface, { maxLength: 3 }) }),
  fc.record(
    {
      type: fc.constant('beatKey' as const),
      key: fc.constantFrom('00112233445566778899aabbccddeeff', 'f'.repeat(32)),
      latest: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
    },
    { requiredKeys: ['type', 'key'] },
  ),
);
const digest = fc.record({ router: name, digest: fc.constantFrom('0123456789abcdef', 'ffffffffffffffff'), flows: fc.integer() });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), hello }),
  fc.record({ type: fc.constant('resume' as const), sequence, instance: name, complete: fc.boolean() }),
  fc.record({ type: fc.constant('records' as const), sequence, records }),
  fc.record({ type: fc.constant('control' as const), sequence, message: control }),
  fc.record({ type: fc.constantFrom('skip' as const, 'ack' as const), sequence }),
  fc.record({ type: fc.constant('gap' as const), sequence, reason }),
  fc.record({ type: fc.constant('bulkBegin' as const), sequence, bulk: natural }),
  fc.record({
    type: fc.constant('bulkChunk' as const),
    sequence,
    bulk: u32,
    index: u32,
    mode: fc.constantFrom('bulk' as const, 'merge' as const),
    records,
  }),
  fc.record({ type: fc.constant('bulkEnd' as const), sequence, bulk: natural, chunks: natural, routers: names }),
  fc.record({ type: fc.constant('digest' as const), sequence, routers: fc.array(digest, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('ping' as const) }),
  fc.record({ type: fc.constant('bulkDone' as const), bulk: natural }),
  fc.record({ type: fc.constant('compared' as const), matched: fc.boolean() }),
  fc.record({ type: fc.constantFrom('resync' as const, 'refuse' as const), reason }),
);

t.test('every frame comes back as it was', async (t) => {
  fc.assert(
    fc.property(frame, (original) => {
      const decoded = decode(encode(original));
      return decoded.ok && t.same(decoded.frame, original);
    }),
    { seed: 1, numRuns: 600 },
  );
});

t.test('a changed byte is a frame or a reason, never an exception', async (t) => {
  const reasons = new Set<string>();
  fc.assert(
    fc.property(frame, natural, fc.integer({ min: 0, max: 255 }), fc.integer({ min: -30, max: 30 }), (original, at, value, stretch) => {
      const message = encode(original);
      const cut =
        stretch < 0 ? message.subarray(0, Math.max(0, message.length + stretch)) : Buffer.concat([message, Buffer.alloc(stretch, value)]);
      if (cut.length > 0) cut[at % cut.length] = value;
      const decoded = decode(cut);
      if (!decoded.ok) reasons.add(decoded.reason);
    }),
    { seed: 2, numRuns: 5000 },
  );
  t.ok(reasons.size >= 7, `reasons seen: ${[...reasons].join(', ')}`);
});

t.test('noise is refused', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof decode(Buffer.from(bytes)).ok === 'boolean'),
    { seed: 3, numRuns: 3000 },
  );
});

const RECORDS = encode({ type: 'records', sequence: 7, records: Buffer.alloc(RECORD_BYTES) });
const CHUNK = encode({ type: 'bulkChunk', sequence: 7, bulk: 1, index: 0, mode: 'bulk', records: Buffer.alloc(RECORD_BYTES) });

function json(code: number, value: string, sequenceNumber = 0): Buffer {
  const message = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), Buffer.from(value)]);
  message[0] = code;
  message.writeUInt32LE(value.length, 4);
  message.writeUInt32LE(sequenceNumber, 8);
  return message;
}

function changed(message: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(message);
  copy[at] = value;
  return copy;
}

const BAD: { what: string; message: Buffer; reason: DecodeReason }[] = [
  { what: 'nothing', message: Buffer.alloc(0), reason: 'short' },
  { what: 'half a header', message: RECORDS.subarray(0, FRAME_HEADER_BYTES - 1), reason: 'short' },
  { what: 'more than is accepted', message: Buffer.alloc(MAX_FRAME_BYTES + 1, 3), reason: 'long' },
  { what: 'type 0', message: changed(RECORDS, 0, 0), reason: 'unknownType' },
  { what: 'an unknown type', message: changed(RECORDS, 0, 200), reason: 'unknownType' },
  { what: 'reserved bytes in use', message: changed(RECORDS, 2, 1), reason: 'badReserved' },
  { what: 'a length beyond the message', message: RECORDS.subarray(0, RECORDS.length - 1), reason: 'badLength' },
  { what: 'bytes after the payload', message: Buffer.concat([RECORDS, Buffer.alloc(1)]), reason: 'badLength' },
  { what: 'an acknowledgement with a payload', message: json(12, 'x'), reason: 'badLength' },
  { what: 'a sequence beyond 2^53', message: changed(RECORDS, 15, 0x80), reason: 'badSequence' },
  { what: 'a sequence where none belongs', message: json(15, '{"reason":""}', 1), reason: 'badSequence' },
  { what: 'flags where none belong', message: changed(RECORDS, 1, 1), reason: 'badFlags' },
  { what: 'a chunk of no mode', message: changed(CHUNK, 1, 0), reason: 'badFlags' },
  { what: 'a chunk of an unknown mode', message: changed(CHUNK, 1, 3), reason: 'badFlags' },
  { what: 'no records', message: encode({ type: 'records', sequence: 1, records: Buffer.alloc(0) }), reason: 'badRecords' },
  {
    what: 'half a record',
    message: encode({ type: 'records', sequence: 1, records: Buffer.alloc(RECORD_BYTES + 1) }),
    reason: 'badRecords',
  },
  {
    what: 'a chunk without records',
    message: withLength(CHUNK.subarray(0, FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES)),
    reason: 'badRecords',
  },
  { what: 'a chunk without its header', message: withLength(CHUNK.subarray(0, FRAME_HEADER_BYTES + 3)), reason: 'badRecords' },
  { what: 'broken JSON', message: json(6, '{', 1), reason: 'badJson' },
  { what: 'JSON that is no object', message: json(6, '[]', 1), reason: 'badShape' },
  { what: 'null', message: json(6, 'null', 1), reason: 'badShape' },
  { what: 'a field of another type', message: json(6, '{"reason":1}', 1), reason: 'badShape' },
  { what: 'a text too long', message: json(6, JSON.stringify({ reason: 'x'.repeat(1025) }), 1), reason: 'badShape' },
  { what: 'a negative count', message: json(7, '{"bulk":-1}', 1), reason: 'badShape' },
  {
    what: 'a MAC address that is none',
    message: json(4, '{"type":"interfaces","interfaces":[{"name":"eth0","mac":"02:00","addresses":[]}]}', 1),
    reason: 'badShape',
  },
  {
    what: 'a sequence of more than 64 bits',
    message: json(4, `{"type":"beatKey","key":"${'0'.repeat(32)}","latest":"18446744073709551616"}`, 1),
    reason: 'badShape',
  },
  { what: 'a key of the wrong length', message: json(4, '{"type":"beatKey","key":"0011"}', 1), reason: 'badShape' },
  { what: 'an unknown control message', message: json(4, '{"type":"reboot"}', 1), reason: 'badShape' },
  { what: 'a list with a wrong item', message: json(4, '{"type":"holding","routers":["a",1]}', 1), reason: 'badShape' },
  {
    what: 'a member without a port',
    message: json(
      4,
      '{"type":"pools","generations":[{"pool":"p","generation":1,"members":[{"name":"a","address":"b","weight":1,"alive":true}]}]}',
      1,
    ),
    reason: 'badShape',
  },
  ...['"state":"off"', '"state":null', '"milliWeight":-1', '"up":1', '"slowStartMs":0.5', '"advice":{"drain":false}', '"advice":7'].map(
    (wrong) => ({
      what: `a member with ${wrong}`,
      message: json(
        4,
        `{"type":"pools","generations":[{"pool":"p","generation":1,"members":[{"name":"a","address":"b","port":1,"weight":1,"alive":true,${wrong}}]}]}`,
        1,
      ),
      reason: 'badShape' as const,
    }),
  ),
  ...[
    '"about":"name","value":"drain"',
    '"about":"state","value":"off"',
    '"about":"state"',
    '"about":"weight","value":5',
    '"about":"weight","value":{"weight":-5}',
    '"about":"weight","value":{"percent":"5"}',
  ].map((wrong) => ({
    what: `an override with ${wrong}`,
    message: json(
      4,
      `{"type":"overrides","overrides":[{"pool":"p","server":"s","origin":{"stamp":1,"node":"a","by":"","why":""},${wrong}}]}`,
      1,
    ),
    reason: 'badShape' as const,
  })),
  {
    what: 'an override without an origin',
    message: json(4, '{"type":"overrides","overrides":[{"pool":"p","server":"s","about":"state","value":"drain"}]}', 1),
    reason: 'badShape',
  },
  {
    what: 'a digest that is not hexadecimal',
    message: json(10, '{"routers":[{"router":"a","digest":"xyz","flows":1}]}', 1),
    reason: 'badShape',
  },
  { what: 'a hello without a node', message: json(1, '{"cluster":"a"}'), reason: 'badShape' },
];

function withLength(message: Buffer): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt32LE(copy.length - FRAME_HEADER_BYTES, 4);
  return copy;
}

t.test('what is refused, and why', async (t) => {
  for (const { what, message, reason: expected } of BAD) t.same(decode(message), { ok: false, reason: expected }, what);
});

t.test('records are a view of the message', async (t) => {
  const decoded = decode(RECORDS);
  t.ok(decoded.ok && decoded.frame.type === 'records' && decoded.frame.records.buffer === RECORDS.buffer);
});
