/** Leases that live from beat to beat, on a data plane in the kernel. */
import t, { type Test } from 'tap';
import type { BeatChannel, LeaseKeeper } from '../../src/l4/native.js';
import { becomes, type EventLog, freshPort, openNode } from './beat-fixture.js';
import { loadPlane, native, unsupported } from './fixture.js';

const SLOT = 3;
const OTHER_SLOT = 5;
const INSTANCE = 77n;
const SECOND_NS = 1_000_000_000n;
const MS_NS = 1_000_000n;
const LIFE_US = 300_000;
const LIFE_NS = BigInt(LIFE_US) * 1000n;
const DRAIN_NS = 5n * SECOND_NS;

interface World {
  channel: BeatChannel;
  log: EventLog;
  leases: LeaseKeeper;
  /** How much longer the lease lives; never less than 0. */
  leftNs(slot?: number): bigint;
  hold(untilNs: bigint, slots?: number[]): void;
}

/** A node that beats to a peer that is not there, with a lease of ten minutes for each slot. */
function openWorld(t: Test, peerAddress = '127.0.0.2', { hangs = false } = {}): World {
  const { pinDir } = loadPlane(t);
  const leases = native.openLeases(pinDir);
  t.teardown(() => leases.close());
  for (const slot of [SLOT, OTHER_SLOT]) leases.acquire(slot, 600n * SECOND_NS, DRAIN_NS, INSTANCE);
  const peers = [{ id: 2, addresses: [peerAddress] }];
  const { channel, log } = openNode(t, 1, freshPort(), { pinDir, realtimePriority: 5, peers, hangs });
  return {
    channel,
    log,
    leases,
    leftNs(slot = SLOT) {
      const { deadlineNs, nowNs } = leases.read(slot);
      return deadlineNs > nowNs ? deadlineNs - nowNs : 0n;
    },
    hold: (untilNs, slots = [SLOT]) => channel.hold(slots, LIFE_US, DRAIN_NS, INSTANCE, untilNs),
  };
}

