/** Every event in every phase of the sending machine, then the ways through it that matter. */
import t from 'tap';
import type { ControlMessage } from '../../../src/replication/api.js';
import type { Frame } from '../../../src/replication/frames.js';
import {
  CONNECT_MS,
  LATE_WAKE_MS,
  PING_MS,
  RECORD_BYTES,
  RETRY_FIRST_MS,
  RETRY_INCOMPATIBLE_MS,
  RETRY_MAX_MS,
  SILENCE_MS,
} from '../../../src/replication/limits.js';
import { stepSender } from '../../../src/replication/sender.js';
import {
  initialSender,
  isLive,
  type SenderEffect,
  type SenderEvent,
  type SenderState,
  senderDeadline,
} from '../../../src/replication/sender-state.js';
import type { Monotonic } from '../../../src/system/clock.js';
import { hello } from '../../support/hello.js';

const FRONT = { slot: 0, name: 'front' };
const BACK = { slot: 1, name: 'back' };
const NEVER = Number.POSITIVE_INFINITY as Monotonic;

/** A machine under test: it remembers its effects. */
class Machine {
  state: SenderState;
  now = 0 as Monotonic;
  effects: SenderEffect[] = [];

  constructor(change: Partial<{ queueRecords: number; windowBytes: number }> = {}) {
    const sizes = { queueRecords: 100, windowBytes: 10_000, ...change };
    this.state = initialSender({ own: hello('lb1'), peer: 'lb2', ...sizes, random: () => 1 });
  }

  feed(event: SenderEvent): SenderEffect[] {
    const step = stepSender(this.state, event, this.now);
    this.state = step.state;
    this.effects = step.effects;
    return step.effects;
  }

  frame(frame: Frame): SenderEffect[] {
    return this.feed({ type: 'frame', frame });
  }

  tickAt(ms: number): SenderEffect[] {
    this.now = ms as Monotonic;
    return this.feed({ type: 'tick' });
  }

  /** In short: `send gap 3`, `readChunk`. */
  get told(): string[] {
    return this.effects.map((effect) => {
      if (effect.type !== 'send') return effect.type;
      return 'sequence' in effect.frame ? `send ${effect.frame.type} ${effect.frame.sequence}` : `send ${effect.frame.type}`;
    });
  }

  toConnecting(): this {
    this.feed({ type: 'start' });
    this.feed({ type: 'tick' });
    return this;
  }

  toHello(): this {
    this.toConnecting().feed({ type: 'opened' });
    return this;
  }

  /** A stream to a peer that knows nothing; nothing is held, so the bulk is empty: gap 1, holding 2, begin 3, end 4. */
  toBulk(): this {
    this.toHello().frame({ type: 'hello', hello: hello('lb2') });
    this.frame({ type: 'resume', instance: 'instance of lb1', sequence: 0, complete: false });
    return this;
  }

  toLive(): this {
    this.toBulk().frame({ type: 'ack', sequence: 4 });
    this.frame({ type: 'bulkDone', bulk: 1 });
    return this;
  }
}

const records = (count: number): SenderEvent => ({ type: 'records', records: Buffer.alloc(count * RECORD_BYTES), count });

const PHASES: Record<string, () => Machine> = {
  stopped: () => new Machine(),
  waiting: () => {
    const machine = new Machine();
    machine.feed({ type: 'start' });
    return machine;
  },
  connecting: () => new Machine().toConnecting(),
  hello: () => new Machine().toHello(),
  bulk: () => new Machine().toBulk(),
  live: () => new Machine().toLive(),
  incompatible: () => {
    const machine = new Machine().toHello();
    machine.frame({ type: 'refuse', reason: 'no' });
    return machine;
  },
};

