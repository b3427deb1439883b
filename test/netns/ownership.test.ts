/**
 * At no instant do two nodes own the VIP: neither answer ARP for it nor admit new connections, whatever happened to one of them. Judged by
 * kernel timestamps of a capture on the switch.
 */
import t, { type Test } from 'tap';
import { continueNode, type Fault, killNode, pullCable, stopNode } from '../support/lab/faults.js';
import { labIsImpossible, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { legOn, PORTS, VIP } from '../support/lab/plan.js';
import { admittedBy, arpAnswers, ownerChanges, type Sighting } from '../support/lab/probe-analysis.js';
import { sleep, waitFor } from '../support/lab/wait-for.js';
import { askForVip, PROBE, startProbe } from '../support/lab/workload.js';

const ASK_EVERY_MS = 2;
/** Watching on after the take-over: longer than the drain window would hide a second owner. */
const WATCH_MS = 700;

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  /**
   * Two clients ask for new connections all the time: cl1 wherever ARP leads it, cl2 at the victim's MAC for ever, as a neighbour that
   * missed every announcement.
   */
  async function watch(cluster: TestCluster) {
    const { lab, active } = cluster;
    const victimMac = legOn(lab.machine(active), 'client').mac;
    await lab.run('cl2', `ip neigh replace ${VIP} lladdr ${victimMac} nud permanent dev eth0`);
    const capture = await lab.capture();
    const [arp, following, stubborn] = await Promise.all([
      askForVip(lab, 'cl1', ASK_EVERY_MS),
      startProbe(lab, 'cl1'),
      startProbe(lab, 'cl2'),
    ]);
    const fresh = { ...PROBE, everyMs: 4, fresh: true };
    await Promise.all([following.call('start', fresh), stubborn.call('start', fresh)]);
    await waitFor(
      'both clients to be served',
      async () => (await following.call('counts', null)).answered > 20 && (await stubborn.call('counts', null)).answered > 20,
    );
    return async () => {
      await sleep(WATCH_MS);
      await Promise.all([arp.call('stop', null), following.call('stop', null), stubborn.call('stop', null)]);
      const observations = await capture.stop();
      return {
        arp: arpAnswers(observations, VIP, cluster.nodeOfMac),
        admitted: admittedBy(observations, PORTS.probe, cluster.nodeOfMac),
      };
    };
  }

  function judge(t: Test, what: string, sightings: Sighting[], from: string, to: string): void {
    const changes = ownerChanges(sightings);
    t.equal(sightings[0]?.node, from, `${what}: ${from} at first`);
    t.equal(sightings.at(-1)?.node, to, `${what}: ${to} at last`);
    const isOnce = t.equal(changes.length, 1, `${what}: one change of owner among ${sightings.length} sightings`);
    if (!isOnce) t.comment(describeChanges(sightings));
  }

  /** Each stretch of sightings of one node: how many, from when to when, in ms since the first. */
  function describeChanges(sightings: Sighting[]): string {
    const stretches: { node: string; count: number; fromMs: number; toMs: number }[] = [];
    for (const { node, atMs } of sightings) {
      const sinceMs = atMs - (sightings[0]?.atMs ?? 0);
      const last = stretches.at(-1);
      if (last?.node === node) Object.assign(last, { count: last.count + 1, toMs: sinceMs });
      else stretches.push({ node, count: 1, fromMs: sinceMs, toMs: sinceMs });
    }
    return stretches.map(({ node, count, fromMs, toMs }) => `${node}: ${count} from ${fromMs.toFixed(2)} to ${toMs.toFixed(2)}`).join('; ');
  }

  const FAULTS: Record<Exclude<Fault, 'crash'>, (cluster: TestCluster) => Promise<unknown> | unknown> = {
    kill: ({ lab, active }) => killNode(lab, active),
    stop: ({ lab, active }) => stopNode(lab, active),
    cable: ({ lab, active }) => pullCable(lab, active),
  };

  for (const fault of ['kill', 'stop', 'cable'] as const) {
    t.test(`${fault}: one owner after the other`, async (t) => {
      const cluster = await startCluster(t, { size: { clients: 2 } });
      const end = await watch(cluster);
      await FAULTS[fault](cluster);
      await waitFor('the backup to take over', () => cluster.tandem.isActive(cluster.backup));
      const { arp, admitted } = await end();
      judge(t, 'ARP', arp, cluster.active, cluster.backup);
      judge(t, 'new connections', admitted, cluster.active, cluster.backup);
    });
  }

  t.test('a node that was stopped and goes on yields at once', async (t) => {
    const cluster = await startCluster(t, { size: { clients: 2 } });
    const end = await watch(cluster);
    stopNode(cluster.lab, cluster.active);
    await waitFor('the backup to take over', () => cluster.tandem.isActive(cluster.backup));
    continueNode(cluster.lab, cluster.active);
    await waitFor('the stopped node to answer again', async () => (await roles(cluster))[cluster.active] !== null);
    await waitFor('it to be backup', async () => (await roles(cluster))[cluster.active] === 'backup');
    const { arp, admitted } = await end();
    judge(t, 'ARP', arp, cluster.active, cluster.backup);
    judge(t, 'new connections', admitted, cluster.active, cluster.backup);
    t.equal((await roles(cluster))[cluster.backup], 'active', 'the new owner keeps it');
  });
}
