/**
 * Makes the faults of a schedule happen to a running cluster, ends each after its time, and writes down what they were. Everything is
 * undone by `healAll`, whatever overlapped with what.
 */
import { continueNode, crashNode, killNode, nodeProcesses, plugCable, pullCable, stopNode } from '../lab/faults.js';
import { CpuHog, fillDisk, freeDisk, MemoryPressure, memoryController } from '../lab/faults-machine.js';
import { continueProcess, killProcess, type ProcessRole, stopProcess } from '../lab/faults-process.js';
import type { WireFaults } from '../lab/faults-wire.js';
import type { Lab } from '../lab/lab.js';
import type { Leg } from '../lab/plan.js';
import type { TandemSystem } from '../lab/tandem.js';
import { sleep } from '../lab/wait-for.js';
import type { AppliedFault, Cut } from './evidence.js';
import type { FaultKind, PlannedFault } from './schedule.js';

/** A node that was started is ready to take over after this: all five at once, on two processors that do other work, too. */
const STARTUP_MS = 10_000;
/** One that goes on needs to hear what has happened. */
const RESUME_MS = 1000;
/** Nothing a fault asks of a cluster takes longer, unless what it asks is stopped itself. */
const ANSWER_LIMIT_MS = 4000;
const ASK_LIMIT_MS = 300;
const HOG_LOOPS = 4;
const STORM_RESTARTS = 10;
const STORM_GAP_MS = 120;
const REPLICATION_PORTS = ['tcp dport 7946', 'tcp sport 7946'];
const BEATS = ['udp dport 7946'];
const ADVERTS = ['ip protocol 112', 'ip6 nexthdr 112'];

interface Effect extends Partial<Omit<AppliedFault, 'kind' | 'fromMs' | 'toMs' | 'what'>> {
  what: string;
  /** Ends it. What has no end of its own has none. */
  end?: () => Promise<void> | void;
  /** What is known of it only at its end. */
  outcome?: () => Partial<AppliedFault>;
}

interface Scene {
  lab: Lab;
  tandem: TandemSystem;
  wire: WireFaults;
  victim: string;
  other: string;
  nodes: readonly string[];
  planned: PlannedFault;
  /** One after the other: two faults that end or restart a node at the same moment must not make two of it. */
  inTurn<T>(act: () => Promise<T>): Promise<T>;
  /** Starts the daemon unless it runs; in a turn. */
  startUnlessRunning(node: string): Promise<void>;
  /** The same, in a turn of its own. */
  ensureStarted(node: string): Promise<void>;
  /** The node's processes are killed on purpose. */
  willDie(node: string): void;
}

export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const both = (a: string, b: string, side: Cut['side']): Cut[] => [
  { from: a, to: b, side },
  { from: b, to: a, side },
];

async function killOne(scene: Scene, roles: readonly ProcessRole[]): Promise<Effect> {
  const { lab, victim } = scene;
  scene.willDie(victim);
  await Promise.all(roles.map((role) => killProcess(lab, victim, role)));
  return {
    what: `${roles.join(' and ')} of ${victim} killed`,
    unable: [victim],
    afterwardsMs: STARTUP_MS,
    end: () => scene.ensureStarted(victim),
  };
}

/** Nobody is served by it, so nobody may notice. */
async function killSpare({ lab, victim }: Scene): Promise<Effect> {
  await killProcess(lab, victim, 'spare');
  return { what: `spare heartbeat of ${victim} killed` };
}

function stopOne({ lab, victim, willDie }: Scene, role: ProcessRole): Effect {
  // A heartbeat that does not answer is replaced.
  willDie(victim);
  stopProcess(lab, victim, role);
  return {
    what: `${role} of ${victim} stopped`,
    unable: [victim],
    afterwardsMs: RESUME_MS,
    end: () => void continueProcess(lab, victim, role),
  };
}

async function pull({ lab, victim }: Scene, sides: Leg['side'][]): Promise<Effect> {
  await pullCable(lab, victim, sides);
  return {
    what: `${sides.join(' and ')} cable of ${victim} pulled`,
    unable: [victim],
    afterwardsMs: RESUME_MS,
    end: () => plugCable(lab, victim),
  };
}

async function cut({ wire, victim, other }: Scene, sides: Cut['side'][], what?: string[]): Promise<Effect> {
  const frames = { sides, ...(what === undefined ? {} : { what }) };
  const ids = [await wire.lose({ from: [victim], to: [other], ...frames }), await wire.lose({ from: [other], to: [victim], ...frames })];
  return {
    what: `${victim} and ${other} are cut from each other (${what === undefined ? sides.join(' and ') : 'replication'})`,
    cuts: what === undefined ? sides.flatMap((side) => both(victim, other, side)) : [],
    end: async () => {
      for (const id of ids) await wire.endLoss(id);
    },
  };
}

