import t from 'tap';
import type { Observation } from '../../support/lab/observations.js';
import {
  advertSilence,
  analyseProbes,
  arpAnswers,
  collectProbes,
  longestAdvertGap,
  median,
  ownerChanges,
  type Probe,
} from '../../support/lab/probe-analysis.js';

const MACS: Record<string, string> = { m1: 'lb1', m2: 'lb2' };
const nodeOfMac = (mac: string): string | null => MACS[mac] ?? null;

/** One probe each millisecond, answered after 0.1 ms by whoever `by` names. */
const probes = (fromMs: number, toMs: number, by: (ms: number) => string | null): Probe[] =>
  Array.from({ length: toMs - fromMs }, (_, index) => {
    const sentMs = fromMs + index;
    const node = by(sentMs);
    return { sequence: index, sentMs, answeredMs: node === null ? null : sentMs + 0.1, by: node };
  });

t.test('an outage, the take-over after it, and who answered', async (t) => {
  const figures = analyseProbes(
    probes(0, 1000, (ms) => (ms < 300 ? 'lb1' : ms < 600 ? null : 'lb2')),
    300,
    'lb1',
  );
  t.match(figures, { sent: 1000, answered: 700, lost: 300, lateAnswers: 0 });
  t.equal(Math.round(figures.outageMs), 301);
  t.equal(Math.round(figures.takeoverMs ?? 0), 300);
  t.same(
    figures.intervals.map(({ node }) => node),
    ['lb1', 'lb2'],
  );
});

t.test('a hand-over without loss is no outage', async (t) => {
  const figures = analyseProbes(
    probes(0, 1000, (ms) => (ms < 500 ? 'lb1' : 'lb2')),
    400,
    'lb1',
  );
  t.match(figures, { lost: 0, outageMs: 0 });
  t.equal(Math.round(figures.takeoverMs ?? 0), 100);
});

t.test('a single lost probe is an outage of two intervals', async (t) => {
  t.equal(
    Math.round(
      analyseProbes(
        probes(0, 1000, (ms) => (ms === 500 ? null : 'lb1')),
        400,
        'lb1',
      ).outageMs,
    ),
    2,
  );
});

t.test('probes lost long before the fault do not count', async (t) => {
  const figures = analyseProbes(
    probes(0, 1000, (ms) => (ms > 100 && ms < 200 ? null : 'lb1')),
    500,
    'lb1',
  );
  t.match(figures, { lost: 0, outageMs: 0, takeoverMs: null });
});

t.test('answers that were kept back and came in a burst are an outage, too', async (t) => {
  const late = probes(0, 1000, () => 'lb1').map((probe) =>
    probe.sentMs >= 500 && probe.sentMs < 540 ? { ...probe, answeredMs: 540.1, by: 'lb2' } : probe,
  );
  const figures = analyseProbes(late, 500, 'lb1');
  t.equal(figures.lost, 0);
  t.equal(Math.round(figures.outageMs), 41);
});

t.test('never answered again', async (t) => {
  const figures = analyseProbes(
    probes(0, 1000, (ms) => (ms < 300 ? 'lb1' : null)),
    300,
    'lb1',
  );
  t.equal(figures.takeoverMs, null);
  t.ok(figures.outageMs > 490, 'as long as was watched');
});

t.test('the victim that still answers after the take-over is counted', async (t) => {
  const figures = analyseProbes(
    probes(0, 1000, (ms) => (ms < 300 ? 'lb1' : ms % 2 === 0 ? 'lb2' : 'lb1')),
    300,
    'lb1',
  );
  t.ok(figures.lateAnswers > 300);
});

t.test('questions and answers are paired by number, nodes named by their MAC', async (t) => {
  const udp = (atMs: number, sourceMac: string, source: string, sequence: number, answer: boolean): Observation => ({
    kind: 'udp',
    atMs,
    port: 'p',
    sourceMac,
    source,
    sourcePort: answer ? 7001 : 40_000,
    destination: answer ? '10.1.0.51' : 'vip',
    destinationPort: answer ? 40_000 : 7001,
    sequence,
  });
  const found = collectProbes(
    [
      udp(1, 'client', '10.1.0.51', 0, false),
      udp(2, 'client', '10.1.0.51', 1, false),
      udp(2.5, 'm2', 'vip', 1, true),
      udp(2.6, 'm1', 'vip', 1, true),
      udp(3, 'm1', 'vip', 9, true),
      udp(3, 'm1', 'vip', 0, false),
    ],
    { address: 'vip', port: 7001, nodeOfMac },
  );
  t.same(found, [
    { sequence: 0, sentMs: 1, answeredMs: null, by: null },
    { sequence: 1, sentMs: 2, answeredMs: 2.5, by: 'lb2' },
  ]);
});

t.test('changes of who answers ARP', async (t) => {
  const reply = (atMs: number, senderMac: string): Observation => ({
    kind: 'arpReply',
    atMs,
    port: 'p',
    sourceMac: senderMac,
    senderMac,
    senderAddress: 'vip',
    targetAddress: 'x',
  });
  const answers = arpAnswers([reply(1, 'm1'), reply(2, 'm1'), reply(3, 'm2'), reply(4, 'm1'), reply(5, 'server')], 'vip', nodeOfMac);
  t.same(ownerChanges(answers), [
    { atMs: 3, node: 'lb2' },
    { atMs: 4, node: 'lb1' },
  ]);
});

t.test('median', async (t) => {
  t.equal(median([]), 0);
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
});

const advert = (atMs: number, sourceMac: string, priority = 100): Observation => ({
  kind: 'advert',
  atMs,
  port: 'c-x',
  sourceMac,
  source: '10.1.0.11',
  vrid: 51,
  priority,
});

t.test('silence: from the last advertisement of the victim to the first of another', async (t) => {
  const adverts = [advert(90, 'a'), advert(100, 'a'), advert(136, 'b'), advert(146, 'b')];
  const nodeOf = (mac: string): string => mac;
  t.equal(advertSilence(adverts, 105, 'a', nodeOf), 36);
  t.equal(advertSilence(adverts, 150, 'a', nodeOf), null);
  t.equal(advertSilence(adverts, 105, 'c', nodeOf), null);
});

t.test('longest time without an advertisement; a goodbye is none', async (t) => {
  t.equal(longestAdvertGap([advert(0, 'a'), advert(10, 'a'), advert(15, 'a', 0), advert(34, 'b'), advert(44, 'b')]), 24);
  t.equal(longestAdvertGap([]), 0);
});
