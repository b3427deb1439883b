/**
 * Every state of the election machine against every event: what state follows and which effects, in order. A pair without a row fails.
 * Answers to effects (sent, acquired) are not fed here: each event stands alone.
 */
import t from 'tap';
import type { Monotonic } from '../../../src/system/clock.js';
import { step } from '../../../src/vrrp/machine.js';
import type { RouterEvent, RouterState } from '../../../src/vrrp/state.js';
import { active, backup, claiming, Driver, defaults, GREATER, heard, SMALLER, tell } from '../../support/vrrp-machine.js';

interface Situation {
  state: RouterState;
  now: Monotonic;
}

const at = (driver: Driver, laterMs = 0): Situation => ({ state: driver.state, now: (driver.now + laterMs) as Monotonic });

function failed(): Driver {
  const driver = backup();
  driver.feed({ type: 'link', isUp: false, reason: 'linkDown' });
  return driver;
}

/** Claiming, the lease asked for but not granted yet. */
function acquiring(): Driver {
  const driver = claiming();
  const { state } = step(driver.state, { type: 'advert', advert: heard(0, SMALLER) }, driver.now as Monotonic);
  const timer = step(state, { type: 'timer', inputAt: driver.now as Monotonic }, driver.now as Monotonic);
  driver.state = step(timer.state, { type: 'sendDone', at: driver.now as Monotonic }, driver.now as Monotonic).state;
  return driver;
}

const situations: Record<string, Situation> = {
  initialize: at(new Driver()),
  linkDown: at(failed()),
  backup: at(backup()),
  backupDue: at(backup(), 361),
  backupLate: at(backup(), 900),
  claiming: at(claiming()),
  acquiring: at(acquiring()),
  active: at(active(), 1),
  activeDue: at(active(), 20),
  lapsed: at(active(), 2000),
};

const now = 5000 as Monotonic;
const advert = (priority: number, address: number): RouterEvent => ({ type: 'advert', advert: heard(priority, address) });
const track = (ready: boolean, inSync: boolean, canVerify: boolean): RouterEvent => ({
  type: 'track',
  ready,
  inSync,
  peerInSync: true,
  canVerify,
});

const events: Record<string, RouterEvent> = {
  start: { type: 'start', leaseRemainingMs: 0 },
  startOwnLease: { type: 'start', leaseRemainingMs: 200 },
  stop: { type: 'stop', reason: 'asked' },
  configure: { type: 'configure', settings: { ...defaults, advertIntervalMs: 50 } },
  advertZero: advert(0, SMALLER),
  advertLower: advert(50, SMALLER),
  advertEqualSmaller: advert(100, SMALLER),
  advertEqualGreater: advert(100, GREATER),
  advertHigher: advert(200, GREATER),
  timer: { type: 'timer', inputAt: now },
  sendDone: { type: 'sendDone', at: now },
  sendFailed: { type: 'sendFailed', code: 'ENETDOWN' },
  leaseAcquired: { type: 'leaseAcquired' },
  leaseRefused: { type: 'leaseRefused', reason: 'detached' },
  leaseLapsed: { type: 'leaseLapsed' },
  verified: { type: 'verified', at: now },
  trackReady: track(true, true, true),
  trackUnsynced: track(true, false, false),
  takeOver: { type: 'takeOver', reason: 'asked' },
  yield: { type: 'yield', reason: 'asked', holdDownMs: 1000 },
  linkDown: { type: 'link', isUp: false, reason: 'linkDown' },
  linkUp: { type: 'link', isUp: true, reason: '' },
  dataPlaneGone: { type: 'dataPlane', isUsable: false, reason: 'detached' },
  faultBegins: { type: 'fault', reason: 'script:check' },
  faultEnds: { type: 'fault', reason: null },
  referenceLost: { type: 'reference', verdict: 'lost' },
  referenceOpen: { type: 'reference', verdict: 'open' },
  dataPlaneBack: { type: 'dataPlane', isUsable: true, reason: '' },
};

/** Events that carry a time carry the present one. */
function timed(event: RouterEvent, present: Monotonic): RouterEvent {
  if (event.type === 'timer') return { ...event, inputAt: present };
  if (event.type === 'sendDone' || event.type === 'verified') return { ...event, at: present };
  return event;
}

function outcome({ state, now: present }: Situation, event: RouterEvent): string {
  const next = step(state, timed(event, present), present);
  return [next.state.kind, ...next.effects.map(tell)].join(' ');
}

