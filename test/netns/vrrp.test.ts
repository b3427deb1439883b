/**
 * Our advertisements on a real wire: judged by tshark, understood by keepalived, and nothing but true ones believed.
 */
import t, { type Test } from 'tap';
import { addressOf as ip } from '../../src/system/ip-address.js';
import { type Advert as AdvertContent, VRRP_GROUP } from '../../src/vrrp/codec/advert.js';
import { encodeAdvert } from '../../src/vrrp/codec/codec.js';
import { advertFrame, MULTICAST } from '../support/lab/adverts.js';
import { httpGet, samples } from '../support/lab/command-line.js';
import { dissect } from '../support/lab/dissect.js';
import { crashNode } from '../support/lab/faults.js';
import { labIsImpossible, programsMissing, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { KeepalivedSystem } from '../support/lab/keepalived.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import type { Observation } from '../support/lab/observations.js';
import { legOn, VIP, VRID } from '../support/lab/plan.js';
import { arpAnswers, ownerChanges } from '../support/lab/probe-analysis.js';
import type { ElectionSettings } from '../support/lab/system-under-test.js';
import { waitFor, waitForSteady } from '../support/lab/wait-for.js';
import { askForVip, startFrames } from '../support/lab/workload.js';
import { ethernet, etherTypes } from '../support/packet/build.js';

const ADVERT_MS = 100;
/** Above every priority in these labs: believed, it would make the active node give way. */
const BEST = 254;

type Advert = Extract<Observation, { kind: 'advert' }>;
const advertsFrom = (seen: readonly Observation[], source: string): Advert[] =>
  seen.filter((each): each is Advert => each.kind === 'advert' && each.source === source);
const addressOf = (lab: Lab, machine: string): string => legOn(lab.machine(machine), 'client').address;

async function rejected({ lab, tandem }: TestCluster, node: string): Promise<Record<string, number>> {
  const { metricsAddress } = await tandem.status(node);
  const { body } = await httpGet(lab, node, metricsAddress, '/metrics');
  const counts: Record<string, number> = {};
  for (const [series, value] of samples(body)) {
    const reason = /^tandem_adverts_rejected_total\{.*reason="(\w+)"/.exec(series)?.[1];
    if (reason !== undefined) counts[reason] = value;
  }
  return counts;
}

const transitionsOf = async ({ tandem }: TestCluster, node: string): Promise<Record<string, number>> =>
  (await tandem.status(node)).routers[0]?.counters.transitions ?? {};

/** Captures until `count` advertisements of a node were sent. */
async function captureAdverts({ lab, tandem, active }: TestCluster, count: number): Promise<{ file: string; seen: Observation[] }> {
  const sent = async (): Promise<number> => (await tandem.status(active)).routers[0]?.counters.advertsSent ?? 0;
  const capture = await lab.capture();
  const before = await sent();
  await waitFor('advertisements to be sent', async () => (await sent()) >= before + count);
  return { file: capture.file, seen: await capture.stop() };
}

const impossible = labIsImpossible() ?? programsMissing('tshark', 'keepalived');
if (impossible !== null) t.plan(0, impossible);
else {
  const GOOD = '1';
  for (const [checksum, unicast, otherForm] of [
    ['rfc9568', false, 'rfc5798'],
    ['rfc5798', true, 'rfc9568'],
  ] as const) {
    t.test(`tshark finds nothing wrong: ${checksum}, ${unicast ? 'unicast' : 'multicast'}`, async (t) => {
      const cluster = await startCluster(t, { checksum, unicast });
      const { lab, active, backup } = cluster;
      const { file } = await captureAdverts(cluster, 5);
      const found = await dissect(file, checksum);
      t.ok(found.length >= 5, `${found.length} advertisements`);
      for (const advert of found) {
        t.same(advert, {
          source: addressOf(lab, active),
          destination: unicast ? addressOf(lab, backup) : MULTICAST.address,
          ttl: '255',
          ipChecksum: GOOD,
          version: '3',
          type: '1',
          vrid: String(VRID),
          priority: active === 'lb1' ? '150' : '100',
          count: '1',
          intervalCs: '10',
          addresses: VIP,
          checksum: GOOD,
          complaints: '',
          malformed: '',
        });
      }
      const misread = await dissect(file, otherForm);
      t.ok(
        misread.every((advert) => advert.checksum !== GOOD),
        'tshark would have noticed a wrong checksum',
      );
    });
  }

  t.test('a unicast pair elects, takes over after a crash, and believes nobody else', async (t) => {
    const cluster = await startCluster(t, { unicast: true });
    const { lab, tandem, active, backup } = cluster;
    const frames = await startFrames(lab);
    const transitions = await transitionsOf(cluster, active);
    const stranger = legOn(lab.machine('cl1'), 'client');
    for (const node of [active, backup]) {
      const to = legOn(lab.machine(node), 'client');
      await frames.call('send', { frames: [advertFrame({ from: stranger, to, vrid: VRID, priority: BEST, addresses: [VIP] })] });
      await waitFor(`${node} to count it`, async () => (await rejected(cluster, node)).unknownPeer === 1);
    }
    t.same(await roles(cluster), { [active]: 'active', [backup]: 'backup' }, 'a stranger changes nothing');
    t.same(await transitionsOf(cluster, active), transitions, 'not even for a moment');
    await crashNode(lab, active);
    await waitFor('the backup to take over', () => tandem.isActive(backup));
    t.match(await transitionsOf(cluster, backup), { 'active:activeSilent': 1 });
  });

  const BAD: Record<string, Partial<Parameters<typeof advertFrame>[0]>> = {
    checksum: { checksum: 0x1234 },
    ttl: { ttl: 254 },
    unknownRouter: { vrid: VRID + 1 },
    noAddresses: { addresses: [] },
    interval: { intervalCs: 0 },
    truncated: { count: 2 },
  };

  t.test('bad advertisements change nothing and are counted by their reason', async (t) => {
    const cluster = await startCluster(t);
    const { lab, tandem, active } = cluster;
    const frames = await startFrames(lab);
    const good = { from: legOn(lab.machine('cl1'), 'client'), to: MULTICAST, vrid: VRID, priority: BEST, addresses: [VIP] };
    const before = await Promise.all(tandem.nodes.map((node) => transitionsOf(cluster, node)));
    await frames.call('send', { frames: Object.values(BAD).map((change) => advertFrame({ ...good, ...change })) });
    const expected = Object.fromEntries(Object.keys(BAD).map((reason) => [reason, 1]));
    for (const node of tandem.nodes) {
      const total = async (): Promise<number> => Object.values(await rejected(cluster, node)).reduce((sum, count) => sum + count, 0);
      await waitFor(`${node} to count all`, async () => (await total()) >= Object.keys(BAD).length);
      t.same(await rejected(cluster, node), expected, `${node}: each by its reason, once`);
    }
    t.same(await Promise.all(tandem.nodes.map((node) => transitionsOf(cluster, node))), before, 'no transition');
    await frames.call('send', { frames: [advertFrame(good)] });
    await waitFor('a good one to be believed', async () =>
      Object.keys(await transitionsOf(cluster, active)).some((key) => key === 'backup:betterActive'),
    );
  });

  const ELECTION: ElectionSettings = { advertMs: ADVERT_MS, priorities: [200, 100], preempt: true };

  /** keepalived on lb2, active, and then Tandem with a higher priority on lb1. */
  async function besideKeepalived(
    t: Test,
    watch: (lab: Lab) => Promise<void>,
  ): Promise<{ cluster: TestCluster; keepalived: KeepalivedSystem }> {
    let keepalived: KeepalivedSystem | null = null;
    const cluster = await startCluster(t, {
      on: ['lb1'],
      checksum: 'auto',
      election: ELECTION,
      before: async (lab) => {
        keepalived = new KeepalivedSystem(lab, { election: ELECTION });
        await keepalived.startNode('lb2');
        await waitFor('keepalived to be active', () => keepalived?.isActive('lb2'));
        await watch(lab);
      },
    });
    if (keepalived === null) throw new Error('keepalived was not started');
    return { cluster, keepalived };
  }

  t.test('keepalived as the other router: taken over from, and it takes over after a crash', async (t) => {
    let end = async (): Promise<Observation[]> => [];
    const { cluster, keepalived } = await besideKeepalived(t, async (lab) => {
      const capture = await lab.capture();
      const asking = await askForVip(lab, 'cl1', 5);
      end = async () => {
        await asking.call('stop', null);
        return capture.stop();
      };
      await waitFor('ARP to be answered', async () => (await lab.run('cl1', `ping -c 1 -W 1 ${VIP} > /dev/null && echo yes`)) !== '');
    });
    const { lab, active } = cluster;
    t.equal(active, 'lb1', 'the higher priority takes over');
    t.notOk(await keepalived.isActive('lb2'), 'keepalived has let go');
    await waitForSteady(
      'it to stay so',
      5 * ADVERT_MS,
      async () => !(await keepalived.isActive('lb2')) && (await cluster.tandem.isActive('lb1')),
    );

    await crashNode(lab, 'lb1');
    await waitFor('keepalived to take over', () => keepalived.isActive('lb2'));
    const owners = ['lb2', 'lb1', 'lb2'];
    await waitFor('keepalived to answer ARP', async () => (await lab.run('cl1', `ping -c 1 -W 1 ${VIP} > /dev/null && echo yes`)) !== '');
    const sightings = arpAnswers(await end(), VIP, cluster.nodeOfMac);
    const changes = ownerChanges(sightings);
    t.equal(changes.length, owners.length - 1, `one owner after the other among ${sightings.length} answers`);
    t.same([sightings[0]?.node, ...changes.map((change) => change.node)], owners);
  });

  t.test('keepalived as the other router: priority 0 hands over at once', async (t) => {
    const { cluster, keepalived } = await besideKeepalived(t, async () => undefined);
    const { lab, tandem } = cluster;
    const capture = await lab.capture();
    await tandem.stopGracefully('lb1');
    await waitFor('keepalived to take over', () => keepalived.isActive('lb2'));
    const seen = await capture.stop();
    const own = advertsFrom(seen, addressOf(lab, 'lb1'));
    const [first] = advertsFrom(seen, addressOf(lab, 'lb2'));
    t.same(
      own.map((advert) => advert.priority).filter((priority) => priority !== 200),
      [0],
      'one farewell',
    );
    t.equal(own.at(-1)?.priority, 0, 'nothing after it');
    const waitedMs = (first?.atMs ?? Number.POSITIVE_INFINITY) - (own.at(-1)?.atMs ?? 0);
    t.ok(waitedMs > 0 && waitedMs < 3 * ADVERT_MS, `keepalived did not wait for three intervals: ${waitedMs.toFixed(1)} ms`);
  });

  t.test('why `checksum` exists: keepalived of Debian 12 believes the older form only', async (t) => {
    const lab = await createLab({ nodes: 2, servers: 0 });
    t.teardown(() => lab.close());
    const keepalived = new KeepalivedSystem(lab, { election: ELECTION });
    await keepalived.startNode('lb2');
    await waitFor('keepalived to be active', () => keepalived.isActive('lb2'));
    const frames = await startFrames(lab);
    const from = legOn(lab.machine('cl1'), 'client');
    const content: AdvertContent = {
      version: 3,
      source: ip(from.address),
      destination: VRRP_GROUP,
      vrid: VRID,
      priority: BEST,
      intervalMs: ADVERT_MS,
      addresses: [ip(VIP)],
    };
    const send = (form: 'rfc9568' | 'rfc5798') =>
      frames.call('send', {
        frames: [ethernet(MULTICAST.mac, from.mac, etherTypes.ipv4, encodeAdvert(content, form)).toString('hex')],
      });
    await send('rfc9568');
    await waitFor('keepalived to complain', () => keepalived.log('lb2').includes('Invalid VRRPv3 checksum'));
    t.ok(await keepalived.isActive('lb2'), 'not believed');
    await send('rfc5798');
    await waitFor('keepalived to give way', () =>
      /Entering BACKUP STATE/.test(keepalived.log('lb2').split('Invalid VRRPv3 checksum').at(-1) ?? ''),
    );
    t.pass('believed');
  });
}
