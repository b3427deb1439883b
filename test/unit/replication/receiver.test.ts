/** Every event and frame in every phase of the receiving machine, then the ways through it that matter. */
import t from 'tap';
import { ACK_DELAY_MS, DIGEST_RESYNC_GAP_MS, EPOCH_COUNT, LATE_WAKE_MS, PING_MS, SILENCE_MS } from '../../../src/replication/limits.js';
import { isReceivedInSync, type ReceiverEvent, receiverDeadline } from '../../../src/replication/receiver-state.js';
import { hello } from '../../support/hello.js';
import { Machine, RECORDS } from '../../support/receiver-machine.js';

const PHASES: Record<string, () => Machine> = {
  handOver: () => new Machine().toHandOver(),
  absent: () => new Machine(),
  fresh: () => new Machine().toFresh().later(10),
  bulk: () => new Machine().toBulk(),
  purge: () => new Machine().toPurge(),
  complete: () => new Machine().toComplete(),
  hole: () => new Machine().toHole().later(10),
};

/** The next frame of each kind, after sequence 4 (or whatever the phase has). */
const EVENTS: Record<string, (next: number) => ReceiverEvent> = {
  opened: () => ({ type: 'opened', hello: hello('lb1', 'theirs') }),
  openedNew: () => ({ type: 'opened', hello: hello('lb1', 'another') }),
  closed: () => ({ type: 'closed', reason: 'broken' }),
  holding: () => ({ type: 'holding', routers: [] }),
  purged: () => ({ type: 'purged', epoch: 2 }),
  handedOver: () => ({ type: 'handedOver' }),
  allNamed: () => ({ type: 'allNamed', epoch: 2 }),
  heldElsewhere: () => ({ type: 'heldElsewhere', routers: ['front'] }),
  distrust: () => ({ type: 'distrust', reason: 'old' }),
  compared: () => ({ type: 'compared', matched: true }),
  tick: () => ({ type: 'tick' }),
  ping: () => ({ type: 'frame', frame: { type: 'ping' } }),
  stray: () => ({ type: 'frame', frame: { type: 'ack', sequence: 1 } }),
  gap: (next) => ({ type: 'frame', frame: { type: 'gap', sequence: next + 5, reason: 'why' } }),
  records: (next) => ({ type: 'frame', frame: { type: 'records', sequence: next, records: RECORDS } }),
  repeated: (next) => ({ type: 'frame', frame: { type: 'records', sequence: next - 1, records: RECORDS } }),
  ahead: (next) => ({ type: 'frame', frame: { type: 'records', sequence: next + 1, records: RECORDS } }),
  control: (next) => ({ type: 'frame', frame: { type: 'control', sequence: next, message: { type: 'nextHops', addresses: [] } } }),
  skip: (next) => ({ type: 'frame', frame: { type: 'skip', sequence: next } }),
  bulkBegin: (next) => ({ type: 'frame', frame: { type: 'bulkBegin', sequence: next, bulk: 2 } }),
  chunk: (next) => ({ type: 'frame', frame: { type: 'bulkChunk', sequence: next, bulk: 1, index: 0, mode: 'bulk', records: RECORDS } }),
  wrongChunk: (next) => ({
    type: 'frame',
    frame: { type: 'bulkChunk', sequence: next, bulk: 1, index: 7, mode: 'bulk', records: RECORDS },
  }),
  bulkEnd: (next) => ({ type: 'frame', frame: { type: 'bulkEnd', sequence: next, bulk: 1, chunks: 0, routers: [] } }),
  digest: (next) => ({ type: 'frame', frame: { type: 'digest', sequence: next, routers: [] } }),
};

const HELLO = 'send hello, send resume';
const RESYNC = 'send resync, changed';

