/** Words on servers at run time: which one counts, what it means, and that all nodes end with the same. */
import fc from 'fast-check';
import t from 'tap';
import { give, intentOf, merge, type Overrides, ofConfig, overridden } from '../../../src/control/overrides.js';
import type { ServerOverride } from '../../../src/replication/api.js';
import { sampleConfig, samplePool, sampleServer } from '../../support/sample-config.js';

const none: Overrides = new Map();
const be1 = { pool: 'web', server: 'be1' };
const from = (node: string) => ({ node, by: 'ops', why: '' });
const state = (known: Overrides, value: 'drain' | 'ready' | null, node: string, wallMs: number) =>
  give(known, { ...be1, about: 'state', value }, from(node), wallMs);
const weight = (known: Overrides, value: { weight: number } | { percent: number } | null, node = 'lb1') =>
  give(known, { ...be1, about: 'weight', value }, from(node), 0);
const known = (...words: ServerOverride[]): Overrides => merge(none, words).known;
const stateOf = (overrides: Overrides) => overridden(overrides, 'web', 'be1').state?.value ?? null;

t.test('a word counts until a later one', async (t) => {
  const drain = state(none, 'drain', 'lb2', 5000);
  t.equal(drain.origin.stamp, 5000);
  const enable = state(known(drain), 'ready', 'lb1', 100);
  t.equal(enable.origin.stamp, 5001, 'it had heard the other, whatever its clock says');
  t.equal(stateOf(known(drain, enable)), 'ready');
  t.equal(stateOf(known(enable, drain)), 'ready', 'in whatever order they come');
  const { news } = merge(known(enable), [drain]);
  t.same(news, [], 'an older one is no news');
});

t.test('of words that had not heard each other the later by the clock counts, then that of the later name', async (t) => {
  const [early, late] = [state(none, 'drain', 'lb2', 5000), state(none, 'ready', 'lb1', 6000)];
  t.equal(stateOf(known(early, late)), 'ready');
  t.equal(stateOf(known(late, early)), 'ready');
  const same = state(none, 'ready', 'lb1', 5000);
  t.equal(stateOf(known(same, early)), 'drain', 'lb2 is later than lb1');
  t.equal(stateOf(known(early, same)), 'drain');
});

t.test('state and weight do not replace each other; null takes back', async (t) => {
  const drain = state(none, 'drain', 'lb2', 0);
  const half = weight(none, { percent: 50 });
  const both = known(drain, half);
  t.match(overridden(both, 'web', 'be1'), { state: { value: 'drain' }, weight: { value: { percent: 50 } } });
  const reset = known(drain, half, state(both, null, 'lb1', 0), weight(both, null));
  t.same(overridden(reset, 'web', 'be1'), { state: null, weight: null });
  t.same(merge(reset, [drain, half]).news, [], 'what was taken back does not return with a node that was away');
});

t.test('what is wanted: the last word, else the configuration', async (t) => {
  const server = sampleServer({ name: 'be1', address: '10.2.0.21', weight: 3, state: 'drain' });
  const intent = (...words: ServerOverride[]) => intentOf(known(...words), samplePool, server);
  t.match(intent(), { state: 'drain', milliWeight: 3000 });
  t.match(intent(state(none, 'ready', 'lb1', 0)), { state: 'ready', milliWeight: 3000 });
  t.match(intent(weight(none, { weight: 7 })), { state: 'drain', milliWeight: 7000 });
  t.match(intent(weight(none, { percent: 50 })), { state: 'drain', milliWeight: 1500 });
  t.match(intent(weight(none, { percent: 0 })), { state: 'drain', milliWeight: 0 });
  t.match(intent(weight(none, { percent: 25_600 })), { state: 'drain', milliWeight: 256_000 }, 'no more than any weight can be');
  t.match(intentOf(known(weight(none, { weight: 7 })), { name: 'api' }, server), { state: 'drain', milliWeight: 3000 }, 'another pool');
  t.match(intent(weight(none, { weight: 7 })), { commanded: { state: false, weight: true } }, 'and what of it is the word of an operator');
  t.match(intent(state(none, 'ready', 'lb1', 0)), { commanded: { state: true, weight: false } });
});

t.test('servers that are gone are forgotten', async (t) => {
  const gone = { ...state(none, 'drain', 'lb1', 0), server: 'be9' };
  const stays = state(none, 'drain', 'lb1', 0);
  t.same([...ofConfig(sampleConfig(), [gone, stays, { ...stays, pool: 'api' }]).values()], [stays]);
});

const word = fc.record({
  ...{ pool: fc.constantFrom('web', 'api'), server: fc.constantFrom('be1', 'be2'), about: fc.constant('state' as const) },
  value: fc.constantFrom('ready' as const, 'drain' as const, 'disable' as const, null),
  origin: fc.record({ stamp: fc.nat(3), node: fc.constantFrom('lb1', 'lb2', 'lb3'), by: fc.constant(''), why: fc.constant('') }),
}) satisfies fc.Arbitrary<ServerOverride>;

t.test('whatever comes in whatever order, once or often: the same in the end', async () => {
  const sorted = (overrides: Overrides) => JSON.stringify([...overrides].sort(([a], [b]) => (a < b ? -1 : 1)));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (words, picks) => {
      const shuffled = words
        .flatMap((one) => [one, one])
        .map((one) => ({ one, key: picks.next().value as number }))
        .sort((a, b) => a.key - b.key)
        .map(({ one }) => one);
      const split = Math.floor(shuffled.length / 2);
      const parts = merge(merge(none, shuffled.slice(0, split)).known, shuffled.slice(split)).known;
      return sorted(merge(none, words).known) === sorted(parts);
    }),
    { numRuns: 300 },
  );
});
