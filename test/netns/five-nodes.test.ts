/**
 * Five nodes: every one has a copy of the table of the active one, whoever dies in whatever order, and the last one serves all
 * until the others are back. At no time two of them answer for the address.
 */
import t from 'tap';
import { crashNode } from '../support/lab/faults.js';
import { labIsImpossible, startCluster } from '../support/lab/fixture.js';
import { VIP } from '../support/lab/plan.js';
import { arpAnswers, ownerChanges } from '../support/lab/probe-analysis.js';
import { sleep, waitFor, waitForSteady } from '../support/lab/wait-for.js';
import { askForVip, dsrConnections, natConnections, startLoad } from '../support/lab/workload.js';

const CONNECTIONS = { nat: 100, dsr: 30 };
const AFTER_EACH = 10;
const ASK_EVERY_MS = 5;
const FINISH_LIMIT_MS = 15_000;
/** A few adverts: who is a second active node says so within one. */
const STEADY_MS = 400;

/** Any order: drawn, and told. */
function shuffled<T>(items: readonly T[]): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(Math.floor(Math.random() * rest.length), 1)[0] as T);
}

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  t.test('one after the other dies, the last one serves, the others come back', async (t) => {
    const cluster = await startCluster(t, {
      size: { nodes: 5, servers: 2 },
      election: { priorities: [200, 180, 160, 140, 120] },
      beatSides: ['client', 'server'],
    });
    const { lab, tandem } = cluster;
    const load = await startLoad(lab);
    t.match(await load.call('open', { group: 'nat', ...natConnections(CONNECTIONS.nat) }), { established: CONNECTIONS.nat });
    t.match(await load.call('open', { group: 'dsr', ...dsrConnections(CONNECTIONS.dsr) }), { established: CONNECTIONS.dsr });

    await waitFor('every node to have every record', async () => {
      const all = await Promise.all(tandem.nodes.map((node) => tandem.status(node)));
      const flows = new Set(all.map(({ dataPlane }) => dataPlane.flows));
      const isMesh = all.every(({ peers }) => peers.length === 4 && peers.every((peer) => peer.inSync && peer.queuedRecords === 0));
      if (!isMesh || flows.size !== 1) throw new Error(`flows ${[...flows].join(', ')}`);
      return true;
    });
    const all = await Promise.all(tandem.nodes.map((node) => tandem.status(node)));
    for (const { node, heartbeat } of all) {
      const heard = heartbeat.beats?.peers.filter((peer) => peer.paths.every(Boolean)) ?? [];
      t.equal(heard.length, 4, `${node} hears four others, each on both paths`);
    }

    const capture = await lab.capture();
    const asking = await askForVip(lab, 'cl1', ASK_EVERY_MS);
    // The first to die may be the one that answers.
    await sleep(20 * ASK_EVERY_MS);
    const order = shuffled(tandem.nodes);
    t.comment(`they die in this order: ${order.join(', ')}`);
    const owners = [cluster.active];
    /** One active node among these, and it stays so. */
    const oneOf = async (living: readonly string[], why: string): Promise<void> => {
      let active: string[] = [];
      await waitForSteady(why, STEADY_MS, async () => {
        const found = await Promise.all(living.map((node) => tandem.isActive(node)));
        active = living.filter((_, index) => found[index]);
        return active.length === 1;
      });
      if (active[0] !== owners.at(-1)) owners.push(...active);
    };
    let faultMs = 0;
    for (const [index, dead] of order.slice(0, -1).entries()) {
      const living = order.slice(index + 1);
      faultMs = await crashNode(lab, dead);
      await oneOf(living, `one active node without ${dead}`);
      const group = `without-${dead}`;
      t.match(await load.call('open', { group, ...natConnections(AFTER_EACH) }), { established: AFTER_EACH }, `${living.join(', ')} serve`);
    }

    const back = shuffled(order.slice(0, -1));
    t.comment(`they come back in this order: ${back.join(', ')}`);
    for (const node of back) await tandem.recover(node, 'crash');
    await tandem.waitReady();
    await oneOf(tandem.nodes, 'one active node of five again');
    await asking.call('stop', null);
    const answers = arpAnswers(await capture.stop(), VIP, cluster.nodeOfMac);
    const seen = [answers[0], ...ownerChanges(answers)].map((answer) => answer?.node);
    t.same(seen, owners, `one owner at any time, of ${answers.length} answers`);
    const groups = ['nat', 'dsr', ...order.slice(0, -1).map((dead) => `without-${dead}`)];
    for (const group of groups) {
      const report = await load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });
      t.equal(report.alive, report.tried, `${group}: all alive, through the last node`);
      t.match(report, { reset: 0, corrupted: 0 });
    }
  });
}
