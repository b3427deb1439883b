import t from 'tap';
import { observe } from '../../support/lab/observations.js';
import { type CapturedFrame, parsePcap } from '../../support/lab/pcap.js';

const FILE_HEADER = Buffer.alloc(24);
FILE_HEADER.writeUInt32LE(0xa1b23c4d, 0);
FILE_HEADER.writeUInt32LE(276, 20);

function record(seconds: number, nanoseconds: number, etherType: number, mac: number[], payload: Buffer): Buffer {
  const cooked = Buffer.alloc(20);
  cooked.writeUInt16BE(etherType, 0);
  cooked.writeUInt32BE(4, 4);
  Buffer.from(mac).copy(cooked, 12);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(seconds, 0);
  header.writeUInt32LE(nanoseconds, 4);
  header.writeUInt32LE(20 + payload.length, 8);
  header.writeUInt32LE(20 + payload.length, 12);
  return Buffer.concat([header, cooked, payload]);
}

const MAC = [2, 1, 0, 0, 0, 1];

function ipv4(protocol: number, inner: Buffer, headerWords = 5): Buffer {
  const header = Buffer.alloc(headerWords * 4);
  header[0] = 0x40 | headerWords;
  header[9] = protocol;
  Buffer.from([10, 1, 0, 51]).copy(header, 12);
  Buffer.from([10, 1, 0, 100]).copy(header, 16);
  return Buffer.concat([header, inner]);
}

const frame = (etherType: number, payload: Buffer): CapturedFrame => ({
  atNs: 0n,
  ifindex: 4,
  etherType,
  sourceMac: '02:01:00:00:00:01',
  payload,
});

t.test('frames with time, interface and sender', async (t) => {
  const parsed = parsePcap(
    Buffer.concat([FILE_HEADER, record(2, 5, 0x0806, MAC, Buffer.from([9])), record(3, 0, 0x0800, MAC, Buffer.alloc(0))]),
  );
  t.match(parsed, {
    ok: true,
    frames: [{ atNs: 2_000_000_005n, ifindex: 4, etherType: 0x0806, sourceMac: '02:01:00:00:00:01' }, { atNs: 3_000_000_000n }],
  });
});

t.test('microsecond files', async (t) => {
  const header = Buffer.from(FILE_HEADER);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  t.match(parsePcap(Buffer.concat([header, record(1, 7, 0x0806, MAC, Buffer.alloc(0))])), { ok: true, frames: [{ atNs: 1_000_007_000n }] });
});

t.test('a last packet cut off is left out', async (t) => {
  const file = Buffer.concat([FILE_HEADER, record(1, 0, 0x0806, MAC, Buffer.alloc(28)), record(2, 0, 0x0806, MAC, Buffer.alloc(28))]);
  for (const missing of [1, 28, 30, 63]) {
    const parsed = parsePcap(file.subarray(0, file.length - missing));
    t.equal(parsed.ok && parsed.frames.length, 1, `${missing} bytes missing`);
  }
});

t.test('files of another kind', async (t) => {
  t.same(parsePcap(Buffer.alloc(10)), { ok: false, reason: 'truncated' });
  t.same(parsePcap(Buffer.alloc(24)), { ok: false, reason: 'notPcap' });
  const ethernet = Buffer.from(FILE_HEADER);
  ethernet.writeUInt32LE(1, 20);
  t.same(parsePcap(ethernet), { ok: false, reason: 'wrongLinkType' });
});

t.test('a probe, with and without IP options', async (t) => {
  const udp = Buffer.alloc(20);
  udp.writeUInt16BE(40_000, 0);
  udp.writeUInt16BE(7001, 2);
  udp.writeUInt32BE(77, 8);
  for (const words of [5, 6]) {
    const seen = observe(frame(0x0800, ipv4(17, udp, words)), 1, 'c-cl1');
    t.match(seen, { kind: 'udp', sourcePort: 40_000, destination: '10.1.0.100', destinationPort: 7001, sequence: 77, port: 'c-cl1' });
  }
});

t.test('a reset is seen, another segment is not', async (t) => {
  const tcp = Buffer.alloc(20);
  tcp[13] = 0x14;
  t.match(observe(frame(0x0800, ipv4(6, tcp)), 1, 'c-lb1'), { kind: 'reset', source: '10.1.0.51' });
  tcp[13] = 0x10;
  t.equal(observe(frame(0x0800, ipv4(6, tcp)), 1, 'c-lb1'), null);
});

t.test('an advert says its priority', async (t) => {
  t.match(observe(frame(0x0800, ipv4(112, Buffer.from([0x31, 51, 200, 1, 0, 10, 0, 0]))), 1, 'c-lb1'), { kind: 'advert', priority: 200 });
});

t.test('ARP, both ways', async (t) => {
  const arp = Buffer.alloc(28);
  arp.writeUInt16BE(2, 6);
  Buffer.from(MAC).copy(arp, 8);
  Buffer.from([10, 1, 0, 100]).copy(arp, 14);
  t.match(observe(frame(0x0806, arp), 1, 'c-lb1'), { kind: 'arpReply', senderAddress: '10.1.0.100', senderMac: '02:01:00:00:00:01' });
  arp.writeUInt16BE(1, 6);
  t.match(observe(frame(0x0806, arp), 1, 'c-lb1'), { kind: 'arpRequest' });
});

t.test('what is too short or of no interest is nothing', async (t) => {
  for (let length = 0; length < 28; length += 1) t.equal(observe(frame(0x0806, Buffer.alloc(length)), 1, 'x'), null);
  for (let length = 0; length < 28; length += 1)
    t.equal(observe(frame(0x0800, ipv4(17, Buffer.alloc(28)).subarray(0, length)), 1, 'x'), null);
  t.equal(observe(frame(0x86dd, Buffer.alloc(60)), 1, 'x'), null);
});
