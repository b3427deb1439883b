/**
 * Outage and take-over of one event after the other, by a UDP probe each millisecond. Every system has a lab of its own, all stand side by
 * side, and their trials alternate: what disturbs the machine disturbs all alike.
 */
import type { Agent } from '../../../test/support/lab/agent.js';
import { KeepalivedSystem } from '../../../test/support/lab/keepalived.js';
import { createLab, type Lab } from '../../../test/support/lab/lab.js';
import { median } from '../../../test/support/lab/probe-analysis.js';
import { DEFAULT_ELECTION, type Event, type SystemUnderTest } from '../../../test/support/lab/system-under-test.js';
import { TandemSystem } from '../../../test/support/lab/tandem.js';
import { runTrial, type Trial } from '../../../test/support/lab/trial.js';
import { startProbe, startServers } from '../../../test/support/lab/workload.js';
import type { ProbeApi } from '../../../test/support/lab/workload-api.js';
import type { OutageRow, Range } from './failover-plan.js';

export interface Bench {
  lab: Lab;
  system: SystemUnderTest;
  probe: Agent<ProbeApi>;
}

export type SystemName = 'tandem' | 'keepalived';

export function range(values: readonly number[]): Range {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Two nodes, three servers, a client, and the system running on them. */
export async function setUp(make: (lab: Lab) => SystemUnderTest): Promise<Bench> {
  const lab = await createLab();
  const system = make(lab);
  if (system.probeAnsweredBy === 'server') await startServers(lab);
  const probe = await startProbe(lab);
  await system.start();
  return { lab, system, probe };
}

const election = (advertMs: number) => ({ ...DEFAULT_ELECTION, advertMs });

const MAKE: Record<SystemName, (lab: Lab, advertMs: number) => SystemUnderTest> = {
  tandem: (lab, advertMs) => new TandemSystem(lab, { election: election(advertMs) }),
  keepalived: (lab, advertMs) => new KeepalivedSystem(lab, { election: election(advertMs) }),
};

export interface OutagePlan {
  systems: readonly SystemName[];
  faults: readonly Event[];
  advertMs: number;
  rounds: number;
  progress: (text: string) => void;
}

export async function measureOutage({ systems, faults, advertMs, rounds, progress }: OutagePlan): Promise<OutageRow[]> {
  const benches: Bench[] = [];
  try {
    for (const name of systems) {
      progress(`advert ${advertMs} ms: starting ${name}`);
      benches.push(await setUp((lab) => MAKE[name](lab, advertMs)));
    }
    const rows: OutageRow[] = [];
    for (const fault of faults) {
      const able = benches.filter(({ system }) => fault !== 'switchover' || system.switchover !== null);
      const trials = new Map<Bench, Measured[]>(able.map((bench) => [bench, []]));
      for (let round = 1; round <= rounds; round += 1) {
        progress(`advert ${advertMs} ms: ${fault}, round ${round} of ${rounds}`);
        for (const bench of able) trials.get(bench)?.push(await oneTrial(bench, fault));
      }
      for (const bench of able) rows.push(summarize(bench.system.name, advertMs, fault, trials.get(bench) ?? []));
    }
    return rows;
  } finally {
    for (const { lab } of benches) lab.close();
  }
}

interface Measured {
  trial: Trial;
  movedBefore: number;
}

/** On an overloaded machine a VIP may move without any fault: that is counted, and the trial repeated. */
const MAX_REPEATS = 5;

async function oneTrial({ lab, system, probe }: Bench, event: Event): Promise<Measured> {
  for (let movedBefore = 0; ; movedBefore += 1) {
    const victim = await system.waitReady();
    const trial = await runTrial(lab, system, probe, { event, victim });
    await system.recover(victim, event);
    if (trial.figures.ownerAtFault === victim) return { trial, movedBefore };
    if (movedBefore === MAX_REPEATS) throw new Error(`${system.name}: the VIP keeps moving by itself; is the machine overloaded?`);
  }
}

function summarize(system: string, advertMs: number, fault: Event, measured: Measured[]): OutageRow {
  const trials = measured.map(({ trial }) => trial);
  const takeovers = trials.flatMap((trial) => trial.figures.takeoverMs ?? []);
  return {
    system,
    advertMs,
    fault,
    rounds: trials.length,
    outageMs: range(trials.map((trial) => trial.figures.outageMs)),
    takeoverMs: takeovers.length === 0 ? null : range(takeovers),
    lostProbes: range(trials.map((trial) => trial.figures.lost)),
    movedBefore: measured.reduce((sum, { movedBefore }) => sum + movedBefore, 0),
    lateAnswers: trials.reduce((sum, trial) => sum + trial.figures.lateAnswers, 0),
  };
}
