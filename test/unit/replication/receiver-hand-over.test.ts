/** What a change of holder does at the receiver: what the new holder may lack is handed over, and whose word counts where both held. */
import t from 'tap';
import { isReceivedInSync, receiverDeadline } from '../../../src/replication/receiver-state.js';
import { hello } from '../../support/hello.js';
import { Machine, RECORDS } from '../../support/receiver-machine.js';

t.test('nothing is purged for a sender that has just begun to hold before it was given what is here', async (t) => {
  const machine = new Machine().toHandOver();
  t.match(machine.effects[0], { type: 'handOver', epoch: machine.state.epoch, routers: ['front'] });
  t.notOk(machine.state.purge, 'not yet');
  t.notOk(isReceivedInSync(machine.state));
  machine.feed({ type: 'handedOver' });
  t.match(machine.effects[0], { frame: { type: 'resync' } }, 'its table was read before it had that');
  machine.frame({ type: 'gap', sequence: 20, reason: 'asked' }).bulkOf(['front']);
  t.same(machine.state.purge?.routers, ['front'], 'now it says what may go');
  t.notOk(isReceivedInSync(machine.state));
  machine.feed({ type: 'purged', epoch: machine.state.epoch });
  t.ok(isReceivedInSync(machine.state));
  machine.frame({ type: 'gap', sequence: 40, reason: 'lost again' }).bulkOf(['front']);
  t.ok(machine.state.purge, 'it has held all the time: no more questions');
});

t.test('nothing is handed over to a sender that named everything: its table is complete at once', async (t) => {
  const machine = new Machine().toHandOver();
  machine.feed({ type: 'allNamed', epoch: machine.state.epoch - 1 });
  t.same(machine.told, [], 'that was an earlier bulk');
  machine.feed({ type: 'allNamed', epoch: machine.state.epoch });
  t.same(machine.told, ['purge'], 'of nothing, but for what came and went meanwhile');
  machine.feed({ type: 'purged', epoch: machine.state.epoch });
  t.ok(isReceivedInSync(machine.state));
  machine.frame({ type: 'gap', sequence: 40, reason: 'lost again' }).bulkOf(['front']);
  t.ok(machine.state.purge, 'the tables were equal under this holder');
});

t.test('who held itself hands over, too, though the other one is known to hold', async (t) => {
  const machine = new Machine()
    .toComplete()
    .feed({ type: 'holding', routers: ['front'] })
    .feed({ type: 'holding', routers: [] });
  machine.frame({ type: 'gap', sequence: 5, reason: 'asked' }).bulkOf(['front']);
  t.match(machine.effects[0], { type: 'handOver', routers: ['front'] });
});

t.test('a process that was started where the lease was held lately hands over, too', async (t) => {
  t.ok(new Machine(0, true).toPurge().state.handOver);
});

t.test('a sender that takes nothing over does not keep old records alive', async (t) => {
  const machine = new Machine().toHandOver();
  const until = machine.state.handOver?.until ?? 0;
  machine.frame({ type: 'ping' }).tickAt(until - 1);
  t.notOk(machine.state.purge);
  t.equal(receiverDeadline(machine.state), until);
  machine.frame({ type: 'ping' }).tickAt(until);
  t.same(machine.told, ['purge']);
  machine.feed({ type: 'handedOver' });
  t.same(machine.told, [], 'too late');
});

t.test('a new holder that sends its table anew is handed over to once all the same', async (t) => {
  const machine = new Machine().toHandOver();
  machine.feed({ type: 'handingOver', epoch: machine.state.epoch });
  machine.frame({ type: 'gap', sequence: 20, reason: 'somebody had flows that nobody else had' }).bulkOf(['front']);
  t.notOk(machine.state.purge, 'it may have been read too early');
  t.notOk(machine.told.includes('handOver'), 'it is being handed over already');
  machine.frame({ type: 'gap', sequence: 40, reason: 'the same of another' }).feed({ type: 'handedOver' });
  t.match(machine.effects[0], { frame: { type: 'resync' } });
  machine.frame({ type: 'gap', sequence: 60, reason: 'asked' }).bulkOf(['front']);
  t.ok(machine.state.purge);
});