const TABLE: Record<string, Record<string, string>> = {
  absent: { distrust: 'changed', opened: `${HELLO} 0, changed`, openedNew: `${HELLO} 0, changed` },
  fresh: {
    opened: `${HELLO} 0, changed`,
    openedNew: `${HELLO} 0, changed`,
    closed: 'changed',
    distrust: RESYNC,
    ping: 'send ack 0',
    stray: 'hangUp, changed',
    gap: 'changed, send ack 6',
    records: 'apply live 1, send ack 1',
    repeated: 'send ack 0',
    ahead: RESYNC,
    control: 'control, send ack 1',
    skip: 'send ack 1',
    bulkBegin: 'send ack 1',
    chunk: RESYNC,
    wrongChunk: RESYNC,
    bulkEnd: RESYNC,
    digest: 'send ack 1',
  },
  bulk: {
    opened: `${HELLO} 3, changed`,
    openedNew: `${HELLO} 0, changed`,
    closed: 'held, changed',
    // The acknowledgement of the frames before is due.
    tick: 'send ack 3',
    distrust: RESYNC,
    ping: 'send ack 3',
    stray: 'hangUp, held, changed',
    gap: 'changed, send ack 9',
    records: 'apply live 2, send ack 4',
    repeated: 'send ack 3',
    ahead: RESYNC,
    control: 'control, send ack 4',
    skip: 'send ack 4',
    bulkBegin: 'send ack 4',
    chunk: 'apply bulk 2, send ack 4',
    wrongChunk: RESYNC,
    bulkEnd: 'purge, send ack 4',
    digest: 'send ack 4',
  },
  purge: {
    opened: `${HELLO} 4, changed`,
    openedNew: `${HELLO} 0, changed`,
    closed: 'held, changed',
    purged: 'send bulkDone, changed',
    distrust: RESYNC,
    ping: 'send ack 4',
    stray: 'hangUp, held, changed',
    gap: 'changed, send ack 10',
    records: 'apply live 2, send ack 5',
    repeated: 'send ack 4',
    ahead: RESYNC,
    control: 'control, send ack 5',
    skip: 'send ack 5',
    bulkBegin: 'send ack 5',
    chunk: RESYNC,
    wrongChunk: RESYNC,
    bulkEnd: RESYNC,
    digest: 'send ack 5',
  },
  complete: {
    opened: `${HELLO} 4, changed`,
    openedNew: `${HELLO} 0, changed`,
    closed: 'held, changed',
    compared: 'send compared',
    distrust: RESYNC,
    ping: 'send ack 4',
    stray: 'hangUp, held, changed',
    gap: 'changed, send ack 10',
    records: 'apply live 2, send ack 5',
    repeated: 'send ack 4',
    ahead: RESYNC,
    control: 'control, send ack 5',
    skip: 'send ack 5',
    bulkBegin: 'send ack 5',
    chunk: RESYNC,
    wrongChunk: RESYNC,
    bulkEnd: RESYNC,
    digest: 'compare, send ack 5',
  },
  handOver: {
    opened: `${HELLO} 5, changed`,
    openedNew: `${HELLO} 0, changed`,
    closed: 'held, changed',
    handedOver: RESYNC,
    allNamed: 'purge',
    // The acknowledgement of the frames before is due.
    tick: 'send ack 5',
    distrust: RESYNC,
    ping: 'send ack 5',
    stray: 'hangUp, held, changed',
    gap: 'changed, send ack 11',
    records: 'apply live 2, send ack 6',
    repeated: 'send ack 5',
    ahead: RESYNC,
    control: 'control, send ack 6',
    skip: 'send ack 6',
    bulkBegin: 'send ack 6',
    chunk: RESYNC,
    wrongChunk: RESYNC,
    bulkEnd: RESYNC,
    digest: 'send ack 6',
  },
  // The question may not have arrived on the old stream: nothing is said to be here.
  hole: {
    opened: `${HELLO} 0, changed`,
    openedNew: `${HELLO} 0, changed`,
    closed: 'held, changed',
    ping: 'send ack 4',
    stray: 'hangUp, held, changed',
    gap: 'changed, send ack 10',
  },
};

t.test('every event in every phase', async (t) => {
  for (const [phase, make] of Object.entries(PHASES)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const machine = make();
      machine.feed(event(machine.state.applied + 1));
      t.equal(machine.told.join(', '), TABLE[phase]?.[name] ?? '', `${name} when ${phase}`);
    }
  }
});

t.test('complete only after the purge, also when the stream broke meanwhile', async (t) => {
  const machine = new Machine().toPurge();
  t.notOk(isReceivedInSync(machine.state));
  machine.feed({ type: 'closed', reason: 'broken' });
  machine.feed({ type: 'purged', epoch: machine.state.epoch });
  t.same(machine.told, ['changed'], 'nobody to tell');
  t.notOk(isReceivedInSync(machine.state), 'not without a stream');
  machine.toFresh();
  t.match(machine.effects[1], { frame: { type: 'resume', sequence: 4, complete: true } });
  t.ok(isReceivedInSync(machine.state));
});

