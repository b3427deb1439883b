/**
 * The rehearsal: both ways are told, whatever was wrong is said, and the host returns what it was lent by itself.
 */
import t from 'tap';
import { createDrill, type DrillMessage, findingsOf } from '../../../src/control/drill.js';
import type { SwitchoverReport } from '../../../src/control/status.js';
import type { SwitchoverRequest } from '../../../src/control/switchover.js';
import type { RouterStatus } from '../../../src/vrrp/heartbeat-api.js';
import { FakeClock } from '../../support/fake-clock.js';
import { peerStatus } from '../../support/peer-status.js';

const report = (change: Partial<SwitchoverReport> = {}): SwitchoverReport => ({
  ok: true,
  result: 'done',
  message: '',
  successor: 'lb2',
  routers: [{ router: 'front', successor: 'lb2', durationMs: 9, connections: 40, steered: 3 }],
  lost: 0,
  ...change,
});

function setup(situation: { there?: SwitchoverReport; answers?: boolean; returns?: boolean; holdDownMs?: number | null } = {}) {
  const clock = new FakeClock();
  const sent: string[] = [];
  const asked: SwitchoverRequest[] = [];
  const held = new Set(['front']);
  const drill = createDrill({
    roles: {
      held: () => held,
      routers: () =>
        [
          {
            ...{ name: 'front', group: 'front', role: 'active', verified: 'yes', peers: [] },
            holdDownMs: situation.holdDownMs ?? null,
          },
        ] as unknown as RouterStatus[],
    },
    replication: {
      peers: () => [peerStatus()],
      send: async (node, message) => {
        sent.push(`${message.type} ${node}`);
        if (message.type === 'handBack' && situation.returns !== false) {
          held.add('front');
          const figures = { ok: true, message: '', durationUs: 8000, connections: 41, steered: 2, lost: 0 };
          drill.heard(node, { type: 'handedBack', id: message.id, ...figures });
        }
        return situation.answers ?? true;
      },
    },
    holderOf: () => 'lb2',
    switchover: async (request) => {
      asked.push(request);
      const answer = situation.there ?? report();
      if (answer.ok) held.delete('front');
      drill.heard('lb2', { type: 'verified', router: 'front' });
      return answer;
    },
    poll: async (isTrue, limitMs) => {
      if (!isTrue()) clock.advance(limitMs);
      return isTrue();
    },
    later: (ms, act) => clock.at((clock.now() + ms) as ReturnType<typeof clock.now>, act),
    newId: () => 'id',
  });
  const run = (interrupted = false, ending = false) =>
    drill.run({ holdMs: 500, waitMs: 0, isInterrupted: () => interrupted, isEnding: () => ending });
  return { clock, sent, asked, held, drill, run, situation };
}

t.test('there and back', async (t) => {
  const { sent, asked, run } = setup();
  t.same(await run(), {
    ok: true,
    message: 'front: to lb2 and back, nothing lost',
    node: 'lb2',
    routers: ['front'],
    verified: true,
    there: { durationMs: 9, connections: 40, steered: 3, lost: 0 },
    back: { durationMs: 8, connections: 41, steered: 2, lost: 0 },
  });
  t.same(sent, ['drill lb2', 'drill lb2', 'handBack lb2'], 'told again as soon as it has the role');
  t.match(asked, [{ to: 'lb2', reason: 'drill' }]);
});

t.test('what was wrong is said', async (t) => {
  t.match(await setup({ there: report({ lost: 2 }) }).run(), { ok: false, message: '2 packets were lost' });
  t.match(await setup().run(true), { ok: false, message: 'interrupted', back: { lost: 0 } });
  t.match(await setup({ returns: false }).run(), { ok: false, message: /has not answered.*did not come back here/ });
  t.match(await setup({ answers: false }).run(), { ok: false, message: /nothing was changed/, there: null });
  const refused = setup({ there: report({ ok: false, result: 'refused', message: 'no', routers: [] }) });
  t.match(await refused.run(), { ok: false, message: 'no', there: null });
  t.same(refused.sent, ['drill lb2', 'drillOver lb2'], 'the host need not wait');
  const ending = setup();
  t.match(await ending.run(true, true), { ok: false, message: /this node is stopping: lb2 keeps front/ });
  t.same(ending.sent, ['drill lb2', 'drill lb2', 'drillOver lb2']);
  const fine = { there: { durationMs: 1, connections: 0, steered: 0, lost: 0 }, back: null };
  t.same(findingsOf({ verified: false, back: { ok: true, message: '' }, legs: fine, isBack: true, isInterrupted: false }), [
    'the take-over was not seen on the wire there',
  ]);
});

t.test('the host tells of its verification, returns when asked, and by itself when nobody asks', async (t) => {
  const lend: DrillMessage = { type: 'drill', routers: ['front'], returnMs: 30_000 };
  const asking = setup();
  asking.drill.heard('lb1', lend);
  asking.drill.verified('front');
  asking.drill.verified('back');
  t.same(asking.sent, ['verified lb1']);
  asking.drill.heard('lb1', { type: 'handBack', id: 'x', routers: ['front'] });
  await new Promise(setImmediate);
  t.match(asking.asked, [{ router: 'front', to: 'lb1', reason: 'drillEnds' }]);
  t.ok((asking.asked[0]?.holdDownMs ?? 0) > 0, 'it is not held down for ever');
  t.equal(asking.sent.at(-1), 'handedBack lb1');
  asking.clock.advance(60_000);
  t.equal(asking.asked.length, 1);

  const forgotten = setup({ holdDownMs: 1e9 });
  forgotten.drill.heard('lb1', lend);
  forgotten.clock.advance(29_999);
  t.equal(forgotten.asked.length, 0);
  forgotten.clock.advance(1);
  t.match(forgotten.asked, [{ router: 'front', to: 'lb1' }]);
  t.equal(forgotten.asked[0]?.holdDownMs, undefined, 'held down as it was before');

  const again = setup({ holdDownMs: 1e9 });
  again.drill.heard('lb1', { ...lend, returnMs: 60_000 });
  again.situation.holdDownMs = null;
  again.drill.heard('lb1', lend);
  again.clock.advance(30_000);
  t.equal(again.asked.length, 1, 'the later word counts');
  t.equal(again.asked[0]?.holdDownMs, undefined, 'for when, not for how it was before');

  const over = setup();
  over.drill.heard('lb1', lend);
  over.drill.heard('lb1', { type: 'drillOver', routers: ['front'] });
  over.clock.advance(60_000);
  t.equal(over.asked.length, 0);
});
