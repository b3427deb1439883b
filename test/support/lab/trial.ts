/**
 * One event and what it did to a UDP probe and, if wanted, to connections: the common piece of benchmark, demo and tests.
 */
import type { Agent } from './agent.js';
import { applyFault, pullCable } from './faults.js';
import type { Lab } from './lab.js';
import type { Observation } from './observations.js';
import { nodeOfMac, PORTS, VIP } from './plan.js';
import { advertSilence, analyseProbes, collectProbes, type ProbeFigures } from './probe-analysis.js';
import { type Event, PARTS, type SystemUnderTest } from './system-under-test.js';
import { sleep, waitFor } from './wait-for.js';
import { PROBE } from './workload.js';
import type { ProbeApi } from './workload-api.js';

export const probeSelection = (lab: Lab) => ({ address: VIP, port: PORTS.probe, nodeOfMac: (mac: string) => nodeOfMac(lab.plan, mac) });

/** Makes the event happen; returns its moment. */
export async function makeHappen(lab: Lab, system: SystemUnderTest, victim: string, event: Event): Promise<number> {
  if (event === 'graceful') return system.stopGracefully(victim);
  if (event === 'daemon' || event === 'heartbeat') return system.killPart(victim, event);
  if (event === 'link') return pullCable(lab, victim, ['client']);
  if (event !== 'switchover') return applyFault(lab, victim, event);
  if (system.switchover === null) throw new Error(`${system.name} has no switchover`);
  return system.switchover(victim);
}

/** Waits until the probe is answered steadily, so that what follows has a state to fall from. */
export async function waitAnswered(probe: Agent<ProbeApi>, limitMs = 15_000): Promise<void> {
  const MEASURE_MS = 100;
  await waitFor(
    'the probe to be answered',
    async () => {
      const before = await probe.call('counts', null);
      await sleep(MEASURE_MS);
      const after = await probe.call('counts', null);
      const sent = after.sent - before.sent;
      return sent > 10 && after.answered - before.answered >= sent * 0.9;
    },
    { limitMs },
  );
}

export interface TrialOptions {
  event: Event;
  victim: string;
  /** Probing before the event, and after the VIP is answered again. */
  beforeMs?: number;
  afterMs?: number;
}

export interface Trial {
  event: Event;
  victim: string;
  faultMs: number;
  figures: ProbeFigures;
  /** From the victim's last advertisement to the first of another node; null: no other node advertised. */
  silenceMs: number | null;
  observations: Observation[];
}

/** Probe on, event, probe answered again, probe off. Does not bring the victim back. */
export async function runTrial(
  lab: Lab,
  system: SystemUnderTest,
  probe: Agent<ProbeApi>,
  { event, victim, beforeMs = 300, afterMs = 500 }: TrialOptions,
): Promise<Trial> {
  const capture = await lab.capture();
  await probe.call('start', PROBE);
  await waitAnswered(probe);
  // A random phase of the advert interval: the moment must not be tied to the sender's timer.
  await sleep(beforeMs + Math.random() * 100);
  const faultMs = await makeHappen(lab, system, victim, event);
  await waitTakenOver(lab, system, event, victim);
  await waitAnswered(probe);
  await sleep(afterMs);
  await probe.call('stop', null);
  // The last answers are on their way.
  await sleep(50);
  const observations = await capture.stop();
  return {
    event,
    victim,
    faultMs,
    observations,
    silenceMs: advertSilence(observations, faultMs, victim, (mac) => nodeOfMac(lab.plan, mac)),
    figures: analyseProbes(collectProbes(observations, probeSelection(lab)), faultMs, victim),
  };
}

/** The VIP may stay where it is when only a part of the node was killed: then nobody has to take over. */
async function waitTakenOver(lab: Lab, system: SystemUnderTest, event: Event, victim: string): Promise<void> {
  if ((PARTS as readonly Event[]).includes(event)) return;
  const others = lab.plan.nodes.map((node) => node.name).filter((node) => node !== victim);
  await waitFor('another node to be active', async () => (await Promise.all(others.map((node) => system.isActive(node)))).some(Boolean), {
    everyMs: 50,
  });
}
