import t from 'tap';
import type { Clock, Monotonic } from '../../../src/system/clock.js';
import { LeaseGuard } from '../../../src/vrrp/lease-guard.js';
import type { LeasePort, LeaseView } from '../../../src/vrrp/ports.js';

const INSTANCE = 42n;
const NS = 1e6;

/** A kernel with one lease, on a clock that stops for `stopMs` inside the next call. */
class Kernel implements LeasePort {
  now = 1000;
  stopMs = 0;
  deadline = 0;
  instance = 0n;
  verified = 0;
  detached = '';
  calls: string[] = [];
  released: { drainMs: number; admitMs: number } | null = null;
  readonly clock: Clock = { now: () => this.now as Monotonic, wallMs: () => this.now, at: () => () => undefined };

  private view(result: LeaseView['result']): LeaseView {
    const ns = (ms: number): bigint => BigInt(Math.round(ms * NS));
    const nowNs = ns(this.now);
    return {
      result,
      nowNs,
      deadlineNs: ns(this.deadline),
      drainUntilNs: 0n,
      startedNs: ns(900),
      instance: this.instance,
      verifiedNs: ns(this.verified),
    };
  }

  private enter(name: string): void {
    this.calls.push(name);
    this.now += this.stopMs;
    this.stopMs = 0;
  }

  acquire(_slot: number, durationNs: bigint, _drainNs: bigint, instance: bigint): LeaseView {
    this.enter('acquire');
    this.deadline = this.now + Number(durationNs) / NS;
    this.instance = instance;
    return this.view('ok');
  }

  renew(_slot: number, durationNs: bigint): LeaseView {
    this.enter('renew');
    if (this.now >= this.deadline) return this.view('lapsed');
    this.deadline = this.now + Number(durationNs) / NS;
    return this.view('ok');
  }

  release(_slot: number, drainNs: bigint, admitNs: bigint): LeaseView {
    this.enter('release');
    this.released = { drainMs: Number(drainNs) / NS, admitMs: Number(admitNs) / NS };
    this.deadline = this.now;
    return this.view('ok');
  }

  read(): LeaseView {
    return this.view('ok');
  }

  isAttached(name: string): boolean {
    this.calls.push('isAttached');
    return name !== this.detached;
  }
}

const guardOf = (kernel: Kernel): LeaseGuard => new LeaseGuard(kernel, kernel.clock, INSTANCE, 500);
const at = (ms: number): Monotonic => ms as Monotonic;

t.test('the end of a lease is the one that was asked for', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  t.equal(guard.acquire(0, at(1295), ['eth0']), null);
  t.equal(kernel.deadline, 1295);
  kernel.now = 1100;
  t.equal(guard.renew(0, at(1395), ['eth0']).kind, 'ok');
  t.equal(kernel.deadline, 1395);
  t.end();
});

t.test('what a process that was stopped inside the call granted itself is taken back', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  kernel.stopMs = 100;
  t.equal(guard.acquire(0, at(1295), []), null);
  t.equal(kernel.deadline, 1295, 'shortened to the time meant');
  kernel.stopMs = 150;
  t.equal(guard.renew(0, at(1290), []).kind, 'ok');
  t.equal(kernel.deadline, 1290);
  kernel.stopMs = 1000;
  kernel.deadline = 5000;
  t.equal(guard.renew(0, at(1400), []).kind, 'lapsed');
  t.equal(kernel.deadline, kernel.now, 'released when its time was over');
  t.end();
});

t.test('a lapsed lease is not renewed', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  guard.acquire(0, at(1295), []);
  kernel.now = 1296;
  t.equal(guard.renew(0, at(1500), []).kind, 'lapsed');
  t.equal(guard.renew(0, at(1200), []).kind, 'lapsed', 'nor one whose end is past');
  t.end();
});

t.test('flows that are admitted after a planned release are served as long, whatever the drain window', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  guard.release(0, 20);
  t.same(kernel.released, { drainMs: 500, admitMs: 20 });
  guard.release(0, 1016);
  t.same(kernel.released, { drainMs: 1016, admitMs: 1016 });
  t.end();
});

t.test('no program, no lease; looked at not more often than every 50 ms', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  guard.acquire(0, at(1295), ['eth0']);
  kernel.calls = [];
  for (const now of [1010, 1020, 1030, 1040]) {
    kernel.now = now;
    guard.renew(0, at(now + 295), ['eth0']);
  }
  t.same(kernel.calls, ['renew', 'renew', 'renew', 'renew']);
  kernel.now = 1050;
  kernel.detached = 'eth0';
  t.same(guard.renew(0, at(1345), ['eth0']), { kind: 'unusable', reason: 'detached:eth0' });
  t.match(guard.acquire(0, at(1345), ['eth0']), /not attached/);
  t.end();
});

t.test('only a fresh lease of this instance is resumed', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  t.equal(guard.ownRemainingMs(0), 0);
  guard.acquire(0, at(1295), []);
  t.equal(guard.ownRemainingMs(0), 295);
  t.equal(new LeaseGuard(kernel, kernel.clock, 7n, 500).ownRemainingMs(0), 0, 'not that of another');
  kernel.now = 1295;
  t.equal(guard.ownRemainingMs(0), 0);
  t.end();
});

t.test('an echo counts only if it came back under this lease', (t) => {
  const kernel = new Kernel();
  const guard = guardOf(kernel);
  kernel.verified = 899;
  t.equal(guard.verifiedAt(0), null);
  kernel.verified = 990;
  t.equal(guard.verifiedAt(0), 990);
  t.end();
});
