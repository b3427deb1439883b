/** What beats say of each election, in bytes. */
import fc from 'fast-check';
import t from 'tap';
import { nameHash } from '../../../src/system/name-hash.js';
import { decodeBeat, encodeBeat, type GroupBeat, isSameBeat, MAX_GROUPS } from '../../../src/vrrp/beat-codec.js';

const group = fc.record({
  nameHash: fc.integer({ min: 0, max: 0xffffffff }),
  rank: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  term: fc.integer({ min: 0, max: 0xffffff }),
  role: fc.constantFrom('initialize', 'backup', 'claiming', 'active'),
  reason: fc.constantFrom('other', 'linkDown', 'leaseLapsed', 'unheard', 'staleTerm', 'fault'),
  priority: fc.integer({ min: 0, max: 255 }),
  isEligible: fc.boolean(),
  inSync: fc.boolean(),
  followsActive: fc.boolean(),
  isPlanned: fc.boolean(),
  unheardId: fc.integer({ min: 0, max: 255 }),
  adverts: fc.integer({ min: 0, max: 255 }),
}) as fc.Arbitrary<GroupBeat>;

const sample = (change: Partial<GroupBeat> = {}): GroupBeat => ({
  nameHash: nameHash('front'),
  rank: 7n,
  term: 3,
  role: 'active',
  reason: 'other',
  priority: 100,
  isEligible: true,
  inSync: true,
  followsActive: false,
  isPlanned: false,
  unheardId: 0,
  adverts: 0,
  ...change,
});

t.test('what is encoded is decoded', async (t) => {
  fc.assert(
    fc.property(fc.array(group, { maxLength: MAX_GROUPS }), (groups) => {
      t.same(decodeBeat(encodeBeat(groups)), groups);
    }),
    { numRuns: 50 },
  );
});

t.test('beats are the same exactly when their bytes are', async (t) => {
  fc.assert(
    fc.property(group, group, (a, b) => {
      t.equal(isSameBeat(a, b), encodeBeat([a]).equals(encodeBeat([b])));
      for (const key of Object.keys(a) as (keyof GroupBeat)[]) {
        const mixed = { ...a, [key]: b[key] };
        t.equal(isSameBeat(a, mixed), encodeBeat([a]).equals(encodeBeat([mixed])), key);
      }
    }),
    { numRuns: 50 },
  );
  t.ok(isSameBeat(sample(), sample()));
  t.notOk(isSameBeat(sample(), undefined));
});

t.test('anything else never throws', async (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => decodeBeat(Buffer.from(bytes)) === null || bytes[0] === 1));
  t.equal(decodeBeat(Buffer.alloc(0)), null);
  t.equal(decodeBeat(encodeBeat([sample()]).subarray(0, 20)), null, 'cut');
  const later = encodeBeat([sample()]);
  later[0] = 2;
  t.equal(decodeBeat(later), null, 'another version');
  t.same(decodeBeat(Buffer.concat([encodeBeat([sample()]), Buffer.from('more')])), [sample()], 'what is appended is skipped');
});

t.test('a reason stays, without its object; an unknown one is other; a term has its limit', async (t) => {
  const back = (change: Partial<GroupBeat>): GroupBeat | undefined => decodeBeat(encodeBeat([sample(change)]))?.[0];
  t.equal(back({ reason: 'linkDown:eth0' })?.reason, 'linkDown');
  t.equal(back({ reason: 'somethingElse' })?.reason, 'other');
  t.equal(back({ term: 0x1000000 })?.term, 0xffffff);
});

t.test('names have numbers', async (t) => {
  t.equal(nameHash(''), 0x811c9dc5);
  t.equal(nameHash('foobar'), 0xbf9cf968, 'FNV-1a test vector');
});
