/**
 * Rounds of faults until a number or a time is reached. A cluster that does not come back, or has lost connections, is replaced, so that
 * one finding neither hides the next nor makes it.
 */
import path from 'node:path';
import type { RoundEvidence, Violation } from './evidence.js';
import { type FaultFigures, figuresOf } from './figures.js';
import { now } from './injector.js';
import { randomFrom } from './random.js';
import { drawRound, type FaultKind, type PlannedFault } from './schedule.js';
import { type RoundResult, World, type WorldOptions } from './world.js';

export interface CampaignOptions extends Omit<WorldOptions, 'preempt'> {
  seed: number;
  /** Null: drawn from the seed. */
  preempt: boolean | null;
  firstRound: number;
  /** No new round begins after so many, or so long. */
  rounds: number;
  forMs: number;
  kinds: readonly FaultKind[];
  /** Where the files of a round with a violation are kept. */
  keepIn: string;
}

export interface Finding {
  round: number;
  planned: readonly PlannedFault[];
  violations: Violation[];
  timeline: string;
  directory: string;
}

export interface CampaignResult {
  seed: number;
  nodes: number;
  advertMs: number;
  preempt: boolean;
  paths: WorldOptions['paths'];
  fast: boolean;
  kinds: readonly FaultKind[];
  rounds: number;
  tookMs: number;
  faults: number;
  connections: number;
  bytesVerified: number;
  newFlows: number;
  figures: FaultFigures[];
  findings: Finding[];
}

/** A cluster that cannot even be started so often in a row is no place for experiments. */
const START_ATTEMPTS = 2;

export interface CampaignListener {
  onRound(round: number, planned: readonly PlannedFault[]): void;
  onFinding(finding: Finding): void;
}

export async function runCampaign(options: CampaignOptions, listener: CampaignListener): Promise<CampaignResult> {
  const startMs = now();
  const preempt = options.preempt ?? randomFrom(options.seed).next() < 0.5;
  const done: RoundEvidence[] = [];
  const findings: Finding[] = [];
  let world: World | null = null;
  const found = (finding: Finding): void => {
    findings.push(finding);
    listener.onFinding(finding);
  };
  try {
    for (let round = options.firstRound; round < options.firstRound + options.rounds && now() - startMs < options.forMs; round += 1) {
      world ??= await start({ ...options, preempt });
      const planned = drawRound(options.seed, round, options);
      listener.onRound(round, planned);
      const result = await world.round(planned).catch((error: Error) => error);
      if (result instanceof Error) {
        found(broken(world, options, round, planned, result));
      } else {
        done.push(result.evidence);
        if (result.violations.length > 0) found(keep(world, options, round, planned, result));
      }
      if (result instanceof Error || result.evidence.readyMs === null || hasLost(result.evidence)) {
        world.close();
        world = null;
      }
    }
  } finally {
    world?.close();
  }
  const { seed, nodes, advertMs, paths, fast, kinds } = options;
  const setting = { seed, nodes, advertMs, preempt, paths, fast, kinds };
  return { ...setting, rounds: done.length, tookMs: now() - startMs, ...totals(done), figures: figuresOf(done), findings };
}

const directoryOf = ({ keepIn, seed }: CampaignOptions, round: number): string => path.join(keepIn, `seed-${seed}-round-${round}`);

function keep(world: World, options: CampaignOptions, round: number, planned: readonly PlannedFault[], result: RoundResult): Finding {
  const directory = directoryOf(options, round);
  world.keep(directory, planned, result);
  return { round, planned, violations: result.violations, timeline: result.timeline, directory };
}

/** The nemesis could not do what was planned, so that nothing was judged: that counts as much as a violation. */
function broken(world: World, options: CampaignOptions, round: number, planned: readonly PlannedFault[], { message }: Error): Finding {
  const directory = directoryOf(options, round);
  world.keepFiles(directory);
  return { round, planned, violations: [{ rule: 'broken', atMs: 0, text: message }], timeline: message, directory };
}

/** What its ends still have to say to each other would be heard in the next round. */
const hasLost = ({ connections }: RoundEvidence): boolean =>
  Object.values(connections).some(({ alive, established }) => alive < established);

async function start(options: WorldOptions): Promise<World> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await World.create(options);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

function totals(rounds: readonly RoundEvidence[]): Pick<CampaignResult, 'faults' | 'connections' | 'bytesVerified' | 'newFlows'> {
  const reports = rounds.flatMap((round) => Object.values(round.connections));
  return {
    faults: rounds.reduce((sum, round) => sum + round.faults.length, 0),
    connections: reports.reduce((sum, report) => sum + report.established, 0),
    bytesVerified: reports.reduce((sum, report) => sum + report.bytesVerified, 0),
    newFlows: rounds.reduce((sum, round) => sum + round.signs.filter((sign) => sign.kind === 'admitted').length, 0),
  };
}
