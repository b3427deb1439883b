/**
 * Neighbour Discovery for the virtual IPv6 addresses (RFC 4861; RFC 9568, section 8.2.2): who is answered and how, under the lease only;
 * what is broken; who claims an address.
 */
import t, { type Test } from 'tap';
import { proves } from '../rfc/requirement.js';
import { ethernet, etherTypes } from '../support/packet/build.js';
import {
  ALL_NODES,
  ASKER,
  address6ToBytes,
  advertisement,
  duplicateProbe,
  groupMac,
  linkLayer,
  type NdOptions,
  ndOptions,
  ndTypes,
  solicitation,
  solicitedNode,
  UNSPECIFIED,
} from '../support/packet/build6.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  frontMac,
  INSTANCE,
  makeInterfaces,
  ROUTER6,
  routerMac,
  SECOND_NS,
  VIP6,
  VIP6_LINK_LOCAL,
  type World,
  withWorld,
} from '../support/packet/world.js';

const VIRTUAL_MAC = '00:00:5e:00:02:33';
const OTHER = 'fd00:1::77';
const ask = (change: Partial<NdOptions> = {}): Buffer => solicitation({ target: VIP6, ...change });
const probe = (change: Partial<NdOptions> = {}): Buffer => duplicateProbe({ target: VIP6, ...change });
const claim = (change: Partial<NdOptions> = {}): Buffer => advertisement({ target: VIP6, ...change });
const source = (mac: string): [number, Buffer] => linkLayer(ndOptions.sourceLinkLayer, mac);
const nonce: [number, Buffer] = [ndOptions.nonce, Buffer.from('abcdef')];

/** Frames that are nobody's business here: they leave as they came, and nobody is told. */
function passes(test: Test, world: World, frame: Buffer, why: string, on: 'front' | 'back' = 'front'): void {
  const out = world.send(frame, on);
  test.equal(out.verdict, 'PASS', why);
  test.same(out.packet, frame, why);
  test.same(out.drops, {}, why);
}

