/** One virtual router on its wire: what it sends, and which advertisements it believes. */
import t from 'tap';
import { addressOf, formatAddress } from '../../../src/system/ip-address.js';
import { decodeIpv4Advert } from '../../../src/vrrp/codec/codec.js';
import type { HeartbeatRouter } from '../../../src/vrrp/heartbeat-api.js';
import { advertOf, ipv4Router, ipv6Router, OWN_MAC, WireBench } from '../../support/wire-bench.js';

const VERSION_2: HeartbeatRouter = { ...ipv4Router, version: 2 };
const UNICAST: HeartbeatRouter = { ...ipv4Router, unicastPeers: ['10.9.0.2', '10.9.0.3'] };

function memberOf(bench: WireBench) {
  const [member] = bench.members;
  if (member === undefined) throw new Error('a bench has a member');
  return member;
}

t.test('what it sends: version, family, destinations', async (t) => {
  const rows: [HeartbeatRouter, number, string[]][] = [
    [ipv4Router, 3, ['224.0.0.18']],
    [VERSION_2, 2, ['224.0.0.18']],
    [ipv6Router, 3, ['ff02::12']],
    [UNICAST, 3, ['10.9.0.2', '10.9.0.3']],
    [{ ...ipv6Router, unicastPeers: ['fe80::2'] }, 3, ['fe80::2']],
  ];
  for (const [router, version, destinations] of rows) {
    const bench = new WireBench([router]);
    t.same(memberOf(bench).send(100, null), { at: 0 });
    t.same(
      bench.packets.map(({ destination }) => destination),
      destinations,
    );
    const sent = bench.lastAdvert();
    t.ok(sent.ok);
    if (!sent.ok) continue;
    t.match(sent.advert, { version, vrid: 51, priority: 100, intervalMs: 1000 });
    t.same(sent.advert.addresses.map(formatAddress), router.addresses);
    t.equal(formatAddress(sent.advert.source), router.sourceAddress);
  }
});

t.test('to one sender only: where it was heard from', async (t) => {
  const bench = new WireBench([ipv4Router]);
  bench.deliver(advertOf({ from: '10.9.0.2' }));
  t.equal(bench.heard[0]?.advert?.from, 'lb2', 'a node of the cluster is known by its name');
  memberOf(bench).send(0, 'lb2');
  t.same(
    bench.packets.map(({ destination }) => destination),
    ['10.9.0.2'],
  );
  t.same(memberOf(bench).send(0, 'front 10.9.0.77'), { at: 0 });
  t.equal(bench.packets.length, 1, 'somebody never heard on this wire is not told');
});

t.test('senders are remembered, but not without end', async (t) => {
  const bench = new WireBench([ipv4Router]);
  for (let host = 6; host < 80; host++) bench.deliver(advertOf({ from: `10.9.0.${host}` }));
  bench.deliver(advertOf({ from: '10.9.0.16' }));
  t.equal(memberOf(bench).addressOf('front 10.9.0.6'), null);
  for (const host of [16, 79]) t.equal(memberOf(bench).addressOf(`front 10.9.0.${host}`), `10.9.0.${host}`);
});

t.test('a send that fails', async (t) => {
  const bench = new WireBench([UNICAST]);
  bench.sendError = 'Network is down';
  t.same(memberOf(bench).send(100, null), { failure: 'Network is down' });
  t.match(memberOf(bench).counters, { sendErrors: 1, advertsSent: 0 });
});

t.test('the virtual MAC: adverts to the group, announcements and echoes come from it; unicast does not', async (t) => {
  for (const [router, mac, group] of [
    [ipv4Router, '00005e000133', '01005e000012'],
    [ipv6Router, '00005e000233', '333300000012'],
  ] as const) {
    const bench = new WireBench([{ ...router, virtualMac: true }]);
    bench.targets = [
      { interface: 'eth0', address: addressOf('10.9.0.254'), mac: OWN_MAC },
      { interface: 'eth0', address: addressOf('2001:db8::fe'), mac: OWN_MAC },
      { interface: 'eth9', address: addressOf('10.9.0.254'), mac: OWN_MAC },
    ];
    memberOf(bench).send(100, null);
    t.equal(bench.packets.length, 0);
    t.equal(bench.frames[0]?.toString('hex', 0, 12), group + mac);
    memberOf(bench).send(0, null);
    if (router === ipv4Router) {
      const second = decodeIpv4Advert(bench.frames[1]?.subarray(14) ?? Buffer.alloc(0));
      t.equal(second.ok && second.advert.priority, 0, 'refreshed inside of the frame');
    }
    bench.frames.length = 0;
    memberOf(bench).announce();
    memberOf(bench).askTargets();
    t.equal(bench.frames.length, router.addresses.length + 1, 'one neighbour of its family');
    for (const frame of bench.frames) t.equal(frame.toString('hex', 6, 12), mac);
    t.equal(memberOf(bench).counters.announcementsSent, router.addresses.length);
  }
  const bench = new WireBench([{ ...UNICAST, virtualMac: true }]);
  memberOf(bench).send(100, null);
  t.same([bench.packets.length, bench.frames.length], [2, 0]);
});

