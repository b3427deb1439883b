/**
 * The judge of a nemesis: of every rule, what it must say no to, and what it must allow although it looks like it.
 */
import t from 'tap';
import { judge } from '../../support/nemesis/checker.js';
import type { RoundEvidence } from '../../support/nemesis/evidence.js';
import { claim, fault, owning, quiet, ROUND_MS, report, sign } from './evidence.js';

/** Each rule once: a second owner that answers ARP and admits flows is told as both. */
const rules = (changes: Partial<RoundEvidence>): string[] => [...new Set(judge(quiet(changes)).map(({ rule }) => rule))];

/** lb1 owns it, lb2 takes over at `atMs` after a gap. */
const takeOver = (atMs: number) => [...owning('lb1', 0, atMs - 300), claim('lb2', atMs), ...owning('lb2', atMs, ROUND_MS)];

const apart = (sides: readonly ('client' | 'server')[], toMs = 3000, only?: 'adverts' | 'beats') =>
  fault({
    kind: 'cut-all',
    toMs,
    cuts: sides.flatMap((side) => [
      { from: 'lb1', to: 'lb2', side, ...(only && { only }) },
      { from: 'lb2', to: 'lb1', side, ...(only && { only }) },
    ]),
  });

t.test('a quiet round, and one with a clean take-over', async (t) => {
  t.same(rules({}), []);
  t.same(rules({ signs: takeOver(2000), faults: [fault({ fromMs: 1690, unable: ['lb1'] })] }), []);
});

t.test('two owners', async (t) => {
  const [first] = judge(quiet({ signs: [...takeOver(2000), sign('lb1', 2100, 'answer')] }));
  t.match(first, { rule: 'twoOwners', atMs: 2100, text: /^lb1 answered ARP that came 100\.0 ms after lb2 had claimed/ });
  t.same(rules({ signs: [...takeOver(2000), sign('lb1', 2100, 'admitted')] }), ['twoOwners'], 'a new flow, too');
  t.match(judge(quiet({ signs: [...takeOver(2000), sign('lb1', 2100, 'answer', { family: 'ipv6' })] })), [
    { text: /answered a Neighbour Solicitation/ },
  ]);
  const many = judge(quiet({ signs: [...takeOver(2000), ...owning('lb1', 2100, 2200).filter(({ kind }) => kind === 'admitted')] }));
  t.match(many, [{ text: /10 times in all/ }], 'one message for one story');
  const silent = [...owning('lb1', 0, ROUND_MS), ...owning('lb2', 2000, ROUND_MS)];
  t.same(rules({ signs: silent }), ['twoOwners'], 'one that never claimed');
  const early = [...owning('lb1', 0, 1700), sign('lb2', 1990, 'answer'), claim('lb2', 2000), ...owning('lb2', 2000, ROUND_MS)];
  t.same(rules({ signs: early }), [], 'an answer just before its claim');
  t.same(rules({ signs: [...early, sign('lb1', 1995, 'answer')] }), ['twoOwners'], 'but from then on the other is silent');
});

t.test('what was asked before the claim may be answered, whatever is asked after it may not', async (t) => {
  const hog = fault({ kind: 'hog', isMachineLate: true, fromMs: 0, toMs: ROUND_MS });
  for (const atMs of [2001, 2050]) {
    const late = sign('lb1', atMs, 'answer', { askedMs: 1999.9 });
    t.same(rules({ signs: [...takeOver(2000), late] }), [], `on its way for ${atMs - 1999.9} ms`);
    t.same(rules({ signs: [...takeOver(2000), { ...late, askedMs: 2000.1 }], faults: [hog] }), ['twoOwners'], 'busy or not');
  }
});

const both = [...owning('lb1', 0, ROUND_MS), claim('lb2', 1500), ...owning('lb2', 1500, 2990), claim('lb1', 3010)];

