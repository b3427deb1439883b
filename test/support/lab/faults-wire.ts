/**
 * What can happen to frames between machines: loss in one direction or both, of everything or of some, always or by chance; delay, jitter
 * and duplicates. Everything happens at the switch, so that it hits every frame whatever sent it.
 *
 * Any number of losses may be in force at the same time; each ends by itself. Delay and duplicates need a wire of our own (there is no
 * queueing discipline for it everywhere): the machine's port is taken out of the bridge, and an agent carries frames between both.
 */
import type { Agent } from './agent.js';
import type { Lab } from './lab.js';
import { type Leg, legOn, machines } from './plan.js';
import type { WireApi, WireQuality } from './workload-api.js';

export interface Loss {
  /** Machines that send what is lost; default: all. */
  from?: readonly string[];
  /** Machines it was for; default: all. Frames for many are judged for each of them. */
  to?: readonly string[];
  sides?: readonly Leg['side'][];
  /** Narrows it down, in nftables' words, for example `ip protocol 112` or `tcp dport 7946`; several: any of them. */
  what?: readonly string[];
  /** Of a hundred; default: all. */
  percent?: number;
}

const TABLE = 'lab_losses';
/** Dice with this many sides. */
const PARTS = 1000;

/** What the kernel starts with. */
const USUAL_GRO_BYTES = 65_536;

/** Names of a machine's port in the switch: its own, and the one it has while an agent is its wire. */
const portNames = ({ port }: Leg): string[] => [port, bridgeEnd(port)];
/** c-lb1 -> cw-lb1: in the bridge instead of it; cx-lb1: the agent's end of that. */
const bridgeEnd = (port: string): string => port.replace('-', 'w-');
const agentEnd = (port: string): string => port.replace('-', 'x-');

export class WireFaults {
  readonly #lab: Lab;
  readonly #losses = new Map<number, Loss>();
  readonly #wires = new Map<string, Agent<WireApi>>();
  #nextId = 1;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** One change at a time. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act, act);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** In force when it resolves; the id ends it. */
  async lose(loss: Loss): Promise<number> {
    const id = this.#nextId++;
    this.#losses.set(id, loss);
    await this.#inTurn(() => this.#write());
    return id;
  }

  async endLoss(id: number): Promise<void> {
    this.#losses.delete(id);
    await this.#inTurn(() => this.#write());
  }

  async #write(): Promise<void> {
    const rules = [...this.#losses.values()].flatMap((loss) => this.#rulesOf(loss));
    const chain = rules.length === 0 ? '' : `chain forward { type filter hook forward priority 0;\n${rules.join('\n')}\n}`;
    await this.#lab.switchShell.run(`nft -f - <<'EOF'
table bridge ${TABLE} {}
delete table bridge ${TABLE}
table bridge ${TABLE} {
${chain}
}
EOF`);
  }

  #rulesOf({ from, to, sides = ['client', 'server'], what = [''], percent = 100 }: Loss): string[] {
    const names = (chosen: readonly string[] | undefined): string[] =>
      machines(this.#lab.plan)
        .filter((machine) => chosen === undefined || chosen.includes(machine.name))
        .flatMap((machine) => machine.legs.filter((leg) => sides.includes(leg.side)).flatMap(portNames));
    const set = (word: string, ports: readonly string[]): string => `${word} { ${ports.map((port) => `"${port}"`).join(', ')} }`;
    const chance = percent >= 100 ? '' : `numgen random mod ${PARTS} < ${Math.round((percent * PARTS) / 100)}`;
    return what.map((words) => `${set('iifname', names(from))} ${set('oifname', names(to))} ${words} ${chance} counter drop;`);
  }

  /** From now on frames of the machine on this side have this quality, in both directions. */
  degrade(machine: string, side: Leg['side'], quality: WireQuality): Promise<void> {
    return this.#inTurn(async () => {
      const leg = legOn(this.#lab.machine(machine), side);
      const wire = this.#wires.get(leg.port) ?? (await this.#layWire(machine, leg));
      await wire.call('quality', quality);
    });
  }

  /** The machine is connected directly again; what is on the way in the wire is lost. */
  restore(machine: string, side: Leg['side']): Promise<void> {
    return this.#inTurn(async () => {
      const leg = legOn(this.#lab.machine(machine), side);
      const wire = this.#wires.get(leg.port);
      if (wire === undefined) return;
      this.#wires.delete(leg.port);
      wire.close();
      const back = [`ip link set ${leg.port} master ${bridgeOf(leg)}`, `ip link set ${leg.port} gro_max_size ${USUAL_GRO_BYTES}`];
      await this.#lab.switchShell.run([...back, `ip link del ${bridgeEnd(leg.port)}`].join('\n'));
    });
  }

  async #layWire(machine: string, leg: Leg): Promise<Agent<WireApi>> {
    const [own, bridge, agent] = [leg.port, bridgeEnd(leg.port), agentEnd(leg.port)];
    // An agent sees what the kernel would let the hardware finish: checksums and segments have to be finished before. For good: once
    // the fault is over it only costs a little.
    await this.#lab.run(machine, `ethtool -K ${leg.interface} tx off > /dev/null`);
    await this.#lab.switchShell.run(
      [
        `ip link add ${bridge} type veth peer name ${agent}`,
        `ethtool -K ${bridge} tx off > /dev/null`,
        // Received segments are not put together: the other end would not take them. Switched off altogether, nobody would poll the port.
        `ip link set ${own} gro_max_size 1`,
        `ip link set ${agent} gro_max_size 1`,
        `ip link set ${bridge} up`,
        `ip link set ${agent} up`,
      ].join('\n'),
    );
    const wire = await this.#lab.agent<WireApi>({
      name: `wire of ${machine}`,
      machine: null,
      script: 'wire',
      args: [own, agent],
      realtime: true,
    });
    this.#wires.set(own, wire);
    await this.#lab.switchShell.run(`ip link set ${own} nomaster\nip link set ${bridge} master ${bridgeOf(leg)}`);
    return wire;
  }

  /** Nothing is lost or late any more. */
  async clear(): Promise<void> {
    this.#losses.clear();
    await this.#inTurn(() => this.#write());
    for (const machine of machines(this.#lab.plan)) {
      for (const leg of machine.legs) if (this.#wires.has(leg.port)) await this.restore(machine.name, leg.side);
    }
  }
}

const bridgeOf = (leg: Leg): string => (leg.side === 'client' ? 'c-net' : 's-net');
