/**
 * Packets whose flow has a record, apart from their translation: drain window, refused flows, hints and their repair, SYN over an old
 * record, and the walk of TCP states with the events that peers need.
 */
import t from 'tap';
import { flowFlag, flowLayout, flowState, recordKind, serverFlag } from '../../src/l4/abi.gen.js';
import { encodeEndpoint, encodeServiceKey } from '../../src/l4/records.js';
import { tcpFrame, udpFrame } from '../support/packet/build.js';
import { inSandbox } from '../support/packet/sandbox.js';
import {
  backMac,
  client,
  INSTANCE,
  makeInterfaces,
  SECOND_NS,
  serverSlot,
  vip,
  type World,
  withWorld,
  worldServers,
} from '../support/packet/world.js';

const WEB = 0;
const DNS = 1;
const DIRECT = 2;

const fromClient = (world: World, flags: string, port = 80) => world.send(tcpFrame({ from: client, to: vip(port), flags }));

function fromServer(world: World, flags: string) {
  const from = worldServers[world.hashed(WEB, client)]?.party ?? client;
  return world.send(tcpFrame({ from, to: { ...client, mac: backMac }, flags }), 'back');
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test('the drain window: served after the lease has gone, dropped after its end', (test) =>
    withWorld({}, interfaces, (world) => {
      fromClient(world, 'S');
      world.leases.release(0, 60n * SECOND_NS, 0n, INSTANCE);
      test.equal(fromClient(world, 'A').verdict, 'REDIRECT');
      test.equal(fromServer(world, 'SA').verdict, 'REDIRECT');
      world.leases.acquire(0, SECOND_NS, 0n, INSTANCE);
      world.leases.release(0, 0n, 0n, INSTANCE);
      const until = world.plane.kernelNs() + SECOND_NS / 10n; // the coarse clock lags by a few ticks
      while (world.plane.kernelNs() < until);
      test.match(fromClient(world, 'A'), { verdict: 'DROP', drops: { drained: 1 } });
      test.match(fromServer(world, 'A'), { verdict: 'DROP', drops: { drained: 1 } });
    }),
  );

  t.test('a node that never held the lease forwards nothing', (test) =>
    withWorld({}, interfaces, (world) => {
      fromClient(world, 'S');
      world.plane.mapSet('leases', Buffer.from([0, 0, 0, 0]), Buffer.alloc(48));
      test.same(fromClient(world, 'A').drops, { drained: 1 });
    }),
  );

  t.test('a server that is down keeps its flows, unless the pool drops them', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(WEB, client);
      fromClient(world, 'S');
      fromServer(world, 'SA');
      fromClient(world, 'A');
      world.server(WEB, number, 0);
      test.equal(fromClient(world, 'A').verdict, 'REDIRECT');
      world.server(WEB, number, serverFlag.dropFlows);
      test.same(fromClient(world, 'A').drops, { refused: 1 });
      test.same(fromServer(world, 'A').drops, { refused: 1 });
      const again = fromClient(world, 'S');
      test.equal(again.verdict, 'REDIRECT', 'a SYN starts anew');
      test.not(again.parsed.ip?.destination, worldServers[number]?.party.address);
    }),
  );

  t.test('a record marked as refused is dropped', (test) =>
    withWorld({}, interfaces, (world) => {
      fromClient(world, 'S');
      world.patch(WEB, (bytes) => {
        bytes[flowLayout.flags] = flowFlag.refused;
      });
      test.same(fromClient(world, 'A').drops, { refused: 1 });
    }),
  );

  t.test('a SYN repeated to a server that died meanwhile goes to another one', (test) =>
    withWorld({}, interfaces, (world) => {
      const number = world.hashed(WEB, client);
      fromClient(world, 'S');
      const first = world.flow(WEB)?.generation;
      test.equal(fromClient(world, 'S').parsed.ip?.destination, worldServers[number]?.party.address, 'alive: the same');
      test.equal(world.flow(WEB)?.generation, first);
      world.server(WEB, number, 0);
      test.not(fromClient(world, 'S').parsed.ip?.destination, worldServers[number]?.party.address);
      test.not(world.flow(WEB)?.generation, first);
    }),
  );

  t.test('a wrong hint is repaired through the endpoints; a server that is gone is not guessed', (test) =>
    withWorld({}, interfaces, (world) => {
      const slot = serverSlot(WEB, world.hashed(WEB, client));
      fromClient(world, 'S');
      for (const hint of [0, serverSlot(WEB, 0), serverSlot(WEB, 1), serverSlot(WEB, 2), serverSlot(DNS, 0), 9999, 0xffffffff]) {
        world.patch(WEB, (bytes) => bytes.writeUInt32LE(hint, flowLayout.serverSlot));
        test.equal(fromClient(world, 'A').verdict, 'REDIRECT', `hint ${hint}`);
        test.equal(world.flow(WEB)?.serverSlot, slot);
        world.patch(WEB, (bytes) => bytes.writeUInt32LE(hint, flowLayout.serverSlot));
        test.equal(fromServer(world, 'A').verdict, 'REDIRECT');
        test.equal(world.flow(WEB)?.serverSlot, slot, 'also by a reply');
      }
      world.patch(WEB, (bytes) => bytes.writeUInt32LE(0, flowLayout.serverSlot));
      const address = worldServers[world.hashed(WEB, client)]?.party.address ?? '';
      world.plane.mapSet('endpoints', encodeServiceKey({ address, port: 8080, protocol: 'tcp' }), encodeEndpoint([]));
      test.same(fromClient(world, 'A').drops, { noServer: 1 });
      const again = fromClient(world, 'S');
      test.equal(again.verdict, 'REDIRECT', 'a SYN starts anew');
    }),
  );

  t.test('TCP states of NAT, by both sides, and their events', (test) =>
    withWorld({}, interfaces, (world) => {
      const walk: ['client' | 'server', string, number, boolean][] = [
        ['client', 'S', flowState.syn, true],
        ['client', 'S', flowState.syn, false],
        ['client', 'A', flowState.syn, false],
        ['server', 'SA', flowState.synAck, false],
        ['client', 'A', flowState.established, true],
        ['client', 'PA', flowState.established, false],
        ['server', 'PA', flowState.established, false],
        ['server', 'FA', flowState.finServer, true],
        ['client', 'A', flowState.finServer, false],
        ['client', 'FA', flowState.closed, true],
        ['server', 'A', flowState.closed, false],
        ['server', 'FA', flowState.closed, false],
      ];
      for (const [side, flags, state, hasEvent] of walk) {
        test.equal((side === 'client' ? fromClient(world, flags) : fromServer(world, flags)).verdict, 'REDIRECT');
        test.equal(world.flow(WEB)?.state, state, `${side} ${flags}`);
        const events = world.events();
        test.equal(events.length, hasEvent ? 1 : 0, `${side} ${flags}: event`);
        if (hasEvent) test.match(events[0], { kind: recordKind.upsert, state, key: world.key(WEB) });
      }
    }),
  );

  const shortcuts: { name: string; from: number; side: 'client' | 'server'; flags: string; to: number }[] = [
    {
      name: 'data of the server proves a handshake that went past',
      from: flowState.syn,
      side: 'server',
      flags: 'A',
      to: flowState.established,
    },
    { name: 'the same after its SYN+ACK', from: flowState.synAck, side: 'server', flags: 'PA', to: flowState.established },
    { name: 'the client closes first', from: flowState.established, side: 'client', flags: 'FA', to: flowState.finClient },
    { name: 'then the server', from: flowState.finClient, side: 'server', flags: 'FA', to: flowState.closed },
    { name: 'the client repeats its FIN', from: flowState.finClient, side: 'client', flags: 'FA', to: flowState.finClient },
    { name: 'reset by the client', from: flowState.established, side: 'client', flags: 'R', to: flowState.closed },
    { name: 'reset by the server', from: flowState.syn, side: 'server', flags: 'RA', to: flowState.closed },
  ];
  for (const { name, from, side, flags, to } of shortcuts) {
    t.test(`TCP state: ${name}`, (test) =>
      withWorld({}, interfaces, (world) => {
        fromClient(world, 'S');
        world.patch(WEB, (bytes) => {
          bytes[flowLayout.state] = from;
        });
        test.equal((side === 'client' ? fromClient(world, flags) : fromServer(world, flags)).verdict, 'REDIRECT');
        test.equal(world.flow(WEB)?.state, to);
      }),
    );
  }

  t.test('TCP states of DSR: the client alone', (test) =>
    withWorld({}, interfaces, (world) => {
      for (const [flags, state] of [
        ['S', flowState.syn],
        ['A', flowState.established],
        ['FA', flowState.finClient],
        ['A', flowState.finClient],
        ['S', flowState.syn],
      ] as const) {
        test.equal(fromClient(world, flags, 90).verdict, 'REDIRECT');
        test.equal(world.flow(DIRECT)?.state, state, flags);
      }
    }),
  );

  t.test('a SYN on a closed record is a new flow: new generation, delete before insert', (test) =>
    withWorld({}, interfaces, (world) => {
      fromClient(world, 'S');
      fromClient(world, 'R');
      const old = world.flow(WEB)?.generation;
      world.events();
      const before = world.plane.digests()[0];
      test.equal(fromClient(world, 'S').verdict, 'REDIRECT');
      const flow = world.flow(WEB);
      test.equal(flow?.state, flowState.syn);
      test.not(flow?.generation, old);
      const events = world.events();
      test.match(events, [
        { kind: recordKind.delete, generation: old },
        { kind: recordKind.upsert, generation: flow?.generation },
      ]);
      test.match(world.plane.digests()[0], { flows: before?.flows });
      test.not(world.plane.digests()[0]?.digest, before?.digest);
    }),
  );

  t.test('without a lease a SYN on a closed record leaves it as it is', (test) =>
    withWorld({}, interfaces, (world) => {
      fromClient(world, 'S');
      fromClient(world, 'R');
      const old = world.flow(WEB)?.generation;
      world.leases.release(0, 60n * SECOND_NS, 0n, INSTANCE);
      test.same(fromClient(world, 'S').drops, { notActive: 1 });
      test.equal(world.flow(WEB)?.generation, old);
    }),
  );

  t.test('last_seen moves at most once a second', (test) =>
    withWorld({}, interfaces, (world) => {
      world.send(udpFrame({ from: client, to: vip(53) }));
      const first = world.flow(DNS)?.lastSeenNs ?? 0n;
      world.send(udpFrame({ from: client, to: vip(53) }));
      test.equal(world.flow(DNS)?.lastSeenNs, first);
      world.patch(DNS, (bytes) => bytes.writeBigUInt64LE(first - 2n * SECOND_NS, flowLayout.lastSeenNs));
      world.send(udpFrame({ from: client, to: vip(53) }));
      test.ok((world.flow(DNS)?.lastSeenNs ?? 0n) >= first);
    }),
  );
});
