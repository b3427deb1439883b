/**
 * Two nodes with virtual IPv6 routers on one interface: an ordinary one, one with a virtual MAC, and one whose addresses a node owns. What
 * the link sees of each: neighbour discovery, ping, adverts, a take-over.
 */
import t, { type Test } from 'tap';
import { proves } from '../rfc/requirement.js';
import { crashNode } from '../support/lab/faults.js';
import { labIsImpossible, lastWords, TEST_MAX_FLOWS } from '../support/lab/fixture.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import type { Observation } from '../support/lab/observations.js';
import { legOn, VIP6, VIP6_LINK_LOCAL } from '../support/lab/plan.js';
import { TandemSystem } from '../support/lab/tandem.js';
import type { LabDocument } from '../support/lab/tandem-config.js';
import { waitFor } from '../support/lab/wait-for.js';
import { startFrames } from '../support/lab/workload.js';
import { ALL_NODES, duplicateProbe } from '../support/packet/build6.js';

const PLAIN = { name: 'plain', id: 51, addresses: [VIP6_LINK_LOCAL, VIP6, 'fd00:1::101'], priority: { lb1: 150, lb2: 100 } };
const VIRTUAL = { name: 'virtual', id: 52, virtualMac: true, addresses: ['fe80::34', 'fd00:1::102'], priority: { lb1: 100, lb2: 150 } };
/** lb2's own: what the lab gave it. */
const OWNED = { name: 'owned', id: 53, addresses: ['fe80::12', 'fd00:1::12'], priority: { lb1: 100, lb2: 255 } };
const ROUTERS = [PLAIN, VIRTUAL, OWNED];
const ADDRESSES = ROUTERS.flatMap(({ addresses }) => addresses);
const VIRTUAL_MAC = '00:00:5e:00:02:34';
/** The interface identifier that RFC 4291 would make of it. */
const DERIVED = '200:5eff:fe00:234';
const OWN_PORT = 2222;
const LISTENER = `require('node:net').createServer((socket) => socket.end('hello')).listen(${OWN_PORT}, '::')`;

const document = (document: LabDocument): LabDocument => ({
  ...document,
  services: [],
  pools: [],
  virtualRouters: ROUTERS.map((router) => ({ ...router, interface: 'eth0', advertInterval: '100ms' })),
});

type Neighbour = Extract<Observation, { targetMac: unknown }>;
const said = (seen: readonly Observation[], target: string): Neighbour[] =>
  seen.filter((each): each is Neighbour => each.kind === 'neighbourAdvertisement' && each.targetAddress === target);

/** Who has which router, in the order of `ROUTERS`; throws while a node does not answer. */
async function holders(tandem: TandemSystem, nodes: readonly string[]): Promise<string> {
  const all = await Promise.all(nodes.map(async (node) => [node, await tandem.status(node)] as const));
  const holding = ROUTERS.map(({ name }) =>
    all
      .flatMap(([node, { routers }]) => (routers.some((router) => router.name === name && router.role === 'active') ? [node] : []))
      .join('+'),
  );
  return holding.join(' ');
}

const ping = (lab: Lab, address: string): Promise<string> =>
  lab.run('cl1', `ping -6 -c 1 -W 1 ${address.startsWith('fe80') ? `${address}%eth0` : address} > /dev/null && echo yes || echo no`);

/** The client forgets who had them and asks anew. */
async function pingAll(t: Test, lab: Lab, addresses: readonly string[]): Promise<void> {
  await lab.run('cl1', 'ip -6 neigh flush dev eth0');
  for (const address of addresses) t.match(await ping(lab, address), 'yes', `ping ${address}`);
}