t.test('two owners: what is no excuse, and what is one', async (t) => {
  t.same(rules({ signs: both, faults: [fault({ kind: 'stop-node', unable: ['lb1'] })] }), ['twoOwners'], 'a node that was stopped');
  t.same(rules({ signs: both, faults: [apart(['client', 'server'])] }), [], 'two that could not hear each other');
  t.same(rules({ signs: both, faults: [apart(['client'])] }), ['twoOwners'], 'they could, over the second path');
  const [noBeats, noAdverts] = [apart(['client', 'server'], 3000, 'beats'), apart(['client', 'server'], 3000, 'adverts')];
  t.same(rules({ signs: both, faults: [noBeats] }), ['twoOwners'], 'adverts passed');
  t.same(rules({ signs: both, faults: [noAdverts] }), ['twoOwners'], 'beats passed');
  t.same(rules({ signs: both, faults: [noBeats, noAdverts] }), [], 'nothing passed that nodes say to each other');
  t.same(rules({ signs: both, faults: [apart(['client'])], paths: 'vrrp' }), [], 'where only the wire of the adverts counts');
  t.same(rules({ signs: both, faults: [apart(['client', 'server'], 1600)] }), ['twoOwners'], 'long after the cut has healed');
  const other = fault({
    kind: 'cut-all',
    toMs: 3000,
    cuts: (['client', 'server'] as const).map((side) => ({ from: 'lb1', to: 'lb3', side })),
  });
  t.same(rules({ signs: both, faults: [other] }), ['twoOwners'], 'others were cut');
  const [cut] = [apart(['client', 'server'])];
  const healed = [...owning('lb1', 0, 3100), claim('lb2', 1500), ...owning('lb2', 1500, ROUND_MS)];
  t.same(rules({ signs: healed, faults: [cut] }), [], 'the other one stays when it has healed');
  t.same(rules({ signs: [...healed, ...owning('lb1', 3300, 3400)], faults: [cut] }), ['twoOwners'], 'not both');
});

t.test('two owners, one of which hears the other: it has a moment to give way', async (t) => {
  const oneWay = fault({ kind: 'mute', toMs: 3000, cuts: [{ from: 'lb1', to: 'lb2', side: 'client' }] });
  const until = (toMs: number) => [...owning('lb1', 0, toMs), claim('lb2', 1500), ...owning('lb2', 1500, ROUND_MS)];
  const round = { faults: [oneWay], paths: 'vrrp' as const };
  t.same(rules({ ...round, signs: until(1690) }), []);
  t.same(rules({ ...round, signs: until(1900) }), ['twoOwners']);
  const last = (at: number) => [...until(1510), claim('lb1', at)];
  t.same(rules({ ...round, signs: last(1510) }), [], 'the last word is a claim of the one that gives way');
  t.same(rules({ signs: last(1510) }), ['twoOwners'], 'which is no excuse where they hear each other');
  t.same(rules({ ...round, signs: [...last(1510), ...owning('lb1', 2000, 2300)] }), ['twoOwners'], 'nor where it comes back');
  const again = [...until(1690), ...[1700, 1800, 1900, 2000].flatMap((atMs) => [claim('lb1', atMs), claim('lb2', atMs + 50)])];
  t.same(rules({ ...round, signs: again }), ['twoOwners'], 'and only one moment, however often both claim');
});

t.test('two owners, the better one of which hears nothing but adverts of the other', async (t) => {
  const silent = (from: string, to: string) => fault({ kind: 'mute', toMs: 3000, cuts: [{ from, to, side: 'client' }] });
  const noBeats = fault({ kind: 'no-beats', toMs: 3000, cuts: [{ from: 'lb2', to: 'lb1', side: 'client', only: 'beats' }] });
  const signs = [...owning('lb1', 0, 2500), claim('lb2', 1500), ...owning('lb2', 1500, ROUND_MS)];
  const round = { signs, paths: 'vrrp' as const };
  t.same(rules({ ...round, faults: [silent('lb1', 'lb2'), noBeats] }), [], 'it answers them, and stays');
  t.same(rules({ ...round, faults: [silent('lb1', 'lb2')] }), ['twoOwners'], 'beats would say more');
  t.same(rules({ signs, faults: [silent('lb1', 'lb2'), noBeats] }), ['twoOwners'], 'on the other wire, too');
  const back = { ...noBeats, cuts: [{ from: 'lb1', to: 'lb2', side: 'client' as const, only: 'beats' as const }] };
  const worse = { paths: 'vrrp' as const, faults: [silent('lb2', 'lb1'), back] };
  const until = (toMs: number) => [...owning('lb1', 0, ROUND_MS), claim('lb2', 1500), ...owning('lb2', 1500, toMs)];
  t.same(rules({ ...worse, signs }), ['twoOwners'], 'the worse one gives way to adverts');
  t.same(rules({ ...worse, signs: until(1940) }), [], 'three of which it may doubt');
  t.same(rules({ ...worse, signs: until(2100) }), ['twoOwners'], 'not more');
  t.same(rules({ ...worse, faults: [silent('lb2', 'lb1')], signs: until(1940) }), ['twoOwners'], 'nor where it hears beats');
});

