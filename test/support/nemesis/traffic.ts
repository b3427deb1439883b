/**
 * The traffic of a nemesis: connections with verified bytes through NAT and direct return, probes that open a new flow each time (of one
 * client that follows ARP, and of one that keeps to each node's MAC in turn, as a neighbour that missed every announcement), and ARP
 * and Neighbour Discovery questions all the time.
 */
import type { Agent } from '../lab/agent.js';
import type { Lab } from '../lab/lab.js';
import { legOn, VIP } from '../lab/plan.js';
import type { TandemSystem } from '../lab/tandem.js';
import { waitAnswered } from '../lab/trial.js';
import { waitFor } from '../lab/wait-for.js';
import { dsrConnections, natConnections, PROBE, startAsking, startLoad, startProbe, startServers } from '../lab/workload.js';
import type { AskApi, LoadApi, LoadReport, ProbeApi } from '../lab/workload-api.js';
import { YOUNG } from './evidence.js';
import { questionsFor } from './questions.js';

const CONNECTIONS = { nat: 40, dsr: 20 };
const YOUNG_PER_SECOND = 10;
/** New flows: often enough to catch a second owner of some ten milliseconds, seldom enough not to wear out the ports. */
const FRESH = { ...PROBE, everyMs: 10, fresh: true };
/** By ARP and by Neighbour Solicitation in turn. */
const ASK_EVERY_MS = 4;
const PIN_FOR_MS = 500;
/** Retransmissions come at most a second apart, where the kernel can be told so. */
const RTO_MAX = 'for file in /proc/sys/net/ipv4/tcp_rto_max_ms; do if [ -e "$file" ]; then echo 1000 > "$file"; fi; done';
/** Beyond the last retransmission of a kernel that cannot: 0.2 s doubled six times. */
const FINISH_LIMIT_MS = 27_000;

/** A port of a client is a new flow once. So the probes come from other addresses each round. */
const ADDRESSES = 50;
const FIRST_HOST = 150;
const sourceAddress = (client: number, round: number): string => `10.1.0.${FIRST_HOST + client * ADDRESSES + (round % ADDRESSES)}`;

const addAddresses = (client: number): string =>
  Array.from({ length: ADDRESSES }, (_, round) => `ip address add ${sourceAddress(client, round)}/24 dev eth0`).join('\n');

export class Traffic {
  readonly #lab: Lab;
  readonly #load: Agent<LoadApi>;
  readonly #following: Agent<ProbeApi>;
  readonly #stubborn: Agent<ProbeApi>;
  readonly #asking: Agent<AskApi>;
  #pinning: NodeJS.Timeout | null = null;
  #pinned = 0;
  #round = 0;

  private constructor(lab: Lab, load: Agent<LoadApi>, following: Agent<ProbeApi>, stubborn: Agent<ProbeApi>, asking: Agent<AskApi>) {
    this.#lab = lab;
    this.#load = load;
    this.#following = following;
    this.#stubborn = stubborn;
    this.#asking = asking;
  }

  /** Servers and clients, silent yet. The lab has two clients. */
  static async prepare(lab: Lab): Promise<Traffic> {
    await Promise.all([...lab.plan.servers, ...lab.plan.clients].map((machine) => lab.run(machine.name, RTO_MAX)));
    await startServers(lab);
    const [load, following, stubborn, asking] = await Promise.all([
      startLoad(lab, 'cl1'),
      startProbe(lab, 'cl1'),
      startProbe(lab, 'cl2'),
      startAsking(lab, 'cl1'),
    ]);
    await Promise.all(lab.plan.clients.map(({ name }, client) => lab.run(name, addAddresses(client))));
    return new Traffic(lab, load, following, stubborn, asking);
  }

  /** Opens the connections that have to survive, and waits until the nodes share them. */
  async open(tandem: TandemSystem): Promise<void> {
    await this.#load.call('closeAll', null);
    const wanted = [
      ['nat', natConnections(CONNECTIONS.nat)],
      ['dsr', dsrConnections(CONNECTIONS.dsr)],
    ] as const;
    for (const [group, options] of wanted) {
      const { established } = await this.#load.call('open', { group, ...options });
      if (established !== options.connections) throw new Error(`${established} of ${options.connections} connections of ${group} opened`);
    }
    await waitFor('the nodes to share the connections', async () => {
      const all = await Promise.all(tandem.nodes.map((node) => tandem.status(node)));
      return all.every((status) => status.peers.every((peer) => peer.queuedRecords === 0 && peer.lagMs === 0));
    });
  }

  async start(): Promise<void> {
    this.#round += 1;
    await this.#asking.call('start', { frames: questionsFor(this.#lab.plan), everyMs: ASK_EVERY_MS });
    await this.#following.call('start', { ...FRESH, from: this.followingAddress });
    await waitAnswered(this.#following);
    await this.#pin();
    await this.#stubborn.call('start', { ...FRESH, from: sourceAddress(1, this.#round) });
    this.#pinning = setInterval(() => void this.#pin().catch(() => undefined), PIN_FOR_MS);
    await this.#load.call('churn', { group: YOUNG, ...natConnections(0), perSecond: YOUNG_PER_SECOND });
    await this.#load.call('mark', null);
  }

  /** Of the probes that follow ARP, in this round. */
  get followingAddress(): string {
    return sourceAddress(0, this.#round);
  }

  async #pin(): Promise<void> {
    const { nodes } = this.#lab.plan;
    const node = nodes[this.#pinned++ % nodes.length];
    if (node !== undefined)
      await this.#lab.run('cl2', `ip neigh replace ${VIP} lladdr ${legOn(node, 'client').mac} nud permanent dev eth0`);
  }

  /** Silence; what became of the connections, alive being who was heard of after `sinceMs`. */
  async stop(sinceMs: number): Promise<Record<string, LoadReport>> {
    if (this.#pinning !== null) clearInterval(this.#pinning);
    this.#pinning = null;
    await this.#load.call('stopChurn', null);
    const groups = ['nat', 'dsr', YOUNG];
    const reports = await Promise.all(
      groups.map((group) => this.#load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs: sinceMs, youngMs: 0 })),
    );
    await Promise.all([this.#following.call('stop', null), this.#stubborn.call('stop', null), this.#asking.call('stop', null)]);
    return Object.fromEntries(groups.map((group, index) => [group, reports[index] as LoadReport]));
  }
}
