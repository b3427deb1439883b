/**
 * What a version whose data plane has another layout left pinned for this node. Its program would keep ours from the interfaces, so it is
 * removed, and every connection in its tables with it: never while something of that version is at work, and never without a word.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { limit } from '../l4/abi.gen.js';
import type { NativeL4 } from '../l4/native.js';
import { after, type Clock } from '../system/clock.js';
import { connectLines } from '../system/line-socket.js';
import { bpfObjectPath } from '../system/paths.js';
import type { Log } from '../telemetry/log.js';
import type { FromHeartbeat, HeartbeatConfig } from '../vrrp/heartbeat-api.js';
import { otherLayouts, removeOtherLayouts, type StateDir } from './state-dir.js';

/** A heartbeat says how it is as soon as somebody connects. */
const WORD_LIMIT_MS = 500;
/** No lease is longer: three advertisements of the longest interval. What seems to be is a number of another layout. */
const LONGEST_LEASE_NS = 600_000_000_000n;
const NS_PER_MS = 1_000_000n;

export class OtherLayoutError extends Error {
  readonly code = 'OTHER_LAYOUT_IN_USE';
  readonly source = 'kernel';
  readonly retryable = true;
}

/** How to look at a data plane of unknown layout. What cannot be read is null. */
export interface LayoutDoors {
  /** The heartbeat that answers on this node's socket, with the pins that it works on; null: none does. */
  heartbeat(): Promise<{ pid: number | null; pinDir: string | null } | null>;
  /** How long the longest lease lives; 0: none is alive. */
  leaseMs(directory: string): number | null;
  flows(directory: string): number | null;
}

type Place = Pick<StateDir, 'pinRoot' | 'pinDir'>;

/** Throws OtherLayoutError. To be called before anything is pinned or attached. */
export async function refuseWhileInUse(place: Place, doors: LayoutDoors): Promise<void> {
  const others = otherLayouts(place);
  if (others.length === 0) return;
  const heartbeat = await doors.heartbeat();
  if (heartbeat !== null && heartbeat.pinDir !== place.pinDir) throw new OtherLayoutError(heartbeatAtWork(others, heartbeat.pid));
  for (const directory of others) {
    const leaseMs = doors.leaseMs(directory);
    if (leaseMs !== null && leaseMs > 0)
      throw new OtherLayoutError(
        `a lease is alive for ${leaseMs} ms in the data plane of ${named([directory])}, so somebody may be renewing it; nothing was changed. Try again when it has ended, or remove that data plane and the connections in it: tandem unload`,
      );
  }
}

function heartbeatAtWork(others: readonly string[], pid: number | null): string {
  const end = pid === null ? 'End it by SIGTERM' : `End it (kill ${pid})`;
  return (
    `the heartbeat of ${named(others)} is running${pid === null ? '' : ` (pid ${pid})`}, and connections go through its data plane; nothing was changed. ` +
    `${end}: it gives its addresses up to a peer, which has the connections. Then start this version, which has layout ${limit.abiVersion}`
  );
}

const named = (directories: readonly string[]): string =>
  `another version (layout ${directories.map((directory) => basename(directory).replace(/^v/, '')).join(', ')})`;

/** Counts first what ends with it. */
export function removeUnused(place: Place, doors: Pick<LayoutDoors, 'flows'>, log: Pick<Log, 'event'>): void {
  const flows = new Map(otherLayouts(place).map((directory) => [directory, doors.flows(directory)]));
  for (const directory of removeOtherLayouts(place)) {
    const count = flows.get(directory) ?? null;
    const lost = count === null ? 'the connections in it end; how many could not be read' : `${count} connections in it end`;
    log.event('dataPlane.otherLayout', { directory, flows: count, reason: `its program would keep this one from the interfaces; ${lost}` });
  }
}

export function layoutDoors(native: Pick<NativeL4, 'load' | 'openLeases'>, stateDir: StateDir, clock: Clock): LayoutDoors {
  return {
    heartbeat: () => heartbeatAt(stateDir, clock),
    leaseMs: (directory) => readable(() => longestLeaseMs(native, directory)),
    flows: (directory) => readable(() => flowsIn(native, directory)),
  };
}

/** Null when the layout is so different that the addon cannot make anything of it. */
function readable<T>(read: () => T | null): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function longestLeaseMs(native: Pick<NativeL4, 'openLeases'>, directory: string): number | null {
  const leases = native.openLeases(directory);
  try {
    let longestNs = 0n;
    for (let slot = 0; slot < limit.maxVirtualRouters; slot++) {
      const { result, deadlineNs, nowNs } = leases.read(slot);
      if (result === 'ok' && deadlineNs - nowNs > longestNs) longestNs = deadlineNs - nowNs;
    }
    return longestNs > LONGEST_LEASE_NS ? null : Number((longestNs + NS_PER_MS - 1n) / NS_PER_MS);
  } finally {
    leases.close();
  }
}

function flowsIn(native: Pick<NativeL4, 'load'>, directory: string): number | null {
  // Only what exists is adopted, so the size of the table does not count.
  const dataPlane = native.load({ objectPath: bpfObjectPath, pinDir: directory, maxFlows: 1, adoptOnly: true });
  try {
    const flows = dataPlane.digests().reduce((sum, digest) => sum + digest.flows, 0n);
    return flows < 0n ? null : Number(flows);
  } finally {
    dataPlane.close();
  }
}

function heartbeatAt({ heartbeatSocket, heartbeatConfig }: StateDir, clock: Clock): ReturnType<LayoutDoors['heartbeat']> {
  const pinDir = readable(() => (JSON.parse(readFileSync(heartbeatConfig, 'utf8')) as Partial<HeartbeatConfig>).pinDir ?? null);
  return new Promise((resolve) => {
    let isThere = false;
    const found = (pid: number | null): void => {
      cancelLimit();
      resolve(isThere ? { pid, pinDir } : null);
      connection.close();
    };
    const cancelLimit = clock.at(after(clock.now(), WORD_LIMIT_MS), () => found(null));
    const connection = connectLines(heartbeatSocket, {
      onConnect: () => {
        isThere = true;
      },
      onMessage: (message) => found((message as Partial<Extract<FromHeartbeat, { type: 'status' }>>).pid ?? null),
      onClose: () => found(null),
    });
  });
}