t.test('two owners after a partition, while no beats are heard: one of them may doubt the other for three adverts', async (t) => {
  const [cut, noBeats] = [apart(['client', 'server'], 2000), apart(['client', 'server'], 3000, 'beats')];
  const signs = (toMs: number) => [...owning('lb1', 0, ROUND_MS), claim('lb2', 1500), ...owning('lb2', 1500, toMs)];
  t.same(rules({ signs: signs(2480), faults: [cut, noBeats] }), []);
  t.same(rules({ signs: signs(2480), faults: [cut] }), ['twoOwners'], 'not with beats');
  t.same(rules({ signs: signs(2600), faults: [cut, noBeats] }), ['twoOwners'], 'nor for longer');
});

t.test('a node that was hit unheard answers until its lease ends', async (t) => {
  const noBeats = apart(['client', 'server'], 3000, 'beats');
  const loss = fault({ kind: 'loss', fromMs: 1100, toMs: 3000, lossy: ['lb1'] });
  const killed = fault({ fromMs: 1400, toMs: 4000, unable: ['lb1'] });
  const signs = (toMs: number) => [...owning('lb1', 0, toMs), claim('lb2', 1650), ...owning('lb2', 1650, ROUND_MS)];
  t.same(rules({ signs: signs(1690), faults: [noBeats, loss, killed] }), []);
  t.same(rules({ signs: signs(1690), faults: [loss, killed] }), ['twoOwners'], 'beats were heard');
  t.same(rules({ signs: signs(1690), faults: [noBeats, killed] }), ['twoOwners'], 'so were adverts');
  t.same(rules({ signs: signs(1690), faults: [noBeats, loss] }), ['twoOwners'], 'it was not hit');
  t.same(rules({ signs: signs(1750), faults: [noBeats, loss, killed] }), ['twoOwners'], 'not for longer');
});

t.test('new flows at the old owner of a hand-over', async (t) => {
  const handOver = [...owning('lb1', 0, 2000), claim('lb2', 2000), ...owning('lb2', 2000, ROUND_MS)];
  const farewells = [{ node: 'lb1', atMs: 1999 }];
  const late = sign('lb1', 2050, 'admitted');
  t.same(rules({ signs: [...handOver, late], farewells }), [], 'just after its goodbye');
  t.same(rules({ signs: [...handOver, { ...late, kind: 'answer' }], farewells }), ['twoOwners'], 'ARP is never answered then');
  t.same(rules({ signs: [...handOver, sign('lb1', 2130, 'admitted')], farewells }), ['twoOwners'], 'nor flows admitted later');
  t.same(rules({ signs: [...handOver, late] }), ['twoOwners'], 'nor without a goodbye');
  t.same(rules({ signs: [...handOver, late], farewells: [{ node: 'lb2', atMs: 1999 }] }), ['twoOwners'], 'nor with that of another');
  t.same(rules({ signs: [...handOver, late], farewells: [{ node: 'lb1', atMs: 2030 }] }), ['twoOwners'], 'nor before its own');
});

t.test('resets and bytes', async (t) => {
  const reset = { atMs: 1000, port: 's-lb1', from: '10.1.0.51:4000', to: '10.2.0.21:7000' };
  t.match(judge(quiet({ resets: [reset, reset] })), [{ rule: 'reset', text: /10\.1\.0\.51:4000 .* at s-lb1; 2 in all/ }]);
  t.same(rules({ connections: { nat: report({ corrupted: 1, alive: 9 }) } }), ['corrupted']);
  t.same(rules({ connections: { nat: report({ reset: 1, alive: 9 }) } }), ['reset']);
});

