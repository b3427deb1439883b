/**
 * Connections that survive the crash of the active node, out of many that exchange verified data, and how long they hear nothing.
 * Beside Tandem: keepalived with nftables DNAT and conntrackd (FT-FW, entries written into the peer's kernel at once: its strongest setting).
 */
import { KeepalivedSystem } from '../../../test/support/lab/keepalived.js';
import type { Lab } from '../../../test/support/lab/lab.js';
import { median } from '../../../test/support/lab/probe-analysis.js';
import { DEFAULT_ELECTION, type Event, type SystemUnderTest } from '../../../test/support/lab/system-under-test.js';
import { TandemSystem } from '../../../test/support/lab/tandem.js';
import { makeHappen } from '../../../test/support/lab/trial.js';
import { sleep, waitFor } from '../../../test/support/lab/wait-for.js';
import { natConnections, startLoad } from '../../../test/support/lab/workload.js';
import type { LoadReport } from '../../../test/support/lab/workload-api.js';
import { type Bench, range, setUp } from './failover-outage.js';
import type { SurvivalRow } from './failover-plan.js';

export type SurvivalSystem = 'tandem' | 'conntrackd';

const MAKE: Record<SurvivalSystem, (lab: Lab, advertMs: number) => SystemUnderTest> = {
  tandem: (lab, advertMs) => new TandemSystem(lab, { election: { ...DEFAULT_ELECTION, advertMs } }),
  conntrackd: (lab, advertMs) =>
    new KeepalivedSystem(lab, { election: { ...DEFAULT_ELECTION, advertMs }, balance: { replication: 'direct' } }),
};

/** Every connection exchanges a few messages before the fault, and retransmits with back-off (200, 400, 800 ms) after it. */
const TALK_BEFORE_MS = 500;
const TALK_AFTER_MS = 2000;
const FINISH_LIMIT_MS = 10_000;
/** Connections opened right up to the fault: what is younger than replication takes. */
const YOUNG_MS = 20;
const CHURN_PER_SECOND = 500;
const CHURN_MS = 200;

export interface SurvivalPlan {
  systems: readonly SurvivalSystem[];
  connections: number;
  advertMs: number;
  fault: Event;
  rounds: number;
  progress: (text: string) => void;
}

export async function measureSurvival({ systems, rounds, progress, ...plan }: SurvivalPlan): Promise<SurvivalRow[]> {
  const rows: SurvivalRow[] = [];
  for (const name of systems) {
    progress(`connections: starting ${name}`);
    const bench = await setUp((lab) => MAKE[name](lab, plan.advertMs));
    try {
      const reports: Round[] = [];
      for (let round = 1; round <= rounds; round += 1) {
        progress(`connections: ${bench.system.name}, ${plan.fault}, round ${round} of ${rounds}`);
        reports.push(await oneRound(bench, plan));
      }
      rows.push(summarize(bench.system.name, plan, reports));
    } finally {
      bench.lab.close();
    }
  }
  return rows;
}

interface Round {
  old: LoadReport;
  young: LoadReport['young'];
}

async function oneRound({ lab, system }: Bench, { connections, fault }: Pick<SurvivalPlan, 'connections' | 'fault'>): Promise<Round> {
  const victim = await system.waitReady();
  const load = await startLoad(lab);
  await load.call('open', { group: 'old', ...natConnections(connections) });
  await sleep(TALK_BEFORE_MS);
  await load.call('churn', { group: 'young', ...natConnections(0), perSecond: CHURN_PER_SECOND });
  await sleep(CHURN_MS);
  await load.call('mark', null);
  const faultMs = await makeHappen(lab, system, victim, fault);
  await load.call('stopChurn', null);
  const others = lab.plan.nodes.map((node) => node.name).filter((node) => node !== victim);
  await waitFor('another node to be active', async () => (await Promise.all(others.map((node) => system.isActive(node)))).some(Boolean), {
    everyMs: 50,
  });
  await sleep(TALK_AFTER_MS);
  const report = (group: string) => load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: YOUNG_MS });
  const [old, young] = await Promise.all([report('old'), report('young')]);
  load.close();
  await system.recover(victim, fault);
  return { old, young: young.young };
}

function summarize(
  system: string,
  { advertMs, fault, connections }: Pick<SurvivalPlan, 'advertMs' | 'fault' | 'connections'>,
  rounds: Round[],
): SurvivalRow {
  const gap = (of: 'median' | 'p99' | 'max'): number => median(rounds.map(({ old }) => old.gapMs[of]));
  const sum = (of: (round: Round) => number): number => rounds.reduce((total, round) => total + of(round), 0);
  return {
    system,
    advertMs,
    fault,
    rounds: rounds.length,
    connections,
    survived: range(rounds.map(({ old }) => old.alive)),
    reset: range(rounds.map(({ old }) => old.reset)),
    young: { established: sum(({ young }) => young.established), survived: sum(({ young }) => young.alive) },
    gapMs: { median: gap('median'), p99: gap('p99'), max: gap('max') },
    bytesVerified: sum(({ old }) => old.bytesVerified),
  };
}
