/**
 * A cluster with traffic, and rounds of faults against it. The shell around schedule, injector and judge.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { realtimeOffsetNs } from '../lab/capture.js';
import { WireFaults } from '../lab/faults-wire.js';
import { createLab, type Lab } from '../lab/lab.js';
import { VIP6, VIP6_LINK_LOCAL, VRID } from '../lab/plan.js';
import { TandemSystem } from '../lab/tandem.js';
import type { LabDocument } from '../lab/tandem-config.js';
import { sleep } from '../lab/wait-for.js';
import { judge } from './checker.js';
import type { AppliedFault, RoundEvidence, Transition, Violation } from './evidence.js';
import { Injector, now } from './injector.js';
import type { PlannedFault } from './schedule.js';
import { answersTo, farewellsOf, type KnownFlows, pausesOf, resetsOf, signsOf } from './signs.js';
import { renderExcerpt, renderTimeline } from './timeline.js';
import { Traffic } from './traffic.js';

export interface WorldOptions {
  nodes: number;
  advertMs: number;
  preempt: boolean;
  paths: RoundEvidence['paths'];
  fast: boolean;
}

export interface RoundResult {
  evidence: RoundEvidence;
  violations: Violation[];
  timeline: string;
}

const HIGHEST_PRIORITY = 200;
const PRIORITY_STEP = 40;
const STATE_DISK_MIB = 8;
const SERVERS = 2;
/** The first virtual router of the lab. */
const ROUTER = 'front';
/** Watched on after everything is well again. */
const AFTER_MS = 400;

export class World {
  readonly lab: Lab;
  readonly #options: WorldOptions;
  readonly #tandem: TandemSystem;
  readonly #traffic: Traffic;
  readonly #injector: Injector;
  readonly #known: KnownFlows = new Set();

  private constructor(lab: Lab, options: WorldOptions, tandem: TandemSystem, traffic: Traffic) {
    this.lab = lab;
    this.#options = options;
    this.#tandem = tandem;
    this.#traffic = traffic;
    this.#injector = new Injector(lab, tandem, new WireFaults(lab));
  }

