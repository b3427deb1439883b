/**
 * Three network namespaces in a row (generator, balancer, sink), joined by veth pairs without a switch, for the packet-rate benchmark; and
 * the helper processes inside them. Everything disappears with `close`.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

const MACS = { out: '02:00:00:00:0a:01', front: '02:00:00:00:0b:01', back: '02:00:00:00:0b:02', sink: '02:00:00:00:0c:01' } as const;
const VIP = '10.1.0.100';
const SERVER = '10.2.0.21';

export type Place = 'generator' | 'balancer' | 'sink';

export function command(program: string, ...args: string[]): string {
  const result = spawnSync(program, args, { encoding: 'utf8' });
  if (result.error) throw new Error(`${program} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr.trim()}`);
  return result.stdout;
}

/** A helper that answers with lines of JSON and ends with its standard input. */
export class Helper {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #error = '';

  constructor(program: string, args: string[]) {
    this.#child = spawn(program, args);
    this.#child.stderr.on('data', (text: Buffer) => {
      this.#error += text.toString();
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async answer(): Promise<Record<string, number>> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`a helper of the benchmark ended: ${this.#error.trim()}`);
    return JSON.parse(line.value) as Record<string, number>;
  }

  ask(): Promise<Record<string, number>> {
    this.#child.stdin.write('\n');
    return this.answer();
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode !== null) return;
    this.#child.stdin.end();
    await gone;
  }
}

export class Chain {
  readonly macs = MACS;
  readonly #prefix = `tandem-bench-${process.pid}`;

  constructor() {
    try {
      this.#build();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #name(place: Place): string {
    return `${this.#prefix}-${place}`;
  }

  /** Arguments of nsenter before a program that is to run at this place. */
  enter(place: Place): string[] {
    return [`--net=/run/netns/${this.#name(place)}`];
  }

  run(place: Place, program: string, ...args: string[]): string {
    return command('nsenter', ...this.enter(place), program, ...args);
  }

  #build(): void {
    for (const place of ['generator', 'balancer', 'sink'] as const) command('ip', 'netns', 'add', this.#name(place));
    this.#wire(['generator', 'out', MACS.out], ['balancer', 'front', MACS.front]);
    this.#wire(['balancer', 'back', MACS.back], ['sink', 'in', MACS.sink]);
    this.run('balancer', 'ip', 'address', 'add', '10.1.0.11/24', 'dev', 'front');
    this.run('balancer', 'ip', 'address', 'add', '10.2.0.11/24', 'dev', 'back');
    this.run('balancer', 'ip', 'neigh', 'add', SERVER, 'lladdr', MACS.sink, 'dev', 'back', 'nud', 'permanent');
    this.run('balancer', 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.front.rp_filter=0');
  }

  #wire([hereAt, here, hereMac]: [Place, string, string], [thereAt, there, thereMac]: [Place, string, string]): void {
    const near = [here, 'address', hereMac, 'netns', this.#name(hereAt)];
    const far = [there, 'address', thereMac, 'netns', this.#name(thereAt)];
    command('ip', 'link', 'add', ...near, 'type', 'veth', 'peer', 'name', ...far);
    for (const [place, name] of [
      [hereAt, here],
      [thereAt, there],
    ] as const) {
      this.run(place, 'ip', 'link', 'set', name, 'up');
      // Frames injected by a program only arrive at a veth that polls: one with a program, or with GRO.
      this.run(place, 'ethtool', '-K', name, 'gro', 'on');
    }
  }

  addNftables(): void {
    this.run('balancer', 'nft', 'add', 'table', 'ip', 'bench');
    this.run('balancer', 'nft', 'add chain ip bench pre { type nat hook prerouting priority dstnat; }');
    this.run('balancer', 'nft', `add rule ip bench pre ip daddr ${VIP} udp dport 53 dnat to ${SERVER}:8080`);
  }

  removeNftables(): void {
    this.run('balancer', 'nft', 'delete', 'table', 'ip', 'bench');
  }

  close(): void {
    for (const place of ['generator', 'balancer', 'sink'] as const) spawnSync('ip', ['netns', 'delete', this.#name(place)]);
  }
}