const EVENTS: Record<string, SenderEvent> = {
  start: { type: 'start' },
  stop: { type: 'stop' },
  dialled: { type: 'dialled' },
  opened: { type: 'opened' },
  ack: { type: 'frame', frame: { type: 'ack', sequence: 4 } },
  resync: { type: 'frame', frame: { type: 'resync', reason: 'why not' } },
  refuse: { type: 'frame', frame: { type: 'refuse', reason: 'no' } },
  stray: { type: 'frame', frame: { type: 'ping' } },
  closed: { type: 'closed', reason: 'broken' },
  blocked: { type: 'blocked' },
  writable: { type: 'writable' },
  records: records(2),
  lost: { type: 'lost', reason: 'ring' },
  control: { type: 'control', message: { type: 'nextHops', addresses: [] }, expiresAt: NEVER },
  holding: { type: 'holding', held: [FRONT] },
  digests: { type: 'digests', routers: [] },
  handOver: { type: 'handOver', slots: [0] },
  chunk: { type: 'chunk', bulk: 1, parts: [], cursor: null },
  tick: { type: 'tick' },
};

/** phase: event: phase afterwards, then the effects. A dash: nothing happens. */
const TABLE: Record<string, Record<string, string>> = {
  stopped: {
    start: 'waiting: changed',
    stop: 'stopped: changed',
  },
  waiting: {
    stop: 'stopped: changed',
    dialled: 'connecting: dial',
    tick: 'connecting: dial',
  },
  connecting: {
    stop: 'stopped: hangUp, changed',
    opened: 'hello: changed, send hello',
    closed: 'waiting: changed',
  },
  hello: {
    stop: 'stopped: hangUp, changed',
    ack: 'waiting: hangUp, changed',
    resync: 'waiting: hangUp, changed',
    refuse: 'incompatible: hangUp, changed',
    stray: 'waiting: hangUp, changed',
    closed: 'waiting: changed',
  },
  bulk: {
    stop: 'stopped: hangUp, changed',
    ack: 'streaming: acked',
    resync: 'streaming: changed, changed, send gap 5, send control 6, send bulkBegin 7, send bulkEnd 8',
    refuse: 'incompatible: hangUp, changed',
    stray: 'waiting: hangUp, changed',
    closed: 'waiting: changed',
    records: 'streaming: send records 5',
    lost: 'streaming: changed',
    control: 'streaming: send control 5',
    holding: 'streaming: send control 5',
    handOver: 'streaming: changed',
  },
  live: {
    stop: 'stopped: hangUp, changed',
    resync: 'streaming: changed, changed, send gap 5, send control 6, send bulkBegin 7, send bulkEnd 8',
    refuse: 'incompatible: hangUp, changed',
    stray: 'waiting: hangUp, changed',
    closed: 'waiting: changed',
    records: 'streaming: send records 5',
    lost: 'streaming: changed, changed, send gap 5, send control 6, send bulkBegin 7, send bulkEnd 8',
    control: 'streaming: send control 5',
    holding: 'streaming: send control 5',
    handOver: 'streaming: changed, changed, send gap 5, send control 6, send bulkBegin 7, readChunk',
    digests: 'streaming: send digest 5',
  },
  incompatible: {
    stop: 'stopped: changed',
    dialled: 'connecting: dial',
  },
};

t.test('every event in every phase', async (t) => {
  for (const [phase, make] of Object.entries(PHASES)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const machine = make();
      const before = machine.state.phase.name;
      machine.feed(event);
      const expected = TABLE[phase]?.[name] ?? `${before}:`;
      t.equal(`${machine.state.phase.name}: ${machine.told.join(', ')}`.trim(), expected, `${name} when ${phase}`);
    }
  }
});

t.test('a reconnect comes later each time, and soon again after a success', async (t) => {
  const machine = new Machine();
  machine.feed({ type: 'start' });
  const waits: number[] = [];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    machine.tickAt(senderDeadline(machine.state) ?? Number.NaN);
    machine.feed({ type: 'closed', reason: 'refused' });
    waits.push((senderDeadline(machine.state) ?? Number.NaN) - machine.now);
  }
  t.same(waits, [RETRY_FIRST_MS, 100, 200, 400, 800, 1600, RETRY_MAX_MS, RETRY_MAX_MS]);
  machine.tickAt(senderDeadline(machine.state) ?? Number.NaN);
  machine.feed({ type: 'opened' });
  machine.frame({ type: 'hello', hello: hello('lb2') });
  machine.frame({ type: 'resume', instance: '', sequence: 0, complete: false });
  machine.feed({ type: 'closed', reason: 'broken' });
  t.equal((senderDeadline(machine.state) ?? Number.NaN) - machine.now, RETRY_FIRST_MS);
});

