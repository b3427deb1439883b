/**
 * Seeded mutations of good packets: whatever arrives, the verdict is one of three, a drop is counted exactly once, what passes is untouched
 * or translated, a right checksum stays right, a server's packet never leaves untranslated, and no solicitation for one of our addresses
 * reaches the kernel.
 */
import t, { type Test } from 'tap';
import { arpFrame, icmpFrame, macToBytes, tcpFrame, udpFrame } from '../support/packet/build.js';
import {
  address6ToBytes,
  advertisement,
  duplicateProbe,
  icmp6Frame,
  ndOptions,
  solicitation,
  tcp6Frame,
} from '../support/packet/build6.js';
import { parseFrame } from '../support/packet/parse.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  frontMac,
  GATEWAY_VIP,
  LOCAL,
  makeInterfaces,
  type Outcome,
  ROUTER,
  ROUTER6,
  SECOND_NS,
  VIP,
  VIP6,
  VIP6_LINK_LOCAL,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const ROUNDS = 4000;
/** Ethernet, IPv6 and a solicitation with an option. */
const MUTATED_BYTES = 86;
const VIRTUAL_MAC4 = '00:00:5e:00:01:33';
const VIRTUAL_MAC6 = '00:00:5e:00:02:33';
const SUCCESSORS = { front: '02:00:00:00:01:02', back: '02:00:00:00:02:02' };
const SERVER_PORTS = [8080, 7070, 90];
const options = Buffer.from([0x94, 4, 0, 0, 1, 1, 1, 0]);

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Sample {
  on: 'front' | 'back';
  frame: Buffer;
}

function samples(): Sample[] {
  const toClient = { ...client, mac: backMac };
  const front = [
    ...['S', 'A', 'FA', 'R', 'PA'].map((flags) => tcpFrame({ from: client, to: vip(80), flags, payload: Buffer.from('request') })),
    tcpFrame({ from: client, to: vip(90), flags: 'S', options }),
    tcpFrame({ from: client, to: vip(70), flags: 'S' }),
    tcpFrame({ from: client, to: vip(81), flags: 'A', checksum: 'partial' }),
    udpFrame({ from: client, to: vip(53) }),
    udpFrame({ from: client, to: vip(53), checksum: 'none' }),
    icmpFrame({ from: client, to: vip(0), type: 8 }),
    arpFrame({ operation: 'request', senderMac: client.mac, senderAddress: '10.1.0.9', targetAddress: VIP }),
  ];
  const back = worldServers.flatMap(({ party }) => [
    ...['SA', 'A', 'FA', 'R', 'PA'].map((flags) => tcpFrame({ from: party, to: toClient, flags, payload: Buffer.from('answer') })),
    tcpFrame({ from: { ...party, port: 7070 }, to: toClient, flags: 'PA', options }),
    tcpFrame({ from: party, to: { mac: backMac, address: LOCAL, port: 50000 }, flags: 'SA' }),
    udpFrame({ from: party, to: toClient }),
    arpFrame({ operation: 'request', senderMac: party.mac, senderAddress: party.address, targetAddress: GATEWAY_VIP }),
  ]);
  const client6 = { ...client, address: 'fd00:2::7' };
  const vip6 = { mac: frontMac, address: VIP6, port: 22 };
  const nonce: [number, Buffer] = [ndOptions.nonce, Buffer.from('abcdef')];
  const front6 = [
    solicitation({ target: VIP6 }),
    solicitation({ target: VIP6_LINK_LOCAL, to: VIP6_LINK_LOCAL, toMac: frontMac, options: [] }),
    solicitation({ target: VIP6, options: [nonce, nonce, [ndOptions.sourceLinkLayer, macToBytes(client.mac)]] }),
    duplicateProbe({ target: VIP6 }),
    advertisement({ target: VIP6 }),
    icmp6Frame({ from: client6, to: vip6, type: 128 }),
    icmp6Frame({ from: client6, to: { ...vip6, mac: VIRTUAL_MAC6 }, type: 128, size: 40 }),
    icmp6Frame({ from: client6, to: vip6, type: 1 }),
    tcp6Frame(client6, vip6),
    tcpFrame({ from: client, to: { ...vip(80), mac: VIRTUAL_MAC4 }, flags: 'S' }),
  ];
  front.push(...front6);
  return [...front.map((frame) => ({ on: 'front' as const, frame })), ...back.map((frame) => ({ on: 'back' as const, frame }))];
}