function isAnswered(test: Test, world: World, frame: Buffer, to: { mac: string; address: string }, by = frontMac, target = VIP6): void {
  const out = world.send(frame);
  test.equal(out.verdict, 'REDIRECT');
  const { parsed } = out;
  test.match(parsed, { destinationMac: to.mac, sourceMac: by });
  test.match(parsed.ip6, { source: target, destination: to.address, hopLimit: 255, icmp: { isChecksumValid: true } });
  test.same(parsed.ip6?.nd, {
    type: ndTypes.advertisement,
    code: 0,
    isRouter: true,
    isSolicited: to.address !== ALL_NODES,
    isOverride: true,
    target,
    options: [{ type: ndOptions.targetLinkLayer, content: by.replaceAll(':', '') }],
  });
  test.equal(out.packet.length, 86, 'nothing is left behind the answer');
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test(
    'a solicitation is answered to the asker: from the group, unicast, with and without options',
    proves({ positive: ['F15'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        isAnswered(test, world, ask(), ASKER);
        isAnswered(test, world, ask({ target: VIP6_LINK_LOCAL }), ASKER, frontMac, VIP6_LINK_LOCAL);
        isAnswered(test, world, ask({ to: VIP6, toMac: frontMac }), ASKER);
        isAnswered(test, world, ask({ to: VIP6, toMac: frontMac, options: [] }), ASKER);
        isAnswered(test, world, ask({ options: [nonce, source(ASKER.mac)] }), ASKER);
        isAnswered(test, world, ask({ options: Array.from({ length: 8 }, () => nonce) }), ASKER);
        const elsewhere = { ...ASKER, mac: '02:00:00:00:09:0a' };
        isAnswered(test, world, ask({ options: [source(elsewhere.mac)] }), elsewhere);
        isAnswered(test, world, Buffer.concat([ask(), Buffer.alloc(20, 0xff)]), ASKER);
      }),
    ),
  );

  t.test('who asks whether the address is taken is told so, with everybody', (test) =>
    withWorld({}, interfaces, (world) => {
      const everybody = { mac: '33:33:00:00:00:01', address: ALL_NODES };
      isAnswered(test, world, probe(), everybody);
      isAnswered(test, world, probe({ options: [nonce] }), everybody);
    }),
  );

  t.test(
    'the virtual MAC answers where the router has one',
    proves({ positive: ['F14'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        world.router(ROUTER6, { virtualMac: VIRTUAL_MAC });
        isAnswered(test, world, ask(), ASKER, VIRTUAL_MAC);
        isAnswered(test, world, probe(), { mac: '33:33:00:00:00:01', address: ALL_NODES }, VIRTUAL_MAC);
        isAnswered(test, world, ask({ to: VIP6, toMac: VIRTUAL_MAC }), ASKER, VIRTUAL_MAC);
      }),
    ),
  );

  t.test(
    'without a fresh lease nobody answers, and the kernel is not asked',
    proves({ positive: ['F5'], negative: ['F14'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        world.release(ROUTER6, { drainNs: 60n * SECOND_NS, admitNs: 60n * SECOND_NS });
        for (const frame of [ask(), probe(), ask({ to: VIP6, toMac: frontMac }), ask({ target: VIP6_LINK_LOCAL })]) {
          test.match(world.send(frame), { verdict: 'DROP', drops: { notForUs: 1 } });
        }
        world.steer(ROUTER6, 'front', routerMac);
        test.match(world.send(ask({ to: VIP6, toMac: frontMac })), { verdict: 'DROP', drops: { notForUs: 1 } }, 'never steered');
        world.router(ROUTER6, { virtualMac: null, accept: true });
        test.match(world.send(ask()), { verdict: 'DROP', drops: { notForUs: 1 } }, 'accepting or not');
      }),
    ),
  );

  t.test('what RFC 4861 calls invalid is dropped', (test) =>
    withWorld({}, interfaces, (world) => {
      const broken: [string, Buffer][] = [
        ['hop limit 254', ask({ hopLimit: 254 })],
        ['hop limit 0', ask({ hopLimit: 0 })],
        ['code', ask({ code: 1 })],
        ['checksum', ask({ checksumError: 1 })],
        ['checksum of a probe', probe({ checksumError: 0x8000 })],
        ['an option of length 0', ask({ rawOptions: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]) })],
        ['a second option of length 0', ask({ rawOptions: Buffer.from([14, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]) })],
        ['an option longer than the packet', ask({ rawOptions: Buffer.from([1, 2, 2, 0, 0, 0, 9, 9]) })],
        ['half an option', ask({ rawOptions: Buffer.from([1, 1, 2, 0]) })],
        ['more options than anybody has', ask({ options: Array.from({ length: 9 }, () => nonce) })],
        ['shorter than a solicitation', ask({ options: [], payloadLength: 23 })],
        ['longer than the frame', ask({ payloadLength: 40 })],
        ['from a group', ask({ from: 'ff02::7' })],
        ['a group as link-layer address', ask({ options: [source('33:33:00:00:00:01')] })],
        ['a probe that names its link-layer address', probe({ options: [source(ASKER.mac)] })],
        ['a probe not to the group', probe({ to: VIP6, toMac: frontMac })],
        ['a probe to another group', probe({ to: ALL_NODES, toMac: '33:33:00:00:00:01' })],
        ['a probe to the group of a neighbour', probe({ to: 'ff02::1:ff00:101' })],
      ];
      for (const [why, frame] of broken) test.match(world.send(frame), { verdict: 'DROP', drops: { malformed: 1 } }, why);
    }),
  );

  t.test(
    'what is not about our addresses passes untouched',
    proves({ positive: ['F15', 'F20'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        passes(test, world, ask({ target: OTHER }), 'another target');
        passes(test, world, ask({ target: OTHER, to: VIP6, toMac: frontMac }), 'another target, asked at our address');
        passes(test, world, ask({ target: OTHER, checksumError: 1 }), 'not ours to judge');
        passes(test, world, ask({ target: 'ff02::1' }), 'a group as target');
        passes(test, world, ask(), 'it lives on another interface', 'back');
        passes(test, world, claim({ target: OTHER }), 'somebody else advertises');
        const whole = ask();
        for (let length = 14; length < 78; length += 1) passes(test, world, whole.subarray(0, length), `${length} bytes`);
        passes(test, world, ethernet(groupMac(solicitedNode(VIP6)), ASKER.mac, 0x8100, whole.subarray(14)), 'behind a VLAN tag');
        passes(test, world, ethernet(frontMac, ASKER.mac, etherTypes.arp, whole.subarray(14)), 'another type');
        test.same(world.plane.drainNotices(), []);
      }),
    ),
  );

  t.test('at the MAC of another node it is not for us', (test) =>
    withWorld({}, interfaces, (world) => {
      test.match(world.send(ask({ to: VIP6, toMac: '02:00:00:00:77:77' })), { verdict: 'DROP', drops: { notForUs: 1 } });
      passes(test, world, ask({ to: OTHER, toMac: '02:00:00:00:77:77' }), 'whatever it asks');
    }),
  );

  t.test(
    'a foreign claim is reported and passed, never answered',
    proves({ negative: ['F20'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        world.router(ROUTER6, { virtualMac: VIRTUAL_MAC });
        const claims = [claim(), claim({ to: VIP6, toMac: frontMac }), claim({ options: [] }), ask({ from: VIP6, target: OTHER })];
        for (const frame of claims) {
          passes(test, world, frame, 'a claim');
          const notices = world.plane.drainNotices();
          test.match(notices, [{ kind: 'foreignClaim', ifindex: world.front, address: VIP6, mac: ASKER.mac }]);
        }
        passes(test, world, claim({ target: VIP6_LINK_LOCAL }), 'a claim of the other address');
        test.match(world.plane.drainNotices(), [{ address: VIP6_LINK_LOCAL }]);
      }),
    ),
  );

  t.test('no claim: our own words reflected, broken ones, and any without our lease', (test) =>
    withWorld({}, interfaces, (world) => {
      world.router(ROUTER6, { virtualMac: VIRTUAL_MAC });
      passes(test, world, claim({ mac: frontMac }), 'our own');
      passes(test, world, claim({ mac: VIRTUAL_MAC }), 'our own, from the virtual MAC');
      for (const change of [{ hopLimit: 254 }, { checksumError: 4 }, { code: 1 }, { rawOptions: Buffer.alloc(8) }]) {
        passes(test, world, claim(change), JSON.stringify(change));
        passes(test, world, ask({ from: VIP6, target: OTHER, ...change }), JSON.stringify(change));
      }
      world.leases.release(ROUTER6, 0n, 0n, INSTANCE);
      passes(test, world, claim(), 'without a lease the claim is right');
      test.same(world.plane.drainNotices(), []);
    }),
  );

  t.test('the answer stands in the frame of the question, whatever that was made of', (test) =>
    withWorld({}, interfaces, (world) => {
      const out = world.send(ask({ options: [] }));
      test.same(out.packet.subarray(14 + 8, 14 + 24), address6ToBytes(VIP6));
      test.same(out.packet.subarray(14, 14 + 4), Buffer.from([0x60, 0, 0, 0]));
      test.not(UNSPECIFIED, out.parsed.ip6?.source);
    }),
  );
});
