/**
 * Every duration of the election, as pure arithmetic in milliseconds: RFC 9568 section 6.1 and the life of a lease.
 *
 * The one relation that keeps two nodes from owning an address: a lease ends before the peer that heard the same last advertisement
 * takes over, 3 x lease interval - margin < 3 x advert interval + skew, because the lease interval is the shortest of the cluster.
 */
import type { Monotonic } from '../system/clock.js';

/** Advertisements that may be missed (RFC 9568 section 6.1: Active_Down_Interval = 3 x interval + skew). */
export const MISSED_ADVERTS = 3;
/** Part of an interval that a lease ends earlier than the peer's patience: covers the time between reading a clock and writing it. */
const LEASE_MARGIN_SHARE = 0.05;
const LEASE_MARGIN_MIN_MS = 1;
/** A timer this much late (or half an interval, whichever is more) says something about this machine, not about the peer. */
const LATE_WAKE_MIN_MS = 5;

export const plus = (at: Monotonic, ms: number): Monotonic => (at + ms) as Monotonic;
export const earliest = (a: Monotonic, b: Monotonic): Monotonic => (a < b ? a : b);
export const latest = (a: Monotonic, b: Monotonic): Monotonic => (a > b ? a : b);

export const skewMs = (priority: number, activeIntervalMs: number): number => ((256 - priority) * activeIntervalMs) / 256;

/** `skewIntervalMs`: what the skew is a share of; version 2 takes one second whatever the interval is (RFC 3768 section 6.1). */
export const activeDownMs = (priority: number, activeIntervalMs: number, skewIntervalMs: number = activeIntervalMs): number =>
  MISSED_ADVERTS * activeIntervalMs + skewMs(priority, skewIntervalMs);

export const leaseMarginMs = (leaseIntervalMs: number): number => Math.max(LEASE_MARGIN_MIN_MS, LEASE_MARGIN_SHARE * leaseIntervalMs);

/** How long a lease lives from the last advertisement that was sent without error. */
export const leaseLifeMs = (leaseIntervalMs: number): number => MISSED_ADVERTS * leaseIntervalMs - leaseMarginMs(leaseIntervalMs);

export const lateWakeMs = (intervalMs: number): number => Math.max(LATE_WAKE_MIN_MS, intervalMs / 2);

/** How old an order to take over may be: the one who gave it, and gave up for it, elects itself again after three intervals. */
export const takeOverValidMs = (intervalMs: number): number => (MISSED_ADVERTS - 1) * intervalMs;

/** The next beat of a rhythm that began at `previous`: keeps the mean interval exact although timers fire a little late, and starts
 *  anew after a stall instead of catching up in a burst. */
export function nextBeat(previous: Monotonic, intervalMs: number, now: Monotonic): Monotonic {
  const next = plus(previous, intervalMs);
  return next > plus(now, intervalMs / 2) ? next : plus(now, intervalMs);
}
