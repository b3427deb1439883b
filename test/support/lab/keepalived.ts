/**
 * keepalived in the lab: alone (the probe is answered by an echo on the VIP's node), or with nftables DNAT and conntrackd (connections
 * go to the servers).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { continueNode, nodeProcesses, plugCable } from './faults.js';
import { CONNTRACK_SYSCTLS, conntrackdConfig, type ExternalCache, keepalivedConfig, nftablesRules } from './keepalived-config.js';
import type { Lab, LabProcess } from './lab.js';
import { INNER_VIP, PORTS, PREFIX_LENGTH, VIP } from './plan.js';
import { commandLine, isRunning, signalAll } from './processes.js';
import { DEFAULT_ELECTION, type ElectionSettings, type Event, type Part, priorityOf, type SystemUnderTest } from './system-under-test.js';
import { waitFor, waitForSteady } from './wait-for.js';
import { startEcho } from './workload.js';

export interface KeepalivedOptions {
  election?: Partial<ElectionSettings>;
  /** Nodes that run it; on the others something else may run. */
  on?: readonly string[] | 'all';
  /** Balance to the servers with nftables; with connection tables replicated by conntrackd unless it is `none`. */
  balance?: { replication: ExternalCache | 'none' };
  /** False: it does not ask for real-time priority. */
  realtime?: boolean;
}

export class KeepalivedSystem implements SystemUnderTest {
  readonly name: string;
  readonly probeAnsweredBy: 'node' | 'server';
  readonly switchover = null;
  readonly #lab: Lab;
  readonly #election: ElectionSettings;
  readonly #on: readonly string[] | 'all';
  readonly #balance: KeepalivedOptions['balance'];
  readonly #realtime: boolean;
  readonly #daemons = new Map<string, LabProcess>();
  #echoes = false;

  constructor(lab: Lab, { election = {}, on = 'all', balance, realtime = true }: KeepalivedOptions = {}) {
    this.#lab = lab;
    this.#election = { ...DEFAULT_ELECTION, ...election };
    this.#on = on;
    this.#balance = balance;
    this.#realtime = realtime;
    this.probeAnsweredBy = balance === undefined ? 'node' : 'server';
    this.name = balance === undefined ? 'keepalived' : `keepalived + nftables${this.#replicates ? ' + conntrackd' : ''}`;
  }