const advertisement = (mac: string, isSolicited: boolean) => ({
  sourceMac: mac,
  targetMac: mac,
  flags: { router: true, override: true, solicited: isSolicited },
});

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  const lab = await createLab({ nodes: 2, servers: 0, ipv6: true });
  const tandem = new TandemSystem(lab, { maxFlows: TEST_MAX_FLOWS, change: document });
  t.teardown(() => {
    if (!t.passing()) for (const node of tandem.nodes) t.comment(`${node}:\n${lastWords(tandem.logFile(node))}`);
    lab.close();
  });
  const [lb1, lb2, client] = ['lb1', 'lb2', 'cl1'].map((name) => legOn(lab.machine(name), 'client').mac) as [string, string, string];
  const frames = await startFrames(lab);
  let capture = await lab.capture();
  const seenSoFar = async (): Promise<Observation[]> => {
    const seen = await capture.stop();
    capture = await lab.capture();
    return seen;
  };
  const become = (wanted: string, nodes = tandem.nodes): Promise<true> =>
    waitFor(`the routers to be at ${wanted}`, async () => (await holders(tandem, nodes)) === wanted || null, { limitMs: 30_000 });

  await t.test(
    'each router has its holder, the owner its own; the take-over is told to all nodes',
    proves({ positive: ['F3', 'F9'] }, async (t) => {
      await tandem.launch();
      await become('lb1 lb2 lb2');
      await pingAll(t, lab, ADDRESSES);
      const seen = await seenSoFar();
      for (const [router, mac] of [
        [PLAIN, lb1],
        [VIRTUAL, VIRTUAL_MAC],
        [OWNED, lb2],
      ] as const) {
        for (const address of router.addresses) {
          // The node that is up first may have held it for a moment before.
          const last = said(seen, address).findLast(({ destination }) => destination === ALL_NODES);
          t.match(last, { ...advertisement(mac, false), source: address }, `${address} is announced`);
        }
      }
    }),
  );

  await t.test(
    'solicitations are answered by the holder only, with R, S, O and its link-layer address; a probe for a duplicate to everybody',
    proves({ positive: ['F14'], negative: ['F5'] }, async (t) => {
      // Before the others: once those are answered, the answers to these are in the capture.
      await frames.call('send', { frames: [VIP6, 'fd00:1::102'].map((target) => duplicateProbe({ target, mac: client }).toString('hex')) });
      await pingAll(t, lab, ADDRESSES);
      const seen = await seenSoFar();
      for (const [router, mac, port] of [
        [PLAIN, lb1, 'c-lb1'],
        [VIRTUAL, VIRTUAL_MAC, 'c-lb2'],
      ] as const) {
        for (const address of router.addresses) {
          const all = said(seen, address);
          const solicited = all.filter(({ flags }) => flags.solicited);
          t.ok(solicited.length > 0, `${address}: ${solicited.length} answers`);
          for (const each of all) t.match(each, { port, ...advertisement(mac, each.destination !== ALL_NODES) });
        }
      }
      for (const target of [VIP6, 'fd00:1::102'])
        t.ok(
          said(seen, target).some(({ destination }) => destination === ALL_NODES),
          `the probe for ${target} is answered`,
        );
    }),
  );

  await t.test(
    'adverts come from the virtual MAC where there is one, and stay on their link',
    proves({ positive: ['T2', 'T3', 'R13'], negative: ['T3'] }, async (t) => {
      await waitFor('some adverts', async () => ((await tandem.status('lb1')).routers[0]?.counters.advertsSent ?? 0) > 20);
      const adverts = (await seenSoFar()).flatMap((each) => (each.kind === 'advert' ? [each] : []));
      const told = adverts.map(({ vrid, source, sourceMac, port }) => [vrid, source, sourceMac, port].join(' '));
      t.same([...new Set(told)].sort(), [`51 fe80::11 ${lb1} c-lb1`, `52 fe80::12 ${VIRTUAL_MAC} c-lb2`, `53 fe80::12 ${lb2} c-lb2`]);
    }),
  );

  await t.test(
    'no address is derived from the virtual MAC',
    proves({ positive: ['F17'], negative: ['F17'] }, async (t) => {
      t.match(await lab.run('lb2', 'bridge fdb show dev eth0'), VIRTUAL_MAC, 'the interface listens to it');
      for (const node of tandem.nodes) t.notMatch(await lab.run(node, 'ip -6 -br addr'), DERIVED, node);
      await lab.run(
        'cl1',
        `ip link add vmac link eth0 address ${VIRTUAL_MAC} type macvlan mode bridge; echo 0 > /proc/sys/net/ipv6/conf/vmac/disable_ipv6; echo 0 > /proc/sys/net/ipv6/conf/vmac/addr_gen_mode; ip link set vmac up`,
      );
      await waitFor('an interface that has it as its own to show it', async () =>
        (await lab.run('cl1', 'ip -6 -br addr')).includes(DERIVED),
      );
      await lab.run('cl1', 'ip link del vmac');
    }),
  );

  await t.test(
    'the owner is reached at its own address; nobody is at another virtual one',
    proves({ positive: ['F15'], negative: ['F15'] }, async (t) => {
      for (const node of tandem.nodes) lab.start(node, [process.execPath, '-e', LISTENER], { log: `${node}-listener.log` });
      const hello = (address: string): Promise<string> =>
        lab.run('cl1', `timeout 1 bash -c 'cat < /dev/tcp/${address}/${OWN_PORT}' 2> /dev/null || echo nobody`);
      await waitFor('the owner to answer', async () => (await hello('fd00:1::12')).includes('hello'));
      t.match(await hello(VIP6), 'nobody');
    }),
  );

  await t.test(
    'after a crash everything is at the other node, under the same virtual MAC; and the owner takes its own back',
    proves({ positive: ['F2', 'F9'] }, async (t) => {
      await crashNode(lab, 'lb2');
      await become('lb1 lb1 lb1', ['lb1']);
      await pingAll(t, lab, ADDRESSES);
      const seen = await seenSoFar();
      for (const [router, mac] of [
        [VIRTUAL, VIRTUAL_MAC],
        [OWNED, lb1],
      ] as const) {
        for (const address of router.addresses)
          t.ok(
            said(seen, address).some(
              ({ destination, port, sourceMac }) => destination === ALL_NODES && port === 'c-lb1' && sourceMac === mac,
            ),
            `${address} is announced`,
          );
      }
      await tandem.recover('lb2', 'crash');
      await become('lb1 lb2 lb2');
      await pingAll(t, lab, ADDRESSES);
      for (const node of tandem.nodes)
        for (const { name, counters } of (await tandem.status(node)).routers)
          t.match(counters, { oneWay: 0, staleTerms: 0 }, `${node} knew by itself who was ${name} and whom it heard`);
      await capture.stop();
    }),
  );
}
