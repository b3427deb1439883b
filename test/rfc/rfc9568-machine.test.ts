/** RFC 9568 section 6: the state machine and its timers, for version 3 and IPv4. Ids as in section 6's order, F. */
import { active, backup, claiming, Driver, GREATER, SMALLER, tell } from '../support/vrrp-machine.js';
import { requirement } from './requirement.js';

const SECTION = 'RFC 9568 section ';

requirement({
  id: 'F1 F2',
  section: `${SECTION}6.1`,
  text: 'Active_Down_Interval is three intervals and the skew of the priority',
  positive: (t) =>
    t.same(
      [1, 100, 254].map((priority) => backup({ priority }).waitMs),
      [399.609, 360.938, 300.781],
    ),
  negative: (t) =>
    t.ok((backup({ priority: 1 }).waitMs ?? 0) > (backup({ priority: 254 }).waitMs ?? 0), 'a lower priority never waits less'),
});

requirement({
  id: 'F3',
  section: `${SECTION}6.4.1`,
  text: 'the address owner advertises and announces at once, and is active',
  positive(t) {
    const owner = new Driver({ priority: 255 });
    t.same(owner.begin().map(tell), ['send:255', 'acquire', 'announce', 'initialize>active:owner']);
    t.equal(owner.state.kind, 'active');
  },
  negative: (t) => t.equal(backup({ priority: 254 }).state.kind, 'backup'),
});

requirement({
  id: 'F4',
  section: `${SECTION}6.4.1`,
  text: 'anybody else waits Active_Down_Interval of its own interval as Backup',
  positive: (t) => t.same([backup().state.kind, backup().waitMs], ['backup', 360.938]),
  negative(t) {
    const router = new Driver();
    t.same(router.feed({ type: 'start', leaseRemainingMs: 0 }), [], 'but not before the flow table may serve');
    t.equal(router.state.kind, 'initialize');
  },
});

requirement({
  id: 'F6',
  section: `${SECTION}6.4.2`,
  text: 'Backup: priority 0 sets the timer to the skew',
  positive(t) {
    const router = backup();
    router.hear(200);
    router.hear(0);
    t.equal(router.waitMs, 60.938);
  },
  negative(t) {
    const router = backup();
    router.hear(200, GREATER);
    router.hear(0, SMALLER);
    t.equal(router.waitMs, 360.938, 'of one that is not the active router, while that one is heard, it changes nothing');
  },
});

requirement({
  id: 'F7',
  section: `${SECTION}6.4.2`,
  text: 'Backup: an equal or higher priority, or no pre-emption, resets the timer and teaches the interval',
  positive(t) {
    const router = backup();
    router.pass(300);
    router.hear(100, SMALLER, 200);
    t.equal(router.waitMs, 721.875);
    const modest = backup({ preempt: false });
    modest.pass(300);
    modest.hear(50, SMALLER, 1000);
    t.equal(modest.waitMs, 3609.375);
  },
  negative(t) {
    const router = backup();
    router.pass(300);
    router.hear(99, SMALLER, 200);
    t.equal(router.waitMs, 60.938, 'a lower one does neither');
  },
});

requirement({
  id: 'F8',
  section: `${SECTION}6.4.2`,
  text: 'Backup: a lower priority is discarded when we may pre-empt',
  positive(t) {
    const router = backup();
    for (let waited = 0; waited < 350; waited += 50) {
      router.hear(50, SMALLER);
      router.pass(50);
    }
    t.equal(router.waitMs, 10.938);
  },
  negative(t) {
    const unsynced = backup({}, false);
    unsynced.pass(300);
    unsynced.hear(50, SMALLER);
    t.equal(unsynced.waitMs, 360.938, 'a node that is not in sync may not');
    const delayed = backup({ preemptDelayMs: 1000 });
    delayed.pass(300);
    delayed.hear(50, SMALLER);
    t.equal(delayed.waitMs, 360.938, 'nor one whose delay is not over');
  },
});

requirement({
  id: 'F9',
  section: `${SECTION}6.4.2`,
  text: 'Backup: when the timer fires: advertise, announce, become active',
  positive(t) {
    const router = backup();
    router.hear(200);
    t.same(router.pass(361).map(tell), ['send:100', 'acquire', 'announce', 'backup>active:activeSilent']);
  },
  negative(t) {
    const router = backup();
    router.hear(200);
    t.same(router.pass(360), []);
  },
});

