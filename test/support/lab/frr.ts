/**
 * vrrpd of FRR on one machine of the lab, beside whatever runs on the others: a second independent implementation of VRRPv3 (and v2). It
 * owns a virtual router through an interface with the virtual MAC (a macvlan that always has the address; FRR takes its carrier away while
 * it is backup).
 */
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { nodeProcesses } from './faults.js';
import type { Lab, LabProcess } from './lab.js';
import { legOn, PREFIX_LENGTH, PREFIX_LENGTH6, VIP, VIP6, VIP6_LINK_LOCAL, VRID } from './plan.js';
import { isRunning, signalAll } from './processes.js';
import { waitFor } from './wait-for.js';

const PROGRAMS = '/usr/lib/frr';
/** What has to be installed for this. */
export const FRR_PROGRAMS = ['vtysh'] as const;

export interface FrrOptions {
  /** The machine it runs on. */
  on: string;
  priority: number;
  /** Multiples of 10 ms; of 1 s for version 2. */
  advertMs: number;
  preempt?: boolean;
  version?: 2 | 3;
  /** IPv6 needs a lab with IPv6. */
  families?: readonly Family[];
  /** Addresses by family, in the order in which they are advertised. */
  addresses?: Partial<Record<Family, readonly string[]>>;
}

export type Family = 'ipv4' | 'ipv6';

const ADDRESSES: Record<Family, readonly string[]> = { ipv4: [VIP], ipv6: [VIP6_LINK_LOCAL, VIP6] };
const KIND = {
  ipv4: { word: 'ip', status: 'v4', link: 'vrrp4', mac: 1 },
  ipv6: { word: 'ipv6', status: 'v6', link: 'vrrp6', mac: 2 },
} as const;

export const virtualMac = (family: Family, vrid: number): string =>
  `00:00:5e:00:0${KIND[family].mac}:${vrid.toString(16).padStart(2, '0')}`;

interface FrrStatus {
  status: 'Initialize' | 'Backup' | 'Master';
  effectivePriority: number;
  masterAdverInterval: number;
  stats: { adverTx: number; adverRx: number; transitions: number };
}

export class FrrRouter {
  readonly node: string;
  readonly #lab: Lab;
  readonly #options: Required<Omit<FrrOptions, 'on' | 'addresses'>> & { addresses: Record<Family, readonly string[]> };
  readonly #directory: string;
  #daemons: LabProcess[] = [];

  constructor(lab: Lab, { on, addresses = {}, ...options }: FrrOptions) {
    this.node = on;
    this.#lab = lab;
    this.#options = { preempt: true, version: 3, families: ['ipv4'], ...options, addresses: { ...ADDRESSES, ...addresses } };
    this.#directory = path.join(lab.workDir, `${on}-frr`);
  }

  /** Does not wait until the election is over. */
  async start(): Promise<void> {
    // Its daemons run as user frr, who has to find the way to their directory.
    chmodSync(this.#lab.workDir, 0o711);
    const links = this.#options.families.map((family) => this.#makeLink(family));
    await this.#lab.run(this.node, [`install -d -o frr -g frr ${this.#directory}`, ...links].join('\n'));
    writeFileSync(path.join(this.#directory, 'zebra.conf'), `hostname ${this.node}\n`);
    writeFileSync(path.join(this.#directory, 'vrrpd.conf'), this.#config());
    this.#daemons = [this.#startDaemon('zebra')];
    await waitFor('zebra', () => this.#lab.run(this.node, `test -S ${this.#directory}/zserv.api`).then(() => true));
    this.#daemons.push(this.#startDaemon('vrrpd'));
    await waitFor('vrrpd to know its interfaces', async () => (await this.#statuses()).every(({ status }) => status !== 'Initialize'));
  }

  #startDaemon(name: 'zebra' | 'vrrpd'): LabProcess {
    const directory = this.#directory;
    const files = ['--vty_socket', directory, '-z', `${directory}/zserv.api`, '-i', `${directory}/${name}.pid`];
    const command = [`${PROGRAMS}/${name}`, ...files, '-f', `${directory}/${name}.conf`, '-P', '0', '--log', 'stdout'];
    return this.#lab.start(this.node, command, { log: `${this.node}-${name}.log` });
  }

  #makeLink(family: Family): string {
    const link = `${KIND[family].link}-${VRID}`;
    const prefix = family === 'ipv4' ? PREFIX_LENGTH : PREFIX_LENGTH6;
    const isIpv6 = family === 'ipv6';
    const quiet = isIpv6 ? { disable_ipv6: 0, addr_gen_mode: 1, dad_transmits: 0 } : { disable_ipv6: 1 };
    // FRR speaks from the first link-local address the kernel names, which is the newest: one of the machine's own, not the virtual one.
    const own = isIpv6 ? [`fe80::${VRID}:${legOn(this.#lab.machine(this.node), 'client').address.split('.').at(-1)}`] : [];
    // There for ever, answering only while FRR leaves the interface its carrier.
    return [
      `if ! ip link show ${link} > /dev/null 2>&1; then`,
      `ip link add ${link} link eth0 address ${virtualMac(family, VRID)} type macvlan mode bridge`,
      ...Object.entries(quiet).map(([key, value]) => `echo ${value} > /proc/sys/net/ipv6/conf/${link}/${key}`),
      ...[...this.#options.addresses[family], ...own].map(
        (address) => `ip addr add ${address}/${prefix} dev ${link}${isIpv6 ? ' nodad' : ''}`,
      ),
      `ip link set ${link} up`,
      'fi',
    ].join('\n');
  }

  #config(): string {
    const { version, priority, advertMs, preempt, families, addresses } = this.#options;
    const lines = [`version ${version}`, `priority ${priority}`, `advertisement-interval ${advertMs}`];
    if (preempt) lines.push('preempt');
    for (const family of families) lines.push(...addresses[family].map((address) => `${KIND[family].word} ${address}`));
    const text = lines.map((line) => ` vrrp ${VRID} ${line}`);
    return ['interface eth0', ...(preempt ? text : [...text, ` no vrrp ${VRID} preempt`]), ''].join('\n');
  }

  async status(family: Family = 'ipv4'): Promise<FrrStatus> {
    const output = await this.#lab.run(this.node, `vtysh --vty_socket ${this.#directory} -d vrrpd -c 'show vrrp json'`);
    const [router] = JSON.parse(output) as Record<'v4' | 'v6', FrrStatus>[];
    if (router === undefined) throw new Error('vrrpd knows no virtual router');
    return router[KIND[family].status];
  }

  #statuses(): Promise<FrrStatus[]> {
    return Promise.all(this.#options.families.map((family) => this.status(family)));
  }

  async isActive(family: Family = 'ipv4'): Promise<boolean> {
    return (await this.status(family)).status === 'Master';
  }

  log(): string {
    return this.#daemons.map((daemon) => daemon.log()).join('\n');
  }

  /** SIGTERM: it says goodbye with priority 0. */
  async stopGracefully(): Promise<void> {
    for (const daemon of [...this.#daemons].reverse()) {
      daemon.kill('SIGTERM');
      await waitFor('FRR to end', () => !daemon.isRunning());
    }
  }

  /** Kill -9 of both, as part of their machine; the interfaces stay. */
  async kill(): Promise<void> {
    const pids = nodeProcesses(this.#lab, this.node);
    signalAll(pids, 'SIGKILL');
    await waitFor('FRR to be gone', () => !pids.some(isRunning), { everyMs: 5 });
  }
}