t.test('what a node accepted last of all may be unknown to the next one', async (t) => {
  const reset = { atMs: 4000, port: 's-be1', from: '10.2.0.21:7000', to: '10.1.0.51:4000' };
  const others = fault({ kind: 'stop-node', toMs: 3500, unable: ['lb2', 'lb3'] });
  const last = fault({ kind: 'cable-server', fromMs: 1500, toMs: 3000, unable: ['lb1'] });
  const broken = { resets: [reset], connections: { young: report({ reset: 1, alive: 8 }) } };
  t.same(rules({ ...broken, faults: [others, last] }), []);
  const lost = ['reset', 'lostConnections'];
  t.same(rules({ ...broken, faults: [others] }), lost, 'it was hit by nothing');
  t.same(rules({ ...broken, faults: [{ ...others, unable: ['lb2'] }, last] }), lost, 'another one knew them');
  t.same(rules({ ...broken, faults: [{ ...others, unable: ['lb1', 'lb2', 'lb3'] }] }), lost, 'all were hit at once');
  const connections = { nat: report({ reset: 1, alive: 8 }) };
  t.same(rules({ connections, faults: [others, last] }), ['reset', 'lostConnections'], 'older ones are known to all');
});

t.test('connections that are lost', async (t) => {
  const connections = { nat: report({ alive: 8, silent: 2 }) };
  t.match(judge(quiet({ connections })), [{ rule: 'lostConnections', text: /^2 of 10 connections of nat/ }]);
  const crash = fault({ kind: 'crash', unable: ['lb1'], lostTable: ['lb1'] });
  t.same(rules({ connections, faults: [crash] }), ['lostConnections'], 'others had the table');
  const others = fault({ kind: 'stop-node', fromMs: 1500, toMs: 3000, unable: ['lb2', 'lb3'] });
  t.same(rules({ connections, faults: [crash, others] }), [], 'the empty node was left alone');
});

t.test('nobody owns it', async (t) => {
  const signs = [...owning('lb1', 0, 1000), ...owning('lb1', 2500, ROUND_MS)];
  t.match(judge(quiet({ signs })), [
    { rule: 'noOwner', atMs: 990, text: /^no sign of an owner \(ipv4\) for 1510 ms, although lb1 could/ },
    { rule: 'noOwner', atMs: 990, text: /\(ipv6\)/ },
  ]);
  const only = (family: string) => quiet().signs.filter((shown) => shown.family === family);
  t.match(judge(quiet({ signs: only('ipv4') })), [{ text: /\(ipv6\)/ }], "one of the two families is nobody's");
  const all = { fromMs: 1000, toMs: 2400, unable: ['lb1', 'lb2', 'lb3'] };
  t.same(rules({ signs, faults: [fault(all)] }), [], 'nobody was able to');
  t.same(rules({ signs, faults: [fault({ ...all, unable: ['lb1', 'lb2'] })] }), ['noOwner'], 'one was');
  t.same(rules({ signs, faults: [fault({ ...all, unable: [], isMachineLate: true })] }), [], 'the machine itself was late');
  t.same(rules({ signs: takeOver(2000) }), [], 'within the bound');
  t.same(rules({ signs, pauses: [{ fromMs: 1100, toMs: 2300 }] }), [], 'the machine stood still');
  t.same(rules({ signs, pauses: [{ fromMs: 1100, toMs: 1250 }] }), ['noOwner'], 'not long enough');
});

t.test('no recovery', async (t) => {
  const able = fault({ kind: 'kill-all-nodes', unable: ['lb1', 'lb2', 'lb3'], fromMs: 3000, toMs: 3990 });
  const signs = [...owning('lb1', 0, 3000)];
  t.match(judge(quiet({ signs, toMs: 7000, faults: [able] })), [
    { rule: 'noOwner' },
    { rule: 'noOwner' },
    { rule: 'notRecovered', text: /no owner within/ },
  ]);
  t.match(judge(quiet({ readyMs: null, notReadyBecause: 'lb2 is not in sync' })), [{ rule: 'notRecovered', text: /lb2 is not in sync/ }]);
  t.match(judge(quiet({ died: ['the daemon of lb2'] })), [{ rule: 'died', text: /the daemon of lb2 ended/ }]);
});