t.test('a peer that dials is dialled at once, however long it was away', async (t) => {
  const machine = new Machine();
  machine.feed({ type: 'start' });
  for (let attempt = 0; attempt < 8; attempt += 1) {
    machine.tickAt(senderDeadline(machine.state) ?? Number.NaN);
    machine.feed({ type: 'closed', reason: 'refused' });
  }
  machine.feed({ type: 'dialled' });
  t.equal(machine.state.phase.name, 'connecting');
  machine.feed({ type: 'closed', reason: 'refused' });
  t.equal((senderDeadline(machine.state) ?? Number.NaN) - machine.now, RETRY_FIRST_MS, 'nor is the next try late');
});

t.test('a dial and a hello have a limit', async (t) => {
  const dialled = new Machine().toConnecting();
  dialled.tickAt(CONNECT_MS);
  t.match([dialled.told, dialled.state.reason], [['hangUp', 'changed'], 'no connection in time']);
  const greeted = new Machine().toHello();
  greeted.tickAt(CONNECT_MS);
  t.match([greeted.told, greeted.state.reason], [['hangUp', 'changed'], 'no answer to the hello']);
});

t.test('an incompatible peer is asked again, slowly', async (t) => {
  const machine = new Machine().toHello();
  machine.frame({ type: 'hello', hello: { ...hello('lb2'), versionMin: 2, versionMax: 2 } });
  t.match(machine.state, { phase: { name: 'incompatible' }, reason: /protocol version 2/ });
  machine.tickAt(RETRY_INCOMPATIBLE_MS - 1);
  t.same(machine.told, []);
  machine.tickAt(RETRY_INCOMPATIBLE_MS);
  t.same(machine.told, ['dial']);
});

t.test('silence ends a stream; a late wake asks for patience once', async (t) => {
  const silent = new Machine().toLive();
  silent.tickAt(PING_MS);
  t.same(silent.told, ['send ping']);
  silent.tickAt(SILENCE_MS);
  t.match([silent.told, silent.state.reason], [['hangUp', 'changed'], /silent/]);

  const late = new Machine().toLive();
  const woke = SILENCE_MS + LATE_WAKE_MS;
  late.tickAt(woke);
  t.same(late.told, ['send ping'], 'it was us who slept');
  late.tickAt(woke + PING_MS);
  t.same(late.told, ['hangUp', 'changed'], 'but not twice');

  const answered = new Machine().toLive();
  answered.tickAt(woke);
  answered.frame({ type: 'ack', sequence: 4 });
  answered.tickAt(woke + PING_MS);
  t.same(answered.told, ['send ping']);
});

t.test('the bulk is read in chunks as the window opens, with live records in between', async (t) => {
  const machine = new Machine({ windowBytes: 3 * RECORD_BYTES });
  machine.feed({ type: 'holding', held: [FRONT] });
  machine.toHello().frame({ type: 'hello', hello: hello('lb2') });
  machine.frame({ type: 'resume', instance: '', sequence: 0, complete: false });
  t.same(machine.told, ['changed', 'changed', 'send gap 1', 'send control 2', 'send bulkBegin 3'], 'the window is full');
  machine.frame({ type: 'ack', sequence: 3 });
  t.same(machine.told, ['acked', 'readChunk']);
  t.match(machine.effects[1], { bulk: 1, cursor: null, slots: { bulk: new Set([0]), merge: new Set() } });
  machine.feed(records(1));
  t.same(machine.told, ['send records 4']);
  const part = { mode: 'bulk' as const, records: Buffer.alloc(5 * RECORD_BYTES) };
  machine.feed({ type: 'chunk', bulk: 1, parts: [part], cursor: Buffer.from('next') });
  t.same(machine.told, ['send bulkChunk 5'], 'nothing more before it is acknowledged');
  machine.frame({ type: 'ack', sequence: 5 });
  t.match(machine.effects, [{ type: 'acked' }, { type: 'readChunk', cursor: Buffer.from('next') }]);
  machine.feed({ type: 'chunk', bulk: 1, parts: [], cursor: null });
  t.match(machine.effects, [{ type: 'send', frame: { type: 'bulkEnd', bulk: 1, chunks: 1, routers: ['front'] } }]);
  t.notOk(isLive(machine.state));
  machine.frame({ type: 'bulkDone', bulk: 1 });
  t.ok(isLive(machine.state));
});