async function oneWay({ wire, victim, nodes }: Scene, direction: 'from' | 'to'): Promise<Effect> {
  const others = nodes.filter((node) => node !== victim);
  const [from, to] = direction === 'from' ? [[victim], others] : [others, [victim]];
  const id = await wire.lose({ from, to, sides: ['client'] });
  return {
    what: direction === 'from' ? `no other node hears ${victim} on the client side` : `${victim} hears no other node on the client side`,
    cuts: others.map((other) => ({
      from: direction === 'from' ? victim : other,
      to: direction === 'from' ? other : victim,
      side: 'client',
    })),
    end: () => wire.endLoss(id),
  };
}

/** Nobody hears it, clients neither: what a node has to find out for itself. */
async function silence({ wire, victim, nodes }: Scene): Promise<Effect> {
  const id = await wire.lose({ from: [victim], sides: ['client'] });
  return {
    what: `nobody at all hears ${victim} on the client side`,
    unable: [victim],
    afterwardsMs: RESUME_MS,
    cuts: nodes.filter((node) => node !== victim).map((node) => ({ from: victim, to: node, side: 'client' })),
    end: () => wire.endLoss(id),
  };
}

/** Of the two ways by which nodes hear each other one is lost, on every wire; the other goes on. */
async function loseKind({ wire, victim, nodes }: Scene, what: string[], words: 'adverts' | 'beats'): Promise<Effect> {
  const others = nodes.filter((node) => node !== victim);
  const ids = [await wire.lose({ from: [victim], to: others, what }), await wire.lose({ from: others, to: [victim], what })];
  return {
    what: `no ${words} between ${victim} and the other nodes`,
    cuts: others.flatMap((other) =>
      (['client', 'server'] as const).flatMap((side) => both(victim, other, side).map((cut) => ({ ...cut, only: words }))),
    ),
    end: async () => {
      for (const id of ids) await wire.endLoss(id);
    },
  };
}

async function lose({ wire, victim, planned: { amount } }: Scene): Promise<Effect> {
  const ids = [
    await wire.lose({ from: [victim], sides: ['client'], percent: amount }),
    await wire.lose({ to: [victim], sides: ['client'], percent: amount }),
  ];
  return {
    what: `${amount} % of the frames of ${victim} are lost on the client side`,
    lossy: [victim],
    end: async () => {
      for (const id of ids) await wire.endLoss(id);
    },
  };
}

async function delay({ wire, victim, planned: { amount, forMs } }: Scene): Promise<Effect> {
  const side = forMs % 800 === 0 ? 'server' : 'client';
  await wire.degrade(victim, side, { delayMs: amount, jitterMs: amount, lossPercent: 0, duplicatePercent: 10 });
  return {
    what: `frames of ${victim} are 0 to ${2 * amount} ms late on the ${side} side, some come twice`,
    end: () => wire.restore(victim, side),
  };
}

async function restartStorm(scene: Scene): Promise<Effect> {
  const { lab, victim } = scene;
  scene.willDie(victim);
  for (let round = 0; round < STORM_RESTARTS; round += 1) {
    await killProcess(lab, victim, 'daemon');
    if (round % 3 === 2) await killProcess(lab, victim, 'heartbeat');
    await scene.ensureStarted(victim);
    await sleep(STORM_GAP_MS);
  }
  return {
    what: `${victim} restarted ${STORM_RESTARTS} times, its heartbeat killed three times`,
    unable: [victim],
    afterwardsMs: STARTUP_MS,
  };
}

async function restartWith(scene: Scene, roles: 'daemon' | 'all', how: string, start: () => Promise<void>): Promise<Effect> {
  const { lab, victim } = scene;
  scene.willDie(victim);
  await scene.inTurn(async () => {
    if (roles === 'daemon') await killProcess(lab, victim, 'daemon');
    else await killNode(lab, victim);
    await start();
  });
  return { what: `${victim} restarted ${how}`, unable: [victim], afterwardsMs: STARTUP_MS };
}

async function drift(scene: Scene): Promise<Effect> {
  const { lab, tandem, victim } = scene;
  const effect = await restartWith(scene, 'daemon', 'with another configuration', () =>
    tandem.startNode(victim, { configFile: tandem.driftedConfig() }),
  );
  return {
    ...effect,
    end: () =>
      scene.inTurn(async () => {
        await killProcess(lab, victim, 'daemon');
        await scene.startUnlessRunning(victim);
      }),
  };
}

