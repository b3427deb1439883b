/**
 * What can happen to a node of the lab, and how it is mended. A fault's moment is taken just before its first effect.
 *
 * Killing or stopping a whole tree freezes it first: a program whose parent dies before it would otherwise say goodbye, which a power cut
 * does not do. The tree is every process inside the node's namespace except the lab's own, so detached children are in it.
 */
import type { Lab } from './lab.js';
import { type Leg, legOn } from './plan.js';
import { isRunning, processesIn, signalAll } from './processes.js';
import { waitFor } from './wait-for.js';

/** `crash`: power cut, that is kill -9 of everything and both cables pulled in the same instant. */
export const FAULTS = ['crash', 'kill', 'stop', 'cable'] as const;
export type Fault = (typeof FAULTS)[number];

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Everything that runs as part of the node. */
export const nodeProcesses = (lab: Lab, node: string): number[] => processesIn([lab.machine(node).namespace], lab.helpers);

interface Frozen {
  atMs: number;
  pids: number[];
}

/** Whom to stop is known before the moment counts: the look takes longer than everything after it. */
function freezeKnown(lab: Lab, node: string): Frozen {
  const pids = nodeProcesses(lab, node);
  const atMs = now();
  signalAll(pids, 'SIGSTOP');
  return { atMs, pids };
}

/** What was forked between the look and the signal. */
function freezeRest(lab: Lab, node: string, { pids }: Frozen): void {
  for (;;) {
    const more = nodeProcesses(lab, node).filter((pid) => !pids.includes(pid));
    if (more.length === 0) return;
    signalAll(more, 'SIGSTOP');
    pids.push(...more);
  }
}

function freeze(lab: Lab, node: string): Frozen {
  const frozen = freezeKnown(lab, node);
  freezeRest(lab, node, frozen);
  return frozen;
}

const portsOf = (legs: readonly Leg[]): string[] => legs.map((leg) => leg.port);

/** kill -9 of the whole tree. Returns the moment of the fault. */
export async function killNode(lab: Lab, node: string): Promise<number> {
  const { atMs, pids } = freeze(lab, node);
  signalAll(pids, 'SIGKILL');
  await waitFor(`the processes of ${node} to be gone`, () => !pids.some(isRunning), { everyMs: 5 });
  return atMs;
}

export async function crashNode(lab: Lab, node: string): Promise<number> {
  const frozen = freezeKnown(lab, node);
  await lab.cables.set(portsOf(lab.machine(node).legs), 'down');
  freezeRest(lab, node, frozen);
  const { atMs, pids } = frozen;
  signalAll(pids, 'SIGKILL');
  await waitFor(`the processes of ${node} to be gone`, () => !pids.some(isRunning), { everyMs: 5 });
  return atMs;
}

export function stopNode(lab: Lab, node: string): number {
  return freeze(lab, node).atMs;
}

export function continueNode(lab: Lab, node: string): number {
  const atMs = now();
  signalAll(nodeProcesses(lab, node), 'SIGCONT');
  return atMs;
}

/** Pulls the cable at the switch: the node loses its carrier. */
export async function pullCable(lab: Lab, node: string, sides: Leg['side'][] = ['client', 'server']): Promise<number> {
  const legs = sides.map((side) => legOn(lab.machine(node), side));
  const atMs = now();
  await lab.cables.set(portsOf(legs), 'down');
  return atMs;
}

export async function plugCable(lab: Lab, node: string): Promise<void> {
  await lab.cables.set(portsOf(lab.machine(node).legs), 'up');
}

const LOSS_TABLE = 'lab_loss';

/**
 * Drops what a node sends, or what is sent to it, on one side; the other direction works. At the switch, so that it hits every frame,
 * whatever sent it. `what` narrows it down, in nftables' words, for example `ip protocol 112`.
 */
export async function loseFrames(
  lab: Lab,
  node: string,
  { side, direction, what = '' }: { side: Leg['side']; direction: 'from' | 'to'; what?: string },
): Promise<void> {
  const { port } = legOn(lab.machine(node), side);
  const match = direction === 'from' ? `iifname "${port}"` : `oifname "${port}"`;
  await lab.switchShell.run(`nft -f - <<'EOF'
table bridge ${LOSS_TABLE} {
  chain forward { type filter hook forward priority 0; ${match} ${what} counter drop; }
}
EOF`);
}

export async function stopLosing(lab: Lab): Promise<void> {
  await lab.switchShell.run(`nft delete table bridge ${LOSS_TABLE} 2> /dev/null || true`);
}

const CUT_TABLE = 'lab_cut';

/**
 * Drops what two machines send to each other over TCP with this port, in both directions; everything else passes. One cut at a time, of
 * any number of pairs.
 */
export async function cutBetween(
  lab: Lab,
  pairs: readonly (readonly [string, string])[],
  port: number,
  side: Leg['side'] = 'client',
): Promise<void> {
  const portOf = (machine: string): string => legOn(lab.machine(machine), side).port;
  const rules = pairs.flatMap(([a, b]) =>
    [
      [a, b],
      [b, a],
    ].flatMap(([from = '', to = '']) =>
      ['dport', 'sport'].map((side) => `iifname "${portOf(from)}" oifname "${portOf(to)}" tcp ${side} ${port} counter drop;`),
    ),
  );
  await lab.switchShell.run(`nft -f - <<'EOF'
table bridge ${CUT_TABLE} {
  chain forward { type filter hook forward priority 0; ${rules.join(' ')} }
}
EOF`);
}

export async function endCut(lab: Lab): Promise<void> {
  await lab.switchShell.run(`nft delete table bridge ${CUT_TABLE} 2> /dev/null || true`);
}

const CHECKS_TABLE = 'lab_checks';

/** A node's own connections to the servers get no answer; what it forwards passes. */
export async function blockOwnChecks(lab: Lab, node: string): Promise<void> {
  const addresses = lab.plan.servers.flatMap((server) => server.legs.map((leg) => leg.address)).join(', ');
  await lab.run(
    node,
    `nft -f - <<'EOF'
table ip ${CHECKS_TABLE} {
  chain output { type filter hook output priority 0; ip daddr { ${addresses} } tcp flags & (syn | ack) == syn counter drop; }
}
EOF`,
  );
}

export async function allowOwnChecks(lab: Lab, node: string): Promise<void> {
  await lab.run(node, `nft delete table ip ${CHECKS_TABLE}`);
}

export async function applyFault(lab: Lab, node: string, fault: Fault): Promise<number> {
  if (fault === 'crash') return crashNode(lab, node);
  if (fault === 'kill') return killNode(lab, node);
  if (fault === 'stop') return stopNode(lab, node);
  return pullCable(lab, node);
}
