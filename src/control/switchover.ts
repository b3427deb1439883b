/**
 * Planned hand-over of virtual routers to a peer that has every flow. The lease is given up first and taken second, so there are never
 * two owners; the order to take over travels behind the last flow record in the same stream.
 */
import type { PeerStatus, Replication } from '../replication/api.js';
import type { ToHeartbeat } from '../vrrp/heartbeat-api.js';
import type { CommandResult } from './admin.js';
import type { Roles } from './roles.js';

/** Everything that is queued reaches a healthy peer in milliseconds; a peer that needs longer is not one to hand over to. */
const FLUSH_LIMIT_MS = 2000;
/** The heartbeat answers at once; this long means it is gone. */
const YIELD_LIMIT_MS = 1000;
const TAKE_OVER_LIMIT_MS = 1000;
/** After a planned hand-over this node does not pre-empt by itself: it waits to be asked, or for the active node to fall silent. */
export const HELD_UNTIL_ASKED_MS = Number.MAX_SAFE_INTEGER;

export interface SwitchoverParts {
  roles: Roles;
  replication: Pick<Replication, 'peers' | 'flush' | 'send'>;
  toHeartbeat(message: ToHeartbeat): boolean;
  waitForPeerToHold(node: string, routers: readonly string[], limitMs: number): Promise<boolean>;
}

export interface SwitchoverRequest {
  router?: string;
  to?: string;
  reason: string;
}

export async function switchover(parts: SwitchoverParts, request: SwitchoverRequest): Promise<CommandResult> {
  const known = parts.roles.routers();
  if (request.router !== undefined && !known.some((router) => router.name === request.router)) {
    return refuse(`no virtual router is named ${request.router}; there are: ${known.map((router) => router.name).join(', ')}`);
  }
  const routers = [...parts.roles.held()].filter((name) => request.router === undefined || name === request.router);
  if (routers.length === 0) return refuse('this node is not active for it; ask the node that is');
  const successor = chooseSuccessor(parts.replication.peers(), request.to);
  if ('refusal' in successor) return refuse(successor.refusal);
  const { node } = successor;

  if (!(await parts.replication.flush(node, FLUSH_LIMIT_MS)))
    return refuse(`${node} did not confirm the flows within ${FLUSH_LIMIT_MS} ms; nothing was changed`);
  if (!parts.toHeartbeat({ type: 'yield', routers, reason: request.reason, holdDownMs: HELD_UNTIL_ASKED_MS })) {
    return refuse('the heartbeat is not reachable; nothing was changed');
  }
  const yielded = await Promise.all(routers.map((name) => parts.roles.waitFor(name, 'backup', YIELD_LIMIT_MS)));
  if (yielded.includes(false)) return refuse('the heartbeat did not give up the lease in time');
  const told = await parts.replication.send(node, { type: 'takeOver', routers, reason: request.reason }, TAKE_OVER_LIMIT_MS);
  const taken = await parts.waitForPeerToHold(node, routers, TAKE_OVER_LIMIT_MS);
  if (!taken) return refuse(`${node} was ${told ? 'told' : 'not reached'} and has not confirmed; the election decides now`);
  return { ok: true, message: `${routers.join(', ')}: ${node} is active now` };
}

function chooseSuccessor(peers: readonly PeerStatus[], wanted: string | undefined): { node: string } | { refusal: string } {
  const candidates = wanted === undefined ? peers : peers.filter((peer) => peer.node === wanted);
  if (candidates.length === 0) {
    return {
      refusal:
        wanted === undefined ? 'no peer is configured' : `${wanted} is not a peer; there are: ${peers.map((peer) => peer.node).join(', ')}`,
    };
  }
  const ready = candidates.find((peer) => peer.connected && peer.inSync);
  if (ready !== undefined) return { node: ready.node };
  return {
    refusal: candidates.map((peer) => `${peer.node} is ${peer.connected ? 'not in sync' : 'not connected'} (${peer.reason})`).join('; '),
  };
}

const refuse = (message: string): CommandResult => ({ ok: false, message });
