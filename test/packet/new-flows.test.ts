/**
 * Packets to a VIP that have no record: new flows by both schedulers, flows in progress placed by the hash, and every reason not to admit one.
 */
import t from 'tap';
import { flowFlag, flowState, recordKind, serverFlag } from '../../src/l4/abi.gen.js';
import { type Party, tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  client,
  INSTANCE,
  makeInterfaces,
  NODE_ID,
  SECOND_NS,
  serverSlot,
  services,
  vip,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const [WEB, DNS, DIRECT, ROUND, TWIN, SINGLE] = [0, 1, 2, 3, 4, 5] as const;
const ports = (count: number): Party[] => Array.from({ length: count }, (_, index) => ({ ...client, port: 30000 + 7 * index }));
const syn = (from: Party, service: number) => tcpFrame({ from, to: vip(services[service]?.port ?? 0), flags: 'S' });
const ack = (from: Party, service: number) => tcpFrame({ from, to: vip(services[service]?.port ?? 0), flags: 'A' });
const numberOf = (address: string | undefined): number => worldServers.findIndex(({ party }) => party.address === address);

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test('new TCP flows go where the hash says, with a record and an event each', (test) =>
    withWorld({}, interfaces, (world) => {
      const seen = new Set<number>();
      for (const from of ports(40)) {
        const out = world.send(syn(from, WEB));
        const number = world.hashed(WEB, from);
        seen.add(number);
        test.equal(out.verdict, 'REDIRECT');
        test.equal(out.parsed.ip?.destination, worldServers[number]?.party.address);
        const flow = world.flow(WEB, from);
        test.match(flow, { serverPort: 8080, state: flowState.syn, flags: 0, serverSlot: serverSlot(WEB, number), syncEpoch: 0 });
        test.equal(Number((flow?.generation ?? 0n) >> 56n), NODE_ID, 'the generation names the node');
        const events = world.events();
        test.match(events, [{ kind: recordKind.upsert, state: flowState.syn, key: world.key(WEB, from), generation: flow?.generation }]);
        test.equal(events.length, 1);
      }
      test.equal(seen.size, 3, 'every server got some');
      test.match(world.plane.digests()[0], { flows: 40n });
    }),
  );

  t.test('the round robin goes round', (test) =>
    withWorld({}, interfaces, (world) => {
      const order = ports(6).map((from) => numberOf(world.send(syn(from, ROUND)).parsed.ip?.destination));
      test.same(order, [0, 1, 2, 0, 1, 2]);
    }),
  );

  t.test('UDP: the first packet makes the record', (test) =>
    withWorld({}, interfaces, (world) => {
      const out = world.send(udpFrame({ from: client, to: vip(53) }));
      test.equal(numberOf(out.parsed.ip?.destination), world.hashed(DNS, client));
      test.match(world.flow(DNS), { state: flowState.udp, flags: 0 });
    }),
  );

  t.test('generations differ between flows and grow', (test) =>
    withWorld({}, interfaces, (world) => {
      const generations = ports(20).map((from) => {
        world.send(syn(from, WEB));
        return world.flow(WEB, from)?.generation ?? 0n;
      });
      test.equal(new Set(generations).size, generations.length);
      test.same(
        generations,
        [...generations].sort((a, b) => (a < b ? -1 : 1)),
      );
    }),
  );

  t.test('mid-flow without a record: the current table, derived and established', (test) =>
    withWorld({}, interfaces, (world) => {
      const out = world.send(ack(client, WEB));
      test.equal(numberOf(out.parsed.ip?.destination), world.hashed(WEB, client));
      test.match(world.flow(WEB), { state: flowState.established, flags: flowFlag.derived });
    }),
  );

  t.test('mid-flow: the previous generation has the second chance while it lasts and its server lives', (test) =>
    withWorld({}, interfaces, (world) => {
      const table = [0, 1, 2].map((number) => serverSlot(WEB, number));
      const previous = [1, 2, 0].map((number) => serverSlot(WEB, number));
      const change = (sinceNs: bigint) => world.service(WEB, { table, previous, sinceNs });
      const sent = (from: Party) => numberOf(world.send(ack(from, WEB)).parsed.ip?.destination);
      for (const from of ports(9)) {
        const now = world.plane.kernelNs();
        const current = world.hashed(WEB, from, [0, 1, 2]);
        const before = world.hashed(WEB, from, [1, 2, 0]);
        change(now);
        test.equal(sent(from), before, 'within the second chance');
        world.forget(WEB, from);
        change(world.leaseSinceNs() - 2n * SECOND_NS);
        test.equal(sent(from), current, 'the generation had been in force for long when this lease began');
        world.forget(WEB, from);
        change(world.leaseSinceNs() - SECOND_NS / 2n);
        test.equal(sent(from), before, 'not for long: the flow may have been opened before it');
        world.forget(WEB, from);
        change(now - 61n * SECOND_NS);
        test.equal(sent(from), current, 'after it');
        world.forget(WEB, from);
        change(now);
        world.server(WEB, before, 0);
        test.equal(sent(from), current, 'its server is down');
        world.forget(WEB, from);
        change(now);
        test.equal(numberOf(world.send(syn(from, WEB)).parsed.ip?.destination), current, 'a new flow never goes by the previous one');
      }
    }),
  );

  t.test('what never makes a record: RST, a bare FIN, SYN+ACK, no ACK, mid-flow of a round robin', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const flags of ['R', 'RA', 'F', 'FA', 'SA', 'P', '', 'SF', 'SR']) {
        const out = world.send(tcpFrame({ from: client, to: vip(80), flags }));
        test.match(out, { verdict: 'DROP', drops: { noRecord: 1 } }, `flags '${flags}'`);
        test.equal(world.flow(WEB), null);
      }
      test.match(world.send(ack(client, ROUND)), { verdict: 'DROP', drops: { noRecord: 1 } });
      test.equal(
        world.send(tcpFrame({ from: client, to: vip(80), flags: 'FA', payload: Buffer.from('last') })).verdict,
        'REDIRECT',
        'a FIN with data',
      );
      test.match(world.events(), [{ state: flowState.established }, { state: flowState.finClient }]);
    }),
  );

  t.test('DSR: only the MACs and the TTL change, new, known and in mid-flow', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(DIRECT, client);
      for (const flags of ['S', 'A', 'PA']) {
        const out = world.send(tcpFrame({ from: client, to: vip(90), flags, payload: Buffer.from('data') }));
        test.match(out, {
          verdict: 'REDIRECT',
          parsed: { destinationMac: worldServers[number]?.mac, ip: { source: client.address, ttl: 63, isHeaderValid: true } },
        });
        test.match(out.parsed.segment, { sourcePort: client.port, destinationPort: 90, isChecksumValid: true });
        test.equal(out.parsed.ip?.destination, '10.1.0.100');
      }
      test.match(world.flow(DIRECT), { flags: flowFlag.dsr, state: flowState.established });
      world.forget(DIRECT);
      test.equal(world.send(tcpFrame({ from: client, to: vip(90), flags: 'A' })).verdict, 'REDIRECT');
      test.match(world.flow(DIRECT), { flags: flowFlag.dsr | flowFlag.derived });
    }),
  );

  t.test('refusals, in their order: lease, service, readiness, servers', (test) =>
    withWorld({}, interfaces, (world) => {
      const refused = (reason: string, frame = syn(client, WEB)) => {
        const out = world.send(frame);
        test.equal(out.verdict, 'DROP');
        test.same(out.drops, { [reason]: 1 });
        test.equal(world.flow(WEB), null);
      };
      world.leases.release(0, 0n, 0n, INSTANCE);
      refused('notActive');
      refused('notActive', ack(client, WEB));
      refused('notActive', tcpFrame({ from: client, to: vip(9999), flags: 'S' }));
      world.leases.acquire(0, 60n * SECOND_NS, 60n * SECOND_NS, INSTANCE);
      refused('noService', tcpFrame({ from: client, to: vip(9999), flags: 'S' }));
      refused('noService', udpFrame({ from: client, to: vip(80) }));
      world.settings({ ready: false });
      refused('notReady');
      refused('notReady', ack(client, WEB));
      world.settings({});
      world.service(WEB, { table: [] });
      refused('noServer');
      refused('noServer', ack(client, WEB));
      world.service(WEB, { table: [0, 0, 0] });
      refused('noServer');
      world.service(WEB);
      for (const number of [0, 1, 2]) world.server(WEB, number, 0);
      refused('noServer');
      refused('noServer', ack(client, WEB));
      test.same(world.events(), []);
    }),
  );

  t.test('a lease that has lapsed admits nothing; a planned release admits stragglers', (test) =>
    withWorld({}, interfaces, (world) => {
      world.leases.acquire(0, 0n, 60n * SECOND_NS, INSTANCE);
      test.same(world.send(syn(client, WEB)).drops, { notActive: 1 });
      world.leases.acquire(0, 60n * SECOND_NS, 60n * SECOND_NS, INSTANCE);
      world.leases.release(0, 60n * SECOND_NS, 60n * SECOND_NS, INSTANCE);
      test.equal(world.send(syn(client, WEB)).verdict, 'REDIRECT');
      world.leases.acquire(0, 0n, 60n * SECOND_NS, INSTANCE);
      test.same(world.send(syn({ ...client, port: 1 }, WEB)).drops, { notActive: 1 }, 'acquiring ends it');
    }),
  );

  t.test('a new flow avoids a server that is down', (test) =>
    withWorld({}, interfaces, (world) => {
      world.server(WEB, 1, 0);
      for (const from of ports(30)) test.not(numberOf(world.send(syn(from, WEB)).parsed.ip?.destination), 1);
    }),
  );

  t.test('a clash of replies: the next server of the table; none left: dropped', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const from of ports(30)) {
        const first = numberOf(world.send(syn(from, WEB)).parsed.ip?.destination);
        const second = numberOf(world.send(syn(from, TWIN)).parsed.ip?.destination);
        test.ok(first >= 0 && second >= 0);
        test.not(first, second, 'the same client port never meets the same server twice');
        const third = world.send(syn(from, SINGLE));
        if (first !== 0 && second !== 0) test.equal(numberOf(third.parsed.ip?.destination), 0);
        else test.same(third.drops, { replyClash: 1 });
      }
    }),
  );

  t.test('a closed flow gives way, with an event', (test) =>
    withWorld({}, interfaces, (world) => {
      const from = ports(30).find((party) => world.hashed(WEB, party) === 0) ?? client;
      world.send(syn(from, WEB));
      world.send(tcpFrame({ from, to: vip(80), flags: 'R' }));
      world.events();
      const out = world.send(syn(from, SINGLE));
      test.equal(out.verdict, 'REDIRECT');
      test.equal(world.flow(WEB, from), null);
      test.match(world.events(), [
        { kind: recordKind.delete, key: world.key(WEB, from) },
        { kind: recordKind.upsert, key: world.key(SINGLE, from) },
      ]);
    }),
  );

  t.test('a full table: new flows are dropped, known ones go on', (test) =>
    withWorld({ maxFlows: 64 }, interfaces, (world) => {
      const parties = ports(64);
      for (const from of parties) test.equal(world.send(syn(from, WEB)).verdict, 'REDIRECT');
      const late = { ...client, port: 5 };
      test.same(world.send(syn(late, WEB)).drops, { tableFull: 1 });
      test.same(world.send(ack(late, WEB)).drops, { tableFull: 1 });
      for (const from of parties) test.equal(world.send(ack(from, WEB)).verdict, 'REDIRECT');
      test.match(world.plane.digests()[0], { flows: 64n });
      world.forget(WEB, parties[0]);
      test.equal(world.send(syn(late, WEB)).verdict, 'REDIRECT');
      test.equal(world.events().length, 65, 'a refused flow leaves no event');
    }),
  );

  t.test('what is not for a VIP passes untouched', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const address of ['10.1.0.11', '192.0.2.1', '10.2.0.21', '224.0.0.18']) {
        const frame = tcpFrame({ from: client, to: { ...vip(80), address }, flags: 'S' });
        const out = world.send(frame);
        test.equal(out.verdict, 'PASS');
        test.same(out.packet, frame);
        test.same(out.drops, {});
      }
    }),
  );

  t.test('the server flag of a pool that drops flows does not matter while the server lives', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(WEB, client);
      world.server(WEB, number, serverFlag.alive | serverFlag.dropFlows);
      test.equal(world.send(syn(client, WEB)).verdict, 'REDIRECT');
      test.equal(world.send(ack(client, WEB)).verdict, 'REDIRECT');
    }),
  );
});