function mutate(frame: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(frame);
  const pick = (limit: number) => Math.floor(random() * limit);
  for (let count = pick(4); count > 0; count -= 1) {
    // Mostly the headers, where it matters; the MAC only now and then, or nothing else would be reached.
    const at = random() < 0.05 ? pick(14) : 14 + pick(Math.min(copy.length, MUTATED_BYTES) - 14);
    copy[at] = random() < 0.5 ? pick(256) : (copy[at] ?? 0) ^ (1 << pick(8));
  }
  if (random() < 0.1) return copy.subarray(0, 14 + pick(copy.length - 14));
  return random() < 0.1 ? Buffer.concat([copy, Buffer.alloc(pick(64), 0xaa)]) : copy;
}

const isOurMac = (frame: Buffer, on: Sample['on']): boolean =>
  frame.subarray(0, 6).toString('hex') === (on === 'front' ? frontMac : backMac).replaceAll(':', '');
const address = (frame: Buffer, at: number): string => [...frame.subarray(at, at + 4)].join('.');

/** Must this frame never pass as it is? From a server's service port, or from a server and not to be judged. */
function isServersOwn({ on, frame }: Sample): boolean {
  if (frame.length < 34 || !isOurMac(frame, on) || frame.readUInt16BE(12) !== 0x0800) return false;
  if (!worldServers.some(({ party }) => party.address === address(frame, 26)) || address(frame, 30) === LOCAL) return false;
  // What is sent to a group is the kernel's, whoever sends it.
  if (((frame[30] ?? 0) & 0xf0) === 0xe0) return false;
  const header = ((frame[14] ?? 0) & 15) * 4;
  const total = frame.readUInt16BE(16);
  const isBroken = (frame[14] ?? 0) >> 4 !== 4 || header < 20 || total < header || total > frame.length - 14;
  if (isBroken || (frame.readUInt16BE(20) & 0x3fff) !== 0) return true;
  if (frame[23] !== 6 && frame[23] !== 17) return false;
  if (frame.length < 14 + header + (frame[23] === 6 ? 20 : 8)) return true;
  const port = frame.readUInt16BE(14 + header);
  return frame[23] === 17 ? port === 8080 : SERVER_PORTS.includes(port);
}

const hex = (text: string): string => address6ToBytes(text).toString('hex');
const OUR_TARGETS = [VIP6, VIP6_LINK_LOCAL].map(hex);
const OUR_MACS = [frontMac, VIRTUAL_MAC4, VIRTUAL_MAC6].map((mac) => mac.replaceAll(':', ''));

/** Must the kernel never see this frame? A solicitation for one of our addresses, to a MAC that we listen on, from nobody with ours. */
function isOurQuestion({ on, frame }: Sample): boolean {
  if (on !== 'front' || frame.length < 78 || frame.readUInt16BE(12) !== 0x86dd) return false;
  const isHeard = ((frame[0] ?? 0) & 1) === 1 || OUR_MACS.includes(frame.subarray(0, 6).toString('hex'));
  const isSolicitation = (frame[14] ?? 0) >> 4 === 6 && frame[20] === 58 && frame[54] === 135;
  const [source, target] = [frame.subarray(22, 38).toString('hex'), frame.subarray(62, 78).toString('hex')];
  return isHeard && isSolicitation && OUR_TARGETS.includes(target) && !OUR_TARGETS.includes(source);
}

const isRight = (frame: Buffer): boolean => {
  const { ip, ip6, segment, icmp } = parseFrame(frame);
  if (ip6 !== undefined) return ip6.icmp?.isChecksumValid !== false;
  return ip?.isHeaderValid === true && segment?.isChecksumValid !== false && icmp?.isChecksumValid !== false;
};

