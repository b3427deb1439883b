/**
 * A lab: a cluster's surroundings in network namespaces of this machine, made by one call and removed after any end (plan.ts draws it).
 * Needs root. Several labs can exist beside each other.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Agent, type AgentOptions, startAgent } from './agent.js';
import { type Cables, openCables } from './cables.js';
import { type Capture, startCapture } from './capture.js';
import { type NamespaceShell, openNamespaceShell } from './namespace-shell.js';
import {
  type BuildStep,
  buildSwitch,
  configureMachine,
  createNamespaces,
  type Extras,
  type Machine,
  machines,
  namespaces,
  type Plan,
  planLab,
  type Size,
} from './plan.js';
import { isRunning, startTicks } from './processes.js';
import { emptyControlGroup, type LabRecord, PREFIX, removeLab, removeStaleLabs, writeRecord } from './registry.js';

export interface LabProcess {
  readonly pid: number;
  readonly logFile: string;
  isRunning(): boolean;
  log(): string;
  kill(signal: NodeJS.Signals): void;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Log file in the lab's directory; default: the machine's and the program's name. */
  log?: string;
}

export class Lab {
  readonly plan: Plan;
  readonly workDir: string;
  /** Processes of the lab itself inside machines: no fault may hit them. */
  readonly helpers = new Set<number>();
  readonly #record: LabRecord;
  readonly #shells = new Map<string, NamespaceShell>();
  readonly #agents: Agent<unknown>[] = [];
  #cables: Cables | null = null;
  #ports: Map<number, string> | null = null;
  #captures = 0;
  #closed = false;

  constructor(plan: Plan, record: LabRecord, workDir: string) {
    this.plan = plan;
    this.#record = record;
    this.workDir = workDir;
  }

  machine(name: string): Machine {
    const found = machines(this.plan).find((m) => m.name === name);
    if (found === undefined) throw new Error(`the lab has no machine ${name}`);
    return found;
  }

  /** The shell inside a namespace; null is outside of all. */
  shell(namespace: string | null): NamespaceShell {
    const key = namespace ?? '';
    const known = this.#shells.get(key);
    if (known !== undefined) return known;
    const shell = openNamespaceShell(namespace);
    this.helpers.add(shell.pid);
    this.#shells.set(key, shell);
    return shell;
  }

  get switchShell(): NamespaceShell {
    return this.shell(this.plan.switchNamespace);
  }

