/**
 * From the capture to what is judged, counted and told: who showed which sign, what a fault cost, and the timeline of a round.
 */
import t from 'tap';
import type { Observation } from '../../support/lab/observations.js';
import { PORTS, planLab, VIP, VIP6, VRID } from '../../support/lab/plan.js';
import { figuresOf } from '../../support/nemesis/figures.js';
import { answersTo, farewellsOf, pausesOf, resetsOf, signsOf } from '../../support/nemesis/signs.js';
import { renderTimeline, stretchesOf } from '../../support/nemesis/timeline.js';
import { claim, fault, owning, quiet, ROUND_MS, sign } from './evidence.js';

const plan = planLab('x', { nodes: 2, servers: 1, clients: 1 });
const arp = (port: string, kind: 'arpRequest' | 'arpReply', senderAddress: string, targetAddress: string): Observation => ({
  atMs: 1,
  port,
  sourceMac: '02:00:00:00:00:99',
  kind,
  senderAddress,
  senderMac: '02:00:00:00:00:99',
  targetAddress,
});
const probe = (port: string, atMs: number, sourcePort: number): Observation => ({
  atMs,
  port,
  sourceMac: '',
  kind: 'udp',
  source: '10.1.0.51',
  sourcePort,
  destination: '10.2.0.21',
  destinationPort: PORTS.probe,
  sequence: 1,
});

t.test('signs of ownership, by the port where they came in', async (t) => {
  const seen = [
    arp('c-lb1', 'arpRequest', VIP, VIP),
    arp('c-lb2', 'arpReply', VIP, '10.1.0.51'),
    arp('c-lb2', 'arpReply', '10.1.0.12', '10.1.0.51'),
    arp('c-lb2', 'arpRequest', '10.1.0.12', VIP),
    arp('c-cl1', 'arpReply', VIP, '10.1.0.51'),
    probe('s-lb1', 5, 1000),
    probe('s-lb1', 6, 1000),
    probe('c-cl1', 7, 1001),
    probe('s-lb2', 8, 1002),
  ];
  const known = new Set<string>();
  t.same(signsOf(plan, seen, known), [
    sign('lb1', 1, 'claim'),
    sign('lb2', 1, 'answer'),
    sign('lb1', 5, 'admitted'),
    sign('lb2', 8, 'admitted'),
  ]);
  t.same(signsOf(plan, [probe('s-lb2', 900, 1000)], known), [], 'a flow of an earlier round has a record');
});

t.test('signs say when they were asked for', async (t) => {
  const asking = { ...arp('c-cl1', 'arpRequest', '10.1.0.200', VIP), atMs: 4 } as Observation;
  const answered = { ...arp('c-lb2', 'arpReply', VIP, '10.1.0.200'), atMs: 9 } as Observation;
  const other = { ...arp('c-lb2', 'arpReply', VIP, '10.1.0.201'), atMs: 10 } as Observation;
  const neighbour = (atMs: number, port: string, isAnswer: boolean, destination: string): Observation => ({
    atMs,
    port,
    sourceMac: '',
    kind: isAnswer ? 'neighbourAdvertisement' : 'neighbourSolicitation',
    source: isAnswer ? VIP6 : 'fd00:1::200',
    destination,
    targetAddress: VIP6,
    targetMac: null,
    flags: { router: isAnswer, solicited: false, override: isAnswer },
  });
  const opening = { ...probe('c-cl1', 30, 1000), destination: VIP } as Observation;
  const seen = [
    asking,
    answered,
    other,
    neighbour(20, 'c-cl1', false, 'ff02::1:ff00:100'),
    neighbour(22, 'c-lb1', true, 'fd00:1::200'),
    neighbour(25, 'c-lb1', true, 'ff02::1'),
    opening,
    probe('s-lb1', 33, 1000),
  ];
  t.same(signsOf(plan, seen, new Set()), [
    sign('lb2', 9, 'answer', { askedMs: 4 }),
    sign('lb2', 10, 'answer'),
    sign('lb1', 22, 'answer', { family: 'ipv6', askedMs: 20 }),
    sign('lb1', 25, 'claim', { family: 'ipv6' }),
    sign('lb1', 33, 'admitted', { askedMs: 30 }),
  ]);
});

