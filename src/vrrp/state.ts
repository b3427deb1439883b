/**
 * The shapes of the election machine: state, events, effects. Types only, and the few questions that can be asked of a state.
 */
import type { Monotonic } from '../system/clock.js';
import type { Silence } from './beats.js';
import type { RouterRole } from './heartbeat-api.js';
import type { ReferenceVerdict } from './references.js';
import { earliest } from './timing.js';

/** What one election on one node is told by the configuration. */
export interface RouterSettings {
  /** Effective: with the weights of what is tracked. */
  priority: number;
  advertIntervalMs: number;
  leaseIntervalMs: number;
  /** What Skew_Time is a share of; null: the interval of the active router, as in version 3. */
  skewIntervalMs: number | null;
  preempt: boolean;
  preemptDelayMs: number;
  announce: { repeat: number; repeatGapMs: number; refreshMs: number };
}

/** Names a sender of advertisements: opaque here, the shell knows where it is to be reached. */
export type SenderKey = string;

/** What has to hold before the router takes part at all, and what the daemon last said. */
export interface Conditions {
  started: boolean;
  /** The daemon said once that the flow table may serve. */
  wasReady: boolean;
  inSync: boolean;
  peerInSync: boolean;
  canVerify: boolean;
  isLinkUp: boolean;
  isDataPlaneUsable: boolean;
  /** What is tracked and does not hold; null: all is well. */
  fault: string | null;
  /** When nobody else is heard: whether the references say that this node may lead. */
  reference: ReferenceVerdict;
}

/** A router that advertised: its lease, if it has one, ends before `until` unless we missed its later advertisements. */
export interface Other {
  from: SenderKey;
  priority: number;
  heardAt: Monotonic;
  until: Monotonic;
}

/** What another node of the cluster last said of itself, over any path, about this election. */
export interface PeerView {
  node: SenderKey;
  role: RouterRole | 'claiming';
  /** The latest term it knows; while it is active: its own. */
  term: number;
  priority: number;
  /** Its address compared with ours, for ties. */
  isGreater: boolean;
  /** It could become active at once. */
  isEligible: boolean;
  inSync: boolean;
  /** It hears somebody who is active. */
  followsActive: boolean;
  /** False: it waits in vain for our advertisements. */
  hearsUs: boolean;
  /** It gave up by plan, and has told somebody to take over. */
  isPlanned: boolean;
  reason: string;
  /** Beats arrive. */
  isReachable: boolean;
  /** When this was first said. */
  heardAt: Monotonic;
  /** Counts its advertisements, those that were lost on the way, too. */
  adverts: number;
  /** A lease of it may live until then by the last advertisement that it told of; null: it was never active. */
  leaseUntil: Monotonic | null;
}

/** What a beat says; the rest follows from those before. */
export type PeerWord = Omit<PeerView, 'leaseUntil'>;

export interface Common {
  settings: RouterSettings;
  conditions: Conditions;
  others: readonly Other[];
  peers: readonly PeerView[];
  /**
   * Counts the leases of this election over all nodes: who acquires one takes the next number. Of two that believe to be active the lower
   * number is the older belief: a machine that was paused, or restored from a snapshot, whose clocks stood still meanwhile.
   */
  term: number;
  /** False: a lease was resumed whose number this process has not seen, and what it was told of it may be of a later one. */
  isTermKnown: boolean;
  /** The last role was given up by plan. */
  isPlanned: boolean;
  /** When the active role was lost without a plan, lately: for damping. */
  losses: readonly Monotonic[];
  /** Since when a router of lower priority has been heard while we might pre-empt it. */
  preemptSince: Monotonic | null;
  /** Told to give way: no pre-emption before this. */
  holdDownUntil: Monotonic | null;
  /** Left because a peer did not hear us: until then its complaint alone is no reason to leave again. */
  unheardUntil: Monotonic | null;
}

export interface Initialize extends Common {
  kind: 'initialize';
}

export interface Backup extends Common {
  kind: 'backup';
  /** What the end of the wait will mean. */
  waitsFor: 'activeSilent' | 'priorityZero' | 'alone';
  /** Active_Adver_Interval. */
  activeIntervalMs: number;
  /** Active_Down_Timer. */
  downAt: Monotonic;
  /** A late wake has already been forgiven in this silence. */
  graced: boolean;
  /** The node that says it is active although its advertisements do not arrive here; told to it. */
  unheard: SenderKey | null;
  /** Would have claimed for this reason, but waits for a reference to answer. */
  deferred: string | null;
  /** A node whose beats stopped although it promised them was asked on the wire, and may answer until `downAt`; `timerAt`: what that was. */
  asked: { node: SenderKey; timerAt: Monotonic } | null;
  /** Was told to take over while somebody was heard to lead: does so when that one says goodbye before `until`. */
  ordered: { reason: string; until: Monotonic } | null;
}

/** Advertising, but without the lease yet: waits for the send to succeed, and for the one we pre-empt to let go. */
export interface Claiming extends Common {
  kind: 'claiming';
  from: 'initialize' | 'backup';
  reason: string;
  isHandOver: boolean;
  nextAdvertAt: Monotonic;
  /** Until then another lease may be alive. */
  claimUntil: Monotonic;
  /** When the input was last looked at before the advertisement under way: too long ago means that the process was stopped since. */
  askedAt: Monotonic;
  /** End of the lease that was asked for; null: not asked yet. */
  acquiringUntil: Monotonic | null;
}

export interface Verification {
  /** A proof from before does not count. */
  since: Monotonic;
  status: 'yes' | 'pending' | 'no' | 'notApplicable';
  attempt: number;
  nextAt: Monotonic | null;
  afterMs: number | null;
}

