/**
 * Tandem in the lab: real daemons and heartbeats, one pair per node, each in its namespace.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { adminClient } from '../../../src/cli/admin-client.js';
import { initPki } from '../../../src/control/pki.js';
import { openStateDir } from '../../../src/control/state-dir.js';
import type { FlowRow, NodeStatus } from '../../../src/control/status.js';
import { continueNode, nodeProcesses, plugCable } from './faults.js';
import { mountSmallDisk } from './faults-machine.js';
import { killProcess, PROCESS_ROLES, processesOf } from './faults-process.js';
import type { Lab, LabProcess } from './lab.js';
import { isRunning, signalAll } from './processes.js';
import { DEFAULT_ELECTION, type ElectionSettings, type Event, type Part, type SystemUnderTest } from './system-under-test.js';
import { DEFAULT_TANDEM, nodeAddress, type TandemConfigOptions, tandemConfig, tandemNodes } from './tandem-config.js';
import { Hopeless, waitFor } from './wait-for.js';

export interface StartOptions {
  /** Another one than the other nodes'. */
  configFile?: string;
  /** Another build of it. */
  program?: string;
  /** CLOCK_MONOTONIC and CLOCK_BOOTTIME of the node's processes are this much ahead of the machine's (a time namespace); default: as those
   *  of the processes that this node still has. */
  clockOffsetSeconds?: number;
}

export type TandemOptions = Partial<Omit<TandemConfigOptions, 'election'>> & { election?: Partial<ElectionSettings> };

/** The program as it was compiled together with this file. */
export const tandemProgram = fileURLToPath(new URL('../../../src/bin/tandem.js', import.meta.url));

const READY_LIMIT_MS = 30_000;
/** Characters of a log worth showing in an error. */
const LOG_TAIL = 2000;

export class TandemSystem implements SystemUnderTest {
  readonly name: string;
  readonly probeAnsweredBy = 'server';
  readonly configFile: string;
  readonly switchover: (node: string) => Promise<number>;
  readonly #lab: Lab;
  readonly #options: TandemConfigOptions;
  readonly #daemons = new Map<string, LabProcess>();
  readonly #clockOffsets = new Map<string, number>();

  constructor(lab: Lab, { election = {}, ...options }: TandemOptions = {}) {
    this.#lab = lab;
    this.#options = { ...DEFAULT_TANDEM, ...options, election: { ...DEFAULT_ELECTION, ...election } };
    this.name = this.#options.fast ? 'tandem fast' : 'tandem';
    this.configFile = path.join(lab.workDir, 'tandem.yaml');
    this.switchover = (node) => this.#switchover(node);
  }