t.test('who lost the lease merges what it had, and asks nobody to purge', async (t) => {
  const machine = new Machine();
  machine.feed({ type: 'holding', held: [FRONT, BACK] });
  machine.feed({ type: 'holding', held: [BACK] });
  machine.toBulk();
  t.match(machine.effects.at(-1), { type: 'readChunk', slots: { bulk: new Set([1]), merge: new Set([0]) } });
  machine.feed({ type: 'holding', held: [] });
  machine.feed({ type: 'chunk', bulk: 1, parts: [], cursor: null });
  t.match(machine.effects.at(-1), { frame: { type: 'bulkEnd', routers: [] } });
});

t.test('what a new holder may lack is merged there, though this node never held it', async (t) => {
  const machine = new Machine().toLive();
  machine.feed({ type: 'handOver', slots: [0] });
  t.ok(machine.told.includes('readChunk'), 'the table is read');
  t.match(machine.effects.at(-1), { slots: { bulk: new Set(), merge: new Set([0]) } });
  t.notOk(isLive(machine.state));
  machine.feed({ type: 'chunk', bulk: machine.state.bulks, parts: [{ mode: 'merge', records: Buffer.alloc(RECORD_BYTES) }], cursor: null });
  machine.frame({ type: 'bulkDone', bulk: machine.state.bulks });
  t.ok(isLive(machine.state));
  t.same(machine.state.owed, new Set(), 'it has everything');
});

t.test('after a short break the stream goes on where it was', async (t) => {
  const machine = new Machine().toLive();
  machine.feed(records(1));
  machine.feed(records(1));
  machine.feed({ type: 'closed', reason: 'broken' });
  machine.feed(records(1));
  machine.tickAt(1000);
  machine.feed({ type: 'opened' });
  machine.frame({ type: 'hello', hello: hello('lb2') });
  machine.frame({ type: 'resume', instance: 'instance of lb1', sequence: 5, complete: true });
  t.same(machine.told, ['changed', 'acked', 'send records 6', 'send records 7', 'send control 8']);
  t.ok(isLive(machine.state));
});

for (const { what, resume, reason } of [
  { what: 'forgot us', resume: { instance: 'another', sequence: 0, complete: false }, reason: /does not know/ },
  { what: 'is not complete', resume: { instance: 'instance of lb1', sequence: 5, complete: false }, reason: /not complete/ },
  { what: 'has less than was kept', resume: { instance: 'instance of lb1', sequence: 2, complete: true }, reason: /not complete/ },
]) {
  t.test(`a peer that ${what} gets everything anew`, async (t) => {
    const machine = new Machine().toLive();
    machine.feed(records(1));
    machine.feed({ type: 'closed', reason: 'broken' });
    machine.tickAt(1000);
    machine.feed({ type: 'opened' });
    machine.frame({ type: 'hello', hello: hello('lb2') });
    machine.frame({ type: 'resume', ...resume });
    t.same(machine.told, ['changed', 'changed', 'send gap 6', 'send control 7', 'send bulkBegin 8', 'send bulkEnd 9']);
    t.match(machine.state.reason, reason);
  });
}