t.test('without it frames come from the MAC of the interface, and an echo from an address of the right scope', async (t) => {
  const bench = new WireBench([ipv6Router]);
  bench.targets = [
    { interface: 'eth0', address: addressOf('fe80::fe'), mac: OWN_MAC },
    { interface: 'eth0', address: addressOf('2001:db8::fe'), mac: OWN_MAC },
  ];
  memberOf(bench).askTargets();
  t.same(
    bench.frames.map((frame) => frame.toString('hex', 22, 38)),
    ['fe800000000000000000000000000051', '20010db8000000000000000000000100'],
  );
  for (const frame of bench.frames) t.same(frame.subarray(6, 12), OWN_MAC);
});

t.test('unicast: only peers are believed, unless the check is off', async (t) => {
  const strict = new WireBench([UNICAST]).deliver(advertOf({ from: '10.9.0.9' })).deliver(advertOf({ from: '10.9.0.3' }));
  t.same(strict.rejected(), { unknownPeer: 1 });
  t.same(
    strict.heard.map(({ advert }) => advert?.from ?? null),
    [null, 'front 10.9.0.3'],
  );
  const open = new WireBench([{ ...UNICAST, unicastSourceCheck: false }]).deliver(advertOf({ from: '10.9.0.9' }));
  t.same([open.rejected(), open.heard[0]?.advert?.from], [{}, 'front 10.9.0.9']);
});

t.test('the other version, and our own source, are rejected', async (t) => {
  const bench = new WireBench([ipv4Router]).deliver(advertOf({ version: 2 })).deliver(advertOf({ from: '10.9.0.5' }));
  t.same(bench.rejected(), { version: 1, ownSource: 1 });
  t.same(new WireBench([VERSION_2]).deliver(advertOf()).rejected(), { version: 1 });
  t.equal(memberOf(bench).counters.advertsReceived, 0);
});

t.test('another interval: version 3 accepts and counts, version 2 rejects', async (t) => {
  const three = new WireBench([ipv4Router]).deliver(advertOf({ intervalMs: 2000 })).deliver(advertOf());
  t.same([three.rejected(), memberOf(three).counters.advertsOtherInterval, memberOf(three).counters.advertsReceived], [{}, 1, 2]);
  t.equal(three.heard[0]?.advert?.intervalMs, 2000, 'to be learned');
  const two = new WireBench([VERSION_2]).deliver(advertOf({ version: 2, intervalMs: 2000 })).deliver(advertOf({ version: 2 }));
  t.same([two.rejected(), memberOf(two).counters.advertsReceived], [{ intervalMismatch: 1 }, 1]);
});

t.test('other addresses are accepted, counted and told', async (t) => {
  const bench = new WireBench([ipv4Router]);
  for (const addresses of [['10.9.0.101'], ['10.9.0.100', '10.9.0.101'], ['10.9.0.100']])
    bench.deliver(advertOf({ addresses: addresses.map(addressOf) }));
  t.match(memberOf(bench).counters, { advertsOtherAddresses: 2, advertsReceived: 3 });
  t.match(bench.logs, [{ event: 'addressesDiffer', fields: { from: '10.9.0.9', heard: ['10.9.0.101'] } }]);
});

t.test('the owner of addresses tells that another router speaks for them, and listens', async (t) => {
  const bench = new WireBench([ipv4Router], { priority: 255, advertIntervalMs: 1000 }).deliver(advertOf());
  t.match(bench.logs, [{ event: 'ownerHears', fields: { from: '10.9.0.9', priority: 50 } }]);
  t.equal(bench.heard[0]?.advert?.priority, 50);
  t.same(new WireBench([ipv4Router]).deliver(advertOf()).logs, [], 'nobody else does');
});

t.test('the form of the checksum follows the other router where it should', async (t) => {
  const formAfter = (checksum: 'auto' | 'rfc9568' | 'rfc5798', heard: 'rfc9568' | 'rfc5798'): unknown => {
    const bench = new WireBench([{ ...ipv4Router, checksum }]).deliver(advertOf(), heard);
    memberOf(bench).send(100, null);
    const sent = bench.lastAdvert();
    return sent.ok && sent.checksumForm;
  };
  t.same(
    [formAfter('auto', 'rfc5798'), formAfter('auto', 'rfc9568'), formAfter('rfc9568', 'rfc5798'), formAfter('rfc5798', 'rfc9568')],
    ['rfc5798', 'rfc9568', 'rfc9568', 'rfc5798'],
  );
  const bench = new WireBench([ipv4Router]).deliver(advertOf(), 'rfc5798').deliver(advertOf());
  t.match(memberOf(bench).counters, { advertsOldChecksum: 1, advertsReceived: 2 }, 'both are believed and counted');
});

t.test('a new configuration is what is sent and compared from then on', async (t) => {
  const bench = new WireBench([ipv4Router]);
  memberOf(bench).reconfigure({ ...ipv4Router, addresses: ['10.9.0.101'] }, { priority: 90, advertIntervalMs: 2000 });
  memberOf(bench).send(90, null);
  const sent = bench.lastAdvert();
  t.match(sent, { advert: { priority: 90, intervalMs: 2000, addresses: [addressOf('10.9.0.101')] } });
});
