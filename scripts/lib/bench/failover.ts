/**
 * `scripts/bench failover`: what a fault costs, for Tandem and for its peers on the same machine in the same run.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism, release } from 'node:os';
import { measureBusy } from './failover-busy.js';
import { renderMarkdown } from './failover-markdown.js';
import { measureOutage } from './failover-outage.js';
import {
  expectedSeconds,
  type FailoverOptions,
  type FailoverResult,
  outageGroups,
  type Peer,
  SURVIVAL_ADVERT_MS,
  SURVIVAL_ROUNDS,
  SYSTEMS,
} from './failover-plan.js';
import { duration, renderFailover } from './failover-report.js';
import { measureSurvival, type SurvivalSystem } from './failover-survival.js';

const PROGRAMS: Record<Peer, string[]> = {
  keepalived: ['keepalived'],
  conntrackd: ['keepalived', 'conntrackd', 'conntrack', 'nft'],
};

const isInstalled = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;

const ignore = (): void => undefined;

export async function runFailover(options: FailoverOptions): Promise<void> {
  const isShown = process.stderr.isTTY && !options.json;
  console.error(`about ${duration(expectedSeconds(options))} on two cores; other work on this machine spoils the figures`);
  const result = await measureFailover(options, isShown ? (text) => void process.stderr.write(`\r\x1b[K${text}`) : ignore);
  if (isShown) process.stderr.write('\r\x1b[K');
  if (options.json) console.log(JSON.stringify(result));
  else console.log(options.markdown ? renderMarkdown(result) : renderFailover(result));
}

async function measureFailover(options: FailoverOptions, progress: (text: string) => void): Promise<FailoverResult> {
  const begun = performance.now();
  const notes: string[] = [];
  const peers = options.peers.filter((peer) => {
    const missing = PROGRAMS[peer].filter((program) => !isInstalled(program));
    if (missing.length > 0) notes.push(`${peer} left out, not installed: ${missing.join(', ')} (scripts/setup --bench)`);
    return missing.length === 0;
  });
  const outage: FailoverResult['outage'] = [];
  for (const group of outageGroups({ ...options, peers })) outage.push(...(await measureOutage(group, options.trials, progress)));
  const busy = options.cases.includes('busy') ? await measureBoth(options, peers, progress) : [];
  const survival = options.cases.includes('connections') ? await survive(options, peers, progress) : [];
  const seconds = Math.round((performance.now() - begun) / 1000);
  const { trials } = options;
  return { benchmark: 'failover', kernel: release(), cpus: availableParallelism(), trials, seconds, outage, busy, survival, notes };
}

async function measureBoth({ busySeconds: seconds }: FailoverOptions, peers: readonly Peer[], progress: (text: string) => void) {
  const able = SYSTEMS.filter((name) => name !== 'keepalived' || peers.includes('keepalived'));
  const realtime = await measureBusy({ systems: able, isRealtime: true, seconds, progress });
  // Fast liveness is a promise of real-time threads: without them it is plain Tandem.
  const plain = able.filter((name) => name !== 'tandem fast');
  return [...realtime, ...(await measureBusy({ systems: plain, isRealtime: false, seconds, progress }))];
}

function survive({ trials, connections }: FailoverOptions, peers: readonly Peer[], progress: (text: string) => void) {
  const systems: SurvivalSystem[] = ['tandem', ...peers.filter((peer) => peer === 'conntrackd')];
  const rounds = Math.min(trials, SURVIVAL_ROUNDS);
  return measureSurvival({ systems, connections, advertMs: SURVIVAL_ADVERT_MS, fault: 'crash', rounds, progress });
}