async function fullDisk(scene: Scene): Promise<Effect> {
  const { lab, tandem, victim } = scene;
  await fillDisk(lab, tandem.stateDir(victim));
  const effect = await restartWith(scene, 'daemon', 'with a full disk', () => scene.startUnlessRunning(victim));
  return {
    ...effect,
    end: async () => {
      freeDisk(tandem.stateDir(victim));
      await scene.ensureStarted(victim);
    },
  };
}

const within = <T>(limitMs: number, promise: Promise<T>, otherwise: T): Promise<T> =>
  Promise.race([promise.catch(() => otherwise), sleep(limitMs).then(() => otherwise)]);

async function handOver(ask: Promise<unknown>, what: string): Promise<Effect> {
  const done = await within(
    ANSWER_LIMIT_MS,
    ask.then(() => true),
    false,
  );
  return { what: `${what}${done ? '' : ': refused or not answered'}` };
}

const INJECT: Record<FaultKind, (scene: Scene) => Promise<Effect> | Effect> = {
  'kill-daemon': (scene) => killOne(scene, ['daemon']),
  'kill-heartbeat': (scene) => killOne(scene, ['heartbeat']),
  'kill-spare': (scene) => killSpare(scene),
  'kill-heartbeat-and-spare': (scene) => killOne(scene, ['heartbeat', 'spare']),
  'kill-node': async (scene) => {
    scene.willDie(scene.victim);
    await killNode(scene.lab, scene.victim);
    return {
      what: `all processes of ${scene.victim} killed`,
      unable: [scene.victim],
      afterwardsMs: STARTUP_MS,
      end: () => scene.ensureStarted(scene.victim),
    };
  },
  'kill-all-nodes': async ({ lab, nodes, ensureStarted, willDie }) => {
    nodes.forEach(willDie);
    await Promise.all(nodes.map((node) => killNode(lab, node)));
    const end = async (): Promise<void> => void (await Promise.all(nodes.map(ensureStarted)));
    return { what: 'all processes of all nodes killed', unable: nodes, afterwardsMs: STARTUP_MS, end };
  },
  'stop-daemon': (scene) => stopOne(scene, 'daemon'),
  'stop-heartbeat': (scene) => stopOne(scene, 'heartbeat'),
  'stop-node': ({ lab, victim }) => {
    stopNode(lab, victim);
    return {
      what: `all processes of ${victim} stopped`,
      unable: [victim],
      afterwardsMs: RESUME_MS,
      end: () => void continueNode(lab, victim),
    };
  },
  crash: async ({ lab, tandem, victim, willDie, inTurn }) => {
    willDie(victim);
    await crashNode(lab, victim);
    return {
      what: `${victim} lost power`,
      unable: [victim],
      lostTable: [victim],
      afterwardsMs: STARTUP_MS,
      end: () => inTurn(() => tandem.recover(victim, 'crash')),
    };
  },
  'restart-storm': restartStorm,
  'cable-client': (scene) => pull(scene, ['client']),
  'cable-server': (scene) => pull(scene, ['server']),
  'cable-both': (scene) => pull(scene, ['client', 'server']),
  'cut-client': (scene) => cut(scene, ['client']),
  'cut-all': (scene) => cut(scene, ['client', 'server']),
  'cut-replication': (scene) => cut(scene, ['client', 'server'], REPLICATION_PORTS),
  mute: (scene) => oneWay(scene, 'from'),
  deaf: (scene) => oneWay(scene, 'to'),
  silence,
  'no-adverts': (scene) => loseKind(scene, ADVERTS, 'adverts'),
  // A promise that is out makes the silence of beats mean something, so that here the schedule itself tells the peers a lie.
  'no-beats': (scene) => loseKind(scene, BEATS, 'beats'),
  loss: lose,
  delay,
  hog: ({ lab, planned: { forMs } }) => {
    const hog = new CpuHog(lab, HOG_LOOPS, Math.ceil(forMs / 1000) + 2);
    return { what: `${HOG_LOOPS} busy loops on this machine`, isMachineLate: true, end: () => hog.end() };
  },
  memory: ({ lab, victim, willDie, ensureStarted, planned: { forMs } }) => {
    if (memoryController() === null) return { what: `memory of ${victim}: there is no controller here, nothing was done` };
    // The greedy one is killed first, but whom the kernel kills next is its own choice.
    willDie(victim);
    const before = nodeProcesses(lab, victim);
    const pressure = new MemoryPressure(lab, victim, Math.ceil(forMs / 1000) + 2);
    return {
      what: `${victim} is short of memory`,
      unable: [victim],
      afterwardsMs: RESUME_MS,
      outcome: () => {
        const after = new Set(nodeProcesses(lab, victim));
        if (before.every((pid) => after.has(pid))) return {};
        return { what: `${victim} was so short of memory that a process of it was killed`, afterwardsMs: STARTUP_MS };
      },
      end: () => {
        pressure.end(lab);
        return ensureStarted(victim);
      },
    };
  },
  disk: fullDisk,
  clock: (scene) =>
    restartWith(scene, 'all', `with a clock ${scene.planned.amount} s off`, () =>
      scene.tandem.startNode(scene.victim, { clockOffsetSeconds: scene.planned.amount }),
    ),
  drift,
  switchover: (scene) => handOver(scene.tandem.switchover(scene.victim), `${scene.victim} told to hand over`),
  graceful: async (scene) => {
    scene.willDie(scene.victim);
    const effect = await handOver(scene.tandem.stopGracefully(scene.victim), `${scene.victim} told to end`);
    return { ...effect, unable: [scene.victim], afterwardsMs: STARTUP_MS, end: () => scene.ensureStarted(scene.victim) };
  },
};