requirement({
  id: 'F10',
  section: `${SECTION}6.4.3`,
  text: 'Active: advertises each interval; on shutdown with priority 0',
  positive(t) {
    const router = active({ announce: { repeat: 1, repeatGapMs: 0, refreshMs: 0 } });
    t.same(router.pass(300).map(tell), ['send:100', 'renew', 'send:100', 'renew', 'send:100', 'renew']);
    t.same(router.feed({ type: 'stop', reason: 'asked' }).map(tell), ['release:planned', 'send:0', 'active>initialize:asked']);
  },
  negative(t) {
    const router = backup();
    t.same(router.feed({ type: 'stop', reason: 'asked' }).map(tell), ['backup>initialize:asked'], 'a Backup has nothing to give up');
  },
});

requirement({
  id: 'F11',
  section: `${SECTION}6.4.3`,
  text: 'Active: priority 0 is answered at once and the timer reset',
  positive(t) {
    const router = active();
    router.pass(10);
    t.same(router.hear(0).map(tell), ['send:100', 'renew']);
    t.equal(router.state.kind === 'active' && router.state.nextAdvertAt - router.now, 100);
  },
  negative(t) {
    const router = backup();
    t.same(router.hear(0), [], 'a Backup does not answer');
  },
});

requirement({
  id: 'F12',
  section: `${SECTION}6.4.3`,
  text: 'Active: gives way to a higher priority, or to the same with a greater address',
  positive(t) {
    for (const [priority, address] of [
      [101, SMALLER],
      [100, GREATER],
    ] as const) {
      const router = active();
      t.same(router.hear(priority, address, 200).map(tell), ['release:planned', 'send:0:one', 'active>backup:betterActive']);
      t.equal(router.waitMs, 721.875, 'with the interval of the other');
    }
  },
  negative(t) {
    const router = active();
    router.hear(100, SMALLER);
    t.equal(router.state.kind, 'active');
  },
});

requirement({
  id: 'F13',
  section: `${SECTION}6.4.3`,
  text: 'Active: a lower priority, or a lost tie, is answered with an advertisement at once',
  positive(t) {
    t.same(active().hear(99, GREATER).map(tell), ['send:100', 'renew', 'count:conflicts', 'log:conflict']);
    t.equal(tell(active().hear(100, SMALLER)[0] as never), 'send:100');
    t.equal(tell(claiming().hear(50, SMALLER)[0] as never), 'send:100', 'also while the lease is still waited for');
  },
  negative: (t) =>
    t.notOk(
      active()
        .hear(200)
        .some((effect) => tell(effect) === 'send:100'),
    ),
});

requirement({
  id: 'F18',
  section: `${SECTION}8.3.2`,
  text: 'equal priorities and several owners are logged',
  positive(t) {
    t.ok(
      active()
        .hear(100, SMALLER)
        .some((effect) => tell(effect) === 'log:equalPriority'),
    );
    t.ok(
      owner()
        .hear(255, SMALLER)
        .some((effect) => tell(effect) === 'log:ownerConflict'),
    );
  },
  negative: (t) =>
    t.notOk(
      active()
        .hear(99, SMALLER)
        .some((effect) => tell(effect) === 'log:equalPriority'),
    ),
});

requirement({
  id: 'F21',
  section: `${SECTION}2.5`,
  text: 'delay of our own is counted and told, and is not the death of the other',
  positive(t) {
    const router = backup();
    router.hear(200);
    router.now += 900;
    t.same(router.timer().map(tell), ['count:lateWakes', 'log:wokeLate']);
    t.equal(router.waitMs, 160.938, 'one more interval and the skew');
  },
  negative(t) {
    const router = backup();
    router.hear(200);
    router.now += 900;
    router.timer();
    t.ok(router.pass(161).map(tell).includes('backup>active:activeSilent'), 'silence after that is silence');
  },
});

requirement({
  id: 'F23',
  section: `${SECTION}6.4.2`,
  text: 'a timer that was overtaken by an advertisement does nothing',
  positive(t) {
    const router = backup();
    router.now += 361;
    router.hear(200);
    t.same(router.timer(), []);
  },
  negative(t) {
    const router = backup();
    router.now += 361;
    t.ok(router.timer().length > 0);
  },
});

function owner(): Driver {
  const driver = new Driver({ priority: 255 });
  driver.begin();
  return driver;
}