t.test('when nobody asked', async (t) => {
  const asked = [0, 50, 149, 300, 320].map((atMs) => probe('c-cl1', atMs, 1000));
  t.same(pausesOf(plan, [...asked, probe('s-lb1', 200, 1000)], -10, 400), [{ fromMs: 149, toMs: 300 }]);
  t.same(pausesOf(plan, [], 0, 400), [{ fromMs: 0, toMs: 400 }]);
});

t.test('farewells', async (t) => {
  const advert = (port: string, priority: number): Observation => ({
    atMs: 3,
    port,
    sourceMac: '',
    kind: 'advert',
    source: '10.1.0.12',
    vrid: VRID,
    priority,
  });
  t.same(farewellsOf(plan, [advert('c-lb2', 0), advert('c-lb1', 100), advert('c-cl1', 0)]), [{ atMs: 3, node: 'lb2' }]);
});

t.test('resets and answers', async (t) => {
  const reset = (source: string, destination: string): Observation => ({
    atMs: 2,
    port: 's-lb1',
    sourceMac: '',
    kind: 'reset',
    source,
    sourcePort: 1,
    destination,
    destinationPort: 2,
  });
  t.match(resetsOf(plan, [reset('10.1.0.51', '10.2.0.21')]), [{ from: '10.1.0.51:1', to: '10.2.0.21:2', port: 's-lb1' }]);
  t.equal(resetsOf(plan, [reset('10.2.0.21', '10.1.0.51')]).length, 1);
  t.same(resetsOf(plan, [reset('10.2.0.11', '10.2.0.21')]), [], "a node's own check of a server");
  const answer = { ...probe('c-lb1', 4, PORTS.probe), source: VIP, destination: '10.1.0.51' } as Observation;
  t.same(answersTo([answer, probe('c-lb1', 5, PORTS.probe)], '10.1.0.51'), [4]);
  t.same(answersTo([answer], '10.1.0.52'), []);
});

t.test('what faults cost', async (t) => {
  const answersMs = quiet().answersMs.filter((atMs) => atMs < 1100 || atMs > 1500);
  const signs = [...owning('lb1', 0, 1100), claim('lb2', 1500), claim('lb2', 1600), ...owning('lb2', 1500, ROUND_MS)];
  const round = quiet({
    signs,
    answersMs,
    faults: [fault({ kind: 'crash', fromMs: 1095, toMs: 1200 }), fault({ kind: 'hog', fromMs: 100, toMs: 200 })],
  });
  t.same(figuresOf([round, round]), [
    { kind: 'crash', faults: 2, takeovers: 2, longestOutageMs: 420 },
    { kind: 'hog', faults: 2, takeovers: 0, longestOutageMs: 0 },
  ]);
  t.match(figuresOf([{ ...round, faults: [] }]), [{ kind: 'none', takeovers: 1 }], 'what has no cause is shown, too');
});

t.test('the timeline', async (t) => {
  const signs = [...owning('lb1', 0, 1100), claim('lb2', 1500), ...owning('lb2', 1500, ROUND_MS)];
  t.match(stretchesOf(signs), [
    { node: 'lb1', fromMs: 0, toMs: 1090 },
    { node: 'lb2', fromMs: 1500, toMs: 4990, counts: { claim: 1, answer: 700, admitted: 350 } },
  ]);
  const transitions = [{ atMs: 1499, node: 'lb2', from: 'backup', to: 'active', reason: 'activeSilent' }];
  const text = renderTimeline(quiet({ signs, faults: [fault({ what: 'lb1 lost power' })] }), transitions, [
    { rule: 'noOwner', atMs: 1090, text: 'nobody' },
  ]);
  const order = [
    'fault    lb1 lost power',
    'WRONG    noOwner: nobody',
    'role     lb2: backup -> active (activeSilent)',
    'wire     lb2 shows itself',
    'over     lb1',
    'healed',
    'ready',
  ];
  const places = order.map((line) => text.indexOf(line));
  t.same(
    places,
    [...places].sort((a, b) => a - b),
    text,
  );
  t.notOk(places.includes(-1), 'all of it is there');
});
