/**
 * The lease program: who may write what, and that nothing that has lapsed comes back by itself.
 */
import t from 'tap';
import { limit } from '../../src/l4/abi.gen.js';
import { inSandbox } from '../support/packet/sandbox.js';
import { makeInterfaces, SECOND_NS, withWorld } from '../support/packet/world.js';

const MINE = 7n;
const OTHER = 8n;
const SLOT = 5;

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test('acquire sets everything from now', (test) =>
    withWorld({}, interfaces, ({ leases }) => {
      const state = leases.acquire(SLOT, 3n * SECOND_NS, 2n * SECOND_NS, MINE);
      test.equal(state.result, 'ok');
      test.equal(state.deadlineNs, state.nowNs + 3n * SECOND_NS);
      test.equal(state.drainUntilNs, state.nowNs + 5n * SECOND_NS);
      test.equal(state.startedNs, state.nowNs);
      test.equal(state.instance, MINE);
      test.equal(state.verifiedNs, 0n);
      const again = leases.acquire(SLOT, SECOND_NS, 0n, OTHER);
      test.match(again, { result: 'ok', instance: OTHER }, 'an acquisition always succeeds: the election has decided');
      test.ok(again.startedNs > state.startedNs);
    }),
  );

  t.test('renew extends, and keeps the start', (test) =>
    withWorld({}, interfaces, ({ leases }) => {
      const first = leases.acquire(SLOT, SECOND_NS, SECOND_NS, MINE);
      const state = leases.renew(SLOT, 9n * SECOND_NS, SECOND_NS, MINE);
      test.match(state, { result: 'ok', startedNs: first.startedNs });
      test.equal(state.deadlineNs, state.nowNs + 9n * SECOND_NS);
      test.equal(state.drainUntilNs, state.nowNs + 10n * SECOND_NS);
    }),
  );

  t.test('refusals write nothing: lapsed, foreign, released, never acquired', (test) =>
    withWorld({}, interfaces, ({ leases }) => {
      const refused = (result: string, act: () => { result: string; deadlineNs: bigint; drainUntilNs: bigint }) => {
        const before = leases.read(SLOT);
        test.equal(act().result, result);
        const after = leases.read(SLOT);
        test.same({ ...after, nowNs: 0n }, { ...before, nowNs: 0n });
      };
      refused('lapsed', () => leases.renew(SLOT, SECOND_NS, SECOND_NS, MINE));
      refused('lapsed', () => leases.release(SLOT, SECOND_NS, SECOND_NS, MINE));
      leases.acquire(SLOT, 60n * SECOND_NS, SECOND_NS, MINE);
      refused('foreign', () => leases.renew(SLOT, SECOND_NS, SECOND_NS, OTHER));
      refused('foreign', () => leases.release(SLOT, SECOND_NS, SECOND_NS, OTHER));
      leases.acquire(SLOT, 0n, 60n * SECOND_NS, MINE);
      refused('lapsed', () => leases.renew(SLOT, SECOND_NS, SECOND_NS, MINE));
      refused('lapsed', () => leases.release(SLOT, 3600n * SECOND_NS, 0n, MINE));
      leases.acquire(SLOT, 60n * SECOND_NS, 0n, MINE);
      leases.release(SLOT, SECOND_NS, 0n, MINE);
      refused('lapsed', () => leases.renew(SLOT, SECOND_NS, SECOND_NS, MINE));
    }),
  );

  t.test('release ends at once and opens the drain window', (test) =>
    withWorld({}, interfaces, ({ leases }) => {
      leases.acquire(SLOT, 60n * SECOND_NS, 0n, MINE);
      const state = leases.release(SLOT, 4n * SECOND_NS, SECOND_NS, MINE);
      test.equal(state.result, 'ok');
      test.equal(state.deadlineNs, state.nowNs);
      test.equal(state.drainUntilNs, state.nowNs + 4n * SECOND_NS);
    }),
  );

  t.test('slots are apart from each other and bounded', (test) =>
    withWorld({}, interfaces, ({ leases }) => {
      leases.acquire(SLOT, SECOND_NS, SECOND_NS, MINE);
      test.equal(leases.read(SLOT + 1).deadlineNs, 0n);
      for (const slot of [limit.maxVirtualRouters, 0xffffffff]) test.equal(leases.acquire(slot, SECOND_NS, 0n, MINE).result, 'badSlot');
    }),
  );
});
