/** States and timers (RFC 9568 section 6). */
import { advert, Bench, router as groupOf } from '../support/heartbeat-bench.js';
import { active, backup, claiming, Driver, GREATER, SMALLER, tell } from '../support/vrrp-machine.js';
import { advertOf, ipv4Router, ipv6Router, WireBench } from '../support/wire-bench.js';
import { requirement } from './requirement.js';

/** Version 2, once a second: the skew is a share of one second. */
const VERSION_2 = { advertIntervalMs: 3000, skewIntervalMs: 1000 };

requirement('F1', {
  positive(t) {
    const skews = [1, 100, 128, 200, 254].map((priority) => Math.round(((backup({ priority }).waitMs ?? 0) - 300) * 100) / 100);
    t.same(skews, [99.61, 60.94, 50, 21.88, 0.78], 'at an interval of 100 ms');
    const learned = backup();
    learned.hear(200, GREATER, 1000);
    t.equal(learned.waitMs, 3609.375, 'of the interval of the active router');
    t.equal(backup(VERSION_2).waitMs, 9609.375, 'version 2: of one second, whatever the interval is');
  },
  negative(t) {
    t.ok((backup({ priority: 1 }).waitMs ?? 0) > (backup({ priority: 254 }).waitMs ?? 0), 'a lower priority never waits less');
    t.not(backup({ ...VERSION_2, skewIntervalMs: null }).waitMs, backup(VERSION_2).waitMs, 'the versions differ');
  },
});

requirement('F2', {
  positive(t) {
    const router = backup({ priority: 254 });
    t.equal(router.waitMs, 300.781);
    router.hear(255);
    t.same(router.pass(300.7).map(tell), [], 'not before three of them');
    t.ok(router.pass(0.1).map(tell).includes('backup>active:activeSilent'));
  },
  negative(t) {
    const router = backup({ priority: 254 });
    for (let count = 0; count < 10; count++) {
      router.hear(255);
      t.same(router.pass(299).map(tell), [], 'two may be lost');
    }
  },
});

requirement('F3', {
  positive(t) {
    const owner = new Driver({ priority: 255 });
    t.same(owner.begin().map(tell), ['send:255', 'acquire', 'announce', 'initialize>active:owner']);
    t.equal(owner.state.kind, 'active');
  },
  negative: (t) => t.equal(backup({ priority: 254 }).state.kind, 'backup'),
});

requirement('F4', {
  positive: (t) => t.same([backup().state.kind, backup().waitMs], ['backup', 360.938]),
  negative(t) {
    const router = new Driver();
    t.same(router.feed({ type: 'start', leaseRemainingMs: 0 }), [], 'but not before the flow table may serve');
    t.equal(router.state.kind, 'initialize');
  },
});