  get nodes(): string[] {
    return tandemNodes(this.#lab.plan, this.#options).map((node) => node.name);
  }

  stateDir(node: string): string {
    return path.join(this.#lab.workDir, node);
  }

  logFile(node: string): string {
    return path.join(this.#lab.workDir, `${node}-tandem.log`);
  }

  async start(): Promise<void> {
    await this.launch();
    await this.waitReady();
  }

  /** As `start`, but does not wait: beside a router that outranks it no node becomes active. */
  async launch(): Promise<void> {
    await this.#ensureBpffs();
    writeFileSync(this.configFile, tandemConfig(this.#lab.plan, this.#options));
    await initPki({
      directory: path.join(this.#lab.workDir, 'pki'),
      cluster: 'lab',
      nodes: tandemNodes(this.#lab.plan, this.#options).map((node) => ({ name: node.name, address: nodeAddress(node, this.#options) })),
      force: true,
      nowMs: Date.now(),
    });
    await Promise.all(this.nodes.map((node) => this.startNode(node)));
  }

  async #ensureBpffs(): Promise<void> {
    await this.#lab.shell(null).run("grep -q ' /sys/fs/bpf bpf ' /proc/mounts || mount -t bpf bpf /sys/fs/bpf");
  }

  async startNode(
    node: string,
    { configFile = this.configFile, program = tandemProgram, clockOffsetSeconds = this.#clockOffset(node) }: StartOptions = {},
  ): Promise<void> {
    const stateDir = this.stateDir(node);
    mkdirSync(stateDir, { recursive: true });
    if (this.#options.stateDiskMiB !== null) await mountSmallDisk(this.#lab, stateDir, this.#options.stateDiskMiB);
    this.#lab.addPinDir(openStateDir(stateDir, node).pinRoot);
    const command = [process.execPath, program, 'run', '--config', configFile, '--node', node, '--state-dir', stateDir];
    this.#clockOffsets.set(node, clockOffsetSeconds);
    const offset = String(clockOffsetSeconds);
    const clock = clockOffsetSeconds === 0 ? [] : ['unshare', '--time', '--monotonic', offset, '--boottime', offset];
    const rights = this.#options.realtime ? [] : ['setpriv', '--bounding-set', '-sys_nice', '--inh-caps', '-sys_nice'];
    this.#daemons.set(node, this.#lab.start(node, [...rights, ...clock, ...command], { log: path.basename(this.logFile(node)) }));
  }

  /** A machine has one clock: only when nothing of the node runs any more is its next start that of another machine. */
  #clockOffset(node: string): number {
    const isUp = PROCESS_ROLES.some((role) => processesOf(this.#lab, node, role).length > 0);
    return isUp ? (this.#clockOffsets.get(node) ?? 0) : 0;
  }

  /** A configuration that differs from everybody else's, in nothing that the election depends on. */
  driftedConfig(): string {
    const file = path.join(this.#lab.workDir, 'drifted.yaml');
    const health = { ...this.#options.health, fall: this.#options.health.fall + 1 };
    writeFileSync(file, tandemConfig(this.#lab.plan, { ...this.#options, health }));
    return file;
  }

  status(node: string): Promise<NodeStatus> {
    return adminClient(this.stateDir(node)).get<NodeStatus>('/v1/status');
  }

  flows(node: string, query = ''): Promise<FlowRow[]> {
    return adminClient(this.stateDir(node)).get<FlowRow[]>(`/v1/flows${query}`);
  }

  daemon(node: string): LabProcess {
    const daemon = this.#daemons.get(node);
    if (daemon === undefined) throw new Error(`tandem was not started on ${node}`);
    return daemon;
  }

  /** The heartbeat's process; null when it does not run. */
  heartbeatPid(node: string): number | null {
    return processesOf(this.#lab, node, 'heartbeat')[0] ?? null;
  }

  async waitReady(): Promise<string> {
    return waitFor('tandem to have one active node and all nodes in sync', () => this.#readyActive(), {
      limitMs: READY_LIMIT_MS,
      everyMs: 50,
    });
  }

  /** Until the active node has promised to be noticed within milliseconds, and the others know. */
  async waitFast(): Promise<void> {
    await waitFor(
      'fast liveness to be on',
      async () => {
        const all = await Promise.all(this.nodes.map((node) => this.status(node)));
        const active = all.find(isActive);
        const backups = all.filter((status) => status !== active);
        const isTold = ({ heartbeat }: NodeStatus): boolean =>
          heartbeat.beats?.peers.some((peer) => peer.node === active?.node && peer.promiseMs > 0) === true;
        return active?.heartbeat.beats?.fast === 'on' && backups.every(isTold);
      },
      { limitMs: READY_LIMIT_MS, everyMs: 100 },
    );
  }

  async #readyActive(): Promise<string | null> {
    for (const [node, daemon] of this.#daemons) {
      if (!daemon.isRunning()) throw new Hopeless(`tandem on ${node} has ended:\n${daemon.log().slice(-LOG_TAIL)}`);
    }
    const all = await Promise.all(this.nodes.map((node) => this.status(node)));
    const reasons = all.flatMap(notReady);
    const active = all.filter(isActive);
    if (active.length !== 1) reasons.push(`${active.length} active nodes`);
    if (reasons.length > 0) throw new Error(reasons.join('; '));
    return active[0]?.node ?? null;
  }

  async isActive(node: string): Promise<boolean> {
    return this.status(node).then(isActive, () => false);
  }

  async stopGracefully(node: string): Promise<number> {
    const atMs = Number(process.hrtime.bigint()) / 1e6;
    this.daemon(node).kill('SIGTERM');
    await waitFor(`tandem on ${node} to end`, () => !this.daemon(node).isRunning());
    return atMs;
  }

  killPart(node: string, part: Part): Promise<number> {
    return killProcess(this.#lab, node, part);
  }

  async #switchover(node: string): Promise<number> {
    const atMs = Number(process.hrtime.bigint()) / 1e6;
    const answer = await adminClient(this.stateDir(node)).post<{ ok: boolean; message: string }>('/v1/switchover', {});
    // The VIP may have moved by itself before: whoever measures sees that on the wire.
    if (!answer.ok && (await this.isActive(node))) throw new Error(`switchover: ${answer.message}`);
    return atMs;
  }

  async recover(node: string, event: Event): Promise<void> {
    // A heartbeat is replaced by its daemon.
    if (event === 'switchover' || event === 'heartbeat') return;
    if (event === 'stop') {
      continueNode(this.#lab, node);
      return;
    }
    if (event === 'cable' || event === 'link') {
      await plugCable(this.#lab, node);
      return;
    }
    if (event === 'crash') {
      await this.clear(node);
      await plugCable(this.#lab, node);
    }
    await this.startNode(node);
  }

  /** Ends every process of a node and removes what it keeps in the kernel, as a power cut does. */
  async clear(node: string): Promise<void> {
    const pids = nodeProcesses(this.#lab, node);
    signalAll(pids, 'SIGKILL');
    await waitFor(`the processes of ${node} to be gone`, () => !pids.some(isRunning), { everyMs: 5 });
    const { pinRoot } = openStateDir(this.stateDir(node), node);
    await this.#lab.shell(null).run(`umount -l ${this.stateDir(node)} 2> /dev/null || true`);
    for (const directory of [pinRoot, this.stateDir(node)]) rmSync(directory, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.clear(node)));
  }
}

const isActive = (status: NodeStatus): boolean => status.routers.length > 0 && status.routers.every((router) => router.role === 'active');

/** What a node still lacks to take over without losing anything. */
function notReady(status: NodeStatus): string[] {
  const reasons: string[] = [];
  if (!status.ready) reasons.push(`${status.node}: ${status.readyReason}`);
  if (!status.inSync) reasons.push(`${status.node} is not in sync`);
  for (const peer of status.peers) if (!peer.inSync) reasons.push(`${status.node}: peer ${peer.node} is not in sync (${peer.state})`);
  reasons.push(...unheard(status));
  for (const pool of status.pools) {
    const dead = pool.servers.filter((server) => !server.alive || server.health === 'unknown');
    if (dead.length > 0) reasons.push(`${status.node}: ${dead.map((server) => server.name).join(', ')} of ${pool.name} not up`);
  }
  if (status.routers.some((router) => router.role === 'initialize')) reasons.push(`${status.node} is starting`);
  return reasons;
}

/** Whose beats do not arrive, and what became of them. */
function unheard({ node, heartbeat }: NodeStatus): string[] {
  const { peers = [], rejected = {} } = heartbeat.beats ?? {};
  const lost = peers.filter(({ paths, isReachable }) => !isReachable || paths.includes(false));
  const why = JSON.stringify(Object.fromEntries(Object.entries(rejected).filter(([, count]) => count > 0)));
  return lost.map((peer) => `${node} does not hear the beats of ${peer.node} (${peer.paths.join(', ')}; rejected: ${why})`);
}
