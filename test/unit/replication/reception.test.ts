/** Who dials a node, on a network that the test is: how it finds out who that is, and what the word of several peers comes to. */
import t from 'tap';
import { decode, encode } from '../../../src/replication/codec.js';
import type { Frame } from '../../../src/replication/frames.js';
import { CONNECT_MS } from '../../../src/replication/limits.js';
import { createReplication, type ReplicationService } from '../../../src/replication/replication.js';
import type { IncomingStream, StreamHandlers } from '../../../src/replication/transport.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeFlowStore } from '../../support/fake-flow-store.js';
import { hello } from '../../support/hello.js';

interface Dialler {
  say(...frames: Frame[]): void;
  sayBytes(bytes: Buffer): void;
  /** Types of what it was answered. */
  readonly answers: string[];
  readonly isClosed: boolean;
}

class Node {
  readonly clock = new FakeClock();
  readonly store = new FakeFlowStore({ nodeId: 1, routers: 1 });
  readonly dialled: string[] = [];
  readonly service: ReplicationService;
  private accept: (stream: IncomingStream) => StreamHandlers = () => {
    throw new Error('it does not listen yet');
  };

  constructor() {
    this.service = createReplication({
      node: 'lb1',
      cluster: 'shop',
      configDigest: 'a',
      software: '1',
      abi: 1,
      peers: ['lb2', 'lb3'].map((name) => ({ name, address: name })),
      routers: [{ slot: 0, name: 'front' }],
      isFormerHolder: false,
      lastHolders: new Map(),
      queueRecords: 1000,
      store: this.store,
      events: { onControl: () => undefined, onPeerChange: () => undefined, onHolders: () => undefined },
      clock: this.clock,
      random: () => 0,
      transport: {
        dial: ({ node }) => {
          this.dialled.push(node);
          return { write: () => true, close: () => undefined };
        },
        listen: async (accept) => {
          this.accept = accept;
        },
        close: async () => undefined,
      },
    });
  }

  async start(): Promise<this> {
    await this.service.start();
    return this;
  }

  dialler(certifiedNames: string[]): Dialler {
    const answers: string[] = [];
    let isClosed = false;
    const write = (message: Buffer): boolean => {
      const decoded = decode(message);
      answers.push(decoded.ok ? decoded.frame.type : decoded.reason);
      return true;
    };
    const close = (): void => {
      isClosed = true;
    };
    const handlers = this.accept({ certifiedNames, write, close });
    return {
      say: (...frames) => frames.forEach((frame) => void handlers.onMessage(encode(frame))),
      sayBytes: (bytes) => handlers.onMessage(bytes),
      answers,
      get isClosed() {
        return isClosed;
      },
    };
  }

  /** A peer that says what it holds, and sends its table, which is empty. */
  peer(name: string, holds: string[]): { sendTable(): void } {
    const dialler = this.dialler([name]);
    dialler.say({ type: 'hello', hello: hello(name, name) });
    dialler.say({ type: 'gap', sequence: 1, reason: 'new' });
    dialler.say({ type: 'control', sequence: 2, message: { type: 'holding', routers: holds } });
    return {
      sendTable: () => {
        dialler.say({ type: 'bulkBegin', sequence: 3, bulk: 1 });
        dialler.say({ type: 'bulkEnd', sequence: 4, bulk: 1, chunks: 0, routers: holds });
        this.clock.advance(1000);
      },
    };
  }

  get refused(): Record<string, number> {
    return this.service.counters().streamsRefused;
  }
}

t.test('a service that is stopped while it starts stays stopped', async (t) => {
  const node = new Node();
  const starting = node.service.start();
  await node.service.stop();
  await starting;
  node.clock.advance(CONNECT_MS);
  t.same(node.dialled, []);
});

t.test('a stream that says nothing is closed after a while, and not told to stay away', async (t) => {
  const node = await new Node().start();
  const silent = node.dialler(['lb2']);
  node.clock.advance(CONNECT_MS - 1);
  t.notOk(silent.isClosed);
  node.clock.advance(2);
  t.same([silent.isClosed, silent.answers, node.refused], [true, [], { noHello: 1 }]);
});

t.test('whoever is not a peer is refused, with the reason counted', async (t) => {
  const cases: [string, string[], Frame][] = [
    ['noHello', ['lb2'], { type: 'ping' }],
    ['unknownNode', ['lb9'], { type: 'hello', hello: hello('lb9', 'x') }],
    ['certificate', ['lb3'], { type: 'hello', hello: hello('lb2', 'x') }],
    ['incompatible', ['lb2'], { type: 'hello', hello: { ...hello('lb2', 'x'), cluster: 'other' } }],
  ];
  for (const [reason, names, first] of cases) {
    const node = await new Node().start();
    const dialler = node.dialler(names);
    dialler.say(first);
    t.same([dialler.isClosed, dialler.answers, node.refused], [true, ['refuse'], { [reason]: 1 }], reason);
    node.clock.advance(2 * CONNECT_MS);
    t.same(node.refused, { [reason]: 1 }, 'once');
  }
  const node = await new Node().start();
  const garbled = node.dialler(['lb2']);
  garbled.sayBytes(Buffer.from('not a frame of ours'));
  t.match([garbled.isClosed, garbled.answers, node.refused], [true, ['refuse'], { malformed: 1 }]);
});

t.test('a peer that dials is answered, and dialled at once', async (t) => {
  const node = await new Node().start();
  const before = node.dialled.length;
  const dialler = node.dialler(['lb2']);
  dialler.say({ type: 'hello', hello: hello('lb2', 'x') });
  t.same([dialler.isClosed, dialler.answers, node.refused], [false, ['hello', 'resume'], {}]);
  t.same(node.dialled.slice(before), ['lb2']);
  node.clock.advance(CONNECT_MS + 1);
  t.same(node.refused, {}, 'and is not given up as silent');
});

t.test('what a holder does not name is purged, unless another says that it is the holder', async (t) => {
  for (const others of [[], ['front']]) {
    const node = await new Node().start();
    node.store.open(7);
    node.peer('lb3', others);
    node.peer('lb2', ['front']).sendTable();
    t.same(node.store.flows(), others.length === 0 ? [] : [7], others.length === 0 ? 'one holder' : 'two');
  }
});