t.test('a machine that went back in time numbers above what the peer has, and starts over', async (t) => {
  const machine = new Machine().toHello();
  machine.frame({ type: 'hello', hello: hello('lb2') });
  machine.frame({ type: 'resume', instance: 'instance of lb1', sequence: 500, complete: true });
  t.same(machine.told, ['changed', 'changed', 'send gap 501', 'send control 502', 'send bulkBegin 503', 'send bulkEnd 504']);
  machine.frame({ type: 'ack', sequence: 504 });
  machine.frame({ type: 'bulkDone', bulk: 1 });
  t.ok(isLive(machine.state));

  const later = new Machine().toLive();
  later.feed({ type: 'closed', reason: 'broken' });
  later.tickAt(1000);
  later.feed({ type: 'opened' });
  later.frame({ type: 'hello', hello: hello('lb2') });
  later.frame({ type: 'resume', instance: 'instance of lb1', sequence: 90, complete: true });
  t.same(later.told, ['changed', 'changed', 'send gap 91', 'send control 92', 'send bulkBegin 93', 'send bulkEnd 94']);
  t.match(later.state.reason, /more than this stream ever sent/);
});

/** Its stream has broken, and a new one is there: the peer has everything up to `sequence`. */
function back(machine: Machine, sequence: number): string[] {
  machine.tickAt(1000);
  machine.feed({ type: 'opened' });
  machine.frame({ type: 'hello', hello: hello('lb2') });
  machine.frame({ type: 'resume', instance: 'instance of lb1', sequence, complete: true });
  return machine.told;
}

t.test('records of a router that was given up while apart do not overwrite what its next holder did', async (t) => {
  const waiting = (): Machine => {
    const machine = new Machine().toLive();
    machine.feed({ type: 'holding', held: [FRONT] });
    machine.feed(records(1));
    machine.feed({ type: 'closed', reason: 'broken' });
    return machine;
  };
  const given = waiting();
  given.feed({ type: 'holding', held: [] });
  t.ok(back(given, 5).includes('readChunk'), 'its table, as it is now');
  t.match(given.effects.at(-1), { slots: { bulk: new Set(), merge: new Set([0]) } }, 'which fills holes only');
  t.notOk(back(waiting(), 5).includes('readChunk'), 'still held: it goes on');
  const known = waiting();
  known.feed({ type: 'holding', held: [] });
  t.notOk(back(known, 6).includes('readChunk'), 'the records have arrived, only the acknowledgement has not');
});

t.test('nor does a bulk that was read while it was held', async (t) => {
  const waiting = (mode: 'bulk' | 'merge'): Machine => {
    const machine = new Machine().toLive();
    machine.feed({ type: 'holding', held: [FRONT] });
    machine.frame({ type: 'ack', sequence: 5 });
    machine.feed({ type: 'lost', reason: 'events' });
    const parts = [{ mode, records: Buffer.alloc(RECORD_BYTES) }];
    machine.feed({ type: 'chunk', bulk: machine.state.bulks, parts, cursor: null });
    t.match(machine.told, ['send bulkChunk 9', 'send bulkEnd 10']);
    machine.feed({ type: 'closed', reason: 'broken' });
    return machine;
  };
  const givenUp = (mode: 'bulk' | 'merge'): Machine => {
    const machine = waiting(mode);
    machine.feed({ type: 'holding', held: [] });
    return machine;
  };
  t.ok(back(givenUp('bulk'), 8).includes('readChunk'), 'read once more, to fill holes');
  t.notOk(back(waiting('bulk'), 8).includes('readChunk'), 'still held');
  t.notOk(back(givenUp('merge'), 8).includes('readChunk'), 'that only fills holes anyway');
  t.notOk(back(givenUp('bulk'), 9).includes('readChunk'), 'it has arrived');
});

