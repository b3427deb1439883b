/** When health counts no more, and for whom. */
import fc from 'fast-check';
import t from 'tap';
import { decideGeneration, firstGeneration } from '../../../src/control/pool-authority.js';
import type { PoolMember } from '../../../src/l4/api.js';
import { panicOf, usedMembers } from '../../../src/l4/panic.js';
import { poolMembers, usableServers } from '../../../src/l4/pool-generations.js';
import { isUsable } from '../../../src/l4/pool-members.js';
import { samplePool, sampleServer } from '../../support/sample-config.js';

const member = (name: string, said: Partial<PoolMember> = {}): PoolMember => ({
  ...{ name, address: '10.2.0.21', port: 80, weight: 1, alive: true },
  ...said,
});
const down = { alive: false };

const poolOf = (panicThreshold: number, names: readonly string[], backups: readonly string[] = []) => ({
  ...samplePool,
  panicThreshold,
  servers: [...names, ...backups].map((name) => sampleServer({ name, address: '10.2.0.21', backup: backups.includes(name) })),
});

t.test('below the threshold all get new flows, at it only those that are up', async (t) => {
  const names = ['be1', 'be2', 'be3', 'be4'];
  const members = [member('be1'), member('be2', down), member('be3', down), member('be4', down)];
  const generation = { pool: 'web', generation: 3, members };
  const usable = (threshold: number): string[] => usableServers(poolOf(threshold, names), generation);
  t.same(usable(0), ['be1'], 'off');
  t.same(usable(25), ['be1'], 'a quarter is not less than 25 percent');
  t.same(usable(26), names);
  t.same(panicOf(poolOf(26, names), members), { isPanicking: true, wanted: 4, up: 1 });
  const all = members.map((each) => ({ ...each, alive: false }));
  t.same(usableServers(poolOf(1, names), { ...generation, members: all }), names, 'none is up');
  t.same(usableServers(poolOf(0, names), { ...generation, members: all }), [], 'off means off');
});

t.test('what operators took out stays out, and does not count', async (t) => {
  const pool = poolOf(60, ['be1', 'be2', 'be3', 'be4']);
  const members = [
    member('be1', down),
    member('be2', { alive: true }),
    member('be3', { alive: false, weight: 0, state: 'disable', up: false }),
    member('be4', { weight: 0, state: 'drain' }),
  ];
  t.same(panicOf(pool, members), { isPanicking: true, wanted: 2, up: 1 });
  const used = usedMembers(pool, members);
  t.same(
    used.filter(isUsable).map(({ name }) => name),
    ['be1', 'be2'],
  );
  t.match(used[2], { alive: false }, 'disabled: connections in progress to it are not served either');
  t.same(panicOf(poolOf(100, ['be1']), [member('be1', { weight: 0 })]), { isPanicking: false, wanted: 0, up: 0 }, 'none is wanted');
});

t.test('a backup that can serve keeps the pool calm; none of them is believed to be up', async (t) => {
  const pool = poolOf(50, ['be1', 'be2'], ['s1', 's2']);
  const failed = [member('be1', down), member('be2', down)];
  const served = [...failed, member('s1'), member('s2', down)];
  t.equal(panicOf(pool, served).isPanicking, false);
  const oneOfThree = (idle: Partial<PoolMember>): boolean =>
    panicOf(poolOf(50, ['be1', 'be2', 'be3'], ['s1']), [...failed, member('be3'), member('s1', { weight: 0, ...idle })]).isPanicking;
  t.equal(oneOfThree({}), false, 'it waits for the last one');
  t.equal(oneOfThree(down), true);
  t.equal(oneOfThree({ state: 'drain' }), true);
  const none = [...failed, member('s1', down), member('s2', { ...down, weight: 0 })];
  t.equal(panicOf(pool, none).isPanicking, true);
  t.same(
    usedMembers(pool, none)
      .filter(isUsable)
      .map(({ name }) => name),
    ['be1', 'be2'],
  );
});

t.test('servers that the generation does not know get nothing, in a panic neither', async (t) => {
  const pool = poolOf(100, ['be1', 'be2', 'new']);
  const members = poolMembers(pool, { pool: 'web', generation: 1, members: [member('be1', down), member('be2')] });
  t.same(
    members.filter(isUsable).map(({ name }) => name),
    ['be1', 'be2'],
  );
});

t.test('a panic only ever adds servers, and never those of operators', async () => {
  const said = fc.record({
    weight: fc.integer({ min: 0, max: 3 }),
    alive: fc.boolean(),
    state: fc.constantFrom<PoolMember['state']>(undefined, 'drain', 'disable'),
  });
  fc.assert(
    fc.property(
      fc.array(said, { maxLength: 8 }),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 3 }),
      (all, threshold, spare) => {
        const members = all.map(({ state, ...rest }, index) =>
          member(`be${index}`, { ...rest, ...(state === undefined ? {} : { state, weight: 0, alive: rest.alive && state !== 'disable' }) }),
        );
        const names = members.map(({ name }) => name);
        const pool = poolOf(threshold, names.slice(spare), names.slice(0, spare));
        const { isPanicking, wanted, up } = panicOf(pool, members);
        const used = usedMembers(pool, members);
        return members.every((before, index) => {
          const after = used[index] as PoolMember;
          const isAdded = after.alive && !before.alive;
          const mayBeAdded = isPanicking && before.state === undefined && before.weight > 0 && index >= spare;
          return after.alive === (before.alive || mayBeAdded) && (!isAdded || up < wanted);
        });
      },
    ),
  );
});

t.test('one server less that is up ends no panic', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
      fc.array(fc.boolean(), { maxLength: 2 }),
      fc.integer({ min: 0, max: 100 }),
      fc.nat(),
      (up, backedUp, threshold, victim) => {
        const names = up.map((_, index) => `be${index}`);
        const backups = backedUp.map((_, index) => `s${index}`);
        const pool = poolOf(threshold, names, backups);
        const isPanicking = (isUp: readonly boolean[]): boolean => {
          const answers = new Map([...names, ...backups].map((name, index) => [name, [...isUp, ...backedUp][index]]));
          const decided = decideGeneration(pool, firstGeneration(pool), (_pool, name) => (answers.get(name) ? 'up' : 'down'));
          return panicOf(pool, decided.members).isPanicking;
        };
        return !isPanicking(up) || isPanicking(up.map((each, index) => each && index !== victim % up.length));
      },
    ),
    { numRuns: 1000 },
  );
});
