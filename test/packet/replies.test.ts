/**
 * Packets from a server's service port without a record: derived by the hash, handed to this node itself, or dropped; never passed on.
 */
import t from 'tap';
import { flowFlag, flowState } from '../../src/l4/abi.gen.js';
import { type Party, tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  INSTANCE,
  LOCAL,
  makeInterfaces,
  SECOND_NS,
  serverSlot,
  services,
  VIP,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const [WEB, DNS, DIRECT, ROUND, TWIN, SINGLE] = [0, 1, 2, 3, 4, 5] as const;
const toClient: Party = { ...client, mac: backMac };
const party = (number: number, port = 8080): Party => ({ ...(worldServers[number]?.party ?? client), port });
const reply = (world: World, number: number, flags: string, port?: number) =>
  world.send(
    tcpFrame({ from: party(number, port), to: toClient, flags, payload: flags === 'PA' ? Buffer.from('220 hello') : Buffer.alloc(0) }),
    'back',
  );

/** Takes away the servers of the services that share theirs with `web`. */
function onlyWeb(world: World): void {
  for (const service of [TWIN, SINGLE]) world.service(service, { table: [] });
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test('the server speaks first after a take-over: derived, if the hash confirms it for one service', (test) =>
    withWorld({}, interfaces, (world) => {
      const seen = { derived: 0, ambiguous: 0, wrong: 0 };
      for (let port = 20000; port < 20040; port += 1) {
        const from = { ...client, port };
        for (const number of [0, 1, 2]) {
          const confirmed = [WEB, TWIN, SINGLE].filter((service) => world.hashed(service, from) === number);
          const out = world.send(
            tcpFrame({ from: party(number), to: { ...toClient, port }, flags: 'PA', payload: Buffer.from('220') }),
            'back',
          );
          const service = confirmed[0];
          if (service !== undefined && confirmed.length === 1) {
            seen.derived += 1;
            test.match(out, {
              verdict: 'REDIRECT',
              parsed: { ip: { source: VIP }, segment: { sourcePort: services[service]?.port, isChecksumValid: true } },
            });
            const expected = { state: flowState.established, flags: flowFlag.derived, serverSlot: serverSlot(service, number) };
            test.match(world.flow(service, from), expected);
            world.forget(service, from);
          } else {
            seen[confirmed.length > 1 ? 'ambiguous' : 'wrong'] += 1;
            test.match(out, { verdict: 'DROP', drops: { noRecord: 1 } });
          }
        }
      }
      test.ok(seen.derived > 5 && seen.ambiguous > 5 && seen.wrong > 5, 'all three cases occurred');
    }),
  );

  t.test('UDP is derived likewise', (test) =>
    withWorld({}, interfaces, (world) => {
      const right = world.hashed(DNS, client);
      const wrong = world.send(udpFrame({ from: party((right + 1) % 3), to: toClient }), 'back');
      test.same(wrong.drops, { noRecord: 1 });
      test.equal(world.send(udpFrame({ from: party(right), to: toClient }), 'back').verdict, 'REDIRECT');
      test.match(world.flow(DNS), { state: flowState.udp });
    }),
  );

  t.test('the previous generation confirms, too', (test) =>
    withWorld({}, interfaces, (world) => {
      const right = world.hashed(WEB, client);
      const before = (right + 1) % 3;
      world.service(WEB, { previous: [serverSlot(WEB, before)] });
      onlyWeb(world);
      test.equal(reply(world, before, 'PA').verdict, 'REDIRECT');
      test.equal(world.flow(WEB)?.serverAddress, party(before).address);
    }),
  );

  t.test('a SYN+ACK is derived as such, then the client makes it established', (test) =>
    withWorld({}, interfaces, (world) => {
      onlyWeb(world);
      const right = world.hashed(WEB, client);
      test.equal(reply(world, right, 'SA').verdict, 'REDIRECT');
      test.equal(world.flow(WEB)?.state, flowState.synAck);
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'A' }));
      test.equal(world.flow(WEB)?.state, flowState.established);
    }),
  );

  t.test('what never makes a record', (test) =>
    withWorld({}, interfaces, (world) => {
      onlyWeb(world);
      const right = world.hashed(WEB, client);
      for (const flags of ['R', 'RA', 'FA', 'F', 'S', ''])
        test.match(reply(world, right, flags), { verdict: 'DROP', drops: { noRecord: 1 } }, `flags '${flags}'`);
      test.equal(world.flow(WEB), null);
    }),
  );

  t.test('a server that does not have the flow is dropped, though another has', (test) =>
    withWorld({}, interfaces, (world) => {
      const right = world.hashed(WEB, client);
      onlyWeb(world);
      world.send(tcpFrame({ from: client, to: vip(80), flags: 'S' }));
      for (const number of [0, 1, 2].filter((other) => other !== right)) test.same(reply(world, number, 'PA').drops, { noRecord: 1 });
      test.equal(world.flow(WEB)?.serverAddress, party(right).address, 'the record is as it was');
    }),
  );

  t.test('a round robin cannot be derived, a DSR server does not answer through here', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const number of [0, 1, 2]) {
        test.same(reply(world, number, 'PA', 7070).drops, { noRecord: 1 });
        test.same(reply(world, number, 'PA', 90).drops, { noRecord: 1 });
      }
      world.send(tcpFrame({ from: client, to: vip(90), flags: 'S' }));
      test.same(reply(world, world.hashed(DIRECT, client), 'SA', 90).drops, { noRecord: 1 }, 'also with a record');
      test.equal(world.flow(ROUND), null);
    }),
  );

  t.test('answers to health checks pass to this node, untouched, whatever the lease says', (test) =>
    withWorld({}, interfaces, (world) => {
      const check = () => {
        for (const [flags, port] of [
          ['SA', 8080],
          ['FA', 8080],
          ['R', 7070],
          ['SA', 90],
        ] as const) {
          const frame = tcpFrame({ from: party(0, port), to: { mac: backMac, address: LOCAL, port: 51000 }, flags });
          const out = world.send(frame, 'back');
          test.equal(out.verdict, 'PASS');
          test.same(out.packet, frame);
        }
      };
      check();
      world.leases.release(0, 0n, 0n, INSTANCE);
      check();
    }),
  );

  t.test('without lease or readiness nothing is derived', (test) =>
    withWorld({}, interfaces, (world) => {
      onlyWeb(world);
      const right = world.hashed(WEB, client);
      world.settings({ ready: false });
      test.same(reply(world, right, 'PA').drops, { notReady: 1 });
      world.leases.release(0, 60n * SECOND_NS, 0n, INSTANCE);
      test.same(reply(world, right, 'PA').drops, { notActive: 1 });
      test.equal(world.flow(WEB), null);
    }),
  );

  t.test("a server's other traffic passes: other ports, other protocols", (test) =>
    withWorld({}, interfaces, (world) => {
      for (const frame of [
        tcpFrame({ from: party(0, 22), to: toClient, flags: 'PA' }),
        udpFrame({ from: party(0, 5353), to: toClient }),
        udpFrame({ from: party(0, 7070), to: toClient }),
      ]) {
        const out = world.send(frame, 'back');
        test.equal(out.verdict, 'PASS');
        test.same(out.packet, frame);
      }
    }),
  );
});
