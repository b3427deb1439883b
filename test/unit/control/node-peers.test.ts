/** Commands to servers over the real replication stream: told at once, told anew to a peer that was away, and not to an older program. */
import t from 'tap';
import { createNodePeers, type NodePeers, type NodePeersOptions } from '../../../src/control/node-peers.js';
import { createPeersView } from '../../../src/control/peers-view.js';
import { createServerAdmin, type ServerAdmin } from '../../../src/control/server-admin.js';
import type { ServerCommand } from '../../../src/control/server-command.js';
import type { PeerStatus } from '../../../src/replication/api.js';
import { CAPABILITIES } from '../../../src/replication/limits.js';
import { World } from '../../support/replication-world.js';
import { sampleConfig } from '../../support/sample-config.js';

const STEP_MS = 10;

class Node {
  readonly admin: ServerAdmin;
  readonly peers: NodePeers;
  private readonly index: number;
  private readonly world: World;
  private readonly told = new Map<string, string>();

  constructor(world: World, index: number) {
    this.world = world;
    this.index = index;
    const { clock } = world;
    const config = sampleConfig();
    const replication = () => this.world.node(this.index).replication;
    const log = { event: () => undefined };
    this.admin = createServerAdmin({
      ...{ config, node: `lb${index + 1}`, clock, log, replication, saved: [] },
      ...{ save: () => undefined, onChange: () => undefined, onWord: () => undefined, onError: (error) => t.fail(String(error)) },
      ...{ generations: () => [], holderOf: () => null, countFlows: async () => [] },
    });
    this.peers = createNodePeers({
      ...{ config, clock, log, replication, servers: this.admin, peersView: createPeersView(clock), beatKey: '0'.repeat(32) },
      ...{ latestBeat: () => 0n, savePeerKeys: () => undefined, onChange: () => undefined },
      links: { facts: () => ({ links: [], routes: [] }) },
      engine: { localNextHops: () => [], setRemoteNextHops: () => undefined },
      pools: { announced: () => undefined, decided: () => [], holdersChanged: () => undefined },
      heartbeat: { roles: { held: () => new Set() }, send: () => true },
      handOver: () => ({ heard: () => undefined, peersChanged: () => undefined }),
    } as unknown as NodePeersOptions);
  }

  /** As the events of replication would. */
  look(): void {
    const node = this.world.node(this.index);
    if (!node.isUp) return;
    for (const status of node.replication.peers()) {
      const seen = `${status.state} ${status.connected}`;
      if (this.told.get(status.node) === seen) continue;
      this.told.set(status.node, seen);
      this.peers.changed(status.node, status);
    }
    for (const { from, message } of node.heard.splice(0)) this.peers.heard(from, message);
  }

  state(): string | null {
    return this.admin.overridden('web', 'be1').state?.value ?? null;
  }

  peer(name: string): PeerStatus | undefined {
    return this.world
      .node(this.index)
      .replication.peers()
      .find((status) => status.node === name);
  }
}

async function started(seed: number) {
  const world = new World({ seed, nodes: 3 });
  await world.settleStarts();
  const nodes = [0, 1, 2].map((index) => new Node(world, index)) as [Node, Node, Node];
  const run = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      world.run(STEP_MS);
      for (const node of nodes) node.look();
    }
  };
  run(1000);
  return { world, nodes, run };
}

const command = (action: ServerCommand['action']): ServerCommand => ({ action, servers: ['web/be1'], weight: null, by: '', why: '' });
const states = (nodes: readonly Node[]) => nodes.map((node) => node.state());

t.test('every node hears of a command, and one that was away when it comes back', async (t) => {
  const { world, nodes, run } = await started(1);
  t.equal(nodes[0].peer('lb2')?.capabilities, CAPABILITIES);
  void nodes[1].admin.command(command('drain'));
  run(100);
  t.same(states(nodes), ['drain', 'drain', 'drain']);

  world.kill(2);
  run(500);
  void nodes[0].admin.command(command('disable'));
  run(100);
  t.same(states(nodes), ['disable', 'disable', 'drain'], 'lb3 does not run');
  world.revive(2, true);
  await world.settleStarts();
  run(4000);
  t.same(states(nodes), ['disable', 'disable', 'disable'], 'it was told');
  void nodes[2].admin.command(command('reset'));
  run(100);
  t.same(states(nodes), [null, null, null]);
});

t.test('whatever breaks, the streams go on and everybody ends with the same', async (t) => {
  for (let seed = 2; seed < 12; seed++) {
    const { world, nodes, run } = await started(seed);
    for (let round = 0; round < 20; round++) {
      const node = nodes[Math.floor(world.random() * nodes.length)] as Node;
      void node.admin.command(command((['drain', 'disable', 'enable', 'reset'] as const)[round % 4] ?? 'reset'));
      world.network.breakRandom();
      run(Math.floor(world.random() * 30) * STEP_MS);
    }
    run(6000);
    const [first, ...others] = states(nodes);
    t.same(
      others.map((state) => state === first),
      [true, true],
      `seed ${seed}`,
    );
    t.ok(nodes[0].peer('lb2')?.connected && nodes[1].peer('lb3')?.connected, 'connected');
  }
});

t.test('a peer of an older program is told nothing that it would take for a broken stream', async (t) => {
  const { world, nodes } = await started(20);
  const { replication } = world.node(0);
  const sent: string[] = [];
  const { peers, send } = replication;
  replication.peers = () => peers.call(replication).map((status) => (status.node === 'lb2' ? { ...status, capabilities: 3 } : status));
  replication.send = (node, message, timeoutMs) => {
    sent.push(`${message.type} ${node}`);
    return send.call(replication, node, message, timeoutMs);
  };
  void nodes[0].admin.command(command('drain'));
  nodes[0].admin.greet('lb2');
  t.same(sent, ['overrides lb3']);
});
