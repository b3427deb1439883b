/**
 * Broken, truncated, fragmented and foreign frames: what concerns the VIP or comes from a server is dropped and counted, all else passes.
 */
import t from 'tap';
import { flowState } from '../../src/l4/abi.gen.js';
import { ethernet, etherTypes, tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import { backMac, client, LOCAL, makeInterfaces, VIP, vip, type World, withWorld, worldServers } from '../support/packet/world.js';

const WEB = 0;
const party = worldServers[0]?.party ?? client;
const options = Buffer.from([0x94, 4, 0, 0, 1, 1, 1, 0]);

const patched = (frame: Buffer, at: number, byte: number): Buffer => {
  const copy = Buffer.from(frame);
  copy[at] = byte;
  return copy;
};
/** Grows or shrinks the IPv4 length without touching the frame. */
const withLength = (frame: Buffer, length: number): Buffer => {
  const copy = Buffer.from(frame);
  copy.writeUInt16BE(length, 16);
  return copy;
};

/** Frames that must concern nobody: sent as they are, they leave as they are. */
function passes(
  test: { equal: (a: unknown, b: unknown) => unknown; same: (a: unknown, b: unknown) => unknown },
  world: World,
  frame: Buffer,
  on: 'front' | 'back',
) {
  const result = world.plane.testRun(on, frame, 1);
  test.equal(result.verdict, 'PASS');
  test.same(result.packet, frame);
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test('every prefix of a packet to a VIP', (test) =>
    withWorld({}, interfaces, (world) => {
      const frames = [
        tcpFrame({ from: client, to: vip(80), flags: 'S', options, payload: Buffer.from('data') }),
        udpFrame({ from: client, to: vip(53), payload: Buffer.from('data') }),
        tcpFrame({ from: client, to: vip(90), flags: 'S' }),
      ];
      for (const frame of frames) {
        for (let length = 14; length < frame.length; length += 1) {
          const result = world.plane.testRun('front', frame.subarray(0, length), 1);
          test.equal(result.verdict, length < 34 ? 'PASS' : 'DROP', `${length} bytes`);
          test.same(result.packet, frame.subarray(0, length), 'untouched');
        }
        test.equal(world.send(frame).verdict, 'REDIRECT');
        test.equal(world.send(Buffer.concat([frame, Buffer.alloc(18)])).verdict, 'REDIRECT', 'padding behind it does not matter');
      }
    }),
  );

  t.test('every prefix of a reply', (test) =>
    withWorld({}, interfaces, (world) => {
      world.service(WEB, { table: [1] });
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' }));
      const frame = tcpFrame({ from: party, to: { ...client, mac: backMac }, flags: 'PA', options, payload: Buffer.from('data') });
      for (let length = 34; length < frame.length; length += 1) {
        const out = world.plane.testRun('back', frame.subarray(0, length), 1);
        test.equal(out.verdict, 'DROP', `${length} bytes`);
      }
      test.equal(world.send(frame, 'back').verdict, 'REDIRECT');
    }),
  );

  t.test('contradictory headers: dropped for a VIP and from a server, passed otherwise', (test) =>
    withWorld({}, interfaces, (world) => {
      const broken = (frame: Buffer): Buffer[] => [
        patched(frame, 14, 0x65), // version 6
        patched(frame, 14, 0x44), // header shorter than 20
        patched(frame, 14, 0x4f), // header longer than the packet
        withLength(frame, 0),
        withLength(frame, 19),
        withLength(frame, 39), // cuts the TCP header
        withLength(frame, frame.length - 14 + 1), // beyond the frame
        withLength(frame, 0xffff),
        patched(frame, 46, 0x40), // TCP header shorter than 20
        patched(frame, 46, 0xf0), // longer than the segment
      ];
      for (const frame of broken(tcpFrame({ from: client, to: vip(80), flags: 'S' }))) {
        test.match(world.send(frame), { verdict: 'DROP', drops: { malformed: 1 } });
      }
      for (const frame of broken(tcpFrame({ from: party, to: { ...client, mac: backMac }, flags: 'PA' }))) {
        test.match(world.send(frame, 'back'), { verdict: 'DROP', drops: { malformed: 1 } });
      }
      for (const frame of broken(tcpFrame({ from: party, to: { mac: backMac, address: LOCAL, port: 9 }, flags: 'PA' })))
        passes(test, world, frame, 'back');
      for (const frame of broken(tcpFrame({ from: client, to: { ...vip(80), address: '192.0.2.1' }, flags: 'S' })))
        passes(test, world, frame, 'front');
      const udp = udpFrame({ from: client, to: vip(53) });
      for (const length of [0, 7, 13, 0xffff]) {
        const copy = Buffer.from(udp);
        copy.writeUInt16BE(length, 38);
        test.match(world.send(copy), { verdict: 'DROP', drops: { malformed: 1 } }, `UDP length ${length}`);
      }
      test.equal(world.flow(WEB), null);
    }),
  );

  t.test('fragments: dropped for a VIP and from a server, first and later ones; passed otherwise', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const fragment of [0x2000, 0x2001, 0x0001, 0x1fff]) {
        test.match(world.send(tcpFrame({ from: client, to: vip(80), flags: 'S', fragment })), { verdict: 'DROP', drops: { fragment: 1 } });
        const reply = tcpFrame({ from: party, to: { ...client, mac: backMac }, flags: 'PA', fragment });
        test.match(world.send(reply, 'back'), { verdict: 'DROP', drops: { fragment: 1 } });
        passes(test, world, tcpFrame({ from: party, to: { mac: backMac, address: LOCAL, port: 9 }, flags: 'PA', fragment }), 'back');
        passes(test, world, tcpFrame({ from: client, to: { ...vip(80), address: '192.0.2.1' }, flags: 'S', fragment }), 'front');
      }
      test.equal(
        world.send(tcpFrame({ from: client, to: vip(80), flags: 'S', fragment: 0x4000 })).verdict,
        'REDIRECT',
        'DF is no fragment',
      );
      test.equal(world.flow(WEB)?.state, flowState.syn);
    }),
  );

  t.test('frames with another MAC: a VIP packet is counted, all else passes', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const mac of ['02:00:00:00:77:77', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '02:00:00:00:01:02', '03:00:00:00:01:01']) {
        test.match(
          world.send(tcpFrame({ from: client, to: { ...vip(80), mac }, flags: 'S' })),
          { verdict: 'DROP', drops: { notForUs: 1 } },
          mac,
        );
        passes(test, world, tcpFrame({ from: client, to: { mac, address: LOCAL, port: 80 }, flags: 'S' }), 'front');
        passes(test, world, tcpFrame({ from: client, to: { mac, address: '224.0.0.18', port: 80 }, flags: 'S' }), 'front');
      }
      test.equal(world.flow(WEB), null);
    }),
  );

  t.test('other Ethernet types pass', (test) =>
    withWorld({}, interfaces, (world) => {
      const body = tcpFrame({ from: client, to: vip(80), flags: 'S' }).subarray(14);
      for (const type of [etherTypes.ipv6, 0x8100, 0x88a8, 0x0000, 0x0801])
        passes(test, world, ethernet(vip(80).mac, client.mac, type, body), 'front');
      test.equal(VIP, vip(80).address);
    }),
  );
});