export class Injector {
  readonly #lab: Lab;
  readonly #tandem: TandemSystem;
  readonly #wire: WireFaults;
  /** Nodes whose processes were killed on purpose since the last healing. */
  readonly #killed = new Set<string>();
  /** Process ids of the heartbeats when the round began. */
  #heartbeats = new Map<string, number | null>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(lab: Lab, tandem: TandemSystem, wire: WireFaults) {
    this.#lab = lab;
    this.#tandem = tandem;
    this.#wire = wire;
  }

  /** A round begins. */
  begin(): void {
    this.#heartbeats = new Map(this.#tandem.nodes.map((node) => [node, this.#tandem.heartbeatPid(node)]));
  }

  /** Happens, lasts, ends. `said` is told at once. */
  async run(planned: PlannedFault, said: (fault: AppliedFault) => void): Promise<void> {
    const order = await this.#order();
    const [victim, other] = [order[planned.victim] ?? '', order[planned.other] ?? ''];
    const fault: AppliedFault = {
      kind: planned.kind,
      what: `${planned.kind} of ${victim}`,
      fromMs: now(),
      toMs: Number.POSITIVE_INFINITY,
      unable: [],
      afterwardsMs: 0,
      cuts: [],
      lostTable: [],
      lossy: [],
      isMachineLate: false,
    };
    said(fault);
    const scene: Scene = {
      lab: this.#lab,
      tandem: this.#tandem,
      wire: this.#wire,
      nodes: this.#tandem.nodes,
      victim,
      other,
      planned,
      inTurn: (act) => this.#inTurn(act),
      startUnlessRunning: (node) => this.#startUnlessRunning(node),
      ensureStarted: (node) => this.#ensureStarted(node),
      willDie: (node) => this.#killed.add(node),
    };
    const { end, outcome, ...effect } = await INJECT[planned.kind](scene);
    Object.assign(fault, effect);
    await sleep(Math.max(0, fault.fromMs + planned.forMs - now()));
    Object.assign(fault, outcome?.());
    await end?.();
    fault.toMs = now();
  }

  /** The active node first, as the nodes say themselves; one that does not answer is not active. */
  async #order(): Promise<string[]> {
    const { nodes } = this.#tandem;
    const isActive = await Promise.all(nodes.map((node) => within(ASK_LIMIT_MS, this.#tandem.isActive(node), false)));
    const active = nodes.filter((_, index) => isActive[index]);
    return [...active.slice(0, 1), ...nodes.filter((node) => node !== active[0])];
  }

  async #startUnlessRunning(node: string): Promise<void> {
    if (!this.#tandem.daemon(node).isRunning()) await this.#tandem.startNode(node);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const acted = this.#turn.then(act, act);
    this.#turn = acted.catch(() => undefined);
    return acted;
  }

  #ensureStarted(node: string): Promise<void> {
    return this.#inTurn(() => this.#startUnlessRunning(node));
  }

  /** Everything is as it was. Returns what had ended although nothing had killed it. */
  async healAll(): Promise<string[]> {
    const { nodes } = this.#tandem;
    await this.#wire.clear();
    const spared = nodes.filter((node) => !this.#killed.has(node));
    const died = [
      ...spared.filter((node) => !this.#tandem.daemon(node).isRunning()).map((node) => `the daemon of ${node}`),
      ...spared.filter((node) => this.#tandem.heartbeatPid(node) !== this.#heartbeats.get(node)).map((node) => `the heartbeat of ${node}`),
    ];
    for (const node of nodes) {
      freeDisk(this.#tandem.stateDir(node));
      await plugCable(this.#lab, node);
      continueNode(this.#lab, node);
      await this.#ensureStarted(node);
    }
    this.#killed.clear();
    return died;
  }
}
