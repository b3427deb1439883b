/**
 * The demo itself: a cluster, live traffic, a fault, and what became of every connection.
 */
import type { Capture } from '../../../test/support/lab/capture.js';
import { createLab, type Lab } from '../../../test/support/lab/lab.js';
import { legOn, PORTS, VIP } from '../../../test/support/lab/plan.js';
import { analyseProbes, collectProbes } from '../../../test/support/lab/probe-analysis.js';
import { activeDownMs, DEFAULT_ELECTION } from '../../../test/support/lab/system-under-test.js';
import { TandemSystem } from '../../../test/support/lab/tandem.js';
import { makeHappen, probeSelection, waitAnswered } from '../../../test/support/lab/trial.js';
import { sleep, waitFor } from '../../../test/support/lab/wait-for.js';
import { dsrConnections, natConnections, PROBE, startWorkload, type Workload } from '../../../test/support/lab/workload.js';
import type { DemoOptions } from './options.js';
import type { Progress } from './progress.js';
import { FAULT_TEXT } from './report.js';
import { type DemoResult, isClean } from './result.js';

/** lb1 is the first to be active, and does not push its way back: one fault, one change. */
export const ELECTION = { ...DEFAULT_ELECTION, priorities: [200, 100] };

const HTTP = { target: VIP, port: PORTS.web, perSecond: 50, timeoutMs: 5000 };
const TALK_BEFORE_MS = 1000;
/** Long enough for the retransmissions (200, 400, 800 ms) that follow the outage. */
const TALK_AFTER_MS = 2000;
const FINISH_LIMIT_MS = 10_000;

export interface Cluster {
  lab: Lab;
  system: TandemSystem;
  workload: Workload;
  setupMs: number;
}

export async function bringUp(progress: Progress): Promise<Cluster> {
  const startMs = performance.now();
  const lab = await progress.step(
    'network',
    () => createLab(),
    ({ plan }) => `${plan.nodes.length} nodes, ${plan.servers.length} servers, ${plan.clients.length} client in network namespaces`,
  );
  const system = new TandemSystem(lab, { election: ELECTION, maxFlows: 1_048_576 });
  const workload = await progress.step(
    'servers',
    () => startWorkload(lab),
    ({ servers }) => servers.map((server) => server.name).join(', '),
  );
  await progress.step(
    'cluster',
    () => system.start().then(() => system.waitReady()),
    (active) => `${active} is active, all nodes ready and in sync`,
  );
  return { lab, system, workload, setupMs: performance.now() - startMs };
}

export async function runFault({ lab, system, workload, setupMs }: Cluster, options: DemoOptions, progress: Progress): Promise<DemoResult> {
  const startMs = performance.now();
  const capture = await lab.capture();
  await progress.step(
    'traffic',
    () => openTraffic(workload, options),
    () => describeTraffic(options),
  );
  const victim = await system.waitReady();
  await workload.load.call('mark', null);
  const faultMs = await progress.step(
    'fault',
    () => makeHappen(lab, system, victim, options.fault),
    () => FAULT_TEXT[options.fault](victim),
  );
  const others = system.nodes.filter((node) => node !== victim);
  await progress.step('take-over', async () => {
    await waitFor('another node to be active', async () => (await Promise.all(others.map((node) => system.isActive(node)))).some(Boolean));
    await waitAnswered(workload.probe);
  });
  return progress.step(
    'afterwards',
    () => conclude({ lab, workload, capture }, { options, victim, faultMs, setupMs, startMs }),
    () => 'every connection asked for one more answer',
  );
}

const describeTraffic = ({ connections, direct }: DemoOptions): string =>
  `${connections} TCP connections by NAT, ${direct} by DSR, UDP each ms, ${HTTP.perSecond} HTTP requests/s`;

async function openTraffic({ load, probe, web }: Workload, { connections, direct }: DemoOptions): Promise<void> {
  await probe.call('start', PROBE);
  await waitAnswered(probe);
  await Promise.all([
    load.call('open', { group: 'nat', ...natConnections(connections) }),
    load.call('open', { group: 'dsr', ...dsrConnections(direct) }),
    web.call('start', HTTP),
  ]);
  await sleep(TALK_BEFORE_MS);
}

interface Facts {
  options: DemoOptions;
  victim: string;
  faultMs: number;
  setupMs: number;
  startMs: number;
}

async function conclude(
  { lab, workload: { load, probe, web }, capture }: { lab: Lab; workload: Workload; capture: Capture },
  { options, victim, faultMs, setupMs, startMs }: Facts,
): Promise<DemoResult> {
  await sleep(TALK_AFTER_MS);
  const report = (group: string) => load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
  const [nat, dsr, http] = await Promise.all([report('nat'), report('dsr'), web.call('stop', null)]);
  await probe.call('stop', null);
  // The last answers are on their way.
  await sleep(50);
  const observations = await capture.stop();
  const figures = analyseProbes(collectProbes(observations, probeSelection(lab)), faultMs, victim);
  const client = legOn(lab.machine('cl1'), 'client').address;
  return {
    ok: isClean({ nat, dsr }),
    fault: options.fault,
    victim,
    successor: figures.intervals.findLast((interval) => interval.node !== victim)?.node ?? null,
    advertMs: ELECTION.advertMs,
    allowedMs: allowedMs(lab, victim),
    outageMs: figures.outageMs,
    takeoverMs: figures.takeoverMs,
    probe: { sent: figures.sent, answered: figures.answered, lost: figures.lost },
    connections: { nat, dsr },
    resets: observations.filter((seen) => seen.kind === 'reset' && seen.destination === client).length,
    http,
    timeline: figures.intervals.map(({ node, fromMs, toMs }) => ({ node, fromMs: fromMs - faultMs, toMs: toMs - faultMs })),
    setupMs,
    totalMs: setupMs + performance.now() - startMs,
  };
}

function allowedMs(lab: Lab, victim: string): number {
  const heirs = ELECTION.priorities.filter((_, index) => lab.plan.nodes[index]?.name !== victim);
  return activeDownMs(ELECTION.advertMs, Math.max(...heirs));
}
