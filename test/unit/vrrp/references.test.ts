/** Who may lead when nobody is heard. */
import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import { calm, nextLookAt, type ReferenceEvent, type ReferenceState, stepReferences, verdictOf } from '../../../src/vrrp/references.js';
import { active, backup, tell } from '../../support/vrrp-machine.js';

class Asker {
  state: ReferenceState = calm;
  now = 1000;
  asked = 0;

  feed(event: ReferenceEvent): string {
    const { state, ask } = stepReferences(this.state, event, this.now as Monotonic);
    this.state = state;
    if (ask) this.asked++;
    return verdictOf(state);
  }

  /** Time goes on, and nobody answers. */
  pass(ms: number, hasPeers = false): string {
    const end = this.now + ms;
    for (let at = nextLookAt(this.state); at !== null && at <= end; at = nextLookAt(this.state)) {
      this.now = at;
      this.feed({ type: 'look', hasPeers });
    }
    this.now = end;
    return verdictOf(this.state);
  }
}

const alone: ReferenceEvent = { type: 'look', hasPeers: false };

t.test('while somebody is heard nothing is asked', async (t) => {
  const asker = new Asker();
  t.equal(asker.feed({ type: 'look', hasPeers: true }), 'open');
  t.same([asker.asked, nextLookAt(asker.state)], [0, null]);
  asker.feed({ type: 'answer' });
  t.same(asker.state, calm, 'a late answer changes nothing');
});

t.test('alone: asked at once and again, open with the first answer', async (t) => {
  const asker = new Asker();
  t.equal(asker.feed(alone), 'asking');
  t.equal(asker.pass(60), 'asking');
  t.equal(asker.asked, 3);
  t.equal(asker.feed({ type: 'answer' }), 'open');
});

t.test('no answer within a tenth of a second: lost, and asked on', async (t) => {
  const asker = new Asker();
  asker.feed(alone);
  t.equal(asker.pass(99), 'asking');
  t.equal(asker.pass(1), 'lost');
  const before = asker.asked;
  t.equal(asker.pass(1000), 'lost');
  t.equal(asker.asked - before, 5);
  t.equal(asker.feed({ type: 'answer' }), 'open', 'until one answers');
});

t.test('an answer counts until the next question has waited in vain', async (t) => {
  const asker = new Asker();
  asker.feed(alone);
  asker.feed({ type: 'answer' });
  t.equal(asker.pass(599), 'open');
  t.equal(asker.pass(1), 'lost');
});

t.test('somebody heard again ends it', async (t) => {
  const asker = new Asker();
  asker.feed(alone);
  asker.pass(150);
  t.equal(asker.feed({ type: 'look', hasPeers: true }), 'open');
  t.equal(nextLookAt(asker.state), null);
});

t.test('the election waits for the answer, and for as long as there is none', async (t) => {
  const driver = backup();
  driver.feed({ type: 'reference', verdict: 'asking' });
  t.same(driver.pass(400).map(tell), [], 'no claim');
  t.same(driver.feed({ type: 'reference', verdict: 'lost' }).map(tell), []);
  t.same(driver.pass(400).map(tell), [], 'said when it becomes known, once');
  t.same(driver.feed({ type: 'reference', verdict: 'open' }).map(tell), [], 'whoever leads is to be heard first');
  t.same(driver.pass(159).map(tell), []);
  t.same(driver.pass(2).map(tell), ['send:100']);
  t.same(driver.pass(60).map(tell), ['send:100', 'acquire', 'announce', 'backup>active:alone'], 'as after any silence');
});

t.test('an answer that only took its time is not waited on any longer', async (t) => {
  const driver = backup();
  driver.feed({ type: 'reference', verdict: 'asking' });
  driver.pass(400);
  t.same(driver.feed({ type: 'reference', verdict: 'open' }).map(tell), []);
  t.same(driver.pass(0).map(tell), ['send:100'], 'but for what else waits to be read');
});

t.test('whoever is heard after a cut is followed', async (t) => {
  const driver = backup();
  driver.feed({ type: 'reference', verdict: 'asking' });
  driver.pass(400);
  driver.feed({ type: 'reference', verdict: 'lost' });
  driver.feed({ type: 'reference', verdict: 'open' });
  driver.pass(90);
  driver.hear(200);
  t.same(driver.pass(250).map(tell), []);
  t.equal(driver.state.kind, 'backup');
});

t.test('cut off from the start: said once', async (t) => {
  const driver = backup();
  driver.feed({ type: 'reference', verdict: 'lost' });
  t.same(driver.pass(1000).map(tell), ['count:cutOffs', 'log:cutOff']);
  driver.hear(200);
  t.ok(driver.state.kind === 'backup' && driver.state.deferred === null, 'somebody is there again: the wait is that of the RFC');
});

t.test('an active node that is cut off leaves; one that only asks does not', async (t) => {
  const driver = active();
  t.same(driver.feed({ type: 'reference', verdict: 'asking' }), []);
  t.same(driver.feed({ type: 'reference', verdict: 'lost' }).map(tell), ['count:cutOffs', 'release', 'send:0', 'active>backup:cutOff']);
});
