/**
 * What can happen to a node's machine: no processor time, no memory, no room on the disk. Each is bounded in time or by what it takes.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { nodeProcesses } from './faults.js';
import type { Lab, LabProcess } from './lab.js';

/** Busy loops on this machine's processors, which all nodes share; they end by themselves. */
export class CpuHog {
  readonly #loops: LabProcess[];

  constructor(lab: Lab, loops: number, limitSeconds: number) {
    this.#loops = Array.from({ length: loops }, () =>
      lab.startBeside(['timeout', '-s', 'KILL', String(limitSeconds), 'sh', '-c', 'while :; do :; done'], { log: 'hog.log' }),
    );
  }

  /** Ends the loops, too: `timeout` hands a SIGTERM on. */
  end(): void {
    for (const loop of this.#loops) loop.kill('SIGTERM');
  }

  isRunning(): boolean {
    return this.#loops.some((loop) => loop.isRunning());
  }
}

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/** Where groups of processes can be given a limit of memory here, below the group of this process if it has one; null: nowhere. */
export function memoryController(): { root: string; limitFile: string } | null {
  if (existsSync(path.join(V1, 'memory.limit_in_bytes'))) {
    const own = path.join(V1, /:memory:(.*)/.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/');
    return { root: existsSync(own) ? own : V1, limitFile: 'memory.limit_in_bytes' };
  }
  const controllers = path.join(V2, 'cgroup.subtree_control');
  if (!existsSync(controllers)) return null;
  try {
    if (!readFileSync(controllers, 'utf8').split(/\s/).includes('memory')) writeFileSync(controllers, '+memory');
    return { root: V2, limitFile: 'memory.max' };
  } catch {
    return null;
  }
}

/** What all processes of the node may take from now on, on top of what they have. */
const LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * A node short of memory: its processes are in a group with a limit, and a greedy one among them runs into it again and again. The kernel
 * reclaims what it can from all of them, and kills the greedy one first.
 */
export class MemoryPressure {
  /** Of the control group. */
  readonly directory: string;
  readonly #root: string;
  readonly #greedy: LabProcess;

  constructor(lab: Lab, node: string, limitSeconds: number) {
    const controller = memoryController();
    if (controller === null) throw new Error('this machine has no memory controller for control groups');
    this.#root = controller.root;
    this.directory = path.join(controller.root, `${lab.plan.prefix}-${node}`);
    lab.addControlGroup(this.directory);
    mkdirSync(this.directory, { recursive: true });
    writeFileSync(path.join(this.directory, controller.limitFile), String(LIMIT_BYTES));
    for (const pid of nodeProcesses(lab, node)) move(this.directory, pid);
    const taken = 'head -c 256M /dev/zero | tail > /dev/null';
    const join = `echo $$ > ${this.directory}/cgroup.procs; echo 1000 > /proc/self/oom_score_adj`;
    this.#greedy = lab.start(node, ['timeout', '-s', 'KILL', String(limitSeconds), 'sh', '-c', `${join}; while :; do ${taken}; done`], {
      log: `${node}-greedy.log`,
    });
  }

  /** How often the limit was hit. */
  failures(): number {
    const [v1, v2] = [path.join(this.directory, 'memory.failcnt'), path.join(this.directory, 'memory.events')];
    if (existsSync(v1)) return Number(readFileSync(v1, 'utf8'));
    return Number(/^max (\d+)/m.exec(readFileSync(v2, 'utf8'))?.[1] ?? 0);
  }

  end(lab: Lab): void {
    this.#greedy.kill('SIGTERM');
    lab.removeControlGroup(this.directory, this.#root);
  }
}

function move(group: string, pid: number): void {
  try {
    writeFileSync(path.join(group, 'cgroup.procs'), String(pid));
  } catch {
    // Ended by itself.
  }
}

const FILLER = '.filler';

/** A file system of its own for a directory, that can be filled: as a disk of a machine. Emptied and unmounted with the lab. */
export async function mountSmallDisk(lab: Lab, directory: string, sizeMiB: number): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await lab
    .shell(null)
    .run(`grep -q " ${directory} tmpfs " /proc/mounts || mount -t tmpfs -o size=${sizeMiB}m,mode=0700 tmpfs ${directory}`);
}

export async function fillDisk(lab: Lab, directory: string): Promise<void> {
  await lab.shell(null).run(`head -c 1G /dev/zero > ${path.join(directory, FILLER)} 2> /dev/null || true`);
}

export function freeDisk(directory: string): void {
  rmSync(path.join(directory, FILLER), { force: true });
}
