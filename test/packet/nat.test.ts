/**
 * NAT of packets whose flow has a record: addresses, ports, MACs, TTL and every checksum, in both directions.
 */
import t, { type Test } from 'tap';
import { flowState } from '../../src/l4/abi.gen.js';
import { type SegmentOptions, tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  makeInterfaces,
  routerMac,
  serverSlot,
  VIP,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

/** As in native/l4/bpf/checksum.h. */
const PARTIAL_EVIDENCE = 8;
const TCP_CHECKSUM_AT = 14 + 20 + 16;
const UDP_CHECKSUM_AT = 14 + 20 + 6;
const WEB = 0;
const DNS = 1;
const payloads = [Buffer.alloc(0), Buffer.from('x'), Buffer.from('hello, world'), Buffer.alloc(1400, 0xff), Buffer.alloc(1399, 0x5a)];
const options = Buffer.from([0x94, 4, 0, 0, 1, 1, 1, 0]); // router alert, padding

/** Opens a flow and returns the server it got. */
function open(world: World, service: number): number {
  const frame = service === DNS ? udpFrame({ from: client, to: vip(53) }) : tcpFrame({ from: client, to: vip(80), flags: 'S' });
  world.send(frame);
  return world.hashed(service, client);
}

function checkForward(test: Test, world: World, service: number, number: number, change: Partial<SegmentOptions>): void {
  const isUdp = service === DNS;
  const base = { from: client, to: vip(isUdp ? 53 : 80), ...change };
  const out = world.send(isUdp ? udpFrame(base) : tcpFrame({ ...base, flags: 'A' }));
  test.equal(out.verdict, 'REDIRECT');
  const { parsed } = out;
  test.equal(parsed.destinationMac, worldServers[number]?.mac);
  test.equal(parsed.sourceMac, backMac);
  test.match(parsed.ip, { source: client.address, destination: worldServers[number]?.party.address, ttl: 63, isHeaderValid: true });
  test.match(parsed.segment, { sourcePort: client.port, destinationPort: 8080, isChecksumValid: true });
  if (base.payload !== undefined) test.same(parsed.segment?.payload, base.payload, 'the payload is untouched');
}

function checkReply(test: Test, world: World, service: number, number: number, change: Partial<SegmentOptions>): void {
  const from = { ...(worldServers[number]?.party ?? client), port: 8080 };
  const base = { from, to: { ...client, mac: backMac }, ...change };
  const out = world.send(service === DNS ? udpFrame(base) : tcpFrame({ ...base, flags: 'A' }), 'back');
  test.equal(out.verdict, 'REDIRECT');
  const { parsed } = out;
  test.equal(parsed.destinationMac, routerMac);
  test.equal(parsed.sourceMac, frontMac);
  test.match(parsed.ip, { source: VIP, destination: client.address, ttl: 63, isHeaderValid: true });
  test.match(parsed.segment, { sourcePort: service === DNS ? 53 : 80, destinationPort: client.port, isChecksumValid: true });
  if (base.payload !== undefined) test.same(parsed.segment?.payload, base.payload, 'the payload is untouched');
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  for (const [name, service] of [
    ['TCP', WEB],
    ['UDP', DNS],
  ] as const) {
    t.test(`${name}: both directions, payloads of every parity`, (test) =>
      withWorld({}, interfaces, (world) => {
        const number = open(world, service);
        for (const payload of payloads) {
          checkForward(test, world, service, number, { payload });
          checkReply(test, world, service, number, { payload });
        }
        checkForward(test, world, service, number, { options });
        checkReply(test, world, service, number, { options });
      }),
    );
  }

  t.test('replies find their record without the hint, and with either order of look-ups', async (test) => {
    for (const repliesFirst of [false, true]) {
      await withWorld({ repliesFirst }, interfaces, (world) => {
        const number = open(world, WEB);
        checkReply(test, world, WEB, number, {});
        checkReply(test, world, WEB, number, {});
        checkForward(test, world, WEB, number, {});
      });
    }
  });

  t.test('UDP without a checksum stays without one', (test) =>
    withWorld({}, interfaces, (world) => {
      open(world, DNS);
      const out = world.send(udpFrame({ from: client, to: vip(53), checksum: 'none' }));
      test.equal(out.verdict, 'REDIRECT');
      test.equal(out.parsed.segment?.checksum, 0);
    }),
  );

  t.test('a UDP checksum that becomes zero is sent as all ones', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = open(world, DNS);
      const to = { ...(worldServers[number]?.party ?? client), port: 8080 };
      const payload = words().find((bytes) => udpFrame({ from: client, to, payload: bytes }).readUInt16BE(UDP_CHECKSUM_AT) === 0xffff);
      const out = world.send(udpFrame({ from: client, to: vip(53), payload: payload ?? Buffer.alloc(0) }));
      test.ok(payload);
      test.equal(out.parsed.segment?.checksum, 0xffff);
      test.equal(out.parsed.segment?.isChecksumValid, true);
    }),
  );

  t.test('a partial checksum stays partial in generic mode: addresses change, ports do not count', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = open(world, WEB);
      for (const payload of payloads) {
        const out = world.send(tcpFrame({ from: client, to: vip(80), flags: 'A', payload, checksum: 'partial' }));
        test.equal(out.verdict, 'REDIRECT');
        test.equal(out.parsed.segment?.isChecksumPartial, true);
        test.equal(out.parsed.ip?.destination, worldServers[number]?.party.address);
      }
    }),
  );

  t.test('a partial checksum is completed in driver mode', (test) =>
    withWorld({ driverMode: true }, interfaces, (world) => {
      open(world, WEB);
      open(world, DNS);
      for (const payload of payloads) {
        const tcp = world.send(tcpFrame({ from: client, to: vip(80), flags: 'A', payload, checksum: 'partial' }));
        test.equal(tcp.parsed.segment?.isChecksumValid, true, 'TCP');
        const udp = world.send(udpFrame({ from: client, to: vip(53), payload, checksum: 'partial' }));
        test.equal(udp.parsed.segment?.isChecksumValid, true, 'UDP');
        test.not(udp.parsed.segment?.checksum, 0);
      }
    }),
  );

  t.test('a complete checksum that looks like a partial one is told apart', (test) =>
    withWorld({}, interfaces, (world) => {
      open(world, WEB);
      const lookalike = findLookalike();
      const out = world.send(lookalike);
      test.equal(out.parsed.segment?.isChecksumValid, true);
    }),
  );

  t.test('where partial checksums are usual, a lookalike is one of them', (test) =>
    withWorld({}, interfaces, (world) => {
      open(world, WEB);
      const usual = tcpFrame({ from: client, to: vip(80), flags: 'A', payload: Buffer.from('usual'), checksum: 'partial' });
      for (let sent = 0; sent < PARTIAL_EVIDENCE; sent++) world.send(usual);
      test.equal(world.send(findLookalike()).parsed.segment?.isChecksumPartial, true);
    }),
  );

  t.test('traffic counts packets and bytes of the IPv4 length, by server and direction', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = open(world, WEB);
      checkForward(test, world, WEB, number, { payload: Buffer.alloc(60) });
      checkReply(test, world, WEB, number, { payload: Buffer.alloc(100) });
      test.same(world.traffic(serverSlot(WEB, number)), { packetsIn: 2, bytesIn: 40 + 100, packetsOut: 1, bytesOut: 140, flows: 1 });
    }),
  );

  t.test('TTL: 2 is forwarded as 1, 1 and 0 are dropped, also for new flows', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = open(world, WEB);
      test.equal(world.send(tcpFrame({ from: client, to: vip(80), flags: 'A', ttl: 2 })).parsed.ip?.ttl, 1);
      for (const ttl of [0, 1]) {
        test.match(world.send(tcpFrame({ from: client, to: vip(80), flags: 'A', ttl })), { verdict: 'DROP', drops: { ttl: 1 } });
        const other = { ...client, port: 40001 };
        test.match(world.send(tcpFrame({ from: other, to: vip(80), flags: 'S', ttl })), { verdict: 'DROP', drops: { ttl: 1 } });
        test.equal(world.flow(WEB, other), null, 'no record for a packet that goes nowhere');
        const from = worldServers[number]?.party ?? client;
        test.match(world.send(tcpFrame({ from, to: { ...client, mac: backMac }, flags: 'A', ttl }), 'back'), {
          verdict: 'DROP',
          drops: { ttl: 1 },
        });
      }
      test.equal(world.flow(WEB)?.state, flowState.syn);
    }),
  );
});

/** A right packet whose checksum field equals the sum of its pseudo header: its payload makes the rest sum up to zero. */
function findLookalike(): Buffer {
  const frames = words().map((payload) => [false, true].map((isPartial) => lookalike(payload, isPartial)));
  const found = frames.find(([full, partial]) => full?.readUInt16BE(TCP_CHECKSUM_AT) === partial?.readUInt16BE(TCP_CHECKSUM_AT));
  if (found?.[0] === undefined) throw new Error('no such payload');
  return found[0];
}

const lookalike = (payload: Buffer, isPartial: boolean): Buffer =>
  tcpFrame({ from: client, to: vip(80), flags: 'A', payload, checksum: isPartial ? 'partial' : 'full' });

/** Every payload of two bytes. */
const words = (): Buffer[] => Array.from({ length: 0x10000 }, (_, word) => Buffer.from([word >> 8, word & 0xff]));