t.test('what was held and announced while apart is not said when it is over', async (t) => {
  const machine = new Machine().toLive();
  machine.feed({ type: 'closed', reason: 'broken' });
  machine.feed({ type: 'holding', held: [{ slot: 0, name: 'front' }] });
  machine.feed({ type: 'control', message: { type: 'pools', generations: [] }, expiresAt: NEVER });
  machine.feed({ type: 'control', message: { type: 'nextHops', addresses: [] }, expiresAt: NEVER });
  machine.feed({ type: 'holding', held: [] });
  machine.tickAt(1000);
  machine.feed({ type: 'opened' });
  machine.frame({ type: 'hello', hello: hello('lb2') });
  machine.frame({ type: 'resume', instance: 'instance of lb1', sequence: 4, complete: true });
  t.same(machine.told, ['changed', 'send skip 5', 'send skip 6', 'send control 7', 'send skip 8', 'send control 9']);
  t.match(machine.effects.at(-1), { frame: { message: { type: 'holding', routers: [] } } });
});

t.test('an order is not said again over another stream, nor are commands to servers, which an older program does not know', async (t) => {
  const order: ControlMessage = { type: 'takeOver', routers: ['front'], reason: '' };
  for (const [at, message] of ([order, order, { type: 'overrides', overrides: [] }] as ControlMessage[]).entries()) {
    const instance = at === 0 ? 'another' : 'instance of lb1';
    const machine = new Machine().toLive();
    machine.feed({ type: 'control', message, expiresAt: NEVER });
    t.same(machine.told, ['send control 5']);
    machine.feed({ type: 'closed', reason: 'broken' });
    machine.tickAt(1000);
    machine.feed({ type: 'opened' });
    machine.frame({ type: 'hello', hello: hello('lb2') });
    machine.frame({ type: 'resume', instance, sequence: 4, complete: true });
    const said = machine.effects.filter((effect) => effect.type === 'send' && JSON.stringify(effect.frame).includes(message.type));
    t.same(said, [], `${message.type} to ${instance}`);
  }
});

t.test('a full queue is emptied, said, and replaced by a bulk when the peer reads again', async (t) => {
  const machine = new Machine({ queueRecords: 10 }).toLive();
  machine.feed(records(6));
  machine.feed({ type: 'blocked' });
  machine.feed(records(6));
  t.same(machine.told, ['changed']);
  t.match(machine.state, { gaps: 1, gap: /overflowed/, queue: { records: 0 } });
  t.same(machine.feed(records(6)), [], 'the bulk will contain it');
  machine.feed({ type: 'writable' });
  t.same(machine.told, [], 'what was sent before the gap comes first');
  machine.frame({ type: 'ack', sequence: 5 });
  t.same(machine.told, ['acked', 'changed', 'send gap 7', 'send control 8', 'send bulkBegin 9', 'send bulkEnd 10']);
});

t.test('control messages survive a gap, an expired one is skipped', async (t) => {
  const machine = new Machine().toLive();
  machine.feed({ type: 'blocked' });
  machine.feed({ type: 'control', message: { type: 'nextHops', addresses: ['10.0.0.1'] }, expiresAt: NEVER });
  machine.feed({ type: 'control', message: { type: 'takeOver', routers: [], reason: '' }, expiresAt: 50 as Monotonic });
  machine.feed({ type: 'lost', reason: 'ring' });
  machine.now = 60 as Monotonic;
  machine.feed({ type: 'writable' });
  t.same(machine.told, [
    'changed',
    'send gap 7',
    'send control 8',
    'send control 9',
    'send skip 10',
    'send bulkBegin 11',
    'send bulkEnd 12',
  ]);
});

t.test('an acknowledgement of what was never sent ends the stream', async (t) => {
  const machine = new Machine().toLive();
  machine.frame({ type: 'ack', sequence: 99 });
  t.match([machine.told, machine.state.reason], [['hangUp', 'changed'], /never sent/]);
});

t.test('a digest that differs is not in sync until one matches', async (t) => {
  const machine = new Machine().toLive();
  machine.feed({ type: 'holding', held: [FRONT] });
  machine.frame({ type: 'compared', matched: false });
  t.equal(machine.state.digestMatch, false);
  machine.frame({ type: 'compared', matched: true });
  t.equal(machine.state.digestMatch, true);
  machine.feed({ type: 'holding', held: [] });
  machine.frame({ type: 'compared', matched: false });
  t.equal(machine.state.digestMatch, null, 'it spoke of what we held');
});