const isSteered = ({ on }: Sample, out: Outcome): boolean =>
  out.parsed.destinationMac === SUCCESSORS[on] && out.parsed.sourceMac === (on === 'front' ? frontMac : backMac);

/** What is wrong with a frame that leaves; empty when nothing is. */
function complaintOfSent(sample: Sample, out: Outcome): string {
  if (isSteered(sample, out)) return isRight(sample.frame) && !isRight(out.packet) ? 'steering broke a checksum' : '';
  if (isServersOwn(sample) && out.parsed.ip?.source !== VIP) return `a server leaves as ${out.parsed.ip?.source}`;
  const { ip6, arp } = out.parsed;
  if (ip6?.nd !== undefined) return ip6.hopLimit === 255 && ip6.icmp?.isChecksumValid === true ? '' : 'an answer is broken';
  return arp === undefined && isRight(sample.frame) && !isRight(out.packet) ? 'a checksum broke' : '';
}

/** What is wrong with this outcome; empty when nothing is. */
function complaint(sample: Sample, out: Outcome): string {
  const count = Object.values(out.drops).reduce((sum, moved) => sum + moved, 0);
  const isSame = out.packet.equals(sample.frame);
  switch (out.verdict) {
    case 'DROP':
      return count === 1 ? '' : `counted ${count} times`;
    case 'PASS':
      if (count !== 0) return 'counted, but passed';
      if (isOurQuestion(sample)) return 'a question about our address reaches the kernel';
      return isSame && isServersOwn(sample) ? 'a server is passed untranslated' : '';
    case 'REDIRECT':
      return complaintOfSent(sample, out);
    default:
      return 'an illegal verdict';
  }
}

function attack(world: World, seed: number): { complaints: string[]; verdicts: Record<string, number> } {
  const random = randomFrom(seed);
  const list = samples();
  const complaints: string[] = [];
  const verdicts: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    const base = list[Math.floor(random() * list.length)] as Sample;
    const sample = { on: base.on, frame: mutate(base.frame, random) };
    const out = world.send(sample.frame, sample.on);
    verdicts[out.verdict] = (verdicts[out.verdict] ?? 0) + 1;
    const wrong = complaint(sample, out);
    if (wrong !== '') complaints.push(`seed ${seed} round ${round} on ${sample.on}: ${wrong}: ${sample.frame.toString('hex')}`);
  }
  return { complaints, verdicts };
}

function judge(test: Test, world: World, seed: number): void {
  const { complaints, verdicts } = attack(world, seed);
  test.same(complaints.slice(0, 5), []);
  for (const verdict of ['DROP', 'PASS', 'REDIRECT']) test.ok((verdicts[verdict] ?? 0) > ROUNDS / 50, `${verdict} was reached`);
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();
  for (const [seed, driverMode] of [
    [1, false],
    [2, true],
    [20261121, false],
  ] as const) {
    t.test(`seed ${seed}`, (test) =>
      withWorld({ driverMode, maxFlows: 1024 }, interfaces, (world) => {
        judge(test, world, seed);
      }),
    );
  }

  t.test('with virtual MACs, accepting', (test) =>
    withWorld({ maxFlows: 1024 }, interfaces, (world) => {
      world.router(ROUTER, { virtualMac: VIRTUAL_MAC4, accept: true });
      world.router(ROUTER6, { virtualMac: VIRTUAL_MAC6, accept: true });
      judge(test, world, 3);
    }),
  );

  t.test('handed over', (test) =>
    withWorld({ maxFlows: 1024 }, interfaces, (world) => {
      attack(world, 4);
      world.router(ROUTER, { virtualMac: VIRTUAL_MAC4, accept: true });
      for (const slot of [ROUTER, ROUTER6]) {
        world.release(slot, { drainNs: 3600n * SECOND_NS });
        for (const on of ['front', 'back'] as const) world.steer(slot, on, SUCCESSORS[on], 3600n * SECOND_NS);
      }
      judge(test, world, 5);
      test.ok(world.steered(ROUTER) > ROUNDS / 50);
      test.ok(world.steered(ROUTER6) > ROUNDS / 100);
    }),
  );
});
