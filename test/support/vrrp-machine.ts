/** States and events of the election machine for tests: one router of priority 100 at 10.0.0.5 with an advert interval of 100 ms. */
import type { Monotonic } from '../../src/system/clock.js';
import { addressOf } from '../../src/system/ip-address.js';
import { initialState, step } from '../../src/vrrp/machine.js';
import type { HeardAdvert, RouterEffect, RouterEvent, RouterSettings, RouterState } from '../../src/vrrp/state.js';
import { nextDeadline } from '../../src/vrrp/state.js';

export const OWN = Number(addressOf('10.0.0.5'));
export const GREATER = Number(addressOf('10.0.0.9'));
export const SMALLER = Number(addressOf('10.0.0.1'));

export const heard = (priority: number, address: number = GREATER, intervalMs = 100): HeardAdvert => ({
  from: String(address),
  isGreater: address > OWN,
  priority,
  intervalMs,
});

export const defaults: RouterSettings = {
  priority: 100,
  advertIntervalMs: 100,
  leaseIntervalMs: 100,
  skewIntervalMs: null,
  preempt: true,
  preemptDelayMs: 0,
  announce: { repeat: 3, repeatGapMs: 200, refreshMs: 30_000 },
};

/** Drives the machine and answers its effects as a shell would in which everything succeeds, unless told otherwise. */
export class Driver {
  state: RouterState;
  now = 1000;
  sendFails = false;
  leaseRefused = false;
  leaseLapsed = false;

  constructor(settings: Partial<RouterSettings> = {}) {
    this.state = initialState({ ...defaults, ...settings });
  }

  /** Effects of this event and of the answers to them, in order. */
  feed(event: RouterEvent): RouterEffect[] {
    const { state, effects } = step(this.state, event, this.now as Monotonic);
    this.state = state;
    return effects.flatMap((effect) => [effect, ...this.answer(effect)]);
  }

  private answer(effect: RouterEffect): RouterEffect[] {
    const at = this.now as Monotonic;
    if (effect.type === 'sendAdvert') return this.feed(this.sendFails ? { type: 'sendFailed', code: 'ENOBUFS' } : { type: 'sendDone', at });
    if (effect.type === 'acquireLease')
      return this.feed(this.leaseRefused ? { type: 'leaseRefused', reason: 'detached' } : { type: 'leaseAcquired' });
    if (effect.type === 'renewLease' && this.leaseLapsed) return this.feed({ type: 'leaseLapsed' });
    return [];
  }

  timer(): RouterEffect[] {
    return this.feed({ type: 'timer', inputAt: this.now as Monotonic });
  }

  /** Lets time pass, with timers at their deadlines. */
  pass(ms: number): RouterEffect[] {
    const end = this.now + ms;
    const effects: RouterEffect[] = [];
    for (let next = nextDeadline(this.state); next !== null && next <= end; next = nextDeadline(this.state)) {
      this.now = Math.max(this.now, next);
      effects.push(...this.timer());
    }
    this.now = end;
    return effects;
  }

  hear(priority: number, address: number = GREATER, intervalMs = 100): RouterEffect[] {
    return this.feed({ type: 'advert', advert: heard(priority, address, intervalMs) });
  }

  begin(inSync = true): RouterEffect[] {
    const track = this.feed({ type: 'track', ready: true, inSync, peerInSync: true, canVerify: false });
    return [...track, ...this.feed({ type: 'start', leaseRemainingMs: 0 })];
  }

  /** Milliseconds until the machine wants its next timer. */
  get waitMs(): number | null {
    const at = nextDeadline(this.state);
    return at === null ? null : Math.round((at - this.now) * 1000) / 1000;
  }
}

export const backup = (settings: Partial<RouterSettings> = {}, inSync = true): Driver => {
  const driver = new Driver(settings);
  driver.begin(inSync);
  return driver;
};

/** Active after a silence, some time into its lease. */
export const active = (settings: Partial<RouterSettings> = {}): Driver => {
  const driver = backup(settings);
  driver.pass(500);
  if (driver.state.kind !== 'active') throw new Error(`expected an active router, not ${driver.state.kind}`);
  return driver;
};

/** Advertising against a living router of lower priority, which has not let go yet. */
export const claiming = (settings: Partial<RouterSettings> = {}): Driver => {
  const driver = backup(settings);
  for (let waited = 0; waited < 2000 && driver.state.kind === 'backup'; waited += 50) {
    driver.hear(50, SMALLER);
    driver.pass(50);
  }
  if (driver.state.kind !== 'claiming') throw new Error(`expected a claiming router, not ${driver.state.kind}`);
  return driver;
};

export const types = (effects: readonly RouterEffect[]): string[] => effects.map((effect) => effect.type);

/** One short word per effect; logs without their fields. */
export function tell(effect: RouterEffect): string {
  switch (effect.type) {
    case 'sendAdvert':
      return `send:${effect.priority}${effect.to === null ? '' : ':one'}`;
    case 'transition':
      return `${effect.from}>${effect.to}:${effect.reason}`;
    case 'log':
      return `log:${effect.event}`;
    case 'count':
      return `count:${effect.counter}`;
    case 'releaseLease':
      return effect.admitMs > 0 ? 'release:planned' : 'release';
    default:
      return effect.type.replace('Lease', '');
  }
}
