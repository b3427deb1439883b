/**
 * Take-overs without any fault: a cluster at a short advert interval beside busy loops on all processors, first with real-time priority,
 * then without. All systems stand side by side and suffer the same minute.
 */
import { CpuHog } from '../../../test/support/lab/faults-machine.js';
import { KeepalivedSystem } from '../../../test/support/lab/keepalived.js';
import { createLab, type Lab } from '../../../test/support/lab/lab.js';
import type { Observation } from '../../../test/support/lab/observations.js';
import { longestAdvertGap } from '../../../test/support/lab/probe-analysis.js';
import type { SystemUnderTest } from '../../../test/support/lab/system-under-test.js';
import { TandemSystem } from '../../../test/support/lab/tandem.js';
import { sleep } from '../../../test/support/lab/wait-for.js';
import { startServers } from '../../../test/support/lab/workload.js';
import { makeSystem, waitWhole } from './failover-outage.js';
import { BUSY_ADVERT_MS, BUSY_LOOPS, type BusyRow, type SystemName } from './failover-plan.js';

/** The loops begin a little earlier and end a little later than what counts. */
const MARGIN_SECONDS = 2;

interface Suffering {
  name: SystemName;
  lab: Lab;
  system: SystemUnderTest;
}

export interface BusyPlan {
  systems: readonly SystemName[];
  isRealtime: boolean;
  seconds: number;
  progress: (text: string) => void;
}

export async function measureBusy({ systems, isRealtime, seconds, progress }: BusyPlan): Promise<BusyRow[]> {
  const all: Suffering[] = [];
  try {
    for (const name of systems) {
      progress(`busy machine: starting ${name}`);
      const lab = await createLab();
      const system = makeSystem(name, lab, BUSY_ADVERT_MS, isRealtime);
      all.push({ name, lab, system });
      await startServers(lab);
      await system.start();
    }
    // Without real-time priority fast liveness is never promised: there is nothing to wait for.
    for (const { name, system } of all) await (isRealtime ? waitWhole(system, name) : system.waitReady());
    progress(`busy machine: ${seconds} s ${isRealtime ? 'with' : 'without'} real-time priority`);
    return await suffer(all, isRealtime, seconds);
  } finally {
    for (const { lab } of all) lab.close();
  }
}

async function suffer(all: readonly Suffering[], isRealtime: boolean, seconds: number): Promise<BusyRow[]> {
  const before = await Promise.all(all.map(({ system }) => becameActive(system)));
  const captures = await Promise.all(all.map(({ lab }) => lab.capture()));
  const [first] = all;
  const hog = first === undefined ? null : new CpuHog(first.lab, BUSY_LOOPS, seconds + 2 * MARGIN_SECONDS);
  await sleep(seconds * 1000);
  if (hog?.isRunning() !== true) throw new Error('the busy loops ended too early');
  hog.end();
  const seen: Observation[][] = [];
  for (const capture of captures) seen.push(await capture.stop());
  const after = await Promise.all(all.map(({ system }) => becameActive(system)));
  return all.map(({ name }, index) => ({
    system: name,
    advertMs: BUSY_ADVERT_MS,
    isRealtime,
    seconds,
    loops: BUSY_LOOPS,
    takeovers: (after[index] ?? 0) - (before[index] ?? 0),
    longestSilenceMs: longestAdvertGap(seen[index] ?? []),
  }));
}

/** How often nodes of the system have become active, as they say themselves. */
async function becameActive(system: SystemUnderTest): Promise<number> {
  if (system instanceof KeepalivedSystem) {
    return system.nodes.reduce((sum, node) => sum + (system.log(node).match(/Entering MASTER STATE/g)?.length ?? 0), 0);
  }
  if (!(system instanceof TandemSystem)) throw new Error(`${system.name} does not count its transitions`);
  const all = await Promise.all(system.nodes.map((node) => system.status(node)));
  const counted = all.flatMap(({ routers }) => routers.flatMap(({ counters }) => Object.entries(counters.transitions)));
  return counted.reduce((sum, [key, count]) => sum + (key.startsWith('active:') ? count : 0), 0);
}