t.test('one that sends its table anew all the time is not waited for any longer', async (t) => {
  const machine = new Machine().toHandOver();
  machine.feed({ type: 'handingOver', epoch: machine.state.epoch });
  const until = machine.state.handOver?.until ?? 0;
  machine.frame({ type: 'gap', sequence: 20, reason: 'lost' }).tickAt(until);
  t.notOk(machine.state.handOver ?? machine.state.purge);
  machine.bulkOf(['front']);
  t.ok(machine.state.purge);
});

t.test('a look for what was not named ends with the bulk that it is about', async (t) => {
  const machine = new Machine().toHandOver();
  machine.frame({ type: 'gap', sequence: 20, reason: 'lost' });
  t.notOk(machine.state.handOver);
  machine.bulkOf(['front']);
  t.match(machine.effects[0], { type: 'handOver', epoch: machine.state.epoch }, 'the next one is looked through in its turn');
});

t.test('a hand-over goes on while the stream of the new holder is away', async (t) => {
  const machine = new Machine().toHandOver().feed({ type: 'closed', reason: 'broken' });
  machine.feed({ type: 'handedOver' });
  machine.toFresh();
  t.match(machine.effects[1], { frame: { type: 'resume', sequence: 0, complete: false } }, 'it starts over');
});

t.test('who has always held, or has our table, is believed at once', async (t) => {
  t.ok(new Machine().toPurge().state.purge, 'nothing is known of before');
  const matched = new Machine().toComplete();
  matched.frame({ type: 'control', sequence: 5, message: { type: 'holding', routers: [] } });
  matched.frame({ type: 'control', sequence: 6, message: { type: 'holding', routers: ['front'] } });
  matched.feed({ type: 'compared', matched: true });
  matched.frame({ type: 'gap', sequence: 9, reason: 'lost' }).bulkOf(['front']);
  t.ok(matched.state.purge, 'equal since it holds');
  const own = new Machine().toFresh().feed({ type: 'holding', routers: ['front'] });
  own.frame({ type: 'control', sequence: 1, message: { type: 'holding', routers: [] } });
  own.frame({ type: 'gap', sequence: 2, reason: 'lost' }).bulkOf(['front']);
  t.ok(own.state.purge, 'of what we hold nothing is purged anyway');
  const restarted = new Machine().toComplete().feed({ type: 'opened', hello: hello('lb1', 'another') });
  restarted.frame({ type: 'gap', sequence: 1, reason: 'new stream' }).bulkOf(['front']);
  t.ok(restarted.state.purge, 'its daemon has restarted, its table has not');
});

t.test('one that is heard for the first time is not believed where another was known to hold', async (t) => {
  const late = new Machine().feed({ type: 'heldElsewhere', routers: ['front'] }).toPurge();
  t.ok(late.state.handOver, 'it may have held by itself while it was away');
  t.notOk(late.state.purge);
  const apart = new Machine().feed({ type: 'heldElsewhere', routers: ['back'] }).toPurge();
  t.ok(apart.state.purge, 'the other one held something else');
  const away = new Machine().feed({ type: 'heldElsewhere', routers: ['front'] }).toFresh();
  away.frame({ type: 'control', sequence: 1, message: { type: 'holding', routers: ['back'] } });
  t.notOk(away.state.isSuccessor, 'so does this one');
});

t.test('of two that held each gets what only the other one was told', async (t) => {
  const again = (machine: Machine): Machine => machine.frame({ type: 'gap', sequence: 9, reason: 'lost' }).bulkOf(['front']);
  t.ok(again(new Machine().toComplete().feed({ type: 'heldElsewhere', routers: ['back', 'front'] })).state.handOver);
  t.ok(again(new Machine().toComplete().feed({ type: 'heldElsewhere', routers: ['back'] })).state.purge);
  const equal = new Machine()
    .toComplete()
    .feed({ type: 'heldElsewhere', routers: ['front'] })
    .feed({ type: 'compared', matched: true });
  t.ok(again(equal).state.purge, 'equal since then');
});