const expected: Record<string, Record<string, string>> = {
  initialize: {
    start: 'initialize',
    startOwnLease: 'active initialize>active:resumed send:100 announce',
    stop: 'initialize',
    configure: 'initialize',
    advertZero: 'initialize',
    advertLower: 'initialize',
    advertEqualSmaller: 'initialize',
    advertEqualGreater: 'initialize',
    advertHigher: 'initialize',
    timer: 'initialize',
    sendDone: 'initialize',
    sendFailed: 'initialize',
    leaseAcquired: 'initialize',
    leaseRefused: 'initialize',
    leaseLapsed: 'initialize',
    verified: 'initialize',
    trackReady: 'initialize',
    trackUnsynced: 'initialize',
    takeOver: 'initialize log:takeOverIgnored',
    yield: 'initialize',
    linkDown: 'initialize',
    faultBegins: 'initialize',
    linkUp: 'initialize',
    faultEnds: 'initialize',
    referenceLost: 'initialize',
    referenceOpen: 'initialize',
    dataPlaneGone: 'initialize',
    dataPlaneBack: 'initialize',
  },
  linkDown: {
    start: 'initialize',
    startOwnLease: 'initialize release send:0',
    stop: 'initialize',
    configure: 'initialize',
    advertZero: 'initialize',
    advertLower: 'initialize',
    advertEqualSmaller: 'initialize',
    advertEqualGreater: 'initialize',
    advertHigher: 'initialize',
    timer: 'initialize',
    sendDone: 'initialize',
    sendFailed: 'initialize',
    leaseAcquired: 'initialize',
    leaseRefused: 'initialize',
    leaseLapsed: 'initialize',
    verified: 'initialize',
    trackReady: 'initialize',
    trackUnsynced: 'initialize',
    takeOver: 'initialize log:takeOverIgnored',
    yield: 'initialize',
    linkDown: 'initialize',
    faultBegins: 'initialize',
    linkUp: 'backup initialize>backup:started',
    faultEnds: 'initialize',
    referenceLost: 'initialize',
    referenceOpen: 'initialize',
    dataPlaneGone: 'initialize',
    dataPlaneBack: 'initialize',
  },
  backup: {
    start: 'backup',
    startOwnLease: 'backup',
    stop: 'initialize backup>initialize:asked',
    configure: 'backup',
    advertZero: 'backup',
    advertLower: 'backup',
    advertEqualSmaller: 'backup',
    advertEqualGreater: 'backup',
    advertHigher: 'backup',
    timer: 'backup',
    sendDone: 'backup',
    sendFailed: 'backup',
    leaseAcquired: 'backup',
    leaseRefused: 'backup',
    leaseLapsed: 'backup',
    verified: 'backup',
    trackReady: 'backup',
    trackUnsynced: 'backup',
    takeOver: 'claiming send:100',
    yield: 'backup',
    linkDown: 'initialize backup>initialize:linkDown',
    faultBegins: 'initialize backup>initialize:script:check',
    linkUp: 'backup',
    faultEnds: 'backup',
    referenceLost: 'backup',
    referenceOpen: 'backup',
    dataPlaneGone: 'initialize backup>initialize:detached',
    dataPlaneBack: 'backup',
  },
  backupDue: {
    start: 'backup',
    startOwnLease: 'backup',
    stop: 'initialize backup>initialize:asked',
    configure: 'backup',
    advertZero: 'backup',
    advertLower: 'backup',
    advertEqualSmaller: 'backup',
    advertEqualGreater: 'backup',
    advertHigher: 'backup',
    timer: 'claiming send:100',
    sendDone: 'backup',
    sendFailed: 'backup',
    leaseAcquired: 'backup',
    leaseRefused: 'backup',
    leaseLapsed: 'backup',
    verified: 'backup',
    trackReady: 'backup',
    trackUnsynced: 'backup',
    takeOver: 'claiming send:100',
    yield: 'backup',
    linkDown: 'initialize backup>initialize:linkDown',
    faultBegins: 'initialize backup>initialize:script:check',
    linkUp: 'backup',
    faultEnds: 'backup',
    referenceLost: 'backup',
    referenceOpen: 'backup',
    dataPlaneGone: 'initialize backup>initialize:detached',
    dataPlaneBack: 'backup',
  },
  backupLate: {
    start: 'backup',
    startOwnLease: 'backup',
    stop: 'initialize backup>initialize:asked',
    configure: 'backup',
    advertZero: 'backup',
    advertLower: 'backup',
    advertEqualSmaller: 'backup',
    advertEqualGreater: 'backup',
    advertHigher: 'backup',
    timer: 'backup count:lateWakes log:wokeLate',
    sendDone: 'backup',
    sendFailed: 'backup',
    leaseAcquired: 'backup',
    leaseRefused: 'backup',
    leaseLapsed: 'backup',
    verified: 'backup',
    trackReady: 'backup',
    trackUnsynced: 'backup',
    takeOver: 'claiming send:100',
    yield: 'backup',
    linkDown: 'initialize backup>initialize:linkDown',
    faultBegins: 'initialize backup>initialize:script:check',
    linkUp: 'backup',
    faultEnds: 'backup',
    referenceLost: 'backup',
    referenceOpen: 'backup',
    dataPlaneGone: 'initialize backup>initialize:detached',
    dataPlaneBack: 'backup',
  },
  claiming: {
    start: 'claiming',
    startOwnLease: 'claiming',
    stop: 'initialize send:0 backup>initialize:asked',
    configure: 'claiming',
    advertZero: 'claiming',
    advertLower: 'claiming send:100',
    advertEqualSmaller: 'claiming send:100',
    advertEqualGreater: 'backup send:0:one log:claimLost',
    advertHigher: 'backup send:0:one log:claimLost',
    timer: 'claiming',
    sendDone: 'claiming',
    sendFailed: 'backup log:sendFailed',
    leaseAcquired: 'claiming',
    leaseRefused: 'initialize send:0 log:leaseRefused backup>initialize:leaseRefused',
    leaseLapsed: 'claiming',
    verified: 'claiming',
    trackReady: 'claiming',
    trackUnsynced: 'backup send:0',
    takeOver: 'claiming send:100 log:claimStarted',
    yield: 'backup send:0',
    linkDown: 'initialize send:0 backup>initialize:linkDown',
    faultBegins: 'initialize send:0 backup>initialize:script:check',
    linkUp: 'claiming',
    faultEnds: 'claiming',
    referenceLost: 'backup count:cutOffs send:0',
    referenceOpen: 'claiming',
    dataPlaneGone: 'initialize send:0 backup>initialize:detached',
    dataPlaneBack: 'claiming',
  },
  acquiring: {
    start: 'claiming',
    startOwnLease: 'claiming',
    stop: 'initialize release:planned send:0 backup>initialize:asked',
    configure: 'claiming',
    advertZero: 'claiming',
    advertLower: 'claiming send:100',
    advertEqualSmaller: 'claiming send:100',
    advertEqualGreater: 'backup release send:0:one log:claimLost',
    advertHigher: 'backup release send:0:one log:claimLost',
    timer: 'claiming send:100',
    sendDone: 'claiming',
    sendFailed: 'backup log:sendFailed',
    leaseAcquired: 'active announce backup>active:preempt',
    leaseRefused: 'initialize send:0 log:leaseRefused backup>initialize:leaseRefused',
    leaseLapsed: 'claiming',
    verified: 'claiming',
    trackReady: 'claiming',
    trackUnsynced: 'claiming',
    takeOver: 'claiming send:100',
    yield: 'backup release:planned send:0',
    linkDown: 'initialize release send:0 backup>initialize:linkDown',
    faultBegins: 'initialize release send:0 backup>initialize:script:check',
    linkUp: 'claiming',
    faultEnds: 'claiming',
    referenceLost: 'backup count:cutOffs release send:0',
    referenceOpen: 'claiming',
    dataPlaneGone: 'initialize release send:0 backup>initialize:detached',
    dataPlaneBack: 'claiming',
  },
  active: {
    start: 'active',
    startOwnLease: 'active',
    stop: 'initialize release:planned send:0 active>initialize:asked',
    configure: 'active',
    advertZero: 'active send:100',
    advertLower: 'active send:100 count:conflicts log:conflict',
    advertEqualSmaller: 'active send:100 count:conflicts log:equalPriority',
    advertEqualGreater: 'backup release:planned send:0:one active>backup:betterActive',
    advertHigher: 'backup release:planned send:0:one active>backup:betterActive',
    timer: 'active',
    sendDone: 'active renew',
    sendFailed: 'active log:sendFailed',
    leaseAcquired: 'active',
    leaseRefused: 'active',
    leaseLapsed: 'backup count:leaseLapses send:0 active>backup:leaseLapsed',
    verified: 'active',
    trackReady: 'active verify',
    trackUnsynced: 'active',
    takeOver: 'active',
    yield: 'backup release:planned send:0 active>backup:asked',
    linkDown: 'initialize release send:0 active>initialize:linkDown',
    faultBegins: 'initialize release send:0 active>initialize:script:check',
    linkUp: 'active',
    faultEnds: 'active',
    referenceLost: 'backup count:cutOffs release send:0 active>backup:cutOff',
    referenceOpen: 'active',
    dataPlaneGone: 'initialize release send:0 active>initialize:detached',
    dataPlaneBack: 'active',
  },
  activeDue: {
    start: 'active',
    startOwnLease: 'active',
    stop: 'initialize release:planned send:0 active>initialize:asked',
    configure: 'active',
    advertZero: 'active send:100',
    advertLower: 'active send:100 count:conflicts log:conflict',
    advertEqualSmaller: 'active send:100 count:conflicts log:equalPriority',
    advertEqualGreater: 'backup release:planned send:0:one active>backup:betterActive',
    advertHigher: 'backup release:planned send:0:one active>backup:betterActive',
    timer: 'active send:100',
    sendDone: 'active renew',
    sendFailed: 'active log:sendFailed',
    leaseAcquired: 'active',
    leaseRefused: 'active',
    leaseLapsed: 'backup count:leaseLapses send:0 active>backup:leaseLapsed',
    verified: 'active',
    trackReady: 'active verify',
    trackUnsynced: 'active',
    takeOver: 'active',
    yield: 'backup release:planned send:0 active>backup:asked',
    linkDown: 'initialize release send:0 active>initialize:linkDown',
    faultBegins: 'initialize release send:0 active>initialize:script:check',
    linkUp: 'active',
    faultEnds: 'active',
    referenceLost: 'backup count:cutOffs release send:0 active>backup:cutOff',
    referenceOpen: 'active',
    dataPlaneGone: 'initialize release send:0 active>initialize:detached',
    dataPlaneBack: 'active',
  },
  lapsed: {
    start: 'backup count:leaseLapses active>backup:leaseLapsed',
    startOwnLease: 'backup count:leaseLapses active>backup:leaseLapsed',
    stop: 'initialize count:leaseLapses active>backup:leaseLapsed backup>initialize:asked',
    configure: 'backup count:leaseLapses active>backup:leaseLapsed',
    advertZero: 'backup count:leaseLapses active>backup:leaseLapsed',
    advertLower: 'backup count:leaseLapses active>backup:leaseLapsed',
    advertEqualSmaller: 'backup count:leaseLapses active>backup:leaseLapsed',
    advertEqualGreater: 'backup count:leaseLapses active>backup:leaseLapsed',
    advertHigher: 'backup count:leaseLapses active>backup:leaseLapsed',
    timer: 'backup count:leaseLapses active>backup:leaseLapsed',
    sendDone: 'backup count:leaseLapses send:0 active>backup:leaseLapsed',
    sendFailed: 'backup count:leaseLapses active>backup:leaseLapsed',
    leaseAcquired: 'backup count:leaseLapses active>backup:leaseLapsed',
    leaseRefused: 'backup count:leaseLapses active>backup:leaseLapsed',
    leaseLapsed: 'backup count:leaseLapses active>backup:leaseLapsed',
    verified: 'backup count:leaseLapses active>backup:leaseLapsed',
    trackReady: 'backup count:leaseLapses active>backup:leaseLapsed',
    trackUnsynced: 'backup count:leaseLapses active>backup:leaseLapsed',
    takeOver: 'claiming count:leaseLapses active>backup:leaseLapsed send:100',
    yield: 'backup count:leaseLapses active>backup:leaseLapsed',
    linkDown: 'initialize count:leaseLapses active>backup:leaseLapsed backup>initialize:linkDown',
    faultBegins: 'initialize count:leaseLapses active>backup:leaseLapsed backup>initialize:script:check',
    linkUp: 'backup count:leaseLapses active>backup:leaseLapsed',
    faultEnds: 'backup count:leaseLapses active>backup:leaseLapsed',
    referenceLost: 'backup count:leaseLapses active>backup:leaseLapsed',
    referenceOpen: 'backup count:leaseLapses active>backup:leaseLapsed',
    dataPlaneGone: 'initialize count:leaseLapses active>backup:leaseLapsed backup>initialize:detached',
    dataPlaneBack: 'backup count:leaseLapses active>backup:leaseLapsed',
  },
};

t.test('every pair of state and event has a row, and the row is right', (t) => {
  for (const [name, situation] of Object.entries(situations)) {
    for (const [eventName, event] of Object.entries(events)) {
      t.equal(outcome(situation, event), expected[name]?.[eventName], `${name} x ${eventName}`);
    }
    t.same(Object.keys(expected[name] ?? {}).sort(), Object.keys(events).sort(), `${name} has no other rows`);
  }
  t.end();
});

t.test('a stale timer does nothing in any state', (t) => {
  for (const name of ['initialize', 'linkDown', 'backup', 'claiming', 'active'] as const) {
    const situation = situations[name] as Situation;
    const { state, effects } = step(situation.state, { type: 'timer', inputAt: situation.now }, situation.now);
    t.same([state, effects], [situation.state, []], name);
  }
  t.end();
});
