/**
 * A planned hand-over from outside: order of the steps, what is moved and to whom, what is reported, and that a refusal says what is missing.
 */
import t from 'tap';
import { createRoles } from '../../../src/control/roles.js';
import type { HandOverEffect } from '../../../src/control/stragglers.js';
import { type SwitchoverRequest, switchover } from '../../../src/control/switchover.js';
import type { ControlMessage, PeerStatus } from '../../../src/replication/api.js';
import type { Monotonic } from '../../../src/system/clock.js';
import type { RouterStatus, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import { FakeClock } from '../../support/fake-clock.js';
import { peerStatus } from '../../support/peer-status.js';

const peer = (overrides: Partial<RouterStatus['peers'][number]> = {}): RouterStatus['peers'][number] => ({
  node: 'lb2',
  role: 'backup',
  priority: 100,
  isReachable: true,
  isEligible: true,
  ...overrides,
});
const router = (name: string, overrides: Partial<RouterStatus> = {}) =>
  ({ name, group: name, role: 'active', term: 7, peers: [peer()], ...overrides }) as RouterStatus;

interface Situation {
  routers?: RouterStatus[];
  peers?: (asked: number) => PeerStatus[];
  flushed?: boolean;
  reachable?: boolean;
  taken?: boolean;
  /** Who holds each router after a hand-over that was not confirmed. */
  holder?: string | null;
  isBack?: boolean;
  effect?: Partial<HandOverEffect>;
}

function setup(situation: Situation = {}) {
  const steps: string[] = [];
  const orders: ControlMessage[] = [];
  const clock = new FakeClock();
  const roles = createRoles(clock);
  const routers = situation.routers ?? [router('front')];
  roles.update({ type: 'status', pid: 1, realtime: false, beats: null, routers });
  const move = (names: readonly string[], from: 'active' | 'backup', to: 'active' | 'backup') => {
    for (const name of names)
      roles.transition({
        ...{ type: 'transition', router: name, from, to, reason: 'yield', atWallMs: 0, heardMs: null, claimMs: null, announceMs: null },
      });
  };
  let asked = 0;
  const parts = {
    roles,
    replication: {
      peers: () => situation.peers?.(asked++) ?? [peerStatus()],
      flush: async (node: string) => {
        steps.push(`flush ${node}`);
        return situation.flushed ?? true;
      },
      send: async (node: string, message: ControlMessage) => {
        steps.push(`${message.type} ${node}`);
        orders.push(message);
        return true;
      },
    },
    stragglers: {
      begin: (name: string) => steps.push(`begin ${name}`),
      end: (name: string) => steps.push(`end ${name}`),
      effect: () => ({ successor: null, steered: 0, lost: 0, ...situation.effect }),
    },
    toHeartbeat: (message: ToHeartbeat) => {
      steps.push(message.type === 'yield' ? `yield ${message.routers.join(' ')}` : message.type);
      if (situation.reachable === false) return false;
      if (message.type === 'yield') move(message.routers, 'active', 'backup');
      return true;
    },
    holderOf: () => situation.holder ?? null,
    waitForPeerToHold: async () => {
      clock.advance(12);
      if (situation.isBack) move(['front'], 'backup', 'active');
      return situation.taken ?? true;
    },
    now: () => clock.now() as Monotonic,
    poll: async (isTrue: () => boolean, limitMs: number) => {
      for (let waited = 0; waited <= limitMs; waited += 10) {
        if (isTrue()) return true;
        clock.advance(10);
      }
      return false;
    },
    connectionsOf: () => 41,
    electionMs: () => 400,
  };
  const run = (request: Partial<SwitchoverRequest> = {}) =>
    switchover(parts, { reason: 'operator', waitMs: 0, settleMs: 3000, ...request });
  return { steps, orders, run };
}

t.test('flows first, then the lease is given up, then the peer takes over; frames are counted from before', async (t) => {
  const { steps, orders, run } = setup({ effect: { steered: 5 } });
  t.same(await run(), {
    ok: true,
    result: 'done',
    message: 'front: lb2 is active now',
    successor: 'lb2',
    routers: [{ router: 'front', successor: 'lb2', durationMs: 12, connections: 41, steered: 5 }],
    lost: 0,
  });
  t.same(steps, ['flush lb2', 'begin front', 'yield front', 'takeOver lb2']);
  t.same(orders, [{ type: 'takeOver', routers: ['front'], reason: 'operator', terms: [7] }]);
});

t.test('what was lost is said', async (t) => {
  t.match(await setup({ effect: { lost: 3 } }).run(), { ok: true, lost: 3 });
});

t.test('a sync group moves as a whole, whichever name was given; others stay', async (t) => {
  const routers = [router('a', { group: 'pair' }), router('b', { group: 'pair' }), router('c')];
  for (const name of ['a', 'b', 'pair']) t.match((await setup({ routers }).run({ router: name })).message, /^a, b: /, name);
  t.match((await setup({ routers }).run({ router: 'c' })).message, /^c: /);
  t.match((await setup({ routers }).run()).message, /^a, b, c: /);
});

t.test('of several peers the one of the highest priority that is fit', async (t) => {
  const peers = () => [peerStatus({ node: 'lb2' }), peerStatus({ node: 'lb3' })];
  const routers = [router('front', { peers: [peer(), peer({ node: 'lb3', priority: 150 })] })];
  t.match(await setup({ peers, routers }).run(), { successor: 'lb3' });
  t.match(await setup({ peers, routers }).run({ to: 'lb2' }), { successor: 'lb2' });
  const faulted = [router('front', { peers: [peer(), peer({ node: 'lb3', priority: 150, isEligible: false })] })];
  t.match(await setup({ peers, routers: faulted }).run(), { successor: 'lb2' });
});

t.test('a peer in sync is waited for, so long as was asked', async (t) => {
  const peers = (asked: number) => [peerStatus(asked < 20 ? { inSync: false, reason: 'bulk' } : {})];
  t.match(await setup({ peers }).run({ waitMs: 1000 }), { ok: true });
  const { steps, run } = setup({ peers });
  t.match(await run({ waitMs: 100 }), {
    result: 'refused',
    message: /lb2 is not in sync \(bulk\), after waiting for 0.1 s; nothing was changed/,
  });
  t.same(steps, []);
});

t.test('the role comes back, or goes to a third one, when the successor does not take it', async (t) => {
  const back = setup({ taken: false, isBack: true });
  t.match(await back.run(), { ok: false, result: 'returned', message: /lb2 was told and has not confirmed.*front is active on this node/ });
  t.match(await setup({ taken: false, holder: 'lb3' }).run(), { result: 'returned', message: /front is active on lb3/ });
  t.match(await setup({ taken: false }).run(), { result: 'returned', message: /front is active on none that says so/ });
});

const refusals: [string, Situation, Partial<SwitchoverRequest>, RegExp][] = [
  ['unknown router', {}, { router: 'back' }, /no virtual router or sync group is named back; there are: front/],
  [
    'not active here',
    { routers: [router('front', { role: 'backup' })], holder: 'lb3' },
    {},
    /not active; front is active on lb3: ask there/,
  ],
  ['active nowhere', { routers: [router('front', { role: 'backup' })] }, {}, /no peer says that it is active for front/],
  ['no peers', { peers: () => [] }, {}, /no peer is configured/],
  ['unknown peer', {}, { to: 'lb9', waitMs: 1000 }, /lb9 is not a peer; there are: lb2$/],
  ['peer away', { peers: () => [peerStatus({ connected: false, reason: 'refused' })] }, {}, /lb2 is not connected \(refused\)/],
  ['peer behind', { peers: () => [peerStatus({ inSync: false, reason: 'bulk' })] }, {}, /lb2 is not in sync \(bulk\)/],
  [
    'peer faulted',
    { routers: [router('front', { peers: [peer({ isEligible: false })] })] },
    {},
    /lb2 takes no part in the election of front/,
  ],
  ['no confirmation', { flushed: false }, {}, /nothing was changed/],
  ['no heartbeat', { reachable: false }, {}, /heartbeat is not reachable/],
];
for (const [name, situation, request, message] of refusals) {
  t.test(`refused: ${name}`, async (t) => {
    t.match(await setup(situation).run(request), { ok: false, result: 'refused', message });
  });
}