t.test('others hear when a sender begins to hold and when it ceases, also by going away', async (t) => {
  const told = (machine: Machine): string[][] => machine.effects.flatMap((effect) => (effect.type === 'held' ? [effect.routers] : []));
  const says = (machine: Machine, routers: string[]): string[][] =>
    told(machine.frame({ type: 'control', sequence: machine.state.applied + 1, message: { type: 'holding', routers } }));
  const machine = new Machine().toFresh();
  t.same(says(machine, []), [], 'it holds nothing');
  t.same(says(machine, ['front']), [['front']]);
  t.same(told(machine.feed({ type: 'closed', reason: 'broken' })), [['front']]);
  machine.toFresh();
  t.same(says(machine, ['front']), [], 'it still holds it');
  t.same(says(machine, ['back']), [['front', 'back']]);
  t.same(says(machine, []), [['back']]);
  t.same(told(machine.feed({ type: 'closed', reason: 'broken' })), [], 'it held nothing any more');
});

t.test('a purge of an older epoch completes nothing', async (t) => {
  const machine = new Machine().toPurge();
  const { epoch } = machine.state;
  machine.frame({ type: 'gap', sequence: 9, reason: 'again' });
  machine.frame({ type: 'bulkBegin', sequence: 10, bulk: 2 });
  machine.frame({ type: 'bulkEnd', sequence: 11, bulk: 2, chunks: 0, routers: [] });
  machine.feed({ type: 'purged', epoch });
  t.notOk(machine.state.isComplete);
  machine.feed({ type: 'purged', epoch: machine.state.epoch });
  t.ok(machine.state.isComplete);
});

t.test('a sender that holds what we hold only fills holes', async (t) => {
  const machine = new Machine().toBulk();
  machine.feed({ type: 'holding', routers: ['front'] });
  machine.frame({ type: 'bulkChunk', sequence: 4, bulk: 1, index: 0, mode: 'bulk', records: RECORDS });
  t.same(machine.told, ['apply merge 2', 'send ack 4']);
});

t.test('when we have yielded to it, its whole table is asked for, whoever says so first', async (t) => {
  const filled = (): Machine => {
    const machine = new Machine().toBulk().feed({ type: 'holding', routers: ['front'] });
    return machine.frame({ type: 'bulkChunk', sequence: 4, bulk: 1, index: 0, mode: 'bulk', records: RECORDS });
  };
  const holds = (machine: Machine, routers: string[]): Machine =>
    machine.frame({ type: 'control', sequence: machine.state.applied + 1, message: { type: 'holding', routers } });
  const yielded = filled().feed({ type: 'holding', routers: ['other'] });
  t.same(yielded.told, ['send resync', 'changed']);
  t.notOk(yielded.state.isComplete);
  const away = holds(filled(), []);
  t.same(away.feed({ type: 'holding', routers: [] }).told, [], 'it does not hold itself: it has nothing to say');
  t.match(holds(away, ['front']).told, ['control', 'held', 'send resync', 'changed'], 'it holds again');
  t.match(holds(filled(), ['front']).told, ['control'], 'both go on');
});

t.test('who was believed is not asked again', async (t) => {
  const machine = new Machine().toBulk();
  machine.frame({ type: 'bulkChunk', sequence: 4, bulk: 1, index: 0, mode: 'bulk', records: RECORDS });
  machine.frame({ type: 'bulkChunk', sequence: 5, bulk: 1, index: 1, mode: 'merge', records: RECORDS });
  machine.feed({ type: 'holding', routers: ['front'] });
  t.same(machine.feed({ type: 'holding', routers: [] }).told, [], 'its table was taken as it is, but for what was to fill holes');
});
