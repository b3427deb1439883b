import t from 'tap';
import { createRoles } from '../../../src/control/roles.js';
import { switchover } from '../../../src/control/switchover.js';
import type { PeerStatus } from '../../../src/replication/api.js';
import { systemClock } from '../../../src/system/clock.js';
import type { RouterStatus, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import { peerStatus } from '../../support/peer-status.js';

const router = (role: RouterStatus['role']) => ({ name: 'front', role }) as RouterStatus;

function setup(
  overrides: { peers?: PeerStatus[]; flushed?: boolean; reachable?: boolean; taken?: boolean; role?: RouterStatus['role'] } = {},
) {
  const steps: string[] = [];
  const roles = createRoles(systemClock);
  roles.update({ type: 'status', pid: 1, realtime: false, beats: null, routers: [router(overrides.role ?? 'active')] });
  const parts = {
    roles,
    replication: {
      peers: () => overrides.peers ?? [peerStatus()],
      flush: async (node: string) => {
        steps.push(`flush ${node}`);
        return overrides.flushed ?? true;
      },
      send: async (node: string, message: { type: string }) => {
        steps.push(`${message.type} ${node}`);
        return true;
      },
    },
    toHeartbeat: (message: ToHeartbeat) => {
      steps.push(message.type);
      if (overrides.reachable === false) return false;
      roles.transition({
        type: 'transition',
        router: 'front',
        from: 'active',
        to: 'backup',
        reason: 'yield',
        atWallMs: 0,
        heardMs: null,
        claimMs: null,
        announceMs: null,
      });
      return true;
    },
    waitForPeerToHold: async () => overrides.taken ?? true,
  };
  return { steps, run: (request: { router?: string; to?: string } = {}) => switchover(parts, { ...request, reason: 'operator' }) };
}

t.test('flows first, then the lease is given up, then the peer takes over', async (t) => {
  const { steps, run } = setup();
  t.match(await run(), { ok: true, message: /lb2 is active now/ });
  t.same(steps, ['flush lb2', 'yield', 'takeOver lb2']);
});

const refusals: [string, Parameters<typeof setup>[0], { router?: string; to?: string }, RegExp][] = [
  ['unknown router', {}, { router: 'back' }, /no virtual router is named back; there are: front/],
  ['not active here', { role: 'backup' }, {}, /not active/],
  ['no peers', { peers: [] }, {}, /no peer is configured/],
  ['unknown peer', {}, { to: 'lb9' }, /lb9 is not a peer; there are: lb2/],
  ['peer away', { peers: [peerStatus({ connected: false, reason: 'refused' })] }, {}, /lb2 is not connected \(refused\)/],
  ['peer behind', { peers: [peerStatus({ inSync: false, reason: 'bulk' })] }, {}, /lb2 is not in sync \(bulk\)/],
  ['no confirmation', { flushed: false }, {}, /nothing was changed/],
  ['no heartbeat', { reachable: false }, {}, /heartbeat is not reachable/],
  ['not taken', { taken: false }, {}, /has not confirmed/],
];
for (const [name, overrides, request, message] of refusals) {
  t.test(`refused: ${name}`, async (t) => {
    const { run } = setup(overrides);
    t.match(await run(request), { ok: false, message });
  });
}
