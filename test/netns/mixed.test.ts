/**
 * Mixed clusters: one Tandem node and one machine that runs vrrpd of FRR on the same wire. And two Tandem nodes whose replication does not
 * go through the interface of the virtual router.
 */
import t from 'tap';
import { crashNode, plugCable, pullCable } from '../support/lab/faults.js';
import { labIsImpossible, programsMissing, roles, startCluster } from '../support/lab/fixture.js';
import { FRR_PROGRAMS, FrrRouter } from '../support/lab/frr.js';
import { createLab } from '../support/lab/lab.js';
import { VIP6, VIP6_LINK_LOCAL } from '../support/lab/plan.js';
import { waitFor, waitForSteady } from '../support/lab/wait-for.js';

const ADVERT_MS = 100;

const impossible = labIsImpossible() ?? programsMissing(...FRR_PROGRAMS);
if (impossible !== null) t.plan(0, impossible);
else {
  t.test('FRR as the other router: taken over from, and it takes over after a crash', async (t) => {
    let frr: FrrRouter | null = null;
    const { lab, tandem } = await startCluster(t, {
      on: ['lb1'],
      checksum: 'auto',
      election: { advertMs: ADVERT_MS, priorities: [200, 100], preempt: true },
      before: async (lab) => {
        frr = new FrrRouter(lab, { on: 'lb2', priority: 100, advertMs: ADVERT_MS });
        await frr.start();
        await waitFor('FRR to be active', () => frr?.isActive());
      },
    });
    const other = frr as FrrRouter | null;
    if (other === null) throw new Error('FRR was not started');
    await waitFor('FRR to let go', async () => !(await other.isActive()));
    await waitForSteady('it to stay so', 5 * ADVERT_MS, async () => !(await other.isActive()) && (await tandem.isActive('lb1')));
    t.match(await other.status(), { status: 'Backup', masterAdverInterval: ADVERT_MS }, 'FRR believes the adverts');
    await crashNode(lab, 'lb1');
    await waitFor('FRR to take over', () => other.isActive());
    t.match(other.log(), /Backup -> Master/);
    t.ok((await other.status()).stats.adverRx > 0);
  });

  t.test('FRR owns both families of a lab with IPv6', async (t) => {
    const lab = await createLab({ servers: 0, ipv6: true });
    t.teardown(() => lab.close());
    const frr = new FrrRouter(lab, { on: 'lb2', priority: 100, advertMs: ADVERT_MS, families: ['ipv4', 'ipv6'] });
    const capture = await lab.capture();
    await frr.start();
    await waitFor('FRR to be active', async () => (await frr.isActive('ipv4')) && (await frr.isActive('ipv6')));
    for (const address of [VIP6, `${VIP6_LINK_LOCAL}%eth0`])
      t.match(await lab.run('cl1', `ping -c 1 -W 1 ${address}`), / 0% packet loss/, address);
    await frr.stopGracefully();
    const adverts = (await capture.stop()).filter((seen) => seen.kind === 'advert');
    t.same([...new Set(adverts.map((seen) => seen.sourceMac))].sort(), ['00:00:5e:00:01:33', '00:00:5e:00:02:33'], 'from virtual MACs');
    t.same([...new Set(adverts.map((seen) => seen.source))].sort(), ['10.1.0.12', 'fe80::51:12'], 'of each family');
    t.equal(adverts.filter((seen) => seen.priority === 0).length, 2, 'a farewell of each');
  });

  t.test('nodes that reach each other on the server side: a cable of the virtual router is not one of replication', async (t) => {
    const cluster = await startCluster(t, { nodeAddresses: 'server' });
    const { lab, tandem, active, backup } = cluster;
    await pullCable(lab, active, ['client']);
    await waitFor('the backup to take over', () => tandem.isActive(backup));
    t.match(await tandem.status(backup), { peers: [{ node: active, inSync: true }] }, 'still replicating');
    await plugCable(lab, active);
    await waitFor('one active node', async () => Object.values(await roles(cluster)).filter((role) => role === 'active').length === 1);
    await tandem.waitReady();
    t.pass('ready again');
  });
}
