/**
 * keepalived on one machine of the lab, beside whatever runs on the others: VRRP version 2 or 3, IPv4 or IPv6, to the group or to one
 * peer. It owns a virtual router by putting the addresses on eth0.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { nodeProcesses } from './faults.js';
import type { Family } from './frr.js';
import type { Lab, LabProcess } from './lab.js';
import { legOn, PREFIX_LENGTH, PREFIX_LENGTH6, VIP, VIP6, VIP6_LINK_LOCAL, VRID } from './plan.js';
import { isRunning, signalAll } from './processes.js';
import { waitFor } from './wait-for.js';

/** What has to be installed for this. */
export const KEEPALIVED_PROGRAMS = ['keepalived'] as const;
/** By default its own watchdog kills it after 10 ms without a rest, which a busy machine does to it. */
const RTTIME_US = 1_000_000;
/** As Tandem's heartbeat: the machine's load must not decide. */
const REALTIME_PRIORITY = 50;

export interface KeepalivedRouterOptions {
  /** The machine it runs on. */
  on: string;
  priority: number;
  /** Multiples of 10 ms; of 1 s for version 2. */
  advertMs: number;
  version?: 2 | 3;
  family?: Family;
  /** The machine of the other router; null: to the group. */
  unicastTo?: string | null;
}

const ADDRESSES: Record<Family, readonly string[]> = {
  ipv4: [`${VIP}/${PREFIX_LENGTH}`],
  ipv6: [`${VIP6_LINK_LOCAL}/${PREFIX_LENGTH6}`, `${VIP6}/${PREFIX_LENGTH6}`],
};

export class KeepalivedRouter {
  readonly node: string;
  readonly #lab: Lab;
  readonly #options: Required<KeepalivedRouterOptions>;
  #daemon: LabProcess | null = null;

  constructor(lab: Lab, options: KeepalivedRouterOptions) {
    this.node = options.on;
    this.#lab = lab;
    this.#options = { version: 3, family: 'ipv4', unicastTo: null, ...options };
  }

  #file(name: string): string {
    return path.join(this.#lab.workDir, `${this.node}-router-${name}`);
  }

  /** Does not wait until the election is over. */
  async start(): Promise<void> {
    await this.#lab.run(
      this.node,
      this.#addresses()
        .map((address) => `ip addr del ${address} dev eth0 2> /dev/null || true`)
        .join('\n'),
    );
    writeFileSync(this.#file('keepalived.conf'), this.#config());
    const files = [`--pid=${this.#file('keepalived.pid')}`, `--vrrp_pid=${this.#file('vrrp.pid')}`];
    await this.#lab.run(this.node, `rm -f ${this.#file('keepalived.pid')} ${this.#file('vrrp.pid')}`);
    const command = ['keepalived', '--dont-fork', '--log-console', '--log-detail', '--vrrp', `--use-file=${this.#file('keepalived.conf')}`];
    this.#daemon = this.#lab.start(this.node, [...command, ...files], { log: `${this.node}-router-keepalived.log` });
  }

  #addresses(): readonly string[] {
    return ADDRESSES[this.#options.family];
  }

  #config(): string {
    const { advertMs, family, priority, unicastTo, version } = this.#options;
    const addressOn = (machine: string): string => {
      const leg = legOn(this.#lab.machine(machine), 'client');
      return family === 'ipv4' ? leg.address : (leg.ipv6?.linkLocal ?? '');
    };
    const unicast =
      unicastTo === null ? [] : [`unicast_src_ip ${addressOn(this.node)}`, `unicast_peer {\n    ${addressOn(unicastTo)}\n  }`];
    const lines = [
      'state BACKUP',
      'interface eth0',
      `virtual_router_id ${VRID}`,
      `priority ${priority}`,
      `advert_int ${advertMs / 1000}`,
      ...unicast,
      `virtual_ipaddress {\n    ${this.#addresses().join('\n    ')}\n  }`,
    ];
    const instance = `vrrp_instance front {\n  ${lines.join('\n  ')}\n}\n`;
    return `global_defs {\n  vrrp_version ${version}\n  vrrp_rt_priority ${REALTIME_PRIORITY}\n  vrrp_rlimit_rttime ${RTTIME_US}\n}\n${instance}`;
  }

  async isActive(): Promise<boolean> {
    const [address = ''] = this.#addresses();
    return (await this.#lab.run(this.node, 'ip -br addr show dev eth0')).includes(` ${address}`);
  }

  log(): string {
    return this.#daemon?.log() ?? '';
  }

  /** SIGTERM: it says goodbye with priority 0. */
  async stopGracefully(): Promise<void> {
    this.#daemon?.kill('SIGTERM');
    await waitFor('keepalived to end', () => this.#daemon?.isRunning() === false);
  }

  /** Kill -9 of all of it, as part of its machine; what it put on the interface stays until the next start. */
  async kill(): Promise<void> {
    const pids = nodeProcesses(this.#lab, this.node);
    signalAll(pids, 'SIGKILL');
    await waitFor('keepalived to be gone', () => !pids.some(isRunning), { everyMs: 5 });
    await this.#lab.run(
      this.node,
      this.#addresses()
        .map((address) => `ip addr del ${address} dev eth0 2> /dev/null || true`)
        .join('\n'),
    );
  }
}