  static async create(options: WorldOptions): Promise<World> {
    const lab = await createLab({ nodes: options.nodes, servers: SERVERS, clients: 2, ipv6: true });
    try {
      const tandem = new TandemSystem(lab, {
        election: { advertMs: options.advertMs, preempt: options.preempt, priorities: prioritiesOf(options) },
        nodeAddresses: options.paths === 'any' ? 'server' : 'client',
        beatSides: options.paths === 'any' ? ['client', 'server'] : ['client'],
        fast: options.fast,
        stateDiskMiB: STATE_DISK_MIB,
        change: withIpv6,
      });
      const [traffic] = await Promise.all([Traffic.prepare(lab), tandem.start()]);
      return new World(lab, options, tandem, traffic);
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  /** The node that is active, once all are ready. */
  active(): Promise<string> {
    return this.#tandem.waitReady();
  }

  /** `whileWatched` runs beside the faults: what a test does to the wire itself. */
  async round(planned: readonly PlannedFault[], whileWatched: () => Promise<void> = async () => undefined): Promise<RoundResult> {
    const { lab } = this;
    await this.#tandem.waitReady();
    await this.#traffic.open(this.#tandem);
    const capture = await lab.capture();
    await this.#traffic.start();
    const fromMs = now();
    this.#injector.begin();
    const faults: AppliedFault[] = [];
    const ends = await Promise.allSettled([
      whileWatched(),
      ...planned.map(async (fault) => {
        await sleep(Math.max(0, fromMs + fault.atMs - now()));
        await this.#injector.run(fault, (applied) => faults.push(applied));
      }),
    ]);
    // Only now: what still went on would have lost its lab.
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    const died = await this.#injector.healAll();
    const healedMs = now();
    const ready = await this.#tandem.waitReady().then(
      () => ({ readyMs: now(), because: '' }),
      (error: Error) => ({ readyMs: null, because: error.message }),
    );
    await sleep(AFTER_MS);
    const toMs = now();
    const connections = await this.#traffic.stop(healedMs);
    const observations = await capture.stop();
    const evidence: RoundEvidence = {
      nodes: this.#tandem.nodes,
      advertMs: this.#options.advertMs,
      priorities: Object.fromEntries(this.#tandem.nodes.map((node, index) => [node, prioritiesOf(this.#options)[index] ?? 0])),
      paths: this.#options.paths,
      fromMs,
      toMs,
      faults,
      signs: signsOf(lab.plan, observations, this.#known).filter((sign) => sign.atMs >= fromMs && sign.atMs <= toMs),
      farewells: farewellsOf(lab.plan, observations),
      pauses: pausesOf(lab.plan, observations, fromMs, toMs),
      resets: resetsOf(lab.plan, observations),
      answersMs: answersTo(observations, this.#traffic.followingAddress),
      connections,
      healedMs,
      readyMs: ready.readyMs,
      notReadyBecause: ready.because,
      died,
    };
    const violations = judge(evidence);
    return { evidence, violations, timeline: renderTimeline(evidence, this.#transitions(), violations) };
  }

  /** As the daemons logged them; what happened while one was dead is told by its heartbeat afterwards, with the time of the telling. */
  #transitions(): Transition[] {
    const offsetMs = Number(realtimeOffsetNs()) / 1e6;
    return this.#tandem.nodes.flatMap((node) =>
      linesOf(this.#tandem.logFile(node)).flatMap((line) => {
        // The last line of a killed daemon may be cut off.
        if (!line.includes('"router.transition"') || !line.endsWith('}')) return [];
        const { time, router, from, to, reason } = JSON.parse(line) as Record<'time' | 'router' | 'from' | 'to' | 'reason', string>;
        // The others of its sync group say the same.
        return router !== ROUTER ? [] : [{ atMs: Date.parse(time) - offsetMs, node, from, to, reason }];
      }),
    );
  }

  /** Everything a reader of a violation needs, in a directory. */
  keep(directory: string, planned: readonly PlannedFault[], { evidence, violations, timeline }: RoundResult): void {
    this.keepFiles(directory);
    const excerpts = violations.map((violation) => `${violation.rule}: ${violation.text}\n${renderExcerpt(evidence, violation)}`);
    writeFileSync(path.join(directory, 'timeline.txt'), `${timeline}\n\n${excerpts.join('\n\n')}\n`);
    writeFileSync(path.join(directory, 'evidence.json'), JSON.stringify({ planned, evidence, violations }));
  }

  /** The part of it that was not made here. */
  keepFiles(directory: string): void {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    const files = [path.basename(this.#tandem.configFile), ...this.#tandem.nodes.map((node) => path.basename(this.#tandem.logFile(node)))];
    const captures = Array.from({ length: 1000 }, (_, index) => `capture-${index + 1}.pcap`).filter((name) =>
      existsSync(path.join(this.lab.workDir, name)),
    );
    for (const name of [...files, ...captures.slice(-1)]) cpSync(path.join(this.lab.workDir, name), path.join(directory, name));
  }

  close(): void {
    this.lab.close();
  }
}

/** The address of a second family moves with the first one's. */
function withIpv6(document: LabDocument): LabDocument {
  const [front] = document.virtualRouters;
  if (front === undefined) throw new Error('the lab has a virtual router');
  const { otherAddresses, verifyAddresses, ...rest } = front;
  const front6 = { ...rest, name: 'front6', id: VRID, addresses: [VIP6_LINK_LOCAL, VIP6] };
  return {
    ...document,
    virtualRouters: [front, front6],
    syncGroups: [{ name: 'site', virtualRouters: ['front', 'front6'] }],
  };
}

const prioritiesOf = ({ nodes }: WorldOptions): number[] =>
  Array.from({ length: nodes }, (_, index) => Math.max(1, HIGHEST_PRIORITY - PRIORITY_STEP * index));

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
}