requirement('F6', {
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

requirement('F7', {
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

requirement('F8', {
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

requirement('F9', {
  positive(t) {
    const router = backup();
    router.hear(200);
    t.same(router.pass(361).map(tell), ['send:100', 'acquire', 'announce', 'backup>active:activeSilent']);
    const ipv4 = new WireBench([ipv4Router]);
    ipv4.members[0]?.announce();
    t.match(ipv4.frames[0]?.toString('hex', 12), /^0806.{28}0a090064.{12}0a090064/, 'gratuitous ARP for the virtual address');
    const ipv6 = new WireBench([ipv6Router]);
    t.same(ipv6.sockets[0]?.joined, ['ff02::1:ff00:51 eth0', 'ff02::1:ff00:100 eth0']);
    ipv6.members[0]?.announce();
    t.same(
      ipv6.frames.map((frame) => [frame[54], frame.readUInt32BE(58) >>> 29, frame.toString('hex', 62, 78)]),
      [
        [136, 0b101, 'fe800000000000000000000000000051'],
        [136, 0b101, '20010db8000000000000000000000100'],
      ],
      'a Neighbour Advertisement with R and O, without S, for each',
    );
  },
  negative(t) {
    const router = backup();
    router.hear(200);
    t.same(router.pass(360), []);
  },
});

requirement('F10', {
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

requirement('F11', {
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

requirement('F12', {
  positive(t) {
    for (const [priority, address] of [
      [101, SMALLER],
      [100, GREATER],
    ] as const) {
      const router = active();
      t.same(router.hear(priority, address, 200).map(tell), ['release:planned', 'send:0:one', 'active>backup:betterActive']);
      t.equal(router.waitMs, 721.875, 'with the interval of the other');
    }
    const bench = new WireBench([ipv4Router, ipv6Router])
      .deliver(advertOf({ from: '240.0.0.1' }))
      .deliver(advertOf({ from: 'fe80::ffff' }));
    t.same(
      bench.heard.map(({ advert }) => advert?.isGreater),
      [true, true],
      'addresses are compared unsigned, in network order',
    );
  },
  negative(t) {
    const router = active();
    router.hear(100, SMALLER);
    t.equal(router.state.kind, 'active');
    const bench = new WireBench([ipv4Router, ipv6Router])
      .deliver(advertOf({ from: '9.255.255.255' }))
      .deliver(advertOf({ from: 'fe80::4' }));
    t.same(
      bench.heard.map(({ advert }) => advert?.isGreater),
      [false, false],
    );
  },
});

requirement('F13', {
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

requirement('F18', {
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

requirement('F21', {
  positive(t) {
    const router = backup();
    router.hear(200);
    router.now += 900;
    t.same(router.timer().map(tell), ['count:lateWakes', 'log:wokeLate']);
    t.equal(router.waitMs, 160.938, 'one more interval and the skew');
    const late = active();
    late.now += 160;
    t.same(late.timer().slice(0, 2).map(tell), ['count:lateWakes', 'log:wokeLate'], 'of an advert that should have left');
  },
  negative(t) {
    const router = backup();
    router.hear(200);
    router.now += 900;
    router.timer();
    t.ok(router.pass(161).map(tell).includes('backup>active:activeSilent'), 'silence after that is silence');
    t.notOk(active().pass(1000).map(tell).includes('log:wokeLate'), 'timers that are on time are no news');
  },
});

requirement('F23', {
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

requirement('F16', {
  positive(t) {
    const effects = backup().pass(500).map(tell);
    t.ok(effects.includes('announce'));
    t.ok(effects.indexOf('acquire') < effects.indexOf('announce'), 'the lease first');
  },
  negative(t) {
    const router = new Driver({ priority: 255 });
    t.same(router.feed({ type: 'start', leaseRemainingMs: 0 }).map(tell), [], 'not before the flow table may serve');
    const refused = new Driver({ priority: 255 });
    refused.leaseRefused = true;
    t.notOk(refused.begin().map(tell).includes('announce'), 'nor when the data plane does not answer');
  },
});

requirement('F19', {
  positive(t) {
    for (const version of [2, 3] as const) {
      const bench = new WireBench([{ ...ipv4Router, version }]);
      bench.members[0]?.send(100, null);
      t.same(
        bench.packets.map(({ packet }) => (packet[20] ?? 0) >> 4),
        [version],
        'one advert, of its version',
      );
    }
  },
  negative(t) {
    const bench = new WireBench([ipv4Router]).deliver(advertOf({ version: 2 }));
    t.same([bench.heard[0]?.advert, bench.rejected()], [null, { version: 1 }]);
    t.match(bench.logs, [{ event: 'advertRejected', fields: { reason: 'version' } }]);
  },
});

requirement('F22', {
  positive(t) {
    const bench = new Bench(groupOf()).begin().receive(advert(200));
    for (const stepMs of [86_400_000, -86_400_000, 1000]) {
      bench.wallOffsetMs += stepMs;
      bench.pass(100).receive(advert(200));
      t.equal(bench.status.role, 'backup', `a step of ${stepMs} ms`);
    }
    const alone = new Bench(groupOf()).begin().pass(550);
    alone.wallOffsetMs = 86_400_000;
    const { length } = alone.sent;
    alone.pass(100);
    t.same([alone.status.role, alone.sent.length - length], ['active', 1], 'the beat stays');
  },
  negative(t) {
    const bench = new Bench(groupOf()).begin().receive(advert(200)).pass(400);
    t.equal(bench.status.role, 'active', 'time that passes is another thing');
  },
});

function owner(): Driver {
  const driver = new Driver({ priority: 255 });
  driver.begin();
  return driver;
}