  get #replicates(): boolean {
    return this.#balance !== undefined && this.#balance.replication !== 'none';
  }

  get nodes(): string[] {
    return this.#lab.plan.nodes.map((node) => node.name).filter((node) => this.#on === 'all' || this.#on.includes(node));
  }

  #file(node: string, name: string): string {
    return path.join(this.#lab.workDir, `${node}-${name}`);
  }

  async start(): Promise<void> {
    if (this.#balance === undefined) await this.#startEchoes();
    else await Promise.all(this.nodes.map((node) => this.#prepareBalancing(node)));
    await Promise.all(this.nodes.map((node) => this.startNode(node)));
    await this.waitReady();
  }

  async #startEchoes(): Promise<void> {
    if (this.#echoes) return;
    this.#echoes = true;
    await Promise.all(this.nodes.map((node) => startEcho(this.#lab, node, [`${VIP}:${PORTS.probe}`])));
  }

  async #prepareBalancing(node: string): Promise<void> {
    const rules = this.#file(node, 'balance.nft');
    writeFileSync(rules, nftablesRules(this.#lab.plan));
    await this.#lab.run(node, `nft flush ruleset\nnft -f ${rules}\n${CONNTRACK_SYSCTLS}`);
  }

  async startNode(node: string): Promise<void> {
    if (this.#replicates) this.#startConntrackd(node);
    const index = this.#lab.plan.nodes.findIndex((machine) => machine.name === node);
    const config = this.#file(node, 'keepalived.conf');
    writeFileSync(config, keepalivedConfig(priorityOf(this.#election, index), this.#election, this.#realtime));
    const pids = [`--pid=${this.#file(node, 'keepalived.pid')}`, `--vrrp_pid=${this.#file(node, 'vrrp.pid')}`];
    const command = ['keepalived', '--dont-fork', '--log-console', '--vrrp', `--use-file=${config}`, ...pids];
    this.#daemons.set(node, this.#lab.start(node, command, { log: `${node}-keepalived.log` }));
  }

  #startConntrackd(node: string): void {
    const [own, peer] = [this.#lab.machine(node), this.#lab.plan.nodes.find((other) => other.name !== node)];
    if (peer === undefined) throw new Error('conntrackd needs a second node');
    const config = this.#file(node, 'conntrackd.conf');
    const files = {
      lock: this.#file(node, 'conntrackd.lock'),
      socket: this.#file(node, 'conntrackd.sock'),
      log: this.#file(node, 'conntrackd.log'),
    };
    const cache = this.#balance?.replication === 'external' ? 'external' : 'direct';
    writeFileSync(config, conntrackdConfig(own, peer, cache, files));
    this.#lab.start(node, ['conntrackd', '-C', config], { log: `${node}-conntrackd.out` });
  }

  /** What keepalived of a node has said. */
  log(node: string): string {
    return this.#daemons.get(node)?.log() ?? '';
  }

  async waitReady(): Promise<string> {
    if (this.#replicates) await Promise.all(this.nodes.map((node) => this.#resync(node)));
    let active: string | null = null;
    // After a pause or a pulled cable both are active for a moment: it has to stay one.
    await waitForSteady('keepalived to have one active node', 5 * this.#election.advertMs, async () => {
      const before = active;
      active = (await this.#running()) ? await this.#onlyActive() : null;
      return active !== null && active === before;
    });
    return active ?? '';
  }

  async #running(): Promise<boolean> {
    return this.nodes.every((node) => this.#daemons.get(node)?.isRunning() && this.#isElecting(node));
  }

  /** The parent runs before its VRRP child does: wait for both. */
  #isElecting(node: string): boolean {
    return nodeProcesses(this.#lab, node).filter((pid) => commandLine(pid).includes('keepalived')).length >= 2;
  }

  /** Asks the peer for its table; answered by conntrackd once it is up. */
  async #resync(node: string): Promise<void> {
    const config = this.#file(node, 'conntrackd.conf');
    await waitFor(`conntrackd of ${node}`, () => this.#lab.run(node, `conntrackd -C ${config} -n`).then(() => true), { everyMs: 100 });
  }

  async isActive(node: string): Promise<boolean> {
    return (await this.#lab.run(node, 'ip -br addr show dev eth0')).includes(`${VIP}/`);
  }

  async #onlyActive(): Promise<string | null> {
    const owners: string[] = [];
    for (const node of this.nodes) if (await this.isActive(node)) owners.push(node);
    return owners.length === 1 ? (owners[0] ?? null) : null;
  }

  async stopGracefully(node: string): Promise<number> {
    const atMs = Number(process.hrtime.bigint()) / 1e6;
    this.#daemons.get(node)?.kill('SIGTERM');
    await waitFor(`keepalived of ${node} to end`, () => this.#daemons.get(node)?.isRunning() === false);
    return atMs;
  }

  /** Its parent process, or the child that speaks VRRP. */
  async killPart(node: string, part: Part): Promise<number> {
    const pids = [Number(readFileSync(this.#file(node, part === 'daemon' ? 'keepalived.pid' : 'vrrp.pid'), 'utf8'))];
    const atMs = Number(process.hrtime.bigint()) / 1e6;
    signalAll(pids, 'SIGKILL');
    await waitFor(`keepalived's ${part} on ${node} to be gone`, () => !pids.some(isRunning), { everyMs: 5 });
    return atMs;
  }

  async recover(node: string, event: Event): Promise<void> {
    if (event === 'stop') {
      continueNode(this.#lab, node);
      return;
    }
    if (event === 'cable' || event === 'link') {
      await plugCable(this.#lab, node);
      return;
    }
    await this.#clear(node);
    if (event === 'crash') await plugCable(this.#lab, node);
    await this.startNode(node);
  }

  /** A machine that comes up again has neither old addresses nor old connections nor old lock files. */
  async #clear(node: string): Promise<void> {
    const pids = nodeProcesses(this.#lab, node);
    signalAll(pids, 'SIGKILL');
    await waitFor(`the processes of ${node} to be gone`, () => !pids.some(isRunning), { everyMs: 5 });
    const remove = [
      [VIP, 'eth0'],
      [INNER_VIP, 'eth1'],
    ].map(([address, dev]) => `ip addr del ${address}/${PREFIX_LENGTH} dev ${dev} 2> /dev/null || true`);
    const stale = ['keepalived.pid', 'vrrp.pid', 'conntrackd.lock', 'conntrackd.sock'].map((name) => this.#file(node, name));
    const conntrack = this.#balance === undefined ? '' : 'conntrack -F > /dev/null';
    await this.#lab.run(node, [...remove, `rm -f ${stale.join(' ')}`, conntrack].join('\n'));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.#clear(node)));
    if (this.#balance !== undefined) await Promise.all(this.nodes.map((node) => this.#lab.run(node, 'nft flush ruleset')));
  }
}