export interface Active extends Common {
  kind: 'active';
  since: Monotonic;
  nextAdvertAt: Monotonic;
  /** End of the lease, counted from the last successful send. */
  leaseUntil: Monotonic;
  announceAt: Monotonic;
  announceLeft: number;
  verification: Verification;
  /** As the owner of the addresses, without waiting to hear in which term others are. */
  tookAsOwner: boolean;
  /** A planned hand-over: the last advertisements of the one who handed over may still be under way. */
  handOverUntil: Monotonic | null;
  /** A peer does not hear us: until then an echo has to prove that we are heard at all. */
  challengedUntil: Monotonic | null;
  /** Insists by beats or adverts on being active since before us: until then it may hear of our later term, and is not obeyed. */
  doubted: { node: SenderKey; until: Monotonic } | null;
}

export type RouterState = Initialize | Backup | Claiming | Active;

export interface HeardAdvert {
  from: SenderKey;
  /** Its address compared with ours on that wire (RFC 9568 section 6.4.3: unsigned, network byte order). */
  isGreater: boolean;
  priority: number;
  intervalMs: number;
}

export type RouterEvent =
  /** `leaseRemainingMs`: what is left of a fresh lease of this very instance, 0 if there is none. */
  | { type: 'start'; leaseRemainingMs: number }
  | { type: 'stop'; reason: string }
  | { type: 'configure'; settings: RouterSettings }
  | { type: 'advert'; advert: HeardAdvert }
  /** `inputAt`: when the input was last looked at, before this timer was allowed to fire. */
  | { type: 'timer'; inputAt: Monotonic }
  /** A beat with something new in it. */
  | { type: 'peer'; peer: PeerWord }
  /** A lease had this number in the past. */
  | { type: 'term'; term: number }
  /** No beat of this node on any path for its time. */
  | ({ type: 'peerSilent'; node: SenderKey } & Silence)
  /** `at`: read before the send, so that the lease never counts from later than the packet. */
  | { type: 'sendDone'; at: Monotonic }
  | { type: 'sendFailed'; code: string }
  | { type: 'leaseAcquired' }
  | { type: 'leaseRefused'; reason: string }
  | { type: 'leaseLapsed' }
  | { type: 'verified'; at: Monotonic }
  | { type: 'track'; ready: boolean; inSync: boolean; peerInSync: boolean; canVerify: boolean }
  /** `term`: of the lease that was given up for us; absent: not told. */
  /** `ageMs`: since it was given (0: just now). */
  | { type: 'takeOver'; reason: string; term?: number | null; ageMs?: number }
  | { type: 'yield'; reason: string; holdDownMs: number }
  | { type: 'link'; isUp: boolean; reason: string }
  | { type: 'fault'; reason: string | null }
  | { type: 'reference'; verdict: ReferenceVerdict }
  | { type: 'dataPlane'; isUsable: boolean; reason: string };

/** In order. The shell answers sendAdvert with sendDone or sendFailed, acquireLease with leaseAcquired or leaseRefused, renewLease with
 *  leaseLapsed if it was refused, verify with verified if the echo had come back. */
export type RouterEffect =
  /** `to`: one router only; null: the group or all peers. */
  | { type: 'sendAdvert'; priority: number; to: SenderKey | null }
  | { type: 'acquireLease'; until: Monotonic }
  | { type: 'renewLease'; until: Monotonic }
  /** `admitMs`: how long the data plane goes on admitting new flows, until a successor answers; 0: not at all. */
  | { type: 'releaseLease'; admitMs: number }
  | { type: 'announce' }
  /** Has an echo come back since `since`? If not, announce again (from the second attempt on) and send another. */
  | { type: 'verify'; attempt: number; since: Monotonic }
  | { type: 'transition'; from: RouterRole; to: RouterRole; reason: string; heardAt: Monotonic | null }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; event: LogEvent; fields: Record<string, string | number | boolean> }
  | { type: 'count'; counter: 'lateWakes' | 'leaseLapses' | 'conflicts' | 'oneWay' | 'staleTerms' | 'damped' | 'cutOffs' };

export type LogEvent =
  | 'wokeLate'
  | 'claimStarted'
  | 'claimLost'
  | 'conflict'
  | 'ownerConflict'
  | 'equalPriority'
  | 'intervalDiffers'
  | 'sendFailed'
  | 'leaseRefused'
  | 'takeOverExpired'
  | 'takeOverIgnored'
  | 'takeOverLate'
  | 'takeOverWaits'
  | 'verifyFailed'
  | 'verified'
  | 'unheardActive'
  | 'challenged'
  | 'staleTerm'
  | 'flapDamped'
  | 'cutOff';

export interface Step {
  state: RouterState;
  effects: RouterEffect[];
}

/** What people and the daemon see: a router that only claims is still what it was. */
export const roleOf = (state: RouterState): RouterRole => (state.kind === 'claiming' ? state.from : state.kind);

/** When the machine wants a `timer` event next; null: never by itself. */
export function nextDeadline(state: RouterState): Monotonic | null {
  switch (state.kind) {
    case 'initialize':
      return null;
    case 'backup':
      return state.downAt;
    case 'claiming':
      return earliest(state.nextAdvertAt, state.claimUntil);
    case 'active': {
      const soon = earliest(earliest(state.nextAdvertAt, state.leaseUntil), state.announceAt);
      const next = state.challengedUntil === null ? soon : earliest(soon, state.challengedUntil);
      return state.verification.nextAt === null ? next : earliest(next, state.verification.nextAt);
    }
  }
}

/** The last time any router was heard. */
export function lastHeardAt(state: RouterState): Monotonic | null {
  let last: Monotonic | null = null;
  for (const other of state.others) if (last === null || other.heardAt > last) last = other.heardAt;
  return last;
}