const farOff = (): bigint => native.monotonicNs() + 600n * SECOND_NS;

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('a lease that is held lives from beat to beat, and ends when the beats do', async (t) => {
    const { channel, leases, leftNs, hold } = openWorld(t);
    hold(farOff(), [SLOT, OTHER_SLOT]);
    t.ok(leftNs() > 500n * SECOND_NS, 'without a beat nothing is renewed');
    channel.say(Buffer.from('x'));
    t.ok(await becomes(() => leftNs() <= LIFE_NS), 'a longer lease is shortened');
    t.ok(await becomes(() => leftNs(OTHER_SLOT) <= LIFE_NS));
    const { renewals } = channel.stats();
    for (let look = 0; look < 300; look += 1) {
      const left = leftNs();
      if (left === 0n || left > LIFE_NS) t.fail(`${left} ns left`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    t.ok(channel.stats().renewals > renewals, 'longer than one life');
    const { drainUntilNs, deadlineNs } = leases.read(SLOT);
    t.equal(drainUntilNs - deadlineNs, DRAIN_NS);
    hold(farOff(), [OTHER_SLOT]);
    t.ok(await becomes(() => leftNs() === 0n), 'one that is held no longer lapses');
    t.ok(leftNs(OTHER_SLOT) > 0n, 'the other does not');
    channel.close();
    t.ok(await becomes(() => leftNs(OTHER_SLOT) === 0n), 'without beats it lapses');
  });

  t.test('it lapses when its owner hangs, and the owner is told', async (t) => {
    const { channel, log, leftNs, hold } = openWorld(t, '127.0.0.2', { hangs: true });
    hold(farOff());
    channel.say(Buffer.from('x'));
    t.ok(await becomes(() => leftNs() <= LIFE_NS));
    t.ok(await becomes(() => leftNs() === 0n), 'allowed for long, but nobody is there to give it up');
    t.equal(channel.stats().silenced, 1);
    t.match(await log.until('lapsed'), { slot: SLOT }, 'found with the first beat after it');
    t.equal(leftNs(), 0n);
  });

  t.test('never beyond what its owner allowed', async (t) => {
    const { channel, log, leases, leftNs, hold } = openWorld(t);
    channel.say(Buffer.from('x'));
    const until = native.monotonicNs() + LIFE_NS / 2n;
    hold(until);
    t.ok(await becomes(() => leftNs() <= LIFE_NS / 2n));
    for (let look = 0; look < 50; look += 1) {
      const { deadlineNs } = leases.read(SLOT);
      if (deadlineNs > until + MS_NS) t.fail(`${deadlineNs - until} ns too late`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const lapsed = await log.until('lapsed');
    t.equal(lapsed.slot, SLOT);
    t.ok(lapsed.atNs >= until);
    t.equal(leftNs(), 0n);
    t.equal(channel.stats().lapses, 1, 'told once');
    hold(farOff());
    t.equal((await log.until('lapsed')).slot, SLOT, 'what has lapsed is not renewed by new terms');
    t.equal(leftNs(), 0n);
    leases.acquire(SLOT, SECOND_NS, DRAIN_NS, INSTANCE);
    hold(farOff());
    t.ok(await becomes(() => leftNs() > 0n && leftNs() <= LIFE_NS), 'acquired anew, it is held again');
  });

  t.test('a lease of another instance is left alone', async (t) => {
    const { channel, log, leases, leftNs } = openWorld(t);
    leases.acquire(SLOT, 600n * SECOND_NS, DRAIN_NS, INSTANCE + 1n);
    channel.hold([SLOT, OTHER_SLOT], LIFE_US, DRAIN_NS, INSTANCE, farOff());
    channel.say(Buffer.from('x'));
    t.match(await log.until('lapsed'), { slot: SLOT });
    t.ok(leftNs() > 500n * SECOND_NS);
    t.ok(await becomes(() => leftNs(OTHER_SLOT) <= LIFE_NS));
  });

  t.test('released by its owner, it is not renewed', async (t) => {
    const { channel, log, leases, leftNs, hold } = openWorld(t);
    channel.say(Buffer.from('x'));
    hold(farOff(), [SLOT, OTHER_SLOT]);
    t.ok(await becomes(() => leftNs() <= LIFE_NS && leftNs(OTHER_SLOT) <= LIFE_NS));
    leases.release(SLOT, DRAIN_NS, 0n, INSTANCE);
    t.match(await log.until('lapsed'), { slot: SLOT });
    t.equal(leftNs(), 0n);
    hold(farOff(), []);
    leases.release(OTHER_SLOT, DRAIN_NS, 0n, INSTANCE);
    const { sent } = channel.stats();
    t.ok(await becomes(() => channel.stats().sent > sent + 20));
    t.equal(channel.stats().lapses, 1, 'after hold() nothing is tried under former terms');
  });

  t.test('a beat that cannot leave renews nothing', async (t) => {
    // From a loopback address there is no way to another machine.
    const { channel, log, leftNs, hold } = openWorld(t, '192.0.2.1');
    hold(farOff());
    channel.say(Buffer.from('x'));
    t.ok(await becomes(() => channel.stats().sendErrors > 20));
    t.match(channel.stats(), { sent: 0, renewals: 0, lapses: 0 });
    t.match(channel.stats().pathErrors[0], /the path does not work/);
    t.ok(leftNs() > 500n * SECOND_NS, 'its lease goes on as it was');
    t.notOk(log.all.some(({ type }) => type === 'lapsed'));
  });

  t.test('the end of a lease is told although no beat leaves', async (t) => {
    const { channel, log, leases, hold } = openWorld(t, '192.0.2.1');
    leases.renew(SLOT, LIFE_NS, DRAIN_NS, INSTANCE);
    hold(farOff());
    channel.say(Buffer.from('x'));
    t.match(await log.until('lapsed'), { slot: SLOT });
    t.equal(channel.stats().sent, 0);
  });

  t.test('with nobody to tell there is nobody to mislead', async (t) => {
    const { pinDir } = loadPlane(t);
    const leases = native.openLeases(pinDir);
    t.teardown(() => leases.close());
    leases.acquire(SLOT, 600n * SECOND_NS, DRAIN_NS, INSTANCE);
    const { channel } = openNode(t, 1, freshPort(), { pinDir, peers: [] });
    channel.hold([SLOT], LIFE_US, DRAIN_NS, INSTANCE, farOff());
    channel.say(Buffer.from('x'));
    t.ok(await becomes(() => channel.stats().renewals > 20));
  });

  t.test('without a lease program', async (t) => {
    const none = openNode(t, 1, freshPort());
    t.doesNotThrow(() => none.channel.hold([], 0, 0n, 0n, 0n));
    t.throws(() => none.channel.hold([SLOT], LIFE_US, 0n, 1n, 1n), { code: 'NOT_LOADED' });
    const missing = openNode(t, 2, freshPort(), { pinDir: '/sys/fs/bpf/no-such-directory' });
    t.throws(() => missing.channel.hold([SLOT], LIFE_US, 0n, 1n, 1n), { code: 'NOT_LOADED' });
  });
}
