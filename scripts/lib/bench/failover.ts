/**
 * `scripts/bench failover`: what a fault costs, for Tandem and for its peers on the same machine in the same run.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism, release } from 'node:os';
import { measureOutage, type SystemName } from './failover-outage.js';
import { DEFAULTS, type FailoverOptions, type FailoverResult, PEERS } from './failover-plan.js';
import { renderFailover } from './failover-report.js';
import { measureSurvival, type SurvivalSystem } from './failover-survival.js';

/** Survival is measured at the interval people run. */
const SURVIVAL_ADVERT_MS = 100;
const PROGRAMS: Record<(typeof PEERS)[number], string[]> = {
  keepalived: ['keepalived'],
  conntrackd: ['keepalived', 'conntrackd', 'conntrack', 'nft'],
};

const isInstalled = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;

function progressOf(json: boolean): (text: string) => void {
  if (json || !process.stderr.isTTY) return () => undefined;
  return (text) => void process.stderr.write(`\r\x1b[K${text}`);
}

export async function runFailover(options: FailoverOptions): Promise<void> {
  const result = await measureFailover(options);
  if (!options.json && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(options.json ? JSON.stringify(result) : renderFailover(result));
}

export async function measureFailover({
  json,
  rounds: wanted,
  faults = DEFAULTS.faults,
  adverts = DEFAULTS.adverts,
  peers = PEERS,
  connections = DEFAULTS.connections,
  withoutTandem = false,
}: FailoverOptions): Promise<FailoverResult> {
  const rounds = wanted ?? DEFAULTS.rounds;
  const progress = progressOf(json);
  const notes: string[] = [];
  const able = peers.filter((peer) => {
    const missing = PROGRAMS[peer].filter((program) => !isInstalled(program));
    if (missing.length > 0) notes.push(`${peer} left out, not installed: ${missing.join(', ')} (scripts/setup --bench)`);
    return missing.length === 0;
  });
  const ours = withoutTandem ? [] : (['tandem'] as const);
  const outageSystems: SystemName[] = [...ours, ...able.filter((peer) => peer === 'keepalived')];
  const survivalSystems: SurvivalSystem[] = [...ours, ...able.filter((peer) => peer === 'conntrackd')];
  const outage: FailoverResult['outage'] = [];
  for (const advertMs of adverts) outage.push(...(await measureOutage({ systems: outageSystems, faults, advertMs, rounds, progress })));
  const survival =
    connections === 0
      ? []
      : await measureSurvival({ systems: survivalSystems, connections, advertMs: SURVIVAL_ADVERT_MS, fault: 'crash', rounds, progress });
  return { benchmark: 'failover', kernel: release(), cpus: availableParallelism(), rounds, outage, survival, notes };
}