  /** The cables at the switch. */
  get cables(): Cables {
    if (this.#cables === null) {
      this.#cables = openCables(this.plan.switchNamespace);
      this.helpers.add(this.#cables.pid);
    }
    return this.#cables;
  }

  /** Runs a script inside a machine and answers its output. */
  run(machine: string, script: string): Promise<string> {
    return this.shell(this.machine(machine).namespace).run(script);
  }

  /** Starts a program inside a machine, as part of the machine: faults hit it. Its output goes to a log file. */
  start(machine: string, command: string[], { env = {}, log }: RunOptions = {}): LabProcess {
    return this.#spawn(this.machine(machine).namespace, command, { env, log: log ?? `${machine}-${path.basename(command[0] ?? '')}.log` });
  }

  /** Starts a program that is part of no machine: no fault hits it, and it ends with the lab. */
  startBeside(command: string[], { env = {}, log }: RunOptions = {}): LabProcess {
    return this.#spawn(this.plan.switchNamespace, command, { env, log: log ?? `${path.basename(command[0] ?? '')}.log` });
  }

  #spawn(namespace: string, command: string[], { env, log }: Required<RunOptions>): LabProcess {
    const logFile = path.join(this.workDir, log);
    const output = openSync(logFile, 'a');
    const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...command], {
      stdio: ['ignore', output, output],
      detached: true,
      env: { ...process.env, ...env },
    });
    closeSync(output);
    child.unref();
    return labProcess(child, logFile);
  }

  /** Starts an agent inside a machine (null: the switch) and waits until it answers. */
  async agent<Api>(options: Omit<AgentOptions, 'namespace'> & { machine: string | null }): Promise<Agent<Api>> {
    const { machine, ...rest } = options;
    const namespace = machine === null ? this.plan.switchNamespace : this.machine(machine).namespace;
    const agent = startAgent<Api & { hello: (argument: null) => null }>({ ...rest, namespace });
    this.helpers.add(agent.pid);
    this.#agents.push(agent);
    await agent.call('hello', null as never);
    return agent;
  }

  async capture(): Promise<Capture> {
    this.#ports ??= await this.#readPorts();
    this.#captures += 1;
    return startCapture({
      namespace: this.plan.switchNamespace,
      file: path.join(this.workDir, `capture-${this.#captures}.pcap`),
      ports: this.#ports,
    });
  }

  async #readPorts(): Promise<Map<number, string>> {
    const known = new Set(machines(this.plan).flatMap((m) => m.legs.map((leg) => leg.port)));
    const links = JSON.parse(await this.switchShell.run('ip -j link')) as { ifindex: number; ifname: string }[];
    return new Map(links.filter((link) => known.has(link.ifname)).map((link) => [link.ifindex, link.ifname]));
  }

  /** A directory on bpffs that has to go with the lab. */
  addPinDir(directory: string): void {
    if (this.#record.pinDirs.includes(directory)) return;
    this.#record.pinDirs.push(directory);
    writeRecord(this.#record);
  }

  /** A control group that has to go with the lab. */
  addControlGroup(directory: string): void {
    if (this.#record.controlGroups.includes(directory)) return;
    this.#record.controlGroups.push(directory);
    writeRecord(this.#record);
  }

  /** Its processes go on in the parent group. */
  removeControlGroup(directory: string, parent: string): void {
    emptyControlGroup(directory, parent);
    this.#record.controlGroups = this.#record.controlGroups.filter((known) => known !== directory);
    writeRecord(this.#record);
  }

  /** Kills everything inside and removes it. Synchronous, safe to repeat. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const agent of this.#agents) agent.close();
    for (const shell of this.#shells.values()) shell.close();
    this.#cables?.close();
    removeLab(this.#record);
    open.delete(this);
  }
}

function labProcess(child: ChildProcess, logFile: string): LabProcess {
  const pid = child.pid ?? -1;
  return {
    pid,
    logFile,
    isRunning: () => isRunning(pid),
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
    kill: (signal) => {
      try {
        process.kill(pid, signal);
      } catch {
        // Ended by itself.
      }
    },
  };
}

const open = new Set<Lab>();
let guarded = false;
let nextLetter = 0;

/** Removes the labs whatever ends this process, short of SIGKILL: those are removed by the next lab. */
function guardEnd(): void {
  if (guarded) return;
  guarded = true;
  const removeAll = (): void => {
    for (const lab of [...open]) lab.close();
  };
  process.on('exit', removeAll);
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(signal, () => {
      removeAll();
      process.exit(128 + number);
    });
  }
}

export class LabError extends Error {
  readonly code: 'NOT_ROOT' | 'BUILD_FAILED';
  constructor(code: LabError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

export type LabOptions = Partial<Size & Extras>;

/** Builds a lab. Leftovers of dead runs are removed first. */
export async function createLab({ ipv6 = false, ...size }: LabOptions = {}): Promise<Lab> {
  if (process.getuid?.() !== 0) throw new LabError('NOT_ROOT', 'network namespaces need root: run this with sudo');
  guardEnd();
  removeStaleLabs();
  const prefix = `${PREFIX}${process.pid}${String.fromCharCode(97 + (nextLetter++ % 26))}`;
  const plan = planLab(prefix, { nodes: 2, servers: 3, clients: 1, ...size }, { ipv6 });
  const workDir = mkdtempSync(path.join(tmpdir(), `${prefix}-`));
  const record = {
    prefix,
    pid: process.pid,
    startTicks: startTicks(process.pid),
    namespaces: namespaces(plan),
    workDir,
    pinDirs: [],
    controlGroups: [],
  };
  writeRecord(record);
  const lab = new Lab(plan, record, workDir);
  open.add(lab);
  try {
    await build(lab);
  } catch (cause) {
    lab.close();
    throw new LabError('BUILD_FAILED', `the lab could not be built: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  return lab;
}

async function build(lab: Lab): Promise<void> {
  const step = ({ namespace, script }: BuildStep): Promise<string> => lab.shell(namespace).run(script);
  await step(createNamespaces(lab.plan));
  await step(buildSwitch(lab.plan));
  await Promise.all(machines(lab.plan).map((machine) => step(configureMachine(machine))));
  // Up already: the first use must not wait for its start.
  await lab.cables.set([], 'up');
}
