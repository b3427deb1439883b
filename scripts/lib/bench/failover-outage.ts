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
import type { OutageCase, OutageGroup, OutageRow, Range, SystemName } from './failover-plan.js';

export interface Bench {
  lab: Lab;
  system: SystemUnderTest;
  probe: Agent<ProbeApi>;
}

export function range(values: readonly number[]): Range {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Nodes, three servers, a client, and the system running on them. */
export async function setUp(make: (lab: Lab) => SystemUnderTest, nodes = 2): Promise<Bench> {
  const lab = await createLab({ nodes });
  const system = make(lab);
  if (system.probeAnsweredBy === 'server') await startServers(lab);
  const probe = await startProbe(lab);
  await system.start();
  return { lab, system, probe };
}

/** Far enough apart that no two backups wake together at the shortest interval; the first two are those of every other comparison. */
const PRIORITIES = [...DEFAULT_ELECTION.priorities, 70, 40, 10];

/** Nodes hear each other on both sides, as the documentation advises. */
export function makeSystem(name: SystemName, lab: Lab, advertMs: number, realtime = true): SystemUnderTest {
  const election = { ...DEFAULT_ELECTION, priorities: PRIORITIES, advertMs };
  if (name === 'keepalived') return new KeepalivedSystem(lab, { election, realtime });
  return new TandemSystem(lab, { election, realtime, beatSides: ['client', 'server'], fast: name === 'tandem fast' });
}

/** All nodes ready, and fast liveness on where it is configured. Returns the active one. */
export async function waitWhole(system: SystemUnderTest, name: SystemName): Promise<string> {
  const active = await system.waitReady();
  if (name === 'tandem fast' && system instanceof TandemSystem) await system.waitFast();
  return active;
}

export async function measureOutage(group: OutageGroup, trials: number, progress: (text: string) => void): Promise<OutageRow[]> {
  const { systems, advertMs, nodes, cases } = group;
  const benches = new Map<SystemName, Bench>();
  try {
    for (const name of systems) {
      progress(`advert ${advertMs} ms, ${nodes} nodes: starting ${name}`);
      benches.set(name, await setUp((lab) => makeSystem(name, lab, advertMs), nodes));
    }
    const measured = cases.flatMap((one) => one.systems.map((system) => ({ one, system, trials: [] as Measured[] })));
    for (let round = 1; round <= trials; round += 1) {
      for (const { one, system, trials: found } of measured) {
        const bench = benches.get(system);
        progress(`advert ${advertMs} ms: ${one.name}, ${system}, trial ${round} of ${trials}`);
        if (bench !== undefined) found.push(await oneTrial(bench, system, one.event));
      }
    }
    return measured.map(({ one, system, trials: found }) => summarize(system, one, advertMs, found));
  } finally {
    for (const { lab } of benches.values()) lab.close();
  }
}

interface Measured {
  trial: Trial;
  movedBefore: number;
}

/** On an overloaded machine a VIP may move without any fault: that is counted, and the trial repeated. */
const MAX_REPEATS = 5;

async function oneTrial({ lab, system, probe }: Bench, name: SystemName, event: Event): Promise<Measured> {
  for (let movedBefore = 0; ; movedBefore += 1) {
    const victim = await waitWhole(system, name);
    const trial = await runTrial(lab, system, probe, { event, victim });
    await system.recover(victim, event);
    if (trial.figures.ownerAtFault === victim) return { trial: { ...trial, observations: [] }, movedBefore };
    if (movedBefore === MAX_REPEATS) throw new Error(`${name}: the VIP keeps moving by itself; is the machine overloaded?`);
  }
}

const rangeOf = (values: readonly number[]): Range | null => (values.length === 0 ? null : range(values));

function summarize(system: SystemName, { name, nodes }: OutageCase, advertMs: number, measured: readonly Measured[]): OutageRow {
  const trials = measured.map(({ trial }) => trial);
  const figures = trials.map((trial) => trial.figures);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    system,
    case: name,
    advertMs,
    nodes,
    trials: trials.length,
    outageMs: range(figures.map(({ outageMs }) => outageMs)),
    takeoverMs: rangeOf(figures.flatMap(({ takeoverMs }) => takeoverMs ?? [])),
    silenceMs: rangeOf(trials.flatMap(({ silenceMs }) => silenceMs ?? [])),
    lostProbes: range(figures.map(({ lost }) => lost)),
    lostInAll: sum(figures.map(({ lost }) => lost)),
    movedBefore: sum(measured.map(({ movedBefore }) => movedBefore)),
    lateAnswers: sum(figures.map(({ lateAnswers }) => lateAnswers)),
  };
}