t.test('two mismatches in a row ask for a resync, at most every few seconds', async (t) => {
  const machine = new Machine().toComplete();
  const recover = (sequence: number): void => {
    machine.frame({ type: 'gap', sequence, reason: 'asked' });
    machine.frame({ type: 'bulkBegin', sequence: sequence + 1, bulk: sequence });
    machine.frame({ type: 'bulkEnd', sequence: sequence + 2, bulk: sequence, chunks: 0, routers: [] });
    machine.feed({ type: 'purged', epoch: machine.state.epoch });
  };
  machine.feed({ type: 'compared', matched: false });
  t.same(machine.told, ['send compared']);
  t.ok(isReceivedInSync(machine.state), 'one may be a race');
  machine.feed({ type: 'compared', matched: true });
  machine.feed({ type: 'compared', matched: false });
  t.same(machine.told, ['send compared'], 'not in a row');
  machine.feed({ type: 'compared', matched: false });
  t.same(machine.told, ['send compared', 'changed', 'send resync', 'changed']);
  t.notOk(isReceivedInSync(machine.state));
  recover(20);
  t.ok(isReceivedInSync(machine.state));
  machine.feed({ type: 'compared', matched: false }).feed({ type: 'compared', matched: false });
  t.same(machine.told, ['send compared', 'changed'], 'too soon');
  t.notOk(isReceivedInSync(machine.state), 'but said');
  machine.later(DIGEST_RESYNC_GAP_MS).feed({ type: 'compared', matched: false });
  t.same(machine.told, ['send compared', 'send resync', 'changed']);
});

t.test('a table that may be old counts for nothing until it was sent anew', async (t) => {
  const machine = new Machine().toComplete();
  machine.feed({ type: 'distrust', reason: 'active in the past' });
  t.match(machine.effects[0], { frame: { type: 'resync', reason: 'active in the past' } });
  t.notOk(isReceivedInSync(machine.state));
  machine.feed({ type: 'distrust', reason: 'again' });
  t.same(machine.told, [], 'asked once');
  machine.frame({ type: 'records', sequence: 5, records: RECORDS });
  t.same(machine.told, [], 'what was on its way is not taken');
  machine.frame({ type: 'gap', sequence: 6, reason: 'asked' });
  machine.frame({ type: 'bulkBegin', sequence: 7, bulk: 2 });
  t.notOk(isReceivedInSync(machine.state));
  machine.frame({ type: 'bulkEnd', sequence: 8, bulk: 2, chunks: 0, routers: ['front'] });
  machine.feed({ type: 'purged', epoch: machine.state.epoch });
  t.ok(isReceivedInSync(machine.state));
});

t.test('a purge that was under way does not complete a table that may be old', async (t) => {
  const machine = new Machine().toPurge();
  const { epoch } = machine.state;
  machine.feed({ type: 'distrust', reason: 'old' }).feed({ type: 'purged', epoch });
  t.notOk(machine.state.isComplete);
  machine.feed({ type: 'closed', reason: 'broken' }).toFresh();
  t.match(machine.effects[1], { frame: { type: 'resume', sequence: 0, complete: false } }, 'asked in vain: the sender starts over');
});

t.test('without a stream an old table is forgotten, so that the next one brings all', async (t) => {
  const machine = new Machine().toComplete().feed({ type: 'closed', reason: 'broken' }).feed({ type: 'distrust', reason: 'old' });
  machine.toFresh();
  t.match(machine.effects[1], { frame: { type: 'resume', sequence: 0, complete: false } });
  t.notOk(isReceivedInSync(machine.state));
});

t.test('a comparison that says nothing changes nothing', async (t) => {
  t.same(new Machine().toComplete().feed({ type: 'compared', matched: null }).told, []);
});

t.test('a burst shares one acknowledgement', async (t) => {
  const machine = new Machine().toComplete().later(10);
  const { now } = machine;
  machine.frame({ type: 'skip', sequence: 5 });
  t.same(machine.told, ['send ack 5'], 'the first at once');
  machine.frame({ type: 'skip', sequence: 6 });
  machine.frame({ type: 'skip', sequence: 7 });
  t.same(machine.told, []);
  t.equal(receiverDeadline(machine.state), now + ACK_DELAY_MS);
  machine.tickAt(now + ACK_DELAY_MS);
  t.same(machine.told, ['send ack 7']);
});

t.test('silence ends the stream; a late wake asks for patience once', async (t) => {
  const silent = new Machine().toComplete();
  silent.frame({ type: 'ping' });
  silent.tickAt(silent.now + SILENCE_MS);
  t.same(silent.told, ['hangUp', 'held', 'changed']);

  const late = new Machine().toComplete();
  late.frame({ type: 'ping' });
  late.tickAt(late.now + SILENCE_MS + LATE_WAKE_MS);
  t.same(late.told, []);
  late.tickAt(late.now + PING_MS);
  t.same(late.told, ['hangUp', 'held', 'changed']);
});

t.test('epochs go round and are never 0', async (t) => {
  const machine = new Machine(EPOCH_COUNT - 1).toFresh();
  t.equal(machine.state.epoch, EPOCH_COUNT);
  machine.frame({ type: 'bulkBegin', sequence: 1, bulk: 1 });
  t.equal(machine.state.epoch, 1);
});
